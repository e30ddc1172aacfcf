package dataset

import (
	"bytes"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/arrowmeta"
	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/literal"
)

const marked = `name: x
missing: [NA, -999, null, "."]
columns:
  - {name: club, type: string, missing: ["-"]}
  - {name: state, type: string}
  - {name: points, type: number, role: measure}
  - {name: games, type: integer, missing: ["0", none]}
`

func TestMissingInTheDescriptor(t *testing.T) {
	d, err := ParseDescriptor([]byte(marked))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(d.Missing, "|"); got != "NA|-999|null|." {
		t.Errorf("%s", got)
	}
	const csv = "club,state,points,games\nP,NA,1.5,3\n-,-999,NA,0\nNA,.,-999.0,none\nQ,-, . ,null\n"
	ds, err := ReadCSV(t.Context(), strings.NewReader(csv), d, nil)
	if err != nil {
		t.Fatal(err)
	}
	const want = "P|NA|1.5|3\n|-999||\nNA|.||\nQ|-||\n"
	if got := rows(t, ds); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	checkCanonical(t, ds)
	again, err := ReadArrow(arrowBytes(t, ds))
	if err != nil {
		t.Fatal(err)
	}
	mustEqual(t, again, ds)

	// Parquet and Arrow files honour it too.
	type record struct {
		Club   string  `parquet:"club"`
		State  string  `parquet:"state"`
		Points float64 `parquet:"points"`
		Games  string  `parquet:"games"`
	}
	var b bytes.Buffer
	if err := parquet.Write(&b, []record{{"P", "NA", 1.5, "3"}, {"-", "-999", -999, "0"}, {"NA", ".", -999, "none"}, {"Q", "-", -999, "null"}}); err != nil {
		t.Fatal(err)
	}
	other, err := openBytes(t, b.Bytes(), d)
	if err != nil {
		t.Fatal(err)
	}
	mustEqual(t, other, ds)

	// What was not declared is an error that says how to.
	for _, c := range []struct{ csv, want string }{
		{"club,state,points,games\nP,X,..,1\n", `line 2 (row 1): column "points": ".." is not a number; correct it, leave it empty, or give the column another type in the descriptor; if it means a missing value, add it to the descriptor: missing: [".."]`},
		{"club,state,points,games\nP,X,1,N/A\n", `column "games": "N/A" is not an integer`},
		{"club,state,points,games\nP,X,none,1\n", `"none" is not a number`},
	} {
		if _, err := ReadCSV(t.Context(), strings.NewReader(c.csv), d, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v\nwant %s", err, c.want)
		}
	}
}

// Every path from a decimal text to a number gives the nearest double, and no integer
// becomes another one.
func TestNumbersAreExact(t *testing.T) {
	for text, want := range map[string]float64{
		"48.17": 48.17, "-0.1": -0.1, "987654321.12345679": 987654321.12345679, "1e23": 1e23, "4.35": 4.35, "5e-324": 5e-324,
		"0.3000000000000000166": 0.3, "9007199254740992": 1 << 53, "9007199254740994": 1<<53 + 2, "-9007199254740992": -1 << 53, "12345678901234567000": 12345678901234567000,
		"000000000000000000001": 1, "+0000000000000000000": 0, "9007199254740993.0": 9007199254740992, "100000000000000000000000": 1e23,
	} {
		if got, err := literal.ParseNumber(text); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"9007199254740993", "-9007199254740993", "+9007199254740993", "9223372036854775807", "123456789012345678901234567890", "0009007199254740993"} {
		if got, err := literal.ParseNumber(text); err == nil || !strings.Contains(err.Error(), "cannot be stored exactly as a number") {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	const integers = "name: x\nroles: {group: club}\ncolumns:\n  - {name: club, type: string}\n  - {name: points, type: integer, role: measure}\n  - {name: account, type: integer}\n"
	d, err := ParseDescriptor([]byte(integers))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ csv, want string }{
		{"club,points,account\nP,1,9007199254740993\nQ,9007199254740994,1\n", ""},
		{"club,points,account\nP,1,1\nQ,9007199254740993,1\n", `line 3 (row 2): column "points": "9007199254740993" cannot be stored exactly as a number`},
		{"club,points,account\nP,-9223372036854775807,1\n", `line 2 (row 1): column "points": "-9223372036854775807" cannot be stored exactly`},
		{"club,points,account\nP,9223372036854775807,1\n", `line 2 (row 1): column "points": "9223372036854775807" cannot be stored exactly`},
		{"club,points,account\nP,-9223372036854775808,1\n", ""},
	} {
		_, err := ReadCSV(t.Context(), strings.NewReader(c.csv), d, nil)
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nwant %s", c.csv, err, c.want)
		}
	}
}

