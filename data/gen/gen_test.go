package main

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/data"
	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/testtool"
)

var project = func() string {
	dir, err := filepath.Abs("../..")
	if err != nil {
		panic(err)
	}
	return dir
}()

// command runs the command as from the project's folder, and stays there.
func command(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	t.Chdir(project)
	var out bytes.Buffer
	err = run(args, &out, io.Discard)
	return out.String(), err
}

func TestSampleIsTheOneThatWasAgreed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sample.arrow")
	summary, err := command(t, "-check", "-o", file)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	ds, err := dataset.ReadArrow(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := ds.Verify(); err != nil {
		t.Error(err)
	}
	info := ds.Info()
	if info.Name != "npao_sample" || !info.Synthetic || !strings.Contains(info.Title, "SYNTHETIC") || strings.Contains(info.Source, "cdc.gov") {
		t.Errorf("it does not say what it is: %+v", info)
	}
	readme, err := os.ReadFile("data/README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), summary) {
		t.Errorf("data/README.md does not have what the command prints:\n%s", summary)
	}
}

func TestCheckRefuses(t *testing.T) {
	dir := t.TempDir()
	sum, file := filepath.Join(dir, "sum"), filepath.Join(dir, "sample.arrow")
	if err := os.WriteFile(sum, []byte("0000  built/sample.arrow\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := command(t, "-check", "-sum", sum, "-o", file)
	if err == nil || !strings.Contains(err.Error(), "-update") {
		t.Errorf("the error is %v", err)
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it wrote the sample all the same: %v", err)
	}
	if _, err := command(t, "-update", "-check", "-sum", sum); err != nil {
		t.Error(err)
	}
}

func TestBadFlags(t *testing.T) {
	for _, c := range []struct {
		says string
		args []string
	}{
		{"nothing to do", nil},
		{`"more" is not a flag`, []string{"-check", "more"}},
		{"not defined", []string{"-nope"}},
		{"no such file", []string{"-check", "-sum", "none"}},
		{"no such file", []string{"-update", "-sum", "none/sum"}},
		{"no such file", []string{"-o", "none/sample.arrow"}},
		{"no such file", []string{"-csv", "none/sample.csv"}},
	} {
		if _, err := command(t, c.args...); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: the error is %v", c.args, err)
		}
	}
}

// The CSV, read with the descriptor, is the same dataset as the one that was built.
func TestCSVIsTheSameDataset(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sample.csv")
	if _, err := command(t, "-csv", file); err != nil {
		t.Fatal(err)
	}
	sample, _, err := build(rows())
	if err != nil {
		t.Fatal(err)
	}
	d, err := descriptor()
	if err != nil {
		t.Fatal(err)
	}
	got, err := dataset.Open(t.Context(), file, d)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Info(), sample.Info()) {
		t.Errorf("got %+v, want %+v", got.Info(), sample.Info())
	}
	if d, err = dataset.ParseDescriptor(data.NPAO); err != nil {
		t.Fatal(err)
	}
	if got, err = dataset.Open(t.Context(), file, d); err != nil {
		t.Fatal(err)
	}
	if info := got.Info(); !info.Synthetic || info.Name != "npao" {
		t.Errorf("read as the survey, it is %+v", info)
	}
	for i, want := range sample.Columns()[:len(d.Columns)] {
		got := &got.Columns()[i]
		if got.Name != want.Name || !slices.Equal(got.Numbers, want.Numbers) || !slices.Equal(got.Integers, want.Integers) ||
			!slices.Equal(got.Codes, want.Codes) || !slices.Equal(got.Dict, want.Dict) || !bytes.Equal(got.Valid, want.Valid) {
			t.Errorf("the column %q differs", want.Name)
		}
	}
}

