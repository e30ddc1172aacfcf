package sandbox

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const sportifs = "github.com/le-stats-sportifs/lestats/plugins/sportifs"

// surveyDataset has the columns of the built-in plugin, sorted by question: 9
// questions, 55 locations, 28 strata in 7 categories, every 13th value missing.
func surveyDataset(rows int) *fakeDataset {
	dict := func(prefix string, n int) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = fmt.Sprintf("%s %02d", prefix, i)
		}
		return out
	}
	questions := dict("Question", 9)
	questions[0] = "Percent of adults aged 18 years and older who have obesity" // better: less
	column := func(name string, dict []string) question.Column {
		return question.Column{Name: name, Type: question.String, Role: question.RoleDimension, Dict: dict, Codes: make([]int32, rows)}
	}
	d := &fakeDataset{[]question.Column{
		column("question", questions), column("location", dict("State", 55)), column("category", dict("Category", 7)), column("stratum", dict("Stratum", 28)),
		{Name: "value", Type: question.Number, Role: question.RoleMeasure, Unit: "%", Numbers: make([]float64, rows), Valid: question.NewBitmap(rows)},
	}}
	slices.Sort(questions)
	for i := range rows {
		stratum := i % 28
		d.columns[0].Codes[i] = int32(i * 9 / rows)
		d.columns[1].Codes[i] = int32(i / 28 % 55)
		d.columns[2].Codes[i] = int32(stratum / 4)
		d.columns[3].Codes[i] = int32(stratum)
		if i%13 != 0 {
			d.columns[4].Valid.Set(i)
			d.columns[4].Numbers[i] = float64(i*7919%1000) / 10
		}
	}
	return d
}

// rowsOf is the rows of one question: the dataset is sorted by it.
func (d *fakeDataset) rowsOf(code int32) question.Range {
	first, _ := slices.BinarySearch(d.columns[0].Codes, code)
	end, _ := slices.BinarySearch(d.columns[0].Codes, code+1)
	return question.Range{Start: uint32(first), Count: uint32(end - first)}
}

// nativeMeans is what states_mean computes, in plain Go.
func (d *fakeDataset) nativeMeans(r question.Range) (means [55]float64) {
	var sums, counts [55]float64
	locations, values, valid := d.columns[1].Codes, d.columns[4].Numbers, d.columns[4].Valid
	for i := int(r.Start); i < int(r.Start+r.Count); i++ {
		if valid.Get(i) {
			sums[locations[i]] += values[i]
			counts[locations[i]]++
		}
	}
	for i := range means {
		means[i] = sums[i] / counts[i]
	}
	return means
}

