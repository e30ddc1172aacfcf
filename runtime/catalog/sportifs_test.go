package catalog

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/data"
	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

// survey is a CSV in which the first rows are not usable for an example, because the
// first survey question has no value in Alabama.
func survey() string {
	var b strings.Builder
	b.WriteString("YearStart,YearEnd,LocationAbbr,LocationDesc,Class,Topic,Question,Data_Value,Low_Confidence_Limit,High_Confidence_Limit ,Sample_Size,StratificationCategory1,Stratification1\n")
	for _, asked := range []string{
		"Percent of adults aged 18 years and older who have obesity",
		"Percent of adults who engage in no leisure-time physical activity",
	} {
		for i, state := range []string{"Alabama", "Ohio", "Utah", "National", "Texas", "Guam"} {
			for _, stratum := range []string{"Male", "Female"} {
				value := fmt.Sprint(20 + i)
				if state == "Alabama" {
					value = ""
				}
				fmt.Fprintf(&b, "2020,2020,%s,%s,C,T,%s,%s,1,2,100,Sex,%s\n", state[:2], state, asked, value, stratum)
			}
		}
	}
	return b.String()
}

// The built-in plugin in the real sandbox answers the example of each question.
func TestExamplesOfTheBuiltInPlugin(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w",
		"-o", filepath.Join(dir, "sportifs.wasm"), "github.com/le-stats-sportifs/lestats/plugins/sportifs")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	d, err := dataset.ParseDescriptor(data.NPAO)
	if err != nil {
		t.Fatal(err)
	}
	ds, err := dataset.ReadCSV(t.Context(), strings.NewReader(survey()), d, nil)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := sandbox.New(t.Context(), sandbox.Config{}, ds)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := engine.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	c, err := Open(t.Context(), Config{
		Dataset: ds, Log: slog.New(slog.DiscardHandler),
		Load:    func(ctx context.Context, wasm []byte) (Plugin, error) { return engine.Load(ctx, wasm) },
		Sources: []Source{{Name: dir, FS: os.DirFS(dir)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	if len(c.Served()) != 13 {
		t.Fatalf("%+v", c.Plugins())
	}
	for _, o := range c.Served() {
		got, err := c.Answer(t.Context(), o.Example)
		if err != nil {
			t.Errorf("%+v: %v", o.Example, err)
			continue
		}
		rows := map[string]int{"estimates": 6, "by_year": 1, "compare": 2, "profile": 2}[o.Question.Name] // the nine: all of the survey question
		if got.Table.Rows() == 0 || got.Provenance.Plugin != "sportifs" || got.Provenance.RowsSelected != cmp.Or(rows, 12) {
			t.Errorf("%s: %d rows, %+v", o.Question.Name, got.Table.Rows(), got.Provenance)
		}
		if state, given := o.Example.Params["state"]; given && state == "Alabama" {
			t.Errorf("%s: the example is about a state without a value", o.Question.Name)
		}
	}
	var e *question.Error
	if _, err := c.Answer(t.Context(), question.Request{Question: "states_means"}); err != nil {
		e = question.AsError(err)
	}
	if e == nil || len(e.Hint) == 0 || e.Hint[0] != "states_mean" {
		t.Errorf("the hint is %+v", e)
	}
}