// One marked row makes a dataset synthetic, whatever the format of the file.
func TestSyntheticRows(t *testing.T) {
	d, err := ParseDescriptor([]byte("name: x\ntitle: Real ones\nsource: a survey\nsynthetic: {column: Origin, value: made up}\ncolumns:\n  - {name: club, type: string}\n  - {name: points, type: integer, role: measure}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for csv, want := range map[string]bool{
		"club,points,Origin\nP,1,asked\nQ,2,made up\nR,3,asked\n":                              true,
		"club,points, origin \nP,1, made up \n":                                                true,
		"club,points,Origin\nP,1,asked\nQ,2,not made up\n":                                     false,
		"club,points\nP,1\n":                                                                   false,
		"# SYNTHETIC: the figures of \"y\" are generated, not real.\r\nclub,points\r\nP,1\r\n": true,
	} {
		ds, err := ReadCSV(t.Context(), strings.NewReader(csv), d, nil)
		if err != nil {
			t.Fatal(err)
		}
		info := ds.Info()
		if info.Synthetic != want || strings.HasPrefix(info.Title, "SYNTHETIC") != want || (info.Source == "") != want {
			t.Errorf("%s: %+v", csv, info)
		}
		again, err := ReadArrow(arrowBytes(t, ds))
		if err != nil {
			t.Fatal(err)
		}
		mustEqual(t, again, ds)
		if got, err := decode([]byte(must(ds.desc.encode()))); err != nil || got.Synthetic != ds.desc.Synthetic {
			t.Errorf("%+v, %v", got, err)
		}
	}
	type record struct {
		Club   string `parquet:"club"`
		Points int64  `parquet:"points"`
		Origin string `parquet:"ORIGIN"`
	}
	for origin, want := range map[string]bool{"made up": true, "asked": false} {
		var b bytes.Buffer
		if err := parquet.Write(&b, []record{{"P", 1, "asked"}, {"Q", 2, origin}}); err != nil {
			t.Fatal(err)
		}
		if ds, err := openBytes(t, b.Bytes(), d); err != nil || ds.Info().Synthetic != want {
			t.Errorf("%s: %v", origin, err)
		}
	}
	// A file may say so in its metadata, and so may the descriptor of a dataset, which other
	// tools keep.
	made := *d
	made.Synthetic = Synthetic{All: true}
	for _, c := range []struct {
		key, text string
		want      bool
	}{
		{arrowmeta.MetaSynthetic, "true", true}, {arrowmeta.MetaSynthetic, "false", false},
		{arrowmeta.MetaDescriptor, must(made.encode()), true}, {arrowmeta.MetaDescriptor, must(d.encode()), false}, {arrowmeta.MetaDescriptor, "no JSON", false},
	} {
		var b bytes.Buffer
		if err := parquet.Write(&b, []record{{"P", 1, "asked"}}, parquet.KeyValueMetadata(c.key, c.text)); err != nil {
			t.Fatal(err)
		}
		if ds, err := openBytes(t, b.Bytes(), d); err != nil || ds.Info().Synthetic != c.want {
			t.Errorf("%s: %s: %v", c.key, c.text, err)
		}
	}
	// An error below the comment names the line of the file.
	if _, err := ReadCSV(t.Context(), strings.NewReader("# SYNTHETIC\nclub,points\nP,x\n"), d, nil); err == nil || !strings.Contains(err.Error(), "line 3 (row 1): column") {
		t.Error(err)
	}
}

func must(b []byte, err error) string {
	if err != nil {
		panic(err)
	}
	return string(b)
}