func loadSportifs(t testing.TB, ds *fakeDataset) *Plugin {
	t.Helper()
	p, err := newEngine(t, Config{CacheDir: goCache}, ds).Load(t.Context(), buildGo(t, sportifs))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// surveyParams is a request that each of the nine questions answers.
func surveyParams(ds *fakeDataset, q *question.Question, code int32) map[string]any {
	params := map[string]any{}
	for i := range q.Params {
		switch p := &q.Params[i]; p.Column {
		case "question":
			params[p.Name] = ds.columns[0].Dict[code]
		case "location":
			params[p.Name] = "State 07"
		}
	}
	return params
}

// fitting are the questions that fit the dataset.
func fitting(m *question.Manifest, ds *fakeDataset) (all []*question.Question) {
	for i := range m.Questions {
		if q := &m.Questions[i]; m.Lacks(q, ds) == nil {
			all = append(all, q)
		}
	}
	return all
}

func TestSportifs(t *testing.T) {
	ds := surveyDataset(20_000)
	p := loadSportifs(t, ds)
	questions := fitting(p.Manifest(), ds)
	if len(questions) != 9 {
		t.Fatalf("%d questions fit a dataset without limits", len(questions))
	}
	obesity := slices.Index(ds.columns[0].Dict, "Percent of adults aged 18 years and older who have obesity")
	for _, q := range questions {
		got, err := ask(t.Context(), p, ds, q.Name, surveyParams(ds, q, int32(obesity)), ds.rowsOf(int32(obesity)))
		if err != nil {
			t.Errorf("%s: %v", q.Name, err)
			continue
		}
		if last := got.Columns[len(got.Columns)-1]; got.Rows() == 0 || last.Unit != "%" {
			t.Errorf("%s: %d rows in %q", q.Name, got.Rows(), last.Unit)
		}
	}
}

// The size of a result is that of its rows: five of many groups are small, whatever
// the column's other values take, and so is what is stored of them.
func TestFiveOfManyGroups(t *testing.T) {
	const groups = 20_000
	ds := surveyDataset(groups)
	location := &ds.columns[1]
	location.Dict = nil
	for i := range groups {
		location.Dict = append(location.Dict, fmt.Sprintf("Club %05d, with a name that takes some room", i))
		location.Codes[i] = int32(i)
		ds.columns[0].Codes[i] = 0
	}
	p, err := newEngine(t, Config{CacheDir: goCache, Limits: Limits{Result: 4 << 10}}, ds).Load(t.Context(), buildGo(t, sportifs))
	if err != nil {
		t.Fatal(err)
	}
	params := map[string]any{"question": ds.columns[0].Dict[0], "best": "highest"}
	rows := question.Range{Count: groups}
	for _, name := range []string{"best5", "worst5"} {
		got, err := ask(t.Context(), p, ds, name, params, rows)
		if err != nil {
			t.Fatal(err)
		}
		names := got.Columns[0]
		if got.Rows() != 5 || len(names.Dict) != 5 || !slices.IsSorted(names.Dict) {
			t.Errorf("%s: %d rows, %d names in %q", name, got.Rows(), len(names.Dict), names.Dict)
		}
		for i := range got.Rows() { // as surveyDataset makes them
			var n int
			if _, err := fmt.Sscanf(names.Value(i).(string), "Club %d,", &n); err != nil || got.Columns[1].Numbers[i] != float64(n*7919%1000)/10 {
				t.Errorf("%s: %v is %v", name, names.Value(i), got.Columns[1].Numbers[i])
			}
		}
		if b, err := got.AppendJSON(nil); err != nil || len(b) > 2<<10 {
			t.Errorf("%s: %d bytes are stored, %v", name, len(b), err)
		}
	}
	delete(params, "best")
	_, err = ask(t.Context(), p, ds, "states_mean", params, rows)
	wantError(t, err, question.CodeResultTooLarge, "limit is 4096")
}

func TestSportifsHammer(t *testing.T) {
	ds := surveyDataset(5_000)
	p := loadSportifs(t, ds)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 6 {
				code := int32((g + i) % 9)
				rows := ds.rowsOf(code)
				got, err := ask(context.Background(), p, ds, "states_mean", surveyParams(ds, &p.Manifest().Questions[0], code), rows)
				if err != nil {
					t.Error(err)
					continue
				}
				want := ds.nativeMeans(rows)
				for r, location := range got.Columns[0].Codes {
					if math.Abs(got.Columns[1].Numbers[r]-want[location]) > 1e-9 {
						t.Errorf("question %d, %v: %v; want %v", code, got.Columns[0].Value(r), got.Columns[1].Numbers[r], want[location])
					}
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkAnswer is one job, from binding to the copied table, at full scale.
// native is the loop of states_mean in plain Go on the same rows.
func BenchmarkAnswer(b *testing.B) {
	ds := surveyDataset(104_000)
	p := loadSportifs(b, ds)
	obesity := int32(slices.Index(ds.columns[0].Dict, "Percent of adults aged 18 years and older who have obesity"))
	rows := ds.rowsOf(obesity)
	var means [55]float64
	b.Run("native", func(b *testing.B) {
		for b.Loop() {
			means = ds.nativeMeans(rows)
		}
	})
	means = ds.nativeMeans(rows)
	shape := map[string][2]int{ // rows, and the column that names a location; -1: none
		"states_mean": {55, 0}, "state_mean": {1, 0}, "best5": {5, 0}, "worst5": {5, 0}, "global_mean": {1, -1},
		"diff_from_mean": {55, -1}, "state_diff_from_mean": {1, -1}, "mean_by_category": {55 * 28, -1}, "state_mean_by_category": {28, -1},
	}
	for _, q := range fitting(p.Manifest(), ds) {
		params := surveyParams(ds, q, obesity)
		b.Run(q.Name, func(b *testing.B) {
			b.ReportAllocs()
			var got *question.Table
			for b.Loop() {
				var err error
				if got, err = ask(b.Context(), p, ds, q.Name, params, rows); err != nil {
					b.Fatal(err)
				}
			}
			want, ok := shape[q.Name]
			if !ok || got.Rows() != want[0] {
				b.Fatalf("%d rows; want %d", got.Rows(), want[0])
			}
			for i := range got.Rows() {
				if want[1] == 0 && math.Abs(got.Columns[1].Numbers[i]-means[got.Columns[0].Codes[i]]) > 1e-9 {
					b.Fatalf("%v is %v; want %v", got.Columns[0].Value(i), got.Columns[1].Numbers[i], means[got.Columns[0].Codes[i]])
				}
			}
		})
	}
}

// BenchmarkLoad is a plugin compiled, and found in the cache.
func BenchmarkLoad(b *testing.B) {
	ds := surveyDataset(104_000)
	wasm := buildGo(b, sportifs)
	run := func(b *testing.B, dir string) {
		b.Helper()
		e, err := New(b.Context(), Config{CacheDir: dir, Limits: Limits{Time: time.Minute}}, ds)
		if err != nil {
			b.Fatal(err)
		}
		p, err := e.Load(b.Context(), wasm)
		if err != nil {
			b.Fatal(err)
		}
		if n := len(p.Manifest().Questions); n != 13 {
			b.Fatalf("%d questions", n)
		}
		if err := e.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("compiled", func(b *testing.B) {
		for b.Loop() {
			run(b, "")
		}
	})
	b.Run("cached", func(b *testing.B) {
		dir := b.TempDir()
		run(b, dir)
		for b.Loop() {
			run(b, dir)
		}
	})
}
