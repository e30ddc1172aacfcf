package author

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/boundedyaml"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Outcomes of a case.
const (
	TestOK      = "ok"
	TestDiffers = "differs"
	TestNew     = "new"     // it expects nothing yet
	TestUpdated = "updated" // it expects from now on what is there now
)

// Tested is the result of a test. Its JSON keys are stable.
type Tested struct {
	Plugin  string       `json:"plugin"` // the file
	Table   string       `json:"table"`  // the file
	OK      bool         `json:"ok"`     // every case that ran is ok or updated, and the dataset is the table's
	Dataset Pinned       `json:"dataset"`
	Cases   []TestedCase `json:"cases"`
	Skipped int          `json:"skipped"` // cases that the pattern left out
}

// Pinned are the digests of the dataset that a table's answers are of, and of the one here. If
// they differ, nothing was asked.
type Pinned struct {
	Line     int    `json:"line,omitempty"` // of the table
	Expected string `json:"expected"`       // "" if the table does not say
	Got      string `json:"got"`
}

// changed reports whether the dataset is another than the table's.
func (p *Pinned) changed() bool { return p.Expected != "" && p.Expected != p.Got }

// TestedCase is the result of one case.
type TestedCase struct {
	Name        string       `json:"name"`
	Line        int          `json:"line"` // of the table
	Outcome     string       `json:"outcome"`
	Rows        int          `json:"rows"`
	Fuel        int64        `json:"fuel"`
	Differences []Difference `json:"differences,omitempty"` // the first maxDifferences
	More        int          `json:"more,omitempty"`        // how many other differences there are
	Note        string       `json:"note,omitempty"`        // why it was not updated
}

// maxDifferences bounds the differences that are reported of one case.
const maxDifferences = 10

// TestFiles returns the plugin and the table for what a command line names: a folder with a
// plugin's source, or a .wasm file. The table lies beside the plugin.
func TestFiles(named string) (plugin, table string, err error) {
	info, err := os.Stat(named)
	switch {
	case err != nil && filepath.Ext(named) == ".wasm":
		return "", "", fmt.Errorf("%w; lestats plugin build writes it", err)
	case err != nil:
		return "", "", err
	case !info.IsDir():
		return named, filepath.Join(filepath.Dir(named), TableName), nil
	}
	whole, err := filepath.Abs(named)
	if err != nil {
		return "", "", err
	}
	plugin = filepath.Join(named, filepath.Base(whole)+".wasm")
	if _, err := os.Stat(plugin); errors.Is(err, os.ErrNotExist) {
		return "", "", fmt.Errorf("there is no %s; build it first: lestats plugin build %s", plugin, question.ShellWord(named))
	}
	return plugin, filepath.Join(named, TableName), nil
}

// ReadTable reads the table in a file. Its errors name the file.
func ReadTable(file string) (*Table, error) {
	text, err := boundedyaml.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no table of tests, %s; create it with one case and run this again with --update:\n\ncases:\n  - name: the question's example\n    question: NAME\n    params: {NAME: VALUE}", file)
	}
	if err != nil {
		return nil, err
	}
	t, err := ParseTable(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return t, nil
}

// RunTests asks the plugin in a file the questions of a table's cases whose name the pattern
// matches, nil being all, and compares. With update, it returns the text of the table with the
// outcomes that differ as the expected ones; nil if nothing is to be changed.
func RunTests(ctx context.Context, w *wire.Workbench, file string, t *Table, pattern *regexp.Regexp, update bool) (out *Tested, text []byte, err error) {
	out = &Tested{Plugin: file, Cases: []TestedCase{}, Dataset: Pinned{t.lines["dataset"], t.Dataset, w.Dataset.Digest()}}
	var chosen []int
	for i := range t.Cases {
		if pattern == nil || pattern.MatchString(t.Cases[i].Name) {
			chosen = append(chosen, i)
		}
	}
	out.Skipped = len(t.Cases) - len(chosen)
	switch {
	case len(chosen) == 0:
		return nil, nil, fmt.Errorf("no case has a name that matches %q", pattern)
	case out.Dataset.changed() && !update:
		return out, nil, nil
	case out.Dataset.changed() && out.Skipped > 0:
		return nil, nil, errors.New("the dataset changed, so the expected answers of all cases have to: use --update without --run")
	}
	wasm, err := wire.ReadPlugin(file)
	if err != nil {
		return nil, nil, err
	}
	p, err := w.Engine.Load(ctx, wasm)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w; \"lestats plugin check\" reports everything that is wrong with it", file, err)
	}
	defer func() { err = errors.Join(err, p.Close(context.WithoutCancel(ctx))) }()
	now := map[int]expectation{}
	for _, i := range chosen {
		c := &t.Cases[i]
		req := question.Request{Question: c.Question, Params: c.Params, Where: c.Where}
		if all := p.Manifest().Questions; req.Question == "" && len(all) == 1 {
			req.Question = all[0].Name
		} else if req.Question == "" {
			return nil, nil, t.lines.Locate(&boundedyaml.KeyError{Key: fmt.Sprintf("cases[%d].question", i), Reason: "it is missing; the plugin answers several questions"})
		}
		o := (&sample{req: req}).ask(ctx, p, w.Dataset)
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		r := TestedCase{Name: c.Name, Line: t.line(i), Fuel: o.used.Fuel}
		if o.table != nil {
			r.Rows = o.table.Rows()
		}
		r.Outcome, r.Differences = c.judge(o)
		if update && r.Outcome != TestOK {
			if r.Note = o.unfit(); r.Note == "" {
				now[i] = o.expectation()
				r.Outcome, r.Differences = TestUpdated, nil
			}
		}
		r.Differences, r.More = first(r.Differences)
		out.Cases = append(out.Cases, r)
	}
	out.OK = !slices.ContainsFunc(out.Cases, func(c TestedCase) bool { return c.Outcome != TestOK && c.Outcome != TestUpdated })
	if update && (len(now) > 0 || t.Dataset != out.Dataset.Got) {
		if text, err = t.rewrite(out.Dataset.Got, now); err != nil {
			return nil, nil, err
		}
	}
	return out, text, nil
}

