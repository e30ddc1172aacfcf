package web

import (
	"bytes"
	"fmt"
	"math"
	"net/url"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/chart"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

func spell(h headline) string {
	var b strings.Builder
	for _, f := range h.Figures {
		fmt.Fprintf(&b, "[%s] %s: %s (%s) %s %s\n", f.Label, f.Name, f.Value, f.Detail, f.Rank, strings.Join(f.More, "; "))
	}
	return strings.ReplaceAll(b.String(), "\u00a0", " ")
}

func TestHeadline(t *testing.T) {
	one, several := answered("West Virginia"), answered("West Virginia", "Ohio", "Colorado", "Guam")
	// Guam has the least estimate and no rank.
	ranks := &several.Table.Columns[5]
	ranks.Valid = question.NewBitmap(4)
	for i := range 3 {
		ranks.Valid.Set(i)
	}
	line := answered("a", "b", "c")
	line.Table.Chart = "line"
	line.Table.Columns[0] = question.Column{Name: "year", Type: question.Integer, Role: question.RoleKey, Integers: []int64{2011, 2012, 2013}}
	mean := &question.Answer{
		Table: &question.Table{Columns: []question.Column{
			{Name: "global_mean", Type: question.Number, Role: question.RoleValue, Shows: question.ShowsMean, Unit: "%", Numbers: []float64{31.123456}},
			{Name: "verdict", Title: "Verdict", Type: question.String, Role: question.RoleValue, Codes: []int32{0}, Dict: []string{"higher"}},
		}},
		Caveats: []question.Caveat{{Code: question.CaveatMean, Text: "Plain means; no interval."}},
	}
	apart := answered("Ohio", "Utah")
	for i, name := range []string{"difference", "difference_low", "difference_high"} {
		d := []float64{1.5, 0.5, 2.5}[i]
		apart.Table.Columns = append(apart.Table.Columns, question.Column{Name: name, Type: question.Number, Role: question.RoleValue, Shows: question.ShowsDifference, Unit: "percentage points", Numbers: []float64{d, -[]float64{1.5, 2.5, 0.5}[i]}})
	}
	empty := answered()
	for name, c := range map[string]struct {
		*question.Answer
		want string
	}{
		"one":     {one, "[] West Virginia: 41 % (95 % interval 39.3 to 42.7; 5,523 asked) rank 1 of 1 \n"},
		"several": {several, "[Highest] West Virginia: 41 % (95 % interval 39.3 to 42.7; 5,523 asked) rank 1 to 3 of 3 \n[Lowest] Colorado: 39 % (95 % interval 37.3 to 40.7; 5,523 asked) rank 1 to 4 of 3 \n"},
		"line":    {line, "[Last] 2013: 39 % (95 % interval 37.3 to 40.7; 5,523 asked) rank 1 to 3 of 3 \n[First] 2011: 41 % (95 % interval 39.3 to 42.7; 5,523 asked) rank 1 to 3 of 3 \n"},
		"mean":    {mean, "[] : 31.12 % ()  Verdict: higher\n"},
		"apart":   {apart, "[] Ohio: 41 % (95 % interval 39.3 to 42.7; 5,523 asked) rank 1 to 2 of 2 difference: 1.5 percentage points (0.5 to 2.5)\n[] Utah: 40 % (95 % interval 38.3 to 41.7; 5,523 asked) rank 1 to 2 of 2 difference: -1.5 percentage points (-2.5 to -0.5)\n"},
		"empty":   {empty, ""},
	} {
		h := headlineOf(c.Answer)
		if got := spell(h); got != c.want || h.Empty != (name == "empty") || (h.Mean != "") != (name == "mean") {
			t.Errorf("%s: %q\nwant %q (%+v)", name, got, c.want, h)
		}
	}
	if h := headlineOf(one); h.Mixes != "Year West Virginia (12)" {
		t.Errorf("mixes %q: a column of the table is not mixed", h.Mixes)
	}
}

func TestFigures(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   string
	}{
		{[]float64{41, 39.25, -1234567.5}, "41.00 39.25 -1,234,567.50"},
		{[]float64{41, 39.5}, "41.0 39.5"},
		{[]float64{1, 2}, "1 2"},
		{[]float64{0.00123, 0.5}, "0.001 0.500"},
		{[]float64{0.00123}, "0.00123"},
		{[]float64{1.0 / 3, 100.0 / 3}, "0.33 33.33"},
		{[]float64{1e20}, "1e+20"},
		{[]float64{1e-9}, "1e-09"},
		{[]float64{0, math.Copysign(0, -1)}, "0 -0"},
	} {
		f := figuresOf(&question.Column{Type: question.Number, Role: question.RoleValue, Numbers: c.values})
		var got []string
		for i := range c.values {
			got = append(got, f.at(i))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%v: %q; want %q", c.values, got, c.want)
		}
	}
	year := figuresOf(&question.Column{Type: question.Integer, Role: question.RoleKey, Integers: []int64{2023}})
	if year.at(0) != "2023" {
		t.Errorf("a year is %q", year.at(0))
	}
}

