package main

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/data"
	"github.com/le-stats-sportifs/lestats/plugins/abi"
	"github.com/le-stats-sportifs/lestats/plugins/sdk"
	"github.com/le-stats-sportifs/lestats/plugins/sdk/sdktest"
	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	host "github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
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

// BenchmarkQuestions asks each question about a ninth of the sample: natively; as
// wasm in a bare wazero, which neither meters nor resets; and in the sandbox, from
// the bound request to the table, pristine. All three have the same answer, to the bit.
func BenchmarkQuestions(b *testing.B) {
	ctx := context.Background()
	ds, columns := sample(b)
	session, err := sdktest.Open(plugin, columns...)
	if err != nil {
		b.Fatal(err)
	}
	wasm := build(b)
	g := start(b, wasm)
	if g.open(columns...) != 0 {
		b.Fatal("open failed")
	}
	answer := g.module.ExportedFunction(abi.ExportAnswer)
	engine, err := sandbox.New(ctx, sandbox.Config{Log: slog.New(slog.DiscardHandler)}, ds)
	if err != nil {
		b.Fatal(err)
	}
	boxed, err := engine.Load(ctx, wasm)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := boxed.Close(ctx); err != nil {
			b.Error(err)
		}
		if err := engine.Close(ctx); err != nil {
			b.Error(err)
		}
	}()
	asked := uint32(0)
	for i, text := range columns[0].Dict {
		if strings.Contains(text, "obesity") {
			asked = uint32(i)
		}
	}
	for i, q := range plugin.Questions {
		args := map[string]any{"question": columns[0].Dict[asked]}
		params := [][2]uint32{{0, asked}}
		switch {
		case slices.Contains(q.Params, sdk.Param(state)):
			args["state"] = columns[1].Dict[7]
			params = append(params, [2]uint32{1, 7})
		case slices.Contains(q.Params, sdk.Param(best)):
			params = append(params, leftOut)
		}
		bound, err := boxed.Manifest().Bind(host.Request{Question: q.Name, Params: args}, ds)
		if err != nil {
			b.Fatal(err)
		}
		rows := ds.Select(bound.Where)
		var native []sdk.Range
		var ranges [][2]uint32
		for _, r := range rows {
			native = append(native, sdk.Range{Start: r.Start, Count: r.Count})
			ranges = append(ranges, [2]uint32{r.Start, r.Count})
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
		check := func(b *testing.B, got []float64) {
			b.Helper()
			if len(want) == 0 || !slices.Equal(got, want) {
				b.Fatalf("answers %v; natively %v", got, want)
			}
		}
		b.Run(q.Name+"/native", func(b *testing.B) {
			for b.Loop() {
				if err := call.Run(); err != nil {
					b.Fatal(err)
				}
			}
		})
		ptr, n := g.request(i, ranges, params...)
		b.Run(q.Name+"/wasm", func(b *testing.B) {
			var packed []uint64
			for b.Loop() {
				var err error
				if packed, err = answer.Call(ctx, ptr, n); err != nil {
					b.Fatal(err)
				}
			}
			_, got := g.numbers(packed[0])
			check(b, got)
		})
		b.Run(q.Name+"/sandbox", func(b *testing.B) {
			var table *host.Table
			for b.Loop() {
				var err error
				if table, err = boxed.Answer(ctx, bound, rows); err != nil {
					b.Fatal(err)
				}
			}
			check(b, table.Columns[len(table.Columns)-1].Numbers)
		})
	}
}
