package abi_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

// v1Dataset has 1,000 rows: two survey questions, eight states, every seventh row
// without a value.
func v1Dataset(t *testing.T) *dataset.Dataset {
	t.Helper()
	d, err := dataset.ParseDescriptor([]byte(`name: v1
sort: question
columns:
  - {name: question, type: string, role: dimension}
  - {name: location, type: string, role: dimension}
  - {name: value, type: number, unit: "%", role: measure}
`))
	if err != nil {
		t.Fatal(err)
	}
	const rows = 1000
	columns := []question.Column{
		{Name: "question", Type: question.String, Codes: make([]int32, rows), Dict: []string{"exercise", "obesity"}},
		{Name: "location", Type: question.String, Codes: make([]int32, rows), Dict: []string{"Alabama", "Alaska", "Arizona", "Iowa", "Maine", "Ohio", "Utah", "Zürich"}},
		{Name: "value", Type: question.Number, Numbers: make([]float64, rows), Valid: question.NewBitmap(rows)},
	}
	for i := range rows {
		columns[0].Codes[i], columns[1].Codes[i] = int32(i%2), int32(i/2%8)
		columns[2].Numbers[i] = float64(i%97) / 2
		if i%7 != 0 {
			columns[2].Valid.Set(i)
		}
	}
	ds, err := dataset.Build(d, columns)
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

// Plugins that were built when version 1 began are loaded, and answer as they did
// then, for as long as version 1 is served.
func TestVersion1(t *testing.T) {
	ds := v1Dataset(t)
	engine, err := sandbox.New(t.Context(), sandbox.Config{Log: slog.New(slog.DiscardHandler)}, ds)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := engine.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	files, err := filepath.Glob("testdata/v1/*.wasm*")
	if err != nil || len(files) != 4 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.SplitN(filepath.Base(file), ".", 2)[0], func(t *testing.T) {
			plugin, err := engine.Load(t.Context(), read(t, file))
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := plugin.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}()
			name := plugin.Manifest().Questions[0].Name
			bound, err := plugin.Manifest().Bind(question.Request{Question: name, Params: map[string]any{"question": "obesity"}}, ds)
			if err != nil {
				t.Fatal(err)
			}
			// A second job is as the first.
			for range 2 {
				table, err := plugin.Answer(t.Context(), bound, ds.Select(bound.Where))
				if err != nil {
					t.Fatal(err)
				}
				v1Check(t, table)
			}
		})
	}
}

// v1Means are the means of the states of v1Dataset, as awk has them:
//
//	awk 'BEGIN{for(i=1;i<1000;i+=2)if(i%7){s[int(i/2)%8]+=i%97/2;n[int(i/2)%8]++}for(k=0;k<8;k++)printf "%.10f, ",s[k]/n[k]}'
var v1Means = []float64{23.9629629630, 23.6018518519, 23.2407407407, 23.7777777778, 23.0648148148, 22.8207547170, 23.3490566038, 23.8773584906}

func v1Check(t *testing.T, table *question.Table) {
	t.Helper()
	if len(table.Columns) != 2 || table.Columns[0].Name != "location" || table.Columns[1].Name != "mean" || table.Columns[1].Unit != "%" || table.Columns[1].Len() != len(v1Means) {
		t.Fatalf("%+v", table)
	}
	for i, want := range v1Means {
		if got := table.Columns[1].Numbers[i]; math.Abs(got-want) > 1e-9 {
			t.Errorf("%v: %v; want %v", table.Columns[0].Value(i), got, want)
		}
	}
	if table.Columns[0].Value(7) != "Zürich" {
		t.Errorf("the last is %v", table.Columns[0].Value(7))
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(file, ".gz") {
		return b
	}
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if b, err = io.ReadAll(r); err != nil {
		t.Fatal(err)
	}
	return b
}
