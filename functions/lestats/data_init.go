package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/google/renameio/v2"

	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

type dataInitCmd struct {
	File  string `arg:"" help:"A CSV, Parquet or Arrow file." type:"existingfile"`
	Out   string `short:"o" help:"The descriptor to write. Without it: FILE with .yaml for its ending, where serve, ask and build find it by themselves." placeholder:"FILE"`
	Force bool   `help:"Replace the descriptor that is there."`

	Name      string   `help:"Name of the dataset. Without it: the file's." placeholder:"NAME"`
	Measure   string   `help:"Column that is averaged." placeholder:"COLUMN"`
	Group     string   `help:"Column whose values are compared, as the states are in the seed." placeholder:"COLUMN"`
	Indicator string   `help:"Column that says what a row's figure measures; none for none." placeholder:"COLUMN"`
	Category  string   `help:"Column that says in which way a group is cut into pieces; none for none." placeholder:"COLUMN"`
	Stratum   string   `help:"Column with the pieces; none for none." placeholder:"COLUMN"`
	Header    *bool    `help:"The first line of a CSV is its header (--header), or a row (--no-header): its columns are then column1, column2 and so on. Without either it is the header, and a first line that looks like a row is refused." negatable:""`
	Missing   []string `help:"Text that stands for no value in columns of numbers, such as refused, or =-999; again for more. NA, ., .., :, *, -, null, #N/A, NaN and their like are found." placeholder:"TEXT" sep:"none"`
	Best      string   `help:"Which end of the means best5 has: highest or lowest." enum:"highest,lowest" default:"highest"`
}

// Help is what `lestats data init --help` adds.
func (dataInitCmd) Help() string {
	return `It reads the whole file, asks nothing, and writes a descriptor: YAML with comments that says what each column is. Open it and correct what was guessed.

The nine questions work on any dataset that says which of its columns plays which role:

  group      what is compared, as the states are: countries, schools, clubs
  measure    what is averaged; one column of numbers
  indicator  what a figure measures, where a file holds several measures below each other; parameter "question"
  category   a way to cut a group into pieces (by age, by sex)
  stratum    the pieces (18 - 24, 25 - 34, Female, Male)

Only group and measure are needed. A column is named by its header.

It says on the screen what it read as a missing value, what it left out, and why; the keys header, missing and synthetic of the descriptor say the same to serve, ask and build.

Examples:

  lestats data init sales.csv
  lestats data init sales.csv --measure revenue --group shop
  lestats data init survey.csv --missing=-999 --missing refused
  lestats data init plain.csv --no-header --measure column3
  lestats data init scores.parquet --stratum none --best lowest
  lestats ask states_mean --data sales.csv`
}

// Run reads, guesses, and writes.
func (c *dataInitCmd) Run(ctx context.Context, s *streams) error {
	if c.Out == "" {
		c.Out = strings.TrimSuffix(c.File, filepath.Ext(c.File)) + ".yaml"
	}
	if _, err := os.Lstat(c.Out); !c.Force && !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return err
		}
		return fmt.Errorf("%s is there already; --force replaces it, -o FILE writes another one", c.Out)
	}
	if same, err := sameFile(c.File, c.Out); err != nil {
		return err
	} else if same {
		return fmt.Errorf("-o %s is the data itself", c.Out)
	}
	size := int64(-1)
	if info, err := os.Stat(c.File); err == nil && info.Mode().IsRegular() {
		size = info.Size()
	}
	bar := newBar(exact(s.err), size, "reading "+c.File)
	draft, err := dataset.Guess(ctx, c.File, dataset.Hints{
		Name: c.Name, Measure: c.Measure, Group: c.Group, Indicator: c.Indicator, Category: c.Category, Stratum: c.Stratum, Best: c.Best,
		Header: c.Header, Missing: c.Missing,
	}, func(n int64) { _ = bar.Set64(n) })
	_ = bar.Finish()
	if err != nil {
		return err
	}
	if err := c.write(draft.YAML); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s: %s rows, %d columns. Open it and correct what was guessed:\n\n", c.Out, humanize.Comma(int64(draft.Rows)), len(draft.Columns))
	roles := draft.Roles
	for _, r := range [][2]string{
		{"group", roles.Group}, {"measure", roles.Measure}, {"indicator", roles.Indicator}, {"category", roles.Category}, {"stratum", roles.Stratum},
	} {
		if r[1] == "" {
			r[1] = "none; --" + r[0] + " COLUMN names one"
		}
		fmt.Fprintf(s.out, "  %-10s %s\n", r[0], r[1])
	}
	for i, n := range draft.Notes {
		if i == 0 {
			fmt.Fprintln(s.out)
		}
		fmt.Fprintf(s.out, "  %s\n", n)
	}
	flag := ""
	if filepath.Dir(c.Out) != filepath.Dir(c.File) || filepath.Base(c.Out) != strings.TrimSuffix(filepath.Base(c.File), filepath.Ext(c.File))+".yaml" {
		flag = " --descriptor " + c.Out
	}
	ask := "states_mean"
	if roles.Indicator != "" {
		ask += " question=..."
	}
	_, err = fmt.Fprintf(s.out, "\nThen:\n\n  lestats ask %s --data %s%s\n  lestats serve --data %s%s\n", ask, c.File, flag, c.File, flag)
	return err
}

// write writes the descriptor, whole or not at all.
func (c *dataInitCmd) write(text []byte) error {
	if c.Force {
		return renameio.WriteFile(c.Out, text, 0o644)
	}
	f, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // for everybody to read, as the data; it may have come since
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

// sortedBy says by what a dataset is sorted.
func sortedBy(info question.DatasetInfo, column string) string {
	if column == "" {
		return humanize.Comma(int64(info.Rows))
	}
	return humanize.Comma(int64(info.Rows)) + ", sorted by " + column
}