// A table of 100,000 rows has pages, each of which is small, and sorts by each column.
func TestLongTable(t *testing.T) {
	const rows = 100_000
	names := make([]string, rows)
	for i := range names {
		names[i] = fmt.Sprintf("n%06d", i)
	}
	table := answered(names...).Table
	table.Columns[1].Valid = question.NewBitmap(rows)
	for i := 1; i < rows; i++ {
		table.Columns[1].Valid.Set(i)
	}
	at := func(sort string, page int) string { return fmt.Sprint(sort, page) }
	for _, c := range []struct {
		sort       string
		page       int
		first      string
		from, to   int
		next, last string
	}{
		{"", 1, "n000000", 1, 100, "Next rows", ""},
		{"", 7, "n000600", 601, 700, "Previous 100 rows", "Next rows"},
		{"", 5000, "n099900", 99901, 100000, "Previous 100 rows", ""},
		{"", -1, "n000000", 1, 100, "Next rows", ""},
		{"-place", 1, "n099999", 1, 100, "Next rows", ""},
		{"estimate", 1, "n099999", 1, 100, "Next rows", ""},
		{"-estimate", 1, "n000001", 1, 100, "Next rows", ""},
		{"-estimate", 1000, "n099901", 99901, 100000, "Previous 100 rows", ""}, // the one without a value is the last
		{"nothing", 1, "n000000", 1, 100, "Next rows", ""},
	} {
		g := gridOf(table, c.sort, c.page, at)
		first, _, _ := strings.Cut(strings.TrimPrefix(string(g.Body), `<tr><th scope="row"><bdi>`), "<")
		if first != c.first || g.From != c.from || g.To != c.to || g.Rows != rows || g.Pages[0].Text != c.next || len(g.Pages) == 2 && g.Pages[1].Text != c.last || len(g.Body) > 40_000 {
			t.Errorf("%q page %d: %q, %d to %d, %v, %d bytes", c.sort, c.page, first, g.From, g.To, g.Pages, len(g.Body))
		}
	}
	if g := gridOf(table, "-estimate", 1, at); g.Heads[1].Sort != "descending" || g.Heads[1].URL != "estimate1" || g.Heads[0].Sort != "" {
		t.Errorf("%+v", g.Heads[:2])
	}
	s, f := site(t)
	f.answer = func(question.Request) (*question.Answer, error) {
		return &question.Answer{Table: table, Provenance: answered("x").Provenance}, nil
	}
	page := f.get(t, s, "/q/figures").Body.String()
	if len(page) > 200_000 || !strings.Contains(page, "99,800") {
		t.Errorf("%d bytes; the picture says what it leaves out", len(page))
	}
}

// Keys with one value do not push the figures out of the window.
func TestColumnOrder(t *testing.T) {
	table := answered("Ohio", "Texas").Table
	table.Columns = append([]question.Column{{Name: "year", Type: question.Integer, Role: question.RoleKey, Integers: []int64{2023, 2023}}}, table.Columns...)
	g := gridOf(table, "", 1, nil)
	if last := g.Heads[len(g.Heads)-1].Title; g.Heads[0].Title != "Place" || last != "year" {
		t.Errorf("%+v", g.Heads)
	}
	if body := string(g.Body); !strings.HasPrefix(body, `<tr><th scope="row"><bdi>Ohio</bdi></th><td class="n">41</td>`) || !strings.Contains(body, `<td class="n">2023</td></tr>`) {
		t.Errorf("%s", body)
	}
}

// A very long name is cut in the table, and does not make a row as long as a page.
func TestLongNames(t *testing.T) {
	body := string(gridOf(answered(strings.Repeat("x", 10_000), "Ohio").Table, "", 1, nil).Body)
	if len(body) > 2000 || !strings.Contains(body, strings.Repeat("x", maxCell-1)+"…</bdi></th>") || !strings.Contains(body, ">Ohio<") {
		t.Errorf("%d bytes: %.600s", len(body), body)
	}
}

