package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/google/renameio/v2"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/dataset/guess"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

type dataInitCmd struct {
	File  string `arg:"" help:"A CSV, Parquet or Arrow file; - is standard input." type:"existingfile"`
	Out   string `short:"o" help:"The descriptor to write; - is standard output, and the default for standard input. Default: FILE with the extension .yaml, where serve, ask and build find it." placeholder:"FILE"`
	Force bool   `help:"Replace an existing descriptor."`
	JSON  bool   `name:"json" help:"Print the report as JSON."`

	Name      string   `help:"Name of the dataset. Default: the file's name." placeholder:"NAME"`
	Measure   string   `help:"Column whose values are averaged." placeholder:"COLUMN"`
	Group     string   `help:"Column whose values are compared, such as the states in the CDC survey." placeholder:"COLUMN"`
	Indicator string   `help:"Column that says what a row's figure measures, or none." placeholder:"COLUMN"`
	Category  string   `help:"Column that says how a group is divided, such as by age or by sex, or none." placeholder:"COLUMN"`
	Stratum   string   `help:"Column with the parts of that division, or none." placeholder:"COLUMN"`
	Header    *bool    `help:"Whether the first line of a CSV is its header (--header) or a row (--no-header, which names the columns column1, column2 and so on). Default: it is the header, and a first line that looks like a row is refused." negatable:""`
	Encoding  string   `help:"Encoding of a CSV that is not UTF-8, such as windows-1252, latin1, utf-16le or shift_jis. It is written into the descriptor." placeholder:"NAME"`
	Missing   []string `help:"Text that means \"no value\" in a numeric column, such as refused, or =-999. Repeat for more. NA, ., .., :, *, -, null, #N/A, NaN and the like are recognised without it." placeholder:"TEXT" sep:"none"`
	Decimal   string   `help:"The mark before the fraction of the numbers in a CSV: . or , (a comma). Default: what the file proves; a column that can be read in two ways, such as one of 1,234, is not guessed." placeholder:"MARK"`
	Best      string   `help:"Whether best5 lists the highest or the lowest means." enum:"highest,lowest" default:"highest"`
}

// Help is what `lestats data init --help` adds.
func (dataInitCmd) Help() string {
	return `It reads the whole file and writes a descriptor: a commented YAML file that says what each column is. Open it and correct any wrong guess.

The nine built-in questions work on any dataset whose columns have these roles:

  group      what is compared: states, countries, schools, clubs
  measure    the numeric column that is averaged
  indicator  what a row measures, where the rows of a file hold several measures; it is the parameter "question"
  category   how a group is divided (by age, by sex)
  stratum    the parts of that division (18 - 24, 25 - 34, Female, Male)

Only group and measure are required. A column is named by its header.

Where their names leave no doubt, columns also become the limits of the measure's confidence interval (low, high), how many were asked (asked) and the year (time). The descriptor can name others.

It prints what it chose and why, what else it could have chosen, how it read numbers such as $1,234 or 12,5 %, what it read as a missing value, and what it left out. The descriptor tells the same to serve, ask and build.

Examples:

  lestats data init sales.csv
  lestats data init sales.csv --measure revenue --group shop
  lestats data init survey.csv --missing=-999 --missing refused
  lestats data init ventes.csv --decimal ,
  lestats data init plain.csv --no-header --measure column3
  lestats data init scores.parquet --stratum none --best lowest
  zcat sales.csv.gz | lestats data init - > sales.yaml
  lestats ask states_mean --data sales.csv`
}

// Run reads the file, guesses its descriptor and writes it.
func (c *dataInitCmd) Run(ctx context.Context, s *streams) error {
	if c.JSON && (c.Out == "-" || c.Out == "" && c.File == "-") {
		return errors.New("--json and the descriptor both go to standard output; name a file with -o FILE")
	}
	if err := c.outFree(); err != nil {
		return err
	}
	draft, err := c.guess(ctx, s)
	if err != nil {
		return err
	}
	report := s.out
	if c.Out == "-" {
		report = s.err
		_, err = exact(s.out).Write(draft.YAML)
	} else {
		err = c.write(draft.YAML)
	}
	if err != nil {
		return err
	}
	for i, why := range draft.LeftOut {
		if i == maxNotes {
			fmt.Fprintf(s.err, "and more: see the comments in %s\n", c.Out)
			break
		}
		fmt.Fprintln(s.err, why)
	}
	if c.JSON {
		return writeJSON(report, drafted{c.Out, draft.Rows, len(draft.Columns), roles(draft), list(draft.Notes), list(draft.LeftOut)})
	}
	return c.report(report, draft)
}

// drafted is what `data init --json` prints.
type drafted struct {
	Descriptor string            `json:"descriptor"` // the file
	Rows       int               `json:"rows"`
	Columns    int               `json:"columns"`
	Roles      map[string]string `json:"roles"` // columns by role
	Notes      []string          `json:"notes"`
	LeftOut    []string          `json:"left_out"`
}

func roles(draft *guess.Draft) map[string]string {
	out := map[string]string{}
	for _, choice := range draft.Choices {
		out[choice.Role] = choice.Column
	}
	return out
}

