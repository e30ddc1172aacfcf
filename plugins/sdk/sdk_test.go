package sdk_test

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
	"github.com/le-stats-sportifs/lestats/plugins/sdk"
	"github.com/le-stats-sportifs/lestats/plugins/sdk/sdktest"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

var (
	city  = &sdk.StringColumn{Name: "city"}
	year  = &sdk.IntegerColumn{Name: "year"}
	score = &sdk.NumberColumn{Name: "score"}
)

// everything declares one of each, with every field that there is.
var everything = struct {
	city       *sdk.StringParam
	cities     *sdk.StringParam
	year       *sdk.IntegerParam
	score      *sdk.NumberParam
	top        *sdk.IntegerParam
	above      *sdk.NumberParam
	order      *sdk.ChoiceParam
	strict     *sdk.BooleanParam
	cityOut    *sdk.CodeResult
	noteOut    *sdk.StringResult
	countOut   *sdk.IntegerResult
	averageOut *sdk.NumberResult
}{
	city:   &sdk.StringParam{Name: "city", Title: "City", Description: "A \"city\"\\\n\tof two lines: Zürich", Of: city, Required: true, Select: true},
	cities: &sdk.StringParam{Name: "cities", Of: city, Default: "Bern", List: true},
	year:   &sdk.IntegerParam{Name: "year", Of: year},
	score:  &sdk.NumberParam{Name: "score", Of: score},
	top:    &sdk.IntegerParam{Name: "top", Min: new(int64(1)), Max: new(int64(10)), Default: new(int64(5))},
	above:  &sdk.NumberParam{Name: "above", Min: new(-1.5), Max: new(1e21), Default: new(0.25), List: true},
	order:  &sdk.ChoiceParam{Name: "order", Choices: []string{"up", "down"}, Default: "down"},
	strict: &sdk.BooleanParam{Name: "strict", Default: new(true)},

	cityOut:    &sdk.CodeResult{Of: city, Title: "City"},
	noteOut:    &sdk.StringResult{Name: "note", Title: "Note"},
	countOut:   &sdk.IntegerResult{Name: "count", Unit: "people"},
	averageOut: &sdk.NumberResult{Name: "average", UnitOf: score},
}

func everythingPlugin(answer func(*sdk.Job) error) *sdk.Plugin {
	e := &everything
	return &sdk.Plugin{
		Name: "everything", Version: "1.2.3", Title: "Every \"thing\"", Description: "d", License: "Apache-2.0", Homepage: "https://example.org/",
		Columns: []sdk.Column{city, year, score},
		Questions: []*sdk.Question{{
			Name: "all", Title: "All", Description: "Everything at once.",
			Params: []sdk.Param{e.city, e.cities, e.year, e.score, e.top, e.above, e.order, e.strict},
			Result: sdk.Result{
				Keys: []sdk.ResultColumn{e.cityOut, e.noteOut}, Values: []sdk.ResultColumn{e.countOut, e.averageOut},
				Layout: sdk.LayoutNested, Chart: sdk.ChartLine,
			},
			Answer: answer,
		}, {
			Name: "least", Result: sdk.Result{Values: []sdk.ResultColumn{e.averageOut}}, Answer: answer,
		}},
	}
}

// rowsOf are four rows to ask about.
func rowsOf() []sdktest.Column {
	return []sdktest.Column{
		sdktest.Strings("city", "Bern", "Chur", "", "Bern"),
		sdktest.Integers("year", 2019, 2020, 2021, 2022),
		sdktest.Numbers("score", 1, 2, sdktest.Missing, 4),
	}
}

