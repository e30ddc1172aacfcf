package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
	"github.com/le-stats-sportifs/lestats/plugins/sdk"
	"github.com/le-stats-sportifs/lestats/plugins/sdk/sdktest"
)

// full is as many rows as the CDC's release has: nine survey questions, 55
// locations, 28 strata in 6 categories, every tenth value missing.
func full() []sdktest.Column {
	const n = 104_000
	rng := rand.New(rand.NewPCG(1, 2))
	d := &table{}
	for i := range n {
		stratum := rng.IntN(28)
		d.question = append(d.question, slices.Concat(lessBetter, moreBetter)[i*9/n])
		d.location = append(d.location, fmt.Sprintf("State %02d", rng.IntN(55)))
		d.category = append(d.category, fmt.Sprintf("Category %d", stratum%6))
		d.stratum = append(d.stratum, fmt.Sprintf("Stratum %02d", stratum))
		value := sdktest.Missing
		if rng.IntN(10) > 0 {
			value = 50 * rng.Float64()
		}
		d.value = append(d.value, value)
	}
	return d.columns()
}

// BenchmarkQuestions asks each question about a ninth of the full data: natively,
// and as wasm in a bare wazero, which neither meters nor resets.
func BenchmarkQuestions(b *testing.B) {
	columns := full()
	session, err := sdktest.Open(plugin, columns...)
	if err != nil {
		b.Fatal(err)
	}
	g := start(b, build(b))
	if g.open(columns...) != 0 {
		b.Fatal("open failed")
	}
	answer := g.module.ExportedFunction(abi.ExportAnswer)
	// The rows of one survey question, whatever its place in the dictionary.
	rows := sdk.Range{Start: 11_556, Count: 11_555}
	survey := columns[0].Codes[rows.Start]
	for i, q := range plugin.Questions {
		args := map[string]any{"question": columns[0].Dict[survey]}
		params := [][2]uint32{{0, uint32(survey)}}
		if len(q.Params) == 2 {
			args["state"] = columns[1].Dict[7]
			params = append(params, [2]uint32{1, 7})
		}
		call, err := session.Prepare(q.Name, args, []sdk.Range{rows})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(q.Name+"/native", func(b *testing.B) {
			for b.Loop() {
				if err := call.Run(); err != nil {
					b.Fatal(err)
				}
			}
		})
		ptr, n := g.request(i, [][2]uint32{{rows.Start, rows.Count}}, params...)
		b.Run(q.Name+"/wasm", func(b *testing.B) {
			for b.Loop() {
				if _, err := answer.Call(context.Background(), ptr, n); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
