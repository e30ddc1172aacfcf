package dataset

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

func readCSV(t testing.TB, text string) (*Dataset, error) {
	t.Helper()
	return ReadCSV(context.Background(), strings.NewReader(text), tiny(t), nil)
}

// rows returns all values, a row a line, as place|value|count.
func rows(t testing.TB, d *Dataset) string {
	t.Helper()
	var b strings.Builder
	for i := range d.Rows() {
		for j, c := range d.Columns() {
			if j > 0 {
				b.WriteByte('|')
			}
			if v := c.Value(i); v != nil {
				b.WriteString(strings.ReplaceAll(sprint(v), "\n", `\n`))
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestReadCSV(t *testing.T) {
	for _, c := range []struct{ name, csv, want string }{
		{"as it should be", "place,value,count\nb,1.5,2\na,-3e2,-4\n", "a|-300|-4\nb|1.5|2\n"},
		{"CRLF, byte order mark, no last line end", "\xef\xbb\xbfplace,value,count\r\na,1,2\r\nb,3,4", "a|1|2\nb|3|4\n"},
		{"header in place of name, with and without the space", "Place ,value,count\na,1,2\n", "a|1|2\n"},
		{"header without the space", "Place,value,count\na,1,2\n", "a|1|2\n"},
		{"alias", "city,value,count\na,1,2\n", "a|1|2\n"},
		{"header wins over alias", "city,Place,value,count\nx,a,1,2\n", "a|1|2\n"},
		{"other order, unnamed index, unknown columns", ",count,extra,value,place,extra\n0,2,x,1,a,\n1,4,y,3,b,z\n", "a|1|2\nb|3|4\n"},
		{"quotes", "place,value,count\n\"b, \"\"c\"\"\",\"1\",2\n\"a\nz\",3,4\n", `a\nz|3|4` + "\n" + `b, "c"|1|2` + "\n"},
		{"missing, which come first in the sort column", "place,value,count\nb,,\n,1,2\na, , \n", "|1|2\na||\nb||\n"},
		{"equal rows keep their order", "place,value,count\nb,1,\na,2,\nb,3,\na,4,\nb,5,\n", "a|2|\na|4|\nb|1|\nb|3|\nb|5|\n"},
		{"integers as pandas writes them", "place,value,count\na,1,31255.0\nb,1,-2e1\n", "a|1|31255\nb|1|-20\n"},
		{"spaces around numbers only", "place,value,count\n a , 1 , 2 \n", " a |1|2\n"},
		{"empty lines", "place,value,count\n\na,1,2\n\r\n\nb,3,4\n\n", "a|1|2\nb|3|4\n"},
		{"extremes", "place,value,count\na,1.7976931348623157e308,9223372036854775807\nb,5e-324,-9223372036854775808\n",
			"a|1.7976931348623157e+308|9223372036854775807\nb|5e-324|-9223372036854775808\n"},
		{"no rows", "place,value,count\n", ""},
		{"bytewise order", "place,value,count\né,1,1\nz,2,2\nZ,3,3\n", "Z|3|3\nz|2|2\né|1|1\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := readCSV(t, c.csv)
			if err != nil {
				t.Fatal(err)
			}
			if got := rows(t, d); got != c.want {
				t.Errorf("\n%swant\n%s", got, c.want)
			}
			checkCanonical(t, d)
		})
	}
}

func TestBadCSV(t *testing.T) {
	const header = "place,value,count\n"
	for _, c := range []struct{ name, csv, want string }{
		{"empty", "", "the file is empty"},
		{"missing column", "place,valeu,n\n", `the header lacks "value", "count"; it has "place", "valeu", "n"`},
		{"header twice", "place,value,count,value\n", `the header "value" stands there twice, as fields 2 and 4`},
		{"a web page", "<!DOCTYPE html>\n<html>\n", `it has "<!DOCTYPE html>"`},
		{"bad number", header + "a,1,2\n\"b\nc\",x1,2\n", `line 4: column "value": "x1" is not a number`},
		{"hexadecimal", header + "a,0x10,2\n", `"0x10" is not a number`},
		{"NaN", header + "a,NaN,2\n", `line 2: column "value": "NaN" is not a number`},
		{"infinite", header + "a,-Inf,2\n", `"-Inf" is not a number`},
		{"too large", header + "a,1e999,2\n", `"1e999" is too large for a number`},
		{"thousands", header + "a,\"1,000\",2\n", `"1,000" is not a number`},
		{"fraction", header + "a,1,2.5\n", `line 2: column "count": "2.5" is not an integer`},
		{"large integer", header + "a,1,9223372036854775808\n", `"9223372036854775808" is too large for an integer`},
		{"inexact integer", header + "a,1,1e17\n", `"1e17" is not an integer`},
		{"long value", header + strings.Repeat("a", 70_000) + ",1,2\n", `column "place": the value has 70000 bytes; at most 65536`},
		{"long bad number", header + "a," + strings.Repeat("9", 400) + "z,2\n", "... (401 bytes) is not a number"},
		{"not UTF-8", header + "a,1,2\nS\xe3o,1,2\n", `line 3: column "place": "S\xe3o" is not UTF-8`},
		{"too few fields", header + "a,1,2\nb,3\n", "line 3: the row has 2 fields; the header has 3"},
		{"too many fields", header + "a,1,2,\n", "line 2: the row has 4 fields; the header has 3"},
		{"bare quote", header + "a\"b,1,2\n", "line 2, byte 2: it is not CSV"},
		{"open quote", header + "\"a,1,2\n", "line 2"},
		{"endless line", header + "a,1,2\n" + strings.Repeat("x", 3<<20), "after line 2: a record has more than 1048576 bytes"},
		{"endless quote", header + "\"" + strings.Repeat("x\n", 2<<20), "after line 1: a record has more than 1048576 bytes; is a closing quote missing?"},
		{"endless header", strings.Repeat("a,", 2<<20), "after line 0: a record has more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := readCSV(t, c.csv)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%.300v\nwant %s", err, c.want)
			}
			if err != nil && len(err.Error()) > 1000 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
		})
	}
}