func open(t testing.TB, answer func(*sdk.Job) error) *sdktest.Session {
	t.Helper()
	s, err := sdktest.Open(everythingPlugin(answer), rowsOf()...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestManifest(t *testing.T) {
	raw := sdk.NewGuest(everythingPlugin(nil), make([]byte, 1<<16)).Manifest()
	m, err := question.ParseManifest(raw)
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	want := &question.Manifest{
		Name: "everything", Version: "1.2.3", Title: "Every \"thing\"", Description: "d", License: "Apache-2.0", Homepage: "https://example.org/",
		Columns: []question.ColumnNeed{{Name: "city", Type: question.String}, {Name: "year", Type: question.Integer}, {Name: "score", Type: question.Number}},
		Questions: []question.Question{{
			Name: "all", Title: "All", Description: "Everything at once.",
			Params: []question.Param{
				{Name: "city", Title: "City", Description: "A \"city\"\\\n\tof two lines: Zürich", Type: question.ParamColumn, Column: "city", Required: true, Select: true},
				{Name: "cities", Type: question.ParamColumn, Column: "city", Default: "Bern", List: true},
				{Name: "year", Type: question.ParamColumn, Column: "year"},
				{Name: "score", Type: question.ParamColumn, Column: "score"},
				{Name: "top", Type: question.ParamInteger, Min: new(1.0), Max: new(10.0), Default: json.Number("5")},
				{Name: "above", Type: question.ParamNumber, Min: new(-1.5), Max: new(1e21), Default: json.Number("0.25"), List: true},
				{Name: "order", Type: question.ParamChoice, Choices: []string{"up", "down"}, Default: "down"},
				{Name: "strict", Type: question.ParamBoolean, Default: true},
			},
			Result: question.Result{
				Keys:   []question.ResultColumn{{Name: "city", Type: question.String, Title: "City"}, {Name: "note", Type: question.String, Title: "Note"}},
				Values: []question.ResultColumn{{Name: "count", Type: question.Integer, Unit: "people"}, {Name: "average", Type: question.Number, UnitOf: "score"}},
				Layout: question.LayoutNested, Chart: "line",
			},
		}, {
			Name:   "least",
			Result: question.Result{Values: []question.ResultColumn{{Name: "average", Type: question.Number, UnitOf: "score"}}, Layout: question.LayoutRows},
		}},
	}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("the manifest reads as\n%+v\nwant\n%+v\n%s", m, want, raw)
	}
}

// A text of any bytes that are UTF-8 comes out as it went in.
func TestManifestText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := everythingPlugin(nil)
		p.Title = rapid.String().Draw(t, "title")
		var m struct {
			Title string `json:"title"`
		}
		if err := json.Unmarshal(sdk.NewGuest(p, make([]byte, 1<<16)).Manifest(), &m); err != nil {
			t.Fatal(err)
		}
		if m.Title != p.Title {
			t.Fatalf("%q came out as %q", p.Title, m.Title)
		}
	})
}