// list returns texts as a JSON array, which is never null.
func list(texts []string) []string { return append([]string{}, texts...) }

// outFree completes Out, and refuses a file that must not be replaced.
func (c *dataInitCmd) outFree() error {
	switch {
	case c.Out == "" && c.File == "-":
		c.Out = "-"
	case c.Out == "":
		c.Out = strings.TrimSuffix(c.File, filepath.Ext(c.File)) + ".yaml"
	}
	if c.Out == "-" {
		return nil
	}
	if _, err := os.Lstat(c.Out); !c.Force && !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return err
		}
		return fmt.Errorf("%s already exists; replace it with --force, or write another file with -o FILE", c.Out)
	}
	if c.File == "-" {
		return nil
	}
	same, err := sameFile(c.File, c.Out)
	if err == nil && same {
		err = fmt.Errorf("-o %s is the data file itself; name another file", c.Out)
	}
	return err
}

// guess reads the file.
func (c *dataInitCmd) guess(ctx context.Context, s *streams) (*guess.Draft, error) {
	reading := readingFile(s, c.File)
	defer reading.end()
	hints := guess.Hints{
		Name: c.Name, Measure: c.Measure, Group: c.Group, Indicator: c.Indicator, Category: c.Category, Stratum: c.Stratum, Best: c.Best,
		Header: c.Header, Encoding: c.Encoding, Missing: c.Missing, Decimal: c.Decimal,
	}
	if c.File != "-" {
		return guess.Guess(ctx, c.File, hints, reading.set)
	}
	hints.Name = cmp.Or(hints.Name, "stdin")
	return wire.WithStdin(ctx, func(path string) (*guess.Draft, error) {
		return guess.Guess(ctx, path, hints, reading.set)
	})
}

// maxNotes is how many notes are printed; the descriptor has them all, as comments.
const maxNotes = 12

// report prints what was guessed and why, and the next commands.
func (c *dataInitCmd) report(w io.Writer, draft *guess.Draft) error {
	var b strings.Builder
	name := c.Out
	if name == "-" {
		name = "standard output"
	}
	fmt.Fprintf(&b, "%s: %s rows, %d columns. Open it and correct any wrong guess:\n\n", name, humanize.Comma(int64(draft.Rows)), len(draft.Columns))
	asked := ""
	none := []string{"indicator", "category", "stratum"}
	for _, choice := range draft.Choices {
		none = slices.DeleteFunc(none, func(role string) bool { return role == choice.Role })
		why := choice.Why
		if why == "" {
			why = "as you say"
		}
		if len(choice.Others) > 0 {
			why += fmt.Sprintf("; or --%s %s", choice.Role, question.ShellWord(choice.Others[0]))
			if len(choice.Others) > 1 {
				why += ", " + strings.Join(choice.Others[1:], ", ")
			}
		}
		fmt.Fprintf(&b, "  %-10s %s (%s)\n", choice.Role, choice.Column, why)
		if choice.Example != "" {
			asked = " " + question.ShellWord("question="+choice.Example)
		}
	}
	if len(none) > 0 {
		fmt.Fprintf(&b, "  %-10s %s; --%s COLUMN sets it\n", "none", strings.Join(none, ", "), none[0])
	}
	for i, n := range draft.Notes {
		if i == 0 {
			b.WriteByte('\n')
		}
		if i == maxNotes {
			fmt.Fprintf(&b, "  and %d more: see the comments in %s\n", len(draft.Notes)-maxNotes, name)
			break
		}
		fmt.Fprintf(&b, "  %s\n", n)
	}
	if c.Out == "-" { // whose name only the shell knows
		_, err := io.WriteString(w, b.String())
		return err
	}
	data := question.ShellWord(c.File)
	if c.File == "-" {
		data = "FILE"
	}
	if filepath.Dir(c.Out) != filepath.Dir(c.File) || filepath.Base(c.Out) != strings.TrimSuffix(filepath.Base(c.File), filepath.Ext(c.File))+".yaml" {
		data += " --descriptor " + question.ShellWord(c.Out)
	}
	fmt.Fprintf(&b, "\nThen:\n\n  %[1]s ask states_mean%[2]s --data %[3]s\n  %[1]s serve --data %[3]s\n", program(), asked, data)
	_, err := io.WriteString(w, b.String())
	return err
}

// write writes the descriptor, atomically.
func (c *dataInitCmd) write(text []byte) error {
	if c.Force {
		return renameio.WriteFile(c.Out, text, 0o644)
	}
	f, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // readable by everybody, as the data is; O_EXCL: it may exist by now
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(c.Out))
	}
	return nil
}

func sameFile(a, b string) (bool, error) {
	x, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	y, err := os.Stat(b)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(x, y), err
}

// sortedBy returns the number of rows, and the column by which they are sorted.
func sortedBy(info question.DatasetInfo, column string) string {
	if column == "" {
		return humanize.Comma(int64(info.Rows))
	}
	return humanize.Comma(int64(info.Rows)) + ", sorted by " + column
}
