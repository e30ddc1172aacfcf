package dataset

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const benchRows = 104_000

// cdcHeader is the published file's, trailing space included.
const cdcHeader = `YearStart,YearEnd,LocationAbbr,LocationDesc,Datasource,Class,Topic,Question,Data_Value_Unit,Data_Value_Type,` +
	`Data_Value,Data_Value_Alt,Data_Value_Footnote_Symbol,Data_Value_Footnote,Low_Confidence_Limit,High_Confidence_Limit ,` +
	`Sample_Size,Total,Age(years),Education,Gender,Income,Race/Ethnicity,GeoLocation,ClassID,TopicID,QuestionID,` +
	`DataValueTypeID,LocationID,StratificationCategory1,Stratification1,StratificationCategoryId1,StratificationID1`

// writeCDC writes rows in the published file's form and in no order, about 400
// bytes each, a tenth of them without figures. Equal arguments give equal bytes.
func writeCDC(out io.Writer, rows int) error {
	w := bufio.NewWriterSize(out, 1<<20)
	fmt.Fprintf(w, "%s\r\n", cdcHeader)
	random := rand.New(rand.NewPCG(1, 2))
	for range rows {
		year, place, q, stratum := 2011+random.IntN(13), random.IntN(55), random.IntN(9), random.IntN(28)
		value, low, high, size, symbol, footnote := "", "", "", "", "~", "Data not available because sample size is insufficient."
		if random.IntN(10) > 0 {
			v := 100 + random.IntN(600)
			value, low, high = fmt.Sprintf("%d.%d", v/10, v%10), fmt.Sprintf("%d.%d", v/10-3, v%10), fmt.Sprintf("%d.%d", v/10+3, v%10)
			size, symbol, footnote = strconv.Itoa(50+random.IntN(40_000)), "", ""
		}
		category := stratum % 6
		fmt.Fprintf(w, `%d,%d,L%02d,Location %d,Behavioral Risk Factor Surveillance System,Class %d,Class %d - Behavior,`+
			`"Percent of adults who do thing number %d for at least 150 minutes a week of moderate-intensity, or 75 of vigorous-intensity, activity (or an equivalent)",`+
			`,Value,%s,%s,%s,%s,%s,%s,%s,,,,,,Stratum %d,"(%d.444304, -%d.793731)",C%d,C%d1,Q0%d,VALUE,%d,Category %d,Stratum %d,CAT%d,S%d`+"\r\n",
			year, year, place, place, q/3, q/3, q, value, value, symbol, footnote, low, high, size,
			stratum, place, place, q/3, q/3, q, place, category, stratum, category, stratum)
	}
	return w.Flush()
}

// benchCSV returns the file at LESTATS_BENCH_CSV, written there if need be, which
// infra/bench/csv_vs_pandas.py reads too; without it a temporary file.
func benchCSV(b *testing.B) string {
	b.Helper()
	path := os.Getenv("LESTATS_BENCH_CSV")
	if path == "" {
		path = filepath.Join(b.TempDir(), "bench.csv")
	}
	if _, err := os.Stat(path); err == nil {
		return path
	}
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	if err := writeCDC(f, benchRows); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}

// cdcDataset returns a dataset of the given number of rows.
func cdcDataset(t testing.TB, rows int) *Dataset {
	t.Helper()
	var csv bytes.Buffer
	if err := writeCDC(&csv, rows); err != nil {
		t.Fatal(err)
	}
	ds, err := ReadCSV(context.Background(), &csv, npao(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

func BenchmarkReadCSV(b *testing.B) {
	path := benchCSV(b)
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	d := npao(b)
	b.SetBytes(info.Size())
	b.ReportAllocs()
	var ds *Dataset
	for b.Loop() {
		if ds, err = Open(context.Background(), path, d); err != nil {
			b.Fatal(err)
		}
	}
	if locations, _ := ds.Column("location"); ds.Rows() != benchRows || len(locations.Dict) != 55 {
		b.Fatalf("%d rows of %d locations", ds.Rows(), len(locations.Dict))
	}
}

// BenchmarkArrow measures what delays the first answer after a start.
func BenchmarkArrow(b *testing.B) {
	ds := cdcDataset(b, benchRows)
	var file bytes.Buffer
	if err := WriteArrow(&file, ds); err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "bench.arrow")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	run := func(name string, each func() error) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(file.Len()))
			b.ReportAllocs()
			for b.Loop() {
				if err := each(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	same := func(d *Dataset) error {
		if d.Rows() != benchRows || d.Digest() != ds.Digest() {
			return fmt.Errorf("%d rows, %s; not %d, %s", d.Rows(), d.Digest(), benchRows, ds.Digest())
		}
		return nil
	}
	run("read", func() error {
		d, err := ReadArrow(file.Bytes())
		if err != nil {
			return err
		}
		return same(d)
	})
	run("verify", ds.Verify)
	run("write", func() error {
		var n counter
		if err := WriteArrow(&n, ds); err != nil || int(n) != file.Len() {
			return fmt.Errorf("%d bytes, %w; not %d", n, err, file.Len())
		}
		return nil
	})
	run("open", func() error { // map, read, verify, unmap
		d, err := Open(context.Background(), path, nil)
		if err != nil {
			return err
		}
		return errors.Join(same(d), d.Close())
	})
}

// counter counts the bytes that are written to it.
type counter int

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

func BenchmarkSelect(b *testing.B) {
	ds := cdcDataset(b, benchRows)
	code := func(column string, n int32) question.Condition {
		return question.Condition{Column: column, Codes: []int32{n}}
	}
	years := question.Condition{Column: "year", Intervals: []question.Interval{{Min: 2015, Max: 2020}}}
	for _, c := range []struct {
		name  string
		conds []question.Condition
	}{
		{"question", []question.Condition{code("question", 4)}},
		{"question+location", []question.Condition{code("question", 4), code("location", 7)}},
		{"question+category", []question.Condition{code("question", 4), code("category", 2)}},
		{"question+years", []question.Condition{code("question", 4), years}},
		{"question+years+category", []question.Condition{code("question", 4), years, code("category", 2)}},
		{"location", []question.Condition{code("location", 7)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var ranges []question.Range
			for b.Loop() {
				ranges = ds.Select(c.conds)
			}
			n := 0
			for _, r := range ranges {
				n += int(r.Count)
			}
			if want := countRows(ds, c.conds); n != want || n == 0 {
				b.Fatalf("%d rows; want %d", n, want)
			}
		})
	}
}

// countRows counts, row by row, those that pass.
func countRows(ds *Dataset, conds []question.Condition) (n int) {
	for row := range ds.Rows() {
		if !slices.ContainsFunc(conds, func(c question.Condition) bool { return !passes(ds, &c, row) }) {
			n++
		}
	}
	return n
}

// TestMappedDatasetTakesNoHeap: the columns of a file lie in its pages.
func TestMappedDatasetTakesNoHeap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.arrow")
	if err := os.WriteFile(path, arrowBytes(t, cdcDataset(t, 20_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	ds, err := Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if after := heap(); after > before+200_000 { // the file has 1.5 MB
		t.Errorf("%d bytes", after-before)
	}
	if err := ds.Close(); err != nil {
		t.Error(err)
	}
}