func TestParams(t *testing.T) {
	e := &everything
	for _, tt := range []struct {
		name string
		args map[string]any
		want string
	}{
		{"defaults", map[string]any{"city": "Bern"}, "Bern [Bern] no year, no score, top 5, above [0.25], order 1, strict true; rows 2"},
		{"given", map[string]any{
			"city": "Chur", "cities": []string{"Chur", "Bern"}, "year": 2020, "score": 4.0, "top": int64(-3),
			"above": []float64{1, 2.5}, "order": "up", "strict": false,
		}, "Chur [Chur Bern] year 2020, score 4, top -3, above [1 2.5], order 0, strict false; rows 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, func(job *sdk.Job) error {
				code, _ := e.city.Get(job)
				text := city.Text(job, code) + " ["
				for i := range e.cities.Len(job) {
					if i > 0 {
						text += " "
					}
					text += city.Text(job, e.cities.At(job, i))
				}
				text += "] "
				if v, ok := e.year.Get(job); ok {
					text += "year " + number(float64(v)) + ", "
				} else {
					text += "no year, "
				}
				if v, ok := e.score.Get(job); ok {
					text += "score " + number(v) + ", "
				} else {
					text += "no score, "
				}
				top, _ := e.top.Get(job)
				text += "top " + number(float64(top)) + ", above ["
				for i := range e.above.Len(job) {
					if i > 0 {
						text += " "
					}
					text += number(e.above.At(job, i))
				}
				order, _ := e.order.Get(job)
				strict, _ := e.strict.Get(job)
				text += "], order " + number(float64(order)) + ", strict " + map[bool]string{true: "true", false: "false"}[strict]
				return sdk.Failed(text + "; rows " + number(float64(job.Selected())))
			})
			_, err := s.Ask("all", tt.args)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func number(f float64) string {
	return strconv.FormatFloat(f, 'g', -1, 64)
}

func TestResult(t *testing.T) {
	e := &everything
	s := open(t, func(job *sdk.Job) error {
		cities, notes := e.cityOut.Column(job), e.noteOut.Column(job)
		counts, averages := e.countOut.Column(job), e.averageOut.Column(job)
		copy(cities.Extend(2), []int32{1, 0})
		cities.AppendMissing()
		notes.Append("first")
		notes.AppendMissing()
		notes.Append("thïrd")
		counts.AppendMissing()
		counts.Append(-7)
		copy(counts.Extend(1), []int64{math.MaxInt64})
		copy(averages.Extend(1), []float64{0.5})
		averages.AppendMissing()
		averages.Append(-0.25)
		if cities.Len() != 3 || notes.Len() != 3 || counts.Len() != 3 || averages.Len() != 3 {
			return sdk.Failed("the columns are not of three rows")
		}
		return nil
	})
	for range 2 { // the second run reuses the first one's buffers
		r, err := s.Ask("all", map[string]any{"city": "Bern"})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range [][]any{
			{"Chur", "first", nil, 0.5},
			{"Bern", nil, int64(-7), nil},
			{nil, "thïrd", int64(math.MaxInt64), -0.25},
		} {
			got := make([]any, len(r.Columns))
			for k := range r.Columns {
				got[k] = r.Columns[k].Value(i)
			}
			if !slices.Equal(got, want) {
				t.Errorf("row %d is %v, want %v", i, got, want)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	e := &everything
	for _, tt := range []struct {
		name   string
		answer func(job *sdk.Job) error
		code   uint32
		param  string
		text   string
		logged string
	}{
		{"any error", func(*sdk.Job) error { return errors.New("disk on fire") }, abi.ErrFailed, "", "disk on fire", ""},
		{"failed", func(*sdk.Job) error { return sdk.Failed("no") }, abi.ErrFailed, "", "no", ""},
		{"bad parameter", func(*sdk.Job) error { return sdk.BadParam(e.above, "too far above") }, abi.ErrBadParam, "above", "too far above", ""},
		{"no data", func(*sdk.Job) error { return sdk.NoData("nobody") }, abi.ErrNoData, "", "nobody", ""},
		{"nothing", func(*sdk.Job) error { return nil }, abi.ErrNoData, "", "no selected row has what the question needs", ""},
		{"panic", func(*sdk.Job) error { panic("out of cheese") }, abi.ErrFailed, "", "panic: out of cheese", "out of cheese"},
		{"runtime panic", func(job *sdk.Job) error { return sdk.Failed(number(score.Values(job)[job.Selected()+9])) },
			abi.ErrFailed, "", "panic: runtime error: index out of range [11] with length 4", "sdk_test.go"},
		{"unequal columns", func(job *sdk.Job) error { e.cityOut.Column(job).Append(0); return nil },
			abi.ErrFailed, "", "the result's column city has 1 rows, note has 0; for each row append to every column", ""},
		{"a column not declared", func(job *sdk.Job) error { _ = (&sdk.NumberColumn{Name: "x"}).Values(job); return nil },
			abi.ErrFailed, "", `panic: the column "x" is not listed; add its handle to Plugin.Columns`, "x"},
		{"a parameter not declared", func(job *sdk.Job) error { (&sdk.NumberParam{Name: "x"}).Get(job); return nil },
			abi.ErrFailed, "", `panic: the parameter "x" is not listed; add its handle to Params of the question all`, "x"},
		{"a result not declared", func(job *sdk.Job) error { (&sdk.NumberResult{Name: "x"}).Column(job); return nil },
			abi.ErrFailed, "", `panic: the result's column "x" is not listed; add its handle to Keys or Values in the Result of the question all`, "x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, tt.answer)
			_, err := s.Ask("all", map[string]any{"city": "Bern"})
			var got *sdktest.Error
			if !errors.As(err, &got) {
				t.Fatalf("got %v", err)
			}
			text, line, panicked := strings.Cut(got.Text, ", at ") // of the panic
			if got.Code != tt.code || got.Param != tt.param || text != tt.text || panicked && !strings.Contains(line, "sdk_test.go:") || panicked != strings.HasPrefix(tt.text, "panic:") {
				t.Errorf("got %#v, want code %d about %q: %s", err, tt.code, tt.param, tt.text)
			}
			if log := strings.Join(s.Log(), "\n"); (tt.logged == "") != (log == "") || !strings.Contains(log, tt.logged) {
				t.Errorf("logged %q, want %q in it", log, tt.logged)
			}
		})
	}
}

func TestOpen(t *testing.T) {
	p := everythingPlugin(nil)
	seen := 0
	p.Open = func(job *sdk.Job) error {
		for rows := range job.Rows(score) {
			seen += len(rows)
		}
		if unit := score.Unit(job); unit != "" {
			return errors.New("scores in " + unit)
		}
		return nil
	}
	if _, err := sdktest.Open(p, rowsOf()...); err != nil || seen != 3 {
		t.Errorf("Open saw %d scores, want 3; %v", seen, err)
	}
	columns := rowsOf()
	columns[2].Unit = "points"
	_, err := sdktest.Open(p, columns...)
	var refused *sdktest.Error
	if !errors.As(err, &refused) || refused.Code != abi.ErrDataset || refused.Text != "scores in points" {
		t.Errorf("Open's error came out as %#v", err)
	}
}

func TestColumns(t *testing.T) {
	s := open(t, func(job *sdk.Job) error {
		chur, ok := city.Code(job, "Chur")
		if !ok || city.Text(job, chur) != "Chur" || city.Count(job) != 2 {
			return sdk.Failed("Chur is not found")
		}
		for _, text := range []string{"", "A", "Bernx", "Z"} {
			if _, ok := city.Code(job, text); ok {
				return sdk.Failed(text + " is found")
			}
		}
		if city.Missing(job) != 1 || score.Missing(job) != 1 || year.Missing(job) != 0 || year.Unit(job) != "" {
			return sdk.Failed("missing values are miscounted")
		}
		if y := year.Values(job); len(y) != 4 || y[3] != 2022 {
			return sdk.Failed("the years are others")
		}
		return sdk.NoData("fine")
	})
	if _, err := s.Ask("least", nil); err == nil || err.Error() != "fine" {
		t.Error(err)
	}
}

// Rows and Blocks yield exactly the selected rows that pass the filters, however
// ranges and gaps lie.
func TestRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{0, 1, 7, 8, 9, 64, 1023, 1024, 1025, 3000}).Draw(t, "rows")
		gaps := rapid.SliceOfN(rapid.IntRange(0, 3), n, n).Draw(t, "gaps")
		cities, scores := make([]string, n), make([]float64, n)
		for i, g := range gaps {
			cities[i], scores[i] = []string{"", "Bern", "Chur", "Chur"}[g], []float64{1, 2, sdktest.Missing, 3}[(g+i)%4]
		}
		ranges := []sdk.Range{}
		for at := rapid.IntRange(0, 20).Draw(t, "first"); at < n; {
			count := min(n-at, rapid.SampledFrom([]int{1, 2, 7, 8, 20, 1500}).Draw(t, "count"))
			ranges = append(ranges, sdk.Range{Start: uint32(at), Count: uint32(count)})
			at += count + rapid.IntRange(1, 30).Draw(t, "gap")
		}
		var rows, blocks, inner []uint32
		p := everythingPlugin(func(job *sdk.Job) error {
			chur, _ := city.Code(job, "Chur")
			filters := []sdk.Filter{score, city.Is(chur)}
			for batch := range job.Rows(filters...) {
				if len(rows) == 0 { // a loop within: it has buffers of its own
					for batch := range job.Rows(filters...) {
						inner = append(inner, batch...)
					}
				}
				rows = append(rows, batch...)
			}
			for batch := range job.Blocks(filters...) {
				for _, b := range batch {
					codes := sdk.Eight(city.Codes(job), b)
					for i := range uint32(8) {
						if b.Mask>>i&1 == 1 {
							blocks = append(blocks, b.Row+i)
							if codes[i] != chur {
								return sdk.Failed("another city")
							}
						}
					}
				}
			}
			for range job.Rows() {
				break // gives its buffers back
			}
			all := 0
			for batch := range job.Rows() {
				all += len(batch)
			}
			if all != job.Selected() {
				return sdk.Failed("not all rows")
			}
			return sdk.NoData("fine")
		})
		s, err := sdktest.Open(p, sdktest.Strings("city", cities...), sdktest.Integers("year", make([]int64, n)...), sdktest.Numbers("score", scores...))
		if err != nil {
			t.Fatal(err)
		}
		call, err := s.Prepare("least", nil, ranges)
		if err != nil {
			t.Fatal(err)
		}
		if err := call.Run(); err == nil || err.Error() != "fine" {
			t.Fatal(err)
		}
		var want []uint32
		for _, r := range ranges {
			for i := r.Start; i < r.Start+r.Count; i++ {
				if cities[i] == "Chur" && !math.IsNaN(scores[i]) {
					want = append(want, i)
				}
			}
		}
		for name, got := range map[string][]uint32{"Rows": rows, "Blocks": blocks, "Rows within Rows": inner} {
			if !slices.Equal(got, want) {
				t.Errorf("%s yields %v, want %v", name, got, want)
			}
		}
	})
}

func TestAlloc(t *testing.T) {
	g := sdk.NewGuest(everythingPlugin(nil), make([]byte, 1<<20))
	for align := uint32(1); align <= abi.ColumnAlign; align *= 2 {
		if ptr := g.Alloc(3, align); ptr == 0 || ptr%align != 0 {
			t.Errorf("alloc(3, %d) is %d", align, ptr)
		}
	}
	for _, bad := range [][2]uint32{{1, 0}, {1, 3}, {1, 2 * abi.ColumnAlign}, {1 << 21, 8}, {math.MaxUint32, abi.ColumnAlign}} {
		if ptr := g.Alloc(bad[0], bad[1]); ptr != 0 {
			t.Errorf("alloc(%d, %d) is %d, want 0", bad[0], bad[1], ptr)
		}
	}
}
