package dataset

import (
	"bytes"
	"strings"
	"testing"
)

// The key numbers of a column is checked, and a file that is built from such a CSV reads
// alike.
func TestNumbersKey(t *testing.T) {
	descriptor := func(column string) (*Descriptor, error) {
		return ParseDescriptor([]byte("name: x\ncolumns:\n  - {name: club, type: string}\n  - {name: points, role: measure, " + column + "}\n"))
	}
	for column, want := range map[string]string{
		`type: integer, numbers: {affix: "%"}`:                    "columns[1].numbers: the type is integer; only a column with the type number has it",
		`type: number, numbers: {decimal: ";"}`:                   `columns[1].numbers.decimal: it is ";"; it must be "." or ","`,
		`type: number, numbers: {thousands: "_"}`:                 `columns[1].numbers.thousands: it is "_"; it must be`,
		`type: number, numbers: {thousands: "."}`:                 `columns[1].numbers.thousands: it is ".", which is already the decimal mark`,
		`type: number, numbers: {decimal: ",", thousands: ","}`:   "which is already the decimal mark",
		`type: number, numbers: {affix: "5"}`:                     `columns[1].numbers.affix: it is "5"; digits`,
		`type: number, numbers: {affix: "-"}`:                     "signs and brackets cannot be part of it",
		`type: number, numbers: {affix: "an affix that is long"}`: "columns[1].numbers.affix: it has 21 bytes; at most 16",
		`type: number, numbers: {unit: "%"}`:                      "unit",
		`type: number, numbers: "%"`:                              "columns[1].numbers",
	} {
		if _, err := descriptor(column); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", column, err, want)
		}
	}
	d, err := descriptor(`type: number, numbers: {decimal: ",", thousands: " ", affix: km, parentheses: true, footnotes: true}`)
	if err != nil {
		t.Fatal(err)
	}
	ds, err := ReadCSV(t.Context(), strings.NewReader("club;points\nA;1 234,5 km\nB;(7 km)\nC;8*\u202fkm\nD;\nE;9 km[a]\n"), d, nil)
	if err == nil || !strings.Contains(err.Error(), `"8*\u202fkm" is not a number of the form km1 234,5`) {
		t.Fatal(ds, err)
	}
	ds, err = ReadCSV(t.Context(), strings.NewReader("club;points\nA;1 234,5 km\nB;(7 km)\nD;\nE;9 km*\n"), d, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := WriteArrow(&b, ds); err != nil {
		t.Fatal(err)
	}
	again, err := ReadArrow(b.Bytes())
	if err != nil || again.Verify() != nil {
		t.Fatal(err)
	}
	for _, from := range []*Dataset{ds, again} {
		points, _ := from.Column("points")
		for row, want := range []any{1234.5, -7.0, nil, 9.0} {
			if got := points.Value(row); got != want {
				t.Errorf("row %d is %v, want %v", row, got, want)
			}
		}
	}
}
