package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	allocator "github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/parquet-go/parquet-go"
)

// ownRow is a row of a dataset of another shape than the CDC's; "" and NaN are
// missing.
type ownRow struct {
	group, indicator, category, stratum string
	value                               float64
}

// ownData is a dataset, and what its columns are called.
type ownData struct {
	rows                                []ownRow
	group, indicator, category, stratum string // "": a constant
	asked, place                        string // an indicator and a group
	lowest                              bool   // are best
}

// means is the plain way: the mean of each key over the rows with a value; a row
// without a key does not count.
func means(rows []ownRow, key func(ownRow) string) map[string]float64 {
	total, count := map[string]float64{}, map[string]float64{}
	for _, r := range rows {
		if k := key(r); k != "" && !math.IsNaN(r.value) {
			total[k] += r.value
			count[k]++
		}
	}
	for k := range total {
		total[k] /= count[k]
	}
	return total
}

// expect returns a question's answer in the JSON of the original program; five are the keys of
// best5 and worst5 in order, otherwise nil.
func (d *ownData) expect(name string) (want map[string]any, five []string) {
	rows := slices.DeleteFunc(slices.Clone(d.rows), func(r ownRow) bool { return d.indicator != "" && r.indicator != d.asked })
	byGroup := means(rows, func(r ownRow) string { return r.group })
	global := means(rows, func(ownRow) string { return "all" })["all"]
	want = map[string]any{}
	switch name {
	case "states_mean", "diff_from_mean":
		for k, v := range byGroup {
			if want[k] = v; name != "states_mean" {
				want[k] = global - v
			}
		}
	case "state_mean":
		want[d.place] = byGroup[d.place]
	case "state_diff_from_mean":
		want[d.place] = global - byGroup[d.place]
	case "global_mean":
		want["global_mean"] = global
	case "best5", "worst5":
		five = slices.SortedFunc(maps.Keys(byGroup), func(a, b string) int {
			switch {
			case byGroup[a] == byGroup[b]:
				return strings.Compare(a, b)
			case (byGroup[a] < byGroup[b]) == (d.lowest == (name == "best5")):
				return -1
			default:
				return 1
			}
		})[:5]
		for _, k := range five {
			want[k] = byGroup[k]
		}
	case "mean_by_category":
		for k, v := range means(rows, func(r ownRow) string { return d.tuple(r.group, r.category, r.stratum) }) {
			want[k] = v
		}
	case "state_mean_by_category":
		inner := map[string]any{}
		for k, v := range means(rows, func(r ownRow) string {
			if r.group != d.place {
				return ""
			}
			return d.tuple(r.category, r.stratum)
		}) {
			inner[k] = v
		}
		want[d.place] = inner
	}
	return want, five
}

func (d *ownData) tuple(parts ...string) string {
	if slices.Contains(parts, "") {
		return ""
	}
	return "('" + strings.Join(parts, "', '") + "')"
}