func TestCSVHasTheTrapsOfTheReal(t *testing.T) {
	var b bytes.Buffer
	all := rows()
	if err := writeCSV(&b, all); err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(b.String(), "\n")
	if !strings.Contains(head, ",High_Confidence_Limit ,") || !strings.HasSuffix(head, "\r") {
		t.Errorf("the header is %q", head)
	}
	for _, want := range []string{
		`,"$15,000 - $24,999",`,          // quoted for its commas
		`,Value,,,~,Data not available `, // a gap and its footnote
		",US,National,",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("there is no %s", want)
		}
	}
	records, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{}
	for i, h := range records[0] {
		at[h] = i
	}
	if len(at) != 33 || len(records) != len(all)+1 {
		t.Fatalf("%d columns, %d rows", len(at), len(records)-1)
	}
	for i, r := range records[1:] {
		stratum := r[at["Stratification1"]]
		column := strings.Replace(r[at["StratificationCategory1"]], "Age (years)", "Age(years)", 1)
		gap := r[at["Data_Value"]] == ""
		if r[at[column]] != stratum || !strings.HasPrefix(r[at["Datasource"]], "SYNTHETIC") || gap != (r[at["Data_Value_Footnote_Symbol"]] == "~") ||
			gap != (r[at["Sample_Size"]] == "") || r[at["Data_Value"]] != r[at["Data_Value_Alt"]] {
			t.Fatalf("row %d is %q", i, r)
		}
	}
}

func TestFigures(t *testing.T) {
	all := rows()
	missing, point := 0, 0
	type cell struct{ question, location, stratum, year any }
	seen := map[cell]bool{}
	for i := range all {
		r := &all[i]
		c := cell{r.survey, r.location, r.stratum, r.year}
		if seen[c] {
			t.Fatalf("twice: %+v", *r)
		}
		seen[c] = true
		switch {
		case !r.present:
			missing++
			if r.value != 0 || r.low != 0 || r.high != 0 || r.size != 0 {
				t.Fatalf("missing, and yet: %+v", *r)
			}
			continue
		case r.low <= 0, r.low >= r.value, r.value >= r.high, r.high >= 1000, r.size < 50:
			t.Fatalf("not plausible: %+v", *r)
		}
		if r.value%10 != 0 {
			point++
		}
	}
	if n := len(all); n < 103_000 || n > 105_000 {
		t.Errorf("%d rows, not about 104,000", n)
	}
	if share := missing * 100 / len(all); share < 8 || share > 12 {
		t.Errorf("%d %% have no value, not about 10 %%", share)
	}
	if point < len(all)/2 {
		t.Errorf("only %d have a decimal", point)
	}
}

// What there is of each, and which are asked when.
func TestGroups(t *testing.T) {
	all := rows()
	questions, places, groups, years := map[string]map[int]bool{}, map[string]bool{}, map[string]map[string]bool{}, map[int]bool{}
	for i := range all {
		r := &all[i]
		if questions[r.survey.text] == nil {
			questions[r.survey.text] = map[int]bool{}
		}
		questions[r.survey.text][r.year] = true
		places[r.location.name] = true
		if groups[r.stratum.category] == nil {
			groups[r.stratum.category] = map[string]bool{}
		}
		groups[r.stratum.category][r.stratum.name] = true
		years[r.year] = true
	}
	counts := map[string]int{}
	total := 0
	for category, names := range groups {
		counts[category] = len(names)
		total += len(names)
	}
	want := map[string]int{"Total": 1, "Gender": 2, "Age (years)": 6, "Education": 4, "Income": 7, "Race/Ethnicity": 8}
	if !maps.Equal(counts, want) || total != 28 {
		t.Errorf("strata %v, want %v", counts, want)
	}
	if len(questions) != 9 || len(places) != 55 || len(years) != 13 {
		t.Errorf("%d survey questions, %d locations, %d years", len(questions), len(places), len(years))
	}
	for _, name := range []string{"National", "Guam", "Puerto Rico", "Virgin Islands", "District of Columbia"} {
		if !places[name] {
			t.Errorf("no %s", name)
		}
	}
	asked := map[int]int{}
	for _, y := range questions {
		asked[len(y)]++
	}
	if want := map[int]int{13: 3, 6: 4, 3: 2}; !maps.Equal(asked, want) {
		t.Errorf("asked in so many years: %v, want %v", asked, want)
	}
}