func TestReadCSVReportsProgress(t *testing.T) {
	var text strings.Builder
	text.WriteString("place,value,count\n")
	for range 100_000 {
		text.WriteString("somewhere,1,2\n")
	}
	var seen []int64
	d, err := ReadCSV(context.Background(), strings.NewReader(text.String()), tiny(t), func(n int64) { seen = append(seen, n) })
	if err != nil {
		t.Fatal(err)
	}
	if d.Rows() != 100_000 || len(seen) < 3 || seen[len(seen)-1] != int64(text.Len()) || seen[0] >= seen[1] {
		t.Errorf("%d rows, progress %v, want several up to %d", d.Rows(), seen, text.Len())
	}
}

func TestReadCSVEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	endless := io.MultiReader(strings.NewReader("place,value,count\n"), repeat("a,1,2\n"))
	_, err := ReadCSV(ctx, endless, tiny(t), func(n int64) {
		if n > 1<<20 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
}

func TestReadCSVHandsOnWhatTheReaderSays(t *testing.T) {
	broken := errors.New("the disk is on fire")
	for _, text := range []string{"", "place,value,count\n", "place,value,count\na,1,2\n\"b"} {
		_, err := ReadCSV(context.Background(), io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)), tiny(t), nil)
		if !errors.Is(err, broken) {
			t.Errorf("%q: %v, want the reader's error", text, err)
		}
	}
}

func TestReadCSVOneByteAtATime(t *testing.T) {
	const text = "\xef\xbb\xbfplace,value,count\r\n\"b\"\"\r\nc\",1,2\r\na,3,4\r\n"
	want, err := readCSV(t, text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadCSV(context.Background(), iotest.OneByteReader(strings.NewReader(text)), tiny(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	mustEqual(t, got, want)
}

type repeat string

func (r repeat) Read(p []byte) (int, error) {
	n := 0
	for n+len(r) <= len(p) {
		n += copy(p[n:], r)
	}
	if n == 0 {
		return copy(p, r), nil
	}
	return n, nil
}

// FuzzReadCSV: no input makes it fall over, and what it accepts says the same as
// the fields themselves.
func FuzzReadCSV(f *testing.F) {
	for _, seed := range []string{
		"place,value,count\nb,1.5,2\n\"a\",,\n", "\xef\xbb\xbf,Place ,count,value\r\n0,\"x\ny\",1.0,-1e3\r\n", "place,value,count\n", "# SYNTHETIC\nplace,value,count\na,1,2\n", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := ReadCSV(context.Background(), bytes.NewReader(b), tiny(t), nil)
		if err != nil {
			return
		}
		checkCanonical(t, d)
		b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
		if bytes.HasPrefix(b, []byte(syntheticComment)) {
			b = b[bytes.IndexByte(b, '\n')+1:]
		}
		records, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
		if err != nil || len(records) != d.Rows()+1 {
			t.Fatalf("%d rows, encoding/csv says %d records, %v", d.Rows(), len(records), err)
		}
		// As many of each place as there are fields that say so.
		field := -1
		for _, name := range []string{"Place", "place", "town", "city"} {
			for i, h := range records[0] {
				if field < 0 && strings.TrimSpace(h) == name {
					field = i
				}
			}
		}
		count := map[string]int{}
		for _, r := range records[1:] {
			count[r[field]]++
		}
		place, _ := d.Column("place")
		for code, text := range place.Dict {
			n := 0
			for _, r := range d.Select([]question.Condition{{Column: "place", Codes: []int32{int32(code)}}}) {
				n += int(r.Count)
			}
			if n != count[text] {
				t.Errorf("%d rows have the place %q, want %d", n, text, count[text])
			}
		}
	})
}
