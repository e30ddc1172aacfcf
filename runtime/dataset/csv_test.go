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

// rows returns all values, one row per line, as place|value|count.
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
		{"the separator as a spreadsheet names it", "sep=|\r\nplace|value|count\r\na;b;c,d|1|2\r\n", "a;b;c,d|1|2\n"},
		{"a header that only looks like that", "sep=,value,place,count\n0,1,a,2\n", "a|1|2\n"},
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
		{"after a line that names the separator", "sep=;\nplace;value;count\na;x;1\n", `line 3 (row 1): column "value": "x" is not a number`},
		{"empty", "", "the file is empty"},
		{"missing column", "place,valeu,n\n", `the header lacks "value", "count"; it has "place", "valeu", "n"`},
		{"header twice", "place,value,count,value\n", `the header "value" appears twice, as fields 2 and 4`},
		{"a web page", "<!DOCTYPE html>\n<html>\n", `it has "<!DOCTYPE html>"`},
		{"bad number", header + "a,1,2\n\"b\nc\",x1,2\n", `line 4 (row 2): column "value": "x1" is not a number`},
		{"hexadecimal", header + "a,0x10,2\n", `"0x10" is not a number`},
		{"NaN", header + "a,NaN,2\n", `line 2 (row 1): column "value": "NaN" is not a number`},
		{"infinite", header + "a,-Inf,2\n", `"-Inf" is not a number`},
		{"too large", header + "a,1e999,2\n", `"1e999" is too large for a number`},
		{"thousands", header + "a,\"1,000\",2\n", `"1,000" is not a number`},
		{"fraction", header + "a,1,2.5\n", `line 2 (row 1): column "count": "2.5" is not an integer`},
		{"large integer", header + "a,1,9223372036854775808\n", `"9223372036854775808" is too large for an integer`},
		{"inexact integer", header + "a,1,1e17\n", `"1e17" is not an integer`},
		{"long value", header + strings.Repeat("a", 70_000) + ",1,2\n", `column "place": the value has 70000 bytes; at most 65536`},
		{"long bad number", header + "a," + strings.Repeat("9", 400) + "z,2\n", "... (401 bytes) is not a number"},
		{"not UTF-8", header + "a,1,2\nS\xe3o,1,2\n", `line 3 (row 2): column "place": "S\xe3o" is not UTF-8: its byte 2 is 0xE3; if the file is Windows-1252 or Latin-1, as older ones are, pass --encoding windows-1252 to data init`},
		{"too few fields", header + "a,1,2\nb,3\n", "line 3 (row 2): the row has 2 fields; the header has 3"},
		{"too many fields", header + "a,1,2,\n", "line 2 (row 1): the row has 4 fields; the header has 3"},
		{"bare quote", header + "a\"b,1,2\n", "line 2 (row 1), byte 2: it is not CSV"},
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
	endless := io.MultiReader(strings.NewReader("place,value,count\n"), &repeat{text: "a,1,2\n"})
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

// repeat is its text, again and again.
type repeat struct {
	text string
	at   int
}

func (r *repeat) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		k := copy(p[n:], r.text[r.at:])
		n += k
		r.at = (r.at + k) % len(r.text)
	}
	return n, nil
}

