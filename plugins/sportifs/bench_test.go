package main

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/data"
	"github.com/le-stats-sportifs/lestats/plugins/estimates"
	"github.com/le-stats-sportifs/lestats/plugins/sdk"
	"github.com/le-stats-sportifs/lestats/plugins/sdk/sdktest"
	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	host "github.com/le-stats-sportifs/lestats/runtime/question"
)

// sample is the built-in sample, at full scale, and the plugin's columns of it.
func sample(b *testing.B) (*dataset.Dataset, []sdktest.Column) {
	b.Helper()
	file, err := data.Sample()
	if err != nil {
		b.Fatalf("%v: make generate builds it", err)
	}
	ds, err := dataset.ReadArrow(file)
	if err != nil {
		b.Fatal(err)
	}
	var columns []sdktest.Column
	for _, name := range []string{question.Name, location.Name, category.Name, stratum.Name, value.Name} {
		c, _ := ds.Column(name)
		columns = append(columns, sdktest.Column{
			Name: c.Name, Unit: c.Unit, Sorted: c.Name == ds.SortedBy(),
			Numbers: c.Numbers, Integers: c.Integers, Codes: c.Codes, Dict: c.Dict, Valid: c.Valid,
		})
	}
	return ds, columns
}

// BenchmarkQuestions asks each of the nine about a ninth of the sample: natively, and in the
// sandbox, from the bound request to the table, pristine. Both have the same answer, to
// the bit.
func BenchmarkQuestions(b *testing.B) {
	ctx := context.Background()
	ds, columns := sample(b)
	session, err := sdktest.Open(plugin, columns...)
	if err != nil {
		b.Fatal(err)
	}
	boxed := load(b, build(b), ds, slog.New(slog.DiscardHandler))
	asked := slices.IndexFunc(columns[0].Dict, func(text string) bool { return strings.Contains(text, "obesity") })
	for _, q := range nine {
		args := map[string]any{"question": columns[0].Dict[asked]}
		if slices.Contains(q.Params, sdk.Param(state)) {
			args["state"] = columns[1].Dict[7]
		}
		bound, err := boxed.Manifest().Bind(host.Request{Question: q.Name, Params: args}, ds)
		if err != nil {
			b.Fatal(err)
		}
		rows := ds.Select(bound.Where)
		var native []sdk.Range
		for _, r := range rows {
			native = append(native, sdk.Range{Start: r.Start, Count: r.Count})
		}
		call, err := session.Prepare(q.Name, args, native)
		if err != nil {
			b.Fatal(err)
		}
		if err := call.Run(); err != nil {
			b.Fatal(err)
		}
		result, err := call.Result()
		if err != nil {
			b.Fatal(err)
		}
		want := slices.Clone(result.Columns[len(result.Columns)-1].Numbers)
		b.Run(q.Name+"/native", func(b *testing.B) {
			for b.Loop() {
				if err := call.Run(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(q.Name+"/sandbox", func(b *testing.B) {
			var table *host.Table
			for b.Loop() {
				var err error
				if table, err = boxed.Answer(ctx, bound, rows); err != nil {
					b.Fatal(err)
				}
			}
			if got := table.Columns[len(table.Columns)-1].Numbers; len(want) == 0 || !slices.Equal(got, want) {
				b.Fatalf("answers %v; natively %v", got, want)
			}
		})
	}
}

// BenchmarkEstimates asks the example of each question of package estimates in the sandbox,
// from the bound request to the table.
func BenchmarkEstimates(b *testing.B) {
	ctx := context.Background()
	ds, _ := sample(b)
	boxed := load(b, build(b), ds, slog.New(slog.DiscardHandler))
	for _, q := range estimates.Questions {
		req, err := host.ParseRequest(q.Name, []byte(q.Example))
		if err != nil {
			b.Fatal(err)
		}
		bound, err := boxed.Manifest().Bind(req, ds)
		if err != nil {
			b.Fatal(err)
		}
		rows := ds.Select(bound.Where)
		b.Run(q.Name, func(b *testing.B) {
			var table *host.Table
			for b.Loop() {
				var err error
				if table, err = boxed.Answer(ctx, bound, rows); err != nil {
					b.Fatal(err)
				}
			}
			if want := map[string]int{"estimates": 54, "by_year": 13, "compare": 2, "profile": 25}[q.Name]; table.Rows() != want {
				b.Fatalf("%d rows, want %d", table.Rows(), want)
			}
		})
	}
}