// Twins have equal means to the last bit, at the edge of a five best too; and there
// are groups without any value.
func TestTiesAndEmptyGroups(t *testing.T) {
	sample, _, err := build(rows())
	if err != nil {
		t.Fatal(err)
	}
	column := func(name string) *question.Column {
		c, ok := sample.Column(name)
		if !ok {
			t.Fatalf("no column %q", name)
		}
		return c
	}
	asked, place, group, value := column("question"), column("location"), column("stratum"), column("value")
	type mean struct {
		sum float64
		n   int
	}
	places, groups := map[[2]int32]mean{}, map[[3]int32]mean{}
	for i := range sample.Rows() {
		p, g := [2]int32{asked.Codes[i], place.Codes[i]}, [3]int32{asked.Codes[i], place.Codes[i], group.Codes[i]}
		mp, mg := places[p], groups[g]
		if value.Present(i) {
			mp, mg = mean{mp.sum + value.Numbers[i], mp.n + 1}, mean{mg.sum + value.Numbers[i], mg.n + 1}
		}
		places[p], groups[g] = mp, mg
	}
	emptyPlaces, emptyGroups := 0, 0
	means := make([][]float64, len(asked.Dict)) // of locations, by survey question
	for p, m := range places {
		if m.n == 0 {
			emptyPlaces++
			continue
		}
		means[p[0]] = append(means[p[0]], m.sum/float64(m.n))
	}
	for _, m := range groups {
		if m.n == 0 {
			emptyGroups++
		}
	}
	if emptyPlaces != 2 || emptyGroups < 100 {
		t.Errorf("%d locations and %d groups have no value for a survey question", emptyPlaces, emptyGroups)
	}
	edges := 0
	for q, all := range means {
		slices.SortFunc(all, cmp.Compare[float64])
		ties := 0
		for i := 1; i < len(all); i++ {
			if all[i] == all[i-1] {
				ties++
			}
		}
		if ties < len(twins) {
			t.Errorf("%s: %d ties of %d twins", asked.Dict[q], ties, len(twins))
		}
		if all[4] == all[5] || all[len(all)-5] == all[len(all)-6] {
			edges++
		}
	}
	if edges == 0 {
		t.Error("there is no tie between a fifth and a sixth place")
	}
}

// The names are the published ones, as far as the slice of the real file has them.
func TestNamesAreTheCDCs(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(testtool.Slice(t), "cdc_npao_slice.csv"))
	if err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(records[0], header) {
		t.Errorf("the header is %q", records[0])
	}
	at := func(r []string, name string) string { return r[slices.Index(header, name)] }
	type names struct{ a, b, c, d, e, f string }
	published, ours := map[names]bool{}, map[names]bool{}
	for _, r := range records[1:] {
		published[names{at(r, "QuestionID"), at(r, "Question"), at(r, "Class"), at(r, "ClassID"), at(r, "Topic"), at(r, "TopicID")}] = true
		published[names{a: at(r, "LocationAbbr"), b: at(r, "LocationDesc"), c: at(r, "LocationID")}] = true
		category := at(r, "StratificationCategory1")
		column := strings.Replace(category, "Age (years)", "Age(years)", 1)
		published[names{category, at(r, "StratificationCategoryId1"), column, at(r, "Stratification1"), at(r, "StratificationID1"), at(r, column)}] = true
	}
	for _, s := range surveys {
		ours[names{s.id, s.text, s.class, s.classID, s.topic, s.topicID}] = true
	}
	var all bytes.Buffer
	if err := writeCSV(&all, rows()); err != nil {
		t.Fatal(err)
	}
	if records, err = csv.NewReader(&all).ReadAll(); err != nil {
		t.Fatal(err)
	}
	for _, r := range records[1:] {
		ours[names{a: at(r, "LocationAbbr"), b: at(r, "LocationDesc"), c: at(r, "LocationID")}] = true
	}
	for _, s := range strata {
		ours[names{s.category, s.categoryID, s.column, s.name, s.id, s.name}] = true
	}
	if !maps.Equal(published, ours) {
		t.Errorf("published %v\nours %v", published, ours)
	}
}

func TestIsqrt(t *testing.T) {
	for n := range 5000 {
		if r := isqrt(n); r*r > n || (r+1)*(r+1) <= n {
			t.Fatalf("the root of %d is not %d", n, r)
		}
	}
}

func BenchmarkGenerate(b *testing.B) {
	for b.Loop() {
		ds, file, err := build(rows())
		if err != nil {
			b.Fatal(err)
		}
		if ds.Rows() != len(rows()) || len(file) == 0 {
			b.Fatalf("%d rows in %d bytes", ds.Rows(), len(file))
		}
	}
}
