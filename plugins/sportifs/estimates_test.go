package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/data"
	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	host "github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
	"github.com/le-stats-sportifs/lestats/runtime/testtool"
)

// This is a second computation of the questions of package estimates, from the definitions,
// without its code: cells as texts, every pair of places, the normal quantile by bisection.

// published is a row of the survey with a value.
type published struct {
	question, place, category, stratum string
	year                               int64
	x, low, high                       float64
	asked                              int64
	limits                             bool
}

// notPlaces are the survey's aggregates and territories.
var notPlaces = map[string]string{"National": "aggregate", "Guam": "territory", "Puerto Rico": "territory", "Virgin Islands": "territory"}

func kindOf(place string) string { return cmp.Or(notPlaces[place], "place") }

// publishedRows returns the rows with a value, and those without one.
func publishedRows(t *testing.T, ds *dataset.Dataset) (all, empty []published) {
	t.Helper()
	cell := func(name string) *host.Column {
		c, ok := ds.Column(name)
		if !ok {
			t.Fatalf("no column %s", name)
		}
		return c
	}
	question, place, category, stratum := cell("question"), cell("location"), cell("category"), cell("stratum")
	year, x, low, high, asked := cell("year"), cell("value"), cell("low"), cell("high"), cell("sample_size")
	for i := range ds.Rows() {
		p := published{
			question: question.Value(i).(string), place: place.Value(i).(string), category: category.Value(i).(string), stratum: stratum.Value(i).(string),
			year: year.Value(i).(int64),
		}
		if x.Value(i) == nil {
			empty = append(empty, p)
			continue
		}
		p.x = x.Value(i).(float64)
		if p.limits = low.Value(i) != nil && high.Value(i) != nil; p.limits {
			p.low, p.high = low.Value(i).(float64), high.Value(i).(float64)
		}
		p.asked, _ = asked.Value(i).(int64)
		all = append(all, p)
	}
	return all, empty
}

// normalQuantile returns z of which the normal distribution has p below.
func normalQuantile(p float64) float64 {
	from, to := 0.0, 40.0
	for range 200 {
		if z := (from + to) / 2; math.Erfc(z/math.Sqrt2)/2 > 1-p {
			from = z
		} else {
			to = z
		}
	}
	return from
}

// halfDigit is half of the last published digit.
func halfDigit(all []published) float64 {
	most := 0
	for _, p := range all {
		for _, v := range []float64{p.x, p.low, p.high} {
			if _, decimals, ok := strings.Cut(strconv.FormatFloat(v, 'f', -1, 64), "."); ok {
				most = max(most, len(decimals))
			}
		}
	}
	return 0.5 * math.Pow(10, -float64(most))
}

// needed is how far a has to be above b.
func needed(a, b published, half float64) float64 {
	return math.Hypot(a.x-(a.low-half), (b.high+half)-b.x)
}

// naiveRanks returns the best and the worst rank of each place.
func naiveRanks(all []published) map[string][2]int64 {
	k, half := len(all), halfDigit(all)
	z := normalQuantile(1 - 0.05/float64(k*(k-1)))
	out := map[string][2]int64{}
	for _, a := range all {
		above, below := 0, 0
		for _, b := range all {
			switch {
			case a.place == b.place:
			case (b.x-a.x)/needed(b, a, half) > z/1.96:
				above++
			case (a.x-b.x)/needed(a, b, half) > z/1.96:
				below++
			}
		}
		out[a.place] = [2]int64{int64(1 + above), int64(k - below)}
	}
	return out
}

// text writes a figure as a table has it.
func (p *published) text() string {
	if !p.limits {
		return fmt.Sprintf("%v - - %d", p.x, p.asked)
	}
	return fmt.Sprintf("%v %v %v %d", p.x, p.low, p.high, p.asked)
}

// tableRows writes a table without the limits of differences, which are returned apart.
func tableRows(table *host.Table) (out []string, differences [][]float64) {
	for i := range table.Rows() {
		var cells []string
		var d []float64
		for c := range table.Columns {
			col := &table.Columns[c]
			switch v := col.Value(i).(type) {
			case nil:
				cells = append(cells, "-")
			case float64:
				if strings.HasPrefix(col.Name, "difference") {
					d = append(d, v)
				} else {
					cells = append(cells, fmt.Sprint(v))
				}
			default:
				cells = append(cells, fmt.Sprint(v))
			}
		}
		out, differences = append(out, strings.Join(cells, " ")), append(differences, d)
	}
	return out, differences
}

