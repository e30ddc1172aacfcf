package question

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A result has the digest of its values, whatever the dictionary that a plugin made, and
// whatever is only for people.
func TestTableDigest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(t, "rows")
		table := &Table{Layout: LayoutRows}
		for i := range rapid.IntRange(1, 4).Draw(t, "columns") {
			c := drawColumn(t, n, fmt.Sprintf("c%d", i))
			for row := range n { // as the sandbox and the store have them
				if c.Present(row) {
					continue
				}
				switch c.Type {
				case Number:
					c.Numbers[row] = 0
				case Integer:
					c.Integers[row] = 0
				default:
					c.Codes[row] = 0
				}
			}
			table.Columns = append(table.Columns, c)
		}
		want := table.Digest()

		other := &Table{Layout: LayoutMap, Chart: "bar", Columns: slices.Clone(table.Columns)}
		for i := range other.Columns {
			c := &other.Columns[i]
			c.Title, c.Role, c.Shows = "T", RoleKey, ShowsMean
			if c.Valid == nil {
				c.Valid = NewBitmap(n)
				for row := range n {
					c.Valid.Set(row)
				}
			}
			if c.Type != String {
				continue
			}
			// Every row has an entry of its own, last first, and there are unused ones.
			dict, codes := []string{"unused"}, make([]int32, n)
			for row := n - 1; row >= 0; row-- {
				if c.Present(row) {
					codes[row] = int32(len(dict))
					dict = append(dict, c.Dict[c.Codes[row]], "unused")
				}
			}
			c.Dict, c.Codes = dict, codes
		}
		if got := other.Digest(); got != want {
			t.Fatalf("with another dictionary %s; want %s", got, want)
		}

		at := rapid.IntRange(0, len(table.Columns)-1).Draw(t, "changed")
		for what, change := range map[string]func(c *Column){
			"name": func(c *Column) { c.Name += "x" },
			"unit": func(c *Column) { c.Unit += "x" },
			"value": func(c *Column) {
				row := rapid.IntRange(0, n-1).Draw(t, "row")
				if !c.Present(row) {
					c.Valid = slices.Clone(c.Valid)
					c.Valid.Set(row)
					return
				}
				switch c.Type {
				case Number:
					c.Numbers = slices.Clone(c.Numbers)
					c.Numbers[row] = c.Numbers[row]/2 + 1
				case Integer:
					c.Integers = slices.Clone(c.Integers)
					c.Integers[row]++
				default:
					text := c.Dict[c.Codes[row]] + "x"
					c.Dict, c.Codes = append(slices.Clone(c.Dict), text), slices.Clone(c.Codes)
					c.Codes[row] = int32(len(c.Dict) - 1)
				}
			},
		} {
			changed := &Table{Columns: slices.Clone(table.Columns)}
			c := &changed.Columns[at]
			before := Column{Numbers: c.Numbers}
			change(c)
			if c.Type == Number && what == "value" && slices.Equal(c.Numbers, before.Numbers) && c.Valid.equal(table.Columns[at].Valid) {
				continue // 2/2+1 is 2
			}
			if got := changed.Digest(); got == want {
				t.Fatalf("another %s has the same digest", what)
			}
		}
	})
}

func (b Bitmap) equal(other Bitmap) bool { return slices.Equal(b, other) }

// Receipts that were given out stay true: this digest must not change.
func TestTableDigestIsPinned(t *testing.T) {
	valid := NewBitmap(3)
	valid.Set(0)
	valid.Set(2)
	table := &Table{Columns: []Column{
		{Name: "location", Type: String, Dict: []string{"Utah", "Ohio"}, Codes: []int32{0, 1, 0}},
		{Name: "mean", Type: Number, Unit: "%", Numbers: []float64{24.1, 0, -0.5}, Valid: valid},
		{Name: "n", Type: Integer, Integers: []int64{1, -2, 1 << 60}},
	}}
	if got, want := table.Digest(), "sha256:0ae5e32ab1631d7ad87d1a36108abba52c7f337f370312a1fff1f4e59a41f9e9"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
}