// A report is one file: it has all of the table, and needs no server.
func TestReport(t *testing.T) {
	for _, names := range [][]string{{"Ohio", "Texas"}, hostile} {
		a := answered(names...)
		caption := a.Caption(&question.Question{Name: "figures", Title: "Figures"}, question.Request{Question: "figures"}, question.DatasetInfo{Title: names[0], Digest: datasetDigest})
		caption.URL = "https://stats.example/q/figures"
		var b bytes.Buffer
		f := Report(chart.New().Draw, chart.Style)
		if err := f.Write(&b, a.Table, question.WriteOptions{Caption: caption, Provenance: a.Provenance}); err != nil {
			t.Fatal(err)
		}
		checkPage(t, b.String(), f.Policy)
		for _, want := range []string{"SYNTHETIC", "<svg", "<table", "sha256:s", "@misc{", "12,345 rows", `http-equiv="Content-Security-Policy"`} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("no %s", want)
			}
		}
		b.Reset()
		if err := f.Write(&b, a.Table, question.WriteOptions{}); err != nil || !strings.Contains(b.String(), "<table") {
			t.Errorf("without a caption: %v", err)
		}
	}
}

// No name can end a string in a snippet.
func TestSnippets(t *testing.T) {
	req := question.Request{Question: "figures", Params: map[string]any{"place": "it's \"$(x)`\\\n';--", "n": 5.0}}
	for _, keyed := range []bool{false, true} {
		for _, s := range Snippets("https://stats.example/base", req, keyed) {
			at := strings.Index(s.Code, "https://stats.example/base/api/figures.")
			if at < 0 {
				t.Fatalf("%s: %s", s.ID, s.Code)
			}
			quote := s.Code[at-1]
			address, _, _ := strings.Cut(s.Code[at:], string(quote))
			u, err := url.Parse(address)
			if err != nil || u.Query().Get("place") != req.Params["place"] || u.Query().Get("n") != "5" || strings.Trim(address, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~%+&=:/?") != "" {
				t.Errorf("%s: %v %q", s.ID, err, address)
			}
			if strings.Contains(s.Code, "getenv(") && s.ID == "duckdb" && !strings.Contains(s.Needs, "command line") {
				t.Errorf("%s does not say that getenv needs DuckDB's command line: %q", s.ID, s.Needs)
			}
			if strings.Contains(s.Code, "LESTATS_API_KEY") != keyed {
				t.Errorf("%s: %s", s.ID, s.Code)
			}
		}
	}
}

func TestSameScale(t *testing.T) {
	p := func(mark string, texts ...string) *picture {
		out := &picture{Mark: mark}
		for _, text := range texts {
			out.Legend = append(out.Legend, swatch{Text: text})
		}
		return out
	}
	for _, c := range []struct {
		a, b *picture
		want bool
	}{
		{p("map", "20 to 25 %", "National: 3 (1 to 2; 5)"), p("map", "20 to 25 %", "National: 4 (1 to 2; 5)"), true},
		{p("map", "20 to 25 %"), p("map", "25 to 30 %"), false},
		{p("dots", "x to y"), p("map", "25 to 30 %"), true},
		{nil, p("map", "25 to 30 %"), true},
	} {
		if got := sameScale(c.a, c.b); got != c.want {
			t.Errorf("%v %v: %t", c.a, c.b, got)
		}
	}
}

// TestLongReport: a report of many rows has the first of them, and says so.
func TestLongReport(t *testing.T) {
	table := &question.Table{Columns: []question.Column{{Name: "n", Type: question.Integer, Role: question.RoleValue, Integers: make([]int64, 2*reportRows)}}}
	a := &question.Answer{Table: table}
	caption := a.Caption(&question.Question{Name: "figures"}, question.Request{Question: "figures"}, question.DatasetInfo{Digest: datasetDigest})
	var b bytes.Buffer
	f := Report(chart.New().Draw, chart.Style)
	if err := f.Write(&b, table, question.WriteOptions{Caption: caption}); err != nil {
		t.Fatal(err)
	}
	checkPage(t, b.String(), f.Policy)
	if !strings.Contains(b.String(), "A report has the first 10,000 rows. The same answer as CSV or Arrow has all 20,000.") || strings.Count(b.String(), "<tr>") > reportRows+10 {
		t.Errorf("%d rows in %d bytes", strings.Count(b.String(), "<tr>"), b.Len())
	}
}