// asker asks the plugin in the sandbox.
type asker struct {
	*testing.T
	plugin *sandbox.Plugin
	ds     *dataset.Dataset
	asked  int
}

func (a *asker) ask(name string, params map[string]any) *host.Table {
	a.Helper()
	a.asked++
	bound, err := a.plugin.Manifest().Bind(host.Request{Question: name, Params: params}, a.ds)
	if err != nil {
		a.Fatalf("%s %v: %v", name, params, err)
	}
	table, err := a.plugin.Answer(a.Context(), bound, a.ds.Select(bound.Where))
	if err != nil {
		a.Fatalf("%s %v: %v", name, params, err)
	}
	return table
}

func (a *asker) expect(name string, params map[string]any, want []string) {
	a.Helper()
	if got, _ := tableRows(a.ask(name, params)); !slices.Equal(got, want) {
		a.Fatalf("%s %v\ngot:\n%s\nwant:\n%s", name, params, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// by divides rows into groups, each in the order of the rows.
func by(all []published, key func(p *published) string) map[string][]published {
	out := map[string][]published{}
	for i := range all {
		k := key(&all[i])
		out[k] = append(out[k], all[i])
	}
	return out
}

// TestEstimates asks the four questions about every survey question, year, group and place
// of the sample and of the CDC's rows.
func TestEstimates(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it compiles the plugin and asks 30,000 questions")
	}
	wasm := build(t)
	t.Run("sample", func(t *testing.T) {
		file, err := data.Sample()
		if err != nil {
			t.Fatal(err)
		}
		ds, err := dataset.ReadArrow(file)
		if err != nil {
			t.Fatal(err)
		}
		checkEstimates(t, wasm, ds)
	})
	t.Run("CDC", func(t *testing.T) {
		d, err := dataset.ParseDescriptor(data.NPAO)
		if err != nil {
			t.Fatal(err)
		}
		ds, err := dataset.Open(context.Background(), filepath.Join(testtool.Slice(t), "cdc_npao_slice.csv"), d)
		if err != nil {
			t.Fatal(err)
		}
		defer ds.Close()
		checkEstimates(t, wasm, ds)
	})
}

func checkEstimates(t *testing.T, wasm []byte, ds *dataset.Dataset) {
	a := &asker{T: t, plugin: load(t, wasm, ds, slog.New(slog.DiscardHandler)), ds: ds}
	all, empty := publishedRows(t, ds)
	key := fmt.Sprintln
	unknown := by(empty, func(p *published) string { return key(p.question, p.stratum, p.year) })
	random := rand.New(rand.NewPCG(1, 15))

	lastYear := map[string]int64{} // of a survey question and group
	for _, p := range all {
		k := key(p.question, p.stratum)
		lastYear[k] = max(lastYear[k], p.year)
	}
	overlapping, apart := 0, 0
	for _, places := range by(all, func(p *published) string { return key(p.question, p.stratum, p.year) }) {
		first := places[0]
		params := map[string]any{"question": first.question, "stratum": first.stratum, "year": first.year}
		if first.year == lastYear[key(first.question, first.stratum)] {
			delete(params, "year")
		}
		if first.stratum == "Total" {
			delete(params, "stratum")
		}
		ranked := naiveRanks(slices.DeleteFunc(slices.Clone(places), func(p published) bool { return kindOf(p.place) != "place" || !p.limits }))
		slices.SortFunc(places, func(a, b published) int { return cmp.Or(-cmp.Compare(a.x, b.x), strings.Compare(a.place, b.place)) })
		var want []string
		for _, p := range places {
			ranks := "- -"
			if r, ok := ranked[p.place]; ok {
				ranks = fmt.Sprint(r[0], " ", r[1])
				if r[0] > 1 || r[1] < int64(len(ranked)) {
					apart++
				}
			}
			want = append(want, fmt.Sprint(p.place, " ", p.stratum, " ", p.year, " ", p.text(), " ", ranks, " ", kindOf(p.place)))
		}
		without := unknown[key(first.question, first.stratum, first.year)]
		slices.SortFunc(without, func(a, b published) int { return strings.Compare(a.place, b.place) })
		for _, p := range without {
			want = append(want, fmt.Sprint(p.place, " ", p.stratum, " ", p.year, " - - - - - - ", kindOf(p.place)))
		}
		a.expect("estimates", params, want)
		if len(places) > 1 {
			i := random.IntN(len(places))
			j := (i + 1 + random.IntN(len(places)-1)) % len(places)
			params["states"], params["strata"] = []any{places[i].place, places[j].place}, params["stratum"]
			delete(params, "stratum")
			overlapping += a.compare(params, places[i], places[j])
		}
	}
	for _, groups := range by(all, func(p *published) string { return key(p.question, p.place, p.year) }) {
		slices.SortFunc(groups, func(a, b published) int {
			return cmp.Or(strings.Compare(a.category, b.category), strings.Compare(a.stratum, b.stratum))
		})
		first := groups[0]
		params := map[string]any{"question": first.question, "state": first.place, "year": first.year}
		var want []string
		for _, p := range groups {
			want = append(want, fmt.Sprint(p.place, " ", p.year, " ", p.category, " ", p.stratum, " ", p.text()))
		}
		a.expect("profile", params, want)
		if len(groups) > 1 {
			i := random.IntN(len(groups))
			j := (i + 1 + random.IntN(len(groups)-1)) % len(groups)
			params["states"], params["strata"] = params["state"], []any{groups[i].stratum, groups[j].stratum}
			delete(params, "state")
			overlapping += a.compare(params, groups[i], groups[j])
		}
	}
	for _, years := range by(all, func(p *published) string { return key(p.question, p.place, p.stratum) }) {
		slices.SortFunc(years, func(a, b published) int { return cmp.Compare(a.year, b.year) })
		var want []string
		for _, p := range years {
			want = append(want, fmt.Sprint(p.place, " ", p.stratum, " ", p.year, " ", p.text()))
		}
		a.expect("by_year", map[string]any{"question": years[0].question, "state": years[0].place, "stratum": years[0].stratum}, want)
	}
	t.Logf("%d answers; %d ranks are narrower than all places; %d comparisons overlap", a.asked, apart, overlapping)
	if apart == 0 || overlapping == 0 {
		t.Error("the data do not show what is checked")
	}
}

// compare checks the comparison of two rows, and returns 1 if they overlap.
func (a *asker) compare(params map[string]any, p, q published) int {
	a.Helper()
	if q.x > p.x || q.x == p.x && (q.place < p.place || q.place == p.place && q.stratum < p.stratum) {
		p, q = q, p
	}
	overlap := p.place != q.place && (kindOf(p.place) == "aggregate" || kindOf(q.place) == "aggregate") ||
		p.place == q.place && (p.category != q.category || p.stratum == "Total" || q.stratum == "Total")
	got, differences := tableRows(a.ask("compare", params))
	half := halfDigit([]published{p, q})
	for i, row := range []struct{ p, q published }{{p, q}, {q, p}} {
		d := row.p.x - row.q.x
		from, to := d-needed(row.p, row.q, half), d+needed(row.q, row.p, half)
		verdict, want := "no difference shown", []float64{d, from, to}
		switch {
		case overlap:
			verdict, want = "- - not comparable: overlap", want[:1]
		case !p.limits || !q.limits:
			verdict, want = "- - not comparable: limits", want[:1]
		case from > 0:
			verdict = "higher"
		case to < 0:
			verdict = "lower"
		}
		text := fmt.Sprint(row.p.place, " ", row.p.stratum, " ", row.p.year, " ", row.p.text(), " ", verdict)
		if got[i] != text || !slices.EqualFunc(differences[i], want, near) {
			a.Fatalf("compare %v, row %d:\n%s %v\nwant\n%s %v", params, i, got[i], differences[i], text, want)
		}
	}
	if overlap {
		return 1
	}
	return 0
}