// judge compares an outcome with what the case expects.
func (c *Case) judge(o outcome) (result string, differences []Difference) {
	differs := func(expected string) (string, []Difference) {
		return TestDiffers, []Difference{{Kind: "outcome", Expected: expected, Got: o.text()}}
	}
	switch {
	case c.Error != nil:
		if o.err == nil || string(o.err.Code) != c.Error.Code || c.Error.Param != "" && c.Error.Param != o.err.Param {
			return differs(c.Error.text())
		}
		return TestOK, nil
	case c.Answer == nil:
		return TestNew, nil
	case o.err != nil:
		return differs(fmt.Sprintf("an answer with %s row(s)", humanize.Comma(int64(len(c.Answer.Rows)))))
	}
	if differences = c.Answer.compare(answerOf(o.table), o.table.Keys(), float64(c.Tolerance)); len(differences) > 0 {
		return TestDiffers, differences
	}
	return TestOK, nil
}

func (f *failure) text() string {
	if f.Param == "" {
		return "the error " + f.Code
	}
	return fmt.Sprintf("the error %s of %s", f.Code, f.Param)
}

// text describes an outcome in half a line.
func (o outcome) text() string {
	if o.err == nil {
		return fmt.Sprintf("an answer with %s row(s)", humanize.Comma(int64(o.table.Rows())))
	}
	return fmt.Sprintf("%s: %.300s%s", (&failure{string(o.err.Code), o.err.Param}).text(), question.Visible(o.err.Reason), in(o.err))
}

// expectation is what a case expects that is to have this outcome.
func (o outcome) expectation() expectation {
	if o.err != nil {
		return expectation{err: &failure{string(o.err.Code), o.err.Param}}
	}
	return expectation{answer: answerOf(o.table)}
}

// unfit says why the outcome is not written as an expected one; "" if it is. Nobody wants
// these errors, and what depends on the machine would be another one the next time.
func (o outcome) unfit() string {
	if o.err == nil || !panicked(o.err) && !slices.Contains([]question.Code{
		question.CodePluginTrap, question.CodeBadResult, question.CodeTimeLimit, question.CodeCancelled, question.CodeInternal,
	}, o.err.Code) {
		return ""
	}
	return fmt.Sprintf("not updated: the error %s is a fault of the plugin; if it is what you mean, write it yourself", o.err.Code)
}

// panicked reports whether the error is a panic, which the SDK for Go reports as an error of
// the plugin.
func panicked(err *question.Error) bool {
	return err.Code == question.CodePluginError && strings.HasPrefix(err.Reason, "panic: ")
}

// Write writes a line per case, where it differs, and a summary.
func (t *Tested) Write(w io.Writer) error {
	var b strings.Builder
	if t.Dataset.changed() && len(t.Cases) == 0 {
		fmt.Fprintf(&b, "%s:%d: the dataset changed, so nothing was compared.\n  the answers are of %s\n  this dataset is    %s\nName the table's dataset with --data, or accept this one with --update.\n",
			t.Table, t.Dataset.Line, t.Dataset.Expected, t.Dataset.Got)
		_, err := io.WriteString(w, b.String())
		return err
	}
	counts := map[string]int{}
	for i := range t.Cases {
		c := &t.Cases[i]
		counts[c.Outcome]++
		fmt.Fprintf(&b, "%-8s %s", c.Outcome, question.Visible(c.Name))
		switch c.Outcome {
		case TestDiffers:
			fmt.Fprintf(&b, " (%s:%d)", t.Table, c.Line)
		case TestNew:
			fmt.Fprintf(&b, " (%s:%d): it expects no answer yet; --update writes it", t.Table, c.Line)
		}
		b.WriteString("\n")
		writeDifferences(&b, c.Differences, c.More, "expected", "got")
		if c.Note != "" {
			fmt.Fprintf(&b, "         %s\n", c.Note)
		}
	}
	var words []string
	for _, outcome := range slices.Sorted(maps.Keys(counts)) {
		words = append(words, fmt.Sprintf("%d %s", counts[outcome], outcome))
	}
	if t.Skipped > 0 {
		words = append(words, fmt.Sprintf("%d skipped", t.Skipped))
	}
	fmt.Fprintf(&b, "%s: %s\n", t.Plugin, strings.Join(words, ", "))
	_, err := io.WriteString(w, b.String())
	return err
}

// writeDifferences writes a line per difference. was and now say what the two sides are.
func writeDifferences(b *strings.Builder, all []Difference, more int, was, now string) {
	for i := range all {
		fmt.Fprintf(b, "         %s\n", all[i].text(was, now))
	}
	if more > 0 {
		fmt.Fprintf(b, "         and %d more\n", more)
	}
}