func sameAnswer(t *testing.T, what string, got, want any) {
	t.Helper()
	g, ok := got.(map[string]any)
	w, isMap := want.(map[string]any)
	switch {
	case isMap && ok:
		if len(g) != len(w) {
			t.Errorf("%s: %d keys, want %d: %.200v", what, len(g), len(w), g)
		}
		for k, v := range w {
			sameAnswer(t, what+" "+k, g[k], v)
		}
	default:
		a, ok := got.(float64)
		b, isNumber := want.(float64)
		if !ok || !isNumber || math.Abs(a-b) > 1e-9*max(1, math.Abs(b)) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
}

var nine = []string{
	"states_mean", "state_mean", "best5", "worst5", "global_mean", "diff_from_mean", "state_diff_from_mean", "mean_by_category", "state_mean_by_category",
}

// params is what a client says of a question.
func (d *ownData) params(name string) map[string]any {
	p := map[string]any{}
	if d.indicator != "" {
		p["question"] = d.asked
	}
	if strings.HasPrefix(name, "state_") {
		p["state"] = d.place
	}
	return p
}

// schoolMarks are marks of schools: a CSV with semicolons, no indicator, no category.
func schoolMarks(t *testing.T) (*ownData, string) {
	d := &ownData{group: "school", category: "subject", stratum: "subject", place: "Lycée Curie", lowest: true}
	var text strings.Builder
	text.WriteString("\ufeffPupil no;School;Subject;Mark;Form\r\n")
	schools := []string{"Lycée Curie", "École du Nord", "Pasteur", "Montaigne", "Ampère", "Sand", "Zola; annexe"}
	subjects := []string{"Maths", "Physique", "Sport"}
	for i := range 700 {
		r := ownRow{group: schools[i*5%7], category: "Subject", stratum: subjects[i%3], value: float64(10+i*7919%61) / 10}
		mark := fmt.Sprint(r.value)
		if i%19 == 0 {
			r.value, mark = math.NaN(), ""
		}
		d.rows = append(d.rows, r)
		fmt.Fprintf(&text, "%04d;%q;%s;%s;%d\r\n", i, r.group, r.stratum, mark, 6-i%6)
	}
	path := filepath.Join(t.TempDir(), "Marks 2024.csv")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return d, path
}

// births is a time series: many groups, integers for a measure, dictionaries.
func births() (*ownData, []int16) {
	d := &ownData{group: "country", indicator: "metric", category: "breakdown", stratum: "stratum", asked: "births", place: "Land 042"}
	var years []int16
	for i := range 24_000 {
		r := ownRow{group: fmt.Sprintf("Land %03d", i%120), indicator: []string{"births", "deaths"}[i/120%2], category: "Sex", value: float64(i * 37 % 1009)}
		r.stratum = []string{"f", "m", ""}[i/7%3]
		if i%11 == 0 {
			r.value = math.NaN()
		}
		d.rows = append(d.rows, r)
		years = append(years, int16(1990+i/240%30))
	}
	return d, years
}

func writeParquet(t *testing.T, d *ownData, years []int16) string {
	type record struct {
		Country   string  `parquet:"country,dict,zstd"`
		Metric    string  `parquet:"metric,dict"`
		Year      int32   `parquet:"year"`
		Breakdown string  `parquet:"breakdown,dict"`
		Stratum   *string `parquet:"sex,optional,dict"`
		Count     *int32  `parquet:"count,optional,snappy"`
		Tags      []int64 `parquet:"tags,list"`
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[record](&b)
	for i, r := range d.rows {
		one := record{Country: r.group, Metric: r.indicator, Year: int32(years[i]), Breakdown: r.category, Tags: []int64{1, 2}}
		if r.stratum != "" {
			one.Stratum = &r.stratum
		}
		if !math.IsNaN(r.value) {
			one.Count = new(int32(r.value))
		}
		if _, err := w.Write([]record{one}); err != nil {
			t.Fatal(err)
		}
		if i%7000 == 6999 {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "births.parquet")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// writeForeign writes an Arrow file in chunks, as other tools do.
func writeForeign(t *testing.T, d *ownData, years []int16) string {
	text := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int16, ValueType: arrow.BinaryTypes.String}
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "country", Type: text}, {Name: "metric", Type: arrow.BinaryTypes.LargeString}, {Name: "year", Type: arrow.PrimitiveTypes.Int16},
		{Name: "breakdown", Type: arrow.BinaryTypes.String}, {Name: "sex", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "count", Type: arrow.PrimitiveTypes.Uint32, Nullable: true},
	}, nil)
	var b bytes.Buffer
	w, err := ipc.NewFileWriter(&b, ipc.WithSchema(schema), ipc.WithLZ4(), ipc.WithDictionaryDeltas(true))
	if err != nil {
		t.Fatal(err)
	}
	build := array.NewRecordBuilder(allocator.DefaultAllocator, schema)
	defer build.Release()
	for i, r := range d.rows {
		if err := build.Field(0).(*array.BinaryDictionaryBuilder).AppendString(r.group); err != nil {
			t.Fatal(err)
		}
		build.Field(1).(*array.LargeStringBuilder).Append(r.indicator)
		build.Field(2).(*array.Int16Builder).Append(years[i])
		build.Field(3).(*array.StringBuilder).Append(r.category)
		if r.stratum == "" {
			build.Field(4).AppendNull()
		} else {
			build.Field(4).(*array.StringBuilder).Append(r.stratum)
		}
		if math.IsNaN(r.value) {
			build.Field(5).AppendNull()
		} else {
			build.Field(5).(*array.Uint32Builder).Append(uint32(r.value))
		}
		if i%5000 == 4999 || i == len(d.rows)-1 {
			batch := build.NewRecordBatch()
			err := w.Write(batch)
			batch.Release()
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "births.arrow")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Data of other shapes is described, asked and served; each of the nine answers is
// what a plain computation finds, under the dataset's own names.
func TestOwnData(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	marks, csv := schoolMarks(t)
	series, years := births()
	for _, c := range []struct {
		name, file string
		data       *ownData
		init       []string
	}{
		{"CSV", csv, marks, []string{"--best", "lowest"}},
		{"Parquet", writeParquet(t, series, years), series, nil},
		{"Arrow of another tool", writeForeign(t, series, years), series, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errs := lestats(t, append([]string{"data", "init", c.file}, c.init...)...)
			if code != exitOK {
				t.Fatalf("%d\n%s%s", code, out, errs)
			}
			if code, _, errs = lestats(t, "data", "init", c.file); code != exitFailed || !strings.Contains(errs, "already exists; replace it with --force") {
				t.Errorf("a second time: %d, %s", code, errs)
			}
			for _, name := range nine {
				want, _ := c.data.expect(name)
				args := []string{"ask", name, "--data", c.file, "-f", "json"}
				for k, v := range c.data.params(name) {
					args = append(args, k+"="+v.(string))
				}
				code, out, errs := lestats(t, args...)
				if code != exitOK {
					t.Fatalf("%s: %d\n%s%s", name, code, out, errs)
				}
				sameAnswer(t, name, dataOf(t, out), want)
			}
			p := serve(t, nil, "--data", c.file)
			c.data.overHTTP(t, p)
		})
	}
	t.Run("built", func(t *testing.T) {
		file := writeForeign(t, series, years)
		if code, _, errs := lestats(t, "data", "init", file); code != exitOK {
			t.Fatal(errs)
		}
		ours := filepath.Join(t.TempDir(), "ours.arrow")
		if code, _, errs := lestats(t, "data", "build", file); code != exitFailed || !strings.Contains(errs, "is the input file") {
			t.Errorf("%d, %s", code, errs)
		}
		if code, _, errs := lestats(t, "data", "build", file, "-o", ours); code != exitOK {
			t.Fatal(errs)
		}
		code, out, errs := lestats(t, "ask", "best5", "question=births", "--data", ours, "-f", "json")
		if code != exitOK {
			t.Fatalf("%d\n%s%s", code, out, errs)
		}
		want, _ := series.expect("best5")
		sameAnswer(t, "best5", dataOf(t, out), want)
	})
}

// overHTTP asks all questions of a server, and checks the names that it uses.
func (d *ownData) overHTTP(t *testing.T, p *process) {
	v, doc := p.describe()
	for path, item := range doc["paths"].(map[string]any) {
		post, ok := item.(map[string]any)["post"].(map[string]any)
		if !ok || !slices.Contains(nine, strings.TrimPrefix(path, "/api/")) {
			continue
		}
		content := post["requestBody"].(map[string]any)["content"].(map[string]any)["application/json"].(map[string]any)
		body, err := json.Marshal(content["example"])
		if err != nil {
			t.Fatal(err)
		}
		p.exchange(v, "POST", path+"?wait=20", string(body), http.StatusOK, false)
	}
	for _, name := range nine {
		want, five := d.expect(name)
		body, err := json.Marshal(d.params(name))
		if err != nil {
			t.Fatal(err)
		}
		got := p.ask(name, string(body))
		sameAnswer(t, "POST "+name, got["data"], want)
		if five == nil {
			continue
		}
		status, csv, err := p.try("POST", "/api/"+name, string(body), "Prefer: wait=20", "Accept: text/csv")
		lines := strings.Split(strings.TrimSpace(string(csv)), "\n")
		if err != nil || status != http.StatusOK || len(lines) != 6 || !strings.HasPrefix(lines[0], d.group+",mean") {
			t.Fatalf("%d, %v, %s", status, err, csv)
		}
		for i, k := range five {
			if !strings.HasPrefix(strings.Trim(lines[i+1], `"`), k) {
				t.Errorf("%s: line %d is %s, want %s", name, i+1, lines[i+1], k)
			}
		}
	}
	typo := d.params("state_mean")
	typo["state"] = strings.ToUpper(d.place)
	body, err := json.Marshal(typo)
	if err != nil {
		t.Fatal(err)
	}
	status, got := p.call("POST", "/api/state_mean", string(body))
	if reason := fmt.Sprint(got["reason"]); status < 400 || !strings.Contains(reason, fmt.Sprintf("did you mean %q", d.place)) || !strings.Contains(reason, fmt.Sprintf("%q", d.group)) {
		t.Errorf("a typing error: %d, %v", status, got)
	}
}