// FuzzReadCSV: no input makes it fall over, and what it accepts says the same as
// the fields themselves.
func FuzzReadCSV(f *testing.F) {
	for _, seed := range []string{
		"place,value,count\nb,1.5,2\n\"a\",,\n", "\xef\xbb\xbf,Place ,count,value\r\n0,\"x\ny\",1.0,-1e3\r\n", "place,value,count\n", "# SYNTHETIC\nplace,value,count\na,1,2\n", "", "place,value,count\ra,1,2\r\n\"b\rc\",3,4\r",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := ReadCSV(context.Background(), bytes.NewReader(b), tiny(t), nil)
		if err != nil {
			return
		}
		checkCanonical(t, d)
		if bytes.HasPrefix(b, []byte("\xff\xfe")) || bytes.HasPrefix(b, []byte("\xfe\xff")) {
			return // UTF-16, which this test does not decode
		}
		b = endLines(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")))
		if bytes.HasPrefix(b, []byte("# SYNTHETIC")) {
			b = b[bytes.IndexByte(b, '\n')+1:]
		}
		if bytes.HasPrefix(b, []byte("sep=")) {
			return // the reader here does not know it
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

// endLines makes a LF of every CR outside of quotes that no LF follows.
func endLines(b []byte) []byte {
	b = bytes.Clone(b)
	quoted := false
	for i := range b {
		quoted = quoted != (b[i] == '"')
		if b[i] == '\r' && !quoted && (i+1 == len(b) || b[i+1] != '\n') {
			b[i] = '\n'
		}
	}
	return b
}

// A file of one row, and errors of the first one, have their lines.
func TestReadWithoutHeader(t *testing.T) {
	d, err := ParseDescriptor([]byte("name: x\nheader: false\ncolumns:\n  - {name: club, type: string, header: column1}\n  - {name: column2, type: number, role: measure}\n"))
	if err != nil {
		t.Fatal(err)
	}
	read := func(text string) (*Dataset, error) { return ReadCSV(t.Context(), strings.NewReader(text), d, nil) }
	if ds, err := read("P,4"); err != nil || rows(t, ds) != "P|4\n" {
		t.Errorf("%v", err)
	}
	for text, want := range map[string]string{
		"":           "the file is empty",
		"P,x\n":      `line 1 (row 1): column "column2": "x" is not a number`,
		"P,1\nQ,x\n": `line 2 (row 2): column "column2": "x" is not a number`,
		"P,1\nQ\n":   "line 2 (row 2): the row has 1 field; the header has 2",
		"P\nQ\n":     `the header lacks "column2"; it has "column1"`,
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	// A descriptor that was written for another header than the file has is refused,
	// unless it insists.
	const old = "name: x\ncolumns:\n  - {name: p, type: string, header: P}\n  - {name: c4, type: integer, role: measure, header: \"4\"}\n"
	for text, want := range map[string]string{old: `the column that is averaged has the header "4", so the first line looks like a row; in the descriptor, set header: false`, "header: true\n" + old: ""} {
		d, err := ParseDescriptor([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		_, err = ReadCSV(t.Context(), strings.NewReader("P,4\nQ,6\n"), d, nil)
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	// A repeated header is an error.
	tiny := tiny(t)
	if _, err := ReadCSV(t.Context(), strings.NewReader("place,value,count\na,1,2\nplace,value,count\n"), tiny, nil); err == nil || !strings.Contains(err.Error(), "line 3 repeats the header") {
		t.Error(err)
	}
}

// Lines above the header are not read, as the descriptor says, and count as lines.
func TestSkip(t *testing.T) {
	for _, c := range []struct {
		keys, text string
		want       string // the rows, or what the error says
	}{
		{"skip: 2", "A title; with, marks\n\nclub,points\nP,4\nQ,6\n", "P|4\nQ|6\n"},
		{"skip: 1", "\xef\xbb\xbfA title\rclub;points\rP;4\r", "P|4\n"},
		{"skip: 1", "\"A note,\nof two lines\"\nclub,points\nP,4\n", "the 1 lines to be skipped above the header have an odd number of quotes"},
		{"skip: 2", "\"A note,\nof two lines\"\nclub,points\nP,4\n", "P|4\n"},
		{"skip: 1\nheader: false", "A title\nP,4\n", "P|4\n"},
		{"skip: 2", "A title\n\nclub,points\nP,x\n", `line 4 (row 1): column "points": "x" is not a number`},
		{"skip: 3", "A title\nclub,points\nP,4", "3 lines above the header are to be skipped, and it has only 2 before its last one"},
		{"skip: 2", "A title\nclub,points\n", "the file is empty"},
		{"skip: -1", "", "skip: it is -1; it must be 0 to 64"},
		{"skip: 65", "", "skip: it is 65; it must be 0 to 64"},
		{"skip: all", "", `skip: it is the text "all"; it must be a whole number`},
	} {
		header := "header: club"
		if strings.Contains(c.keys, "false") {
			header = "header: column1"
		}
		d, err := ParseDescriptor([]byte("name: x\n" + c.keys + "\ncolumns:\n  - {name: club, type: string, " + header + "}\n  - {name: points, type: number, role: measure, aliases: [column2]}\n"))
		var ds *Dataset
		if err == nil {
			ds, err = ReadCSV(t.Context(), strings.NewReader(c.text), d, nil)
		}
		if err != nil && !strings.Contains(err.Error(), c.want) || err == nil && rows(t, ds) != c.want {
			t.Errorf("%s, %q: %v, want %s", c.keys, c.text, err, c.want)
		}
	}
	d, err := ParseDescriptor([]byte("name: x\nskip: 2\ncolumns:\n  - {name: club, type: string}\n  - {name: points, type: number, role: measure}\n"))
	if err != nil {
		t.Fatal(err)
	}
	ds, err := ReadCSV(t.Context(), strings.NewReader("A title\n# SYNTHETIC: a draw\nclub,points\nP,4\n"), d, nil)
	if err != nil || !ds.Info().Synthetic {
		t.Errorf("%v: a mark among the lines that are skipped counts", err)
	}
}
