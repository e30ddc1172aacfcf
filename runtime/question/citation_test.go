package question

import (
	"strings"
	"testing"
	"time"
)

// Whatever names there are, a BibTeX entry has balanced braces, and each of LaTeX's own
// characters is escaped.
func TestBibTeXEscapes(t *testing.T) {
	c := &Citation{id: "x", title: `a{b}\c & 100% $5 #1 _ ~ ^`, dataset: "}", source: "https://x.example/{a} b", license: "{"}
	out := c.BibTeX()
	plain := strings.NewReplacer(`\{`, "", `\}`, "", `\&`, "", `\%`, "", `\$`, "", `\#`, "", `\_`, "").Replace(out)
	if strings.Count(plain, "{") != strings.Count(plain, "}") || strings.ContainsAny(strings.ReplaceAll(plain, "https://x.example/%7Ba%7D%20b", ""), "&%$#_~^") {
		t.Error(out)
	}
}

// A citation names what was used because the request does not say it, and nothing twice.
func TestCitedKeys(t *testing.T) {
	table := &Table{Columns: []Column{
		{Name: "place", Type: String, Role: RoleKey, Dict: []string{"Ohio"}, Codes: []int32{0, 0}},
		{Name: "group", Type: String, Role: RoleKey, Dict: []string{"Men", "Women"}, Codes: []int32{0, 1}},
		{Name: "year", Type: Integer, Role: RoleKey, Integers: []int64{2023, 2023}},
		{Name: "value", Type: Number, Role: RoleValue, Numbers: []float64{1, 1}},
	}}
	for _, c := range []struct {
		req  Request
		want string
	}{
		{Request{Question: "q", Params: map[string]any{"state": "Ohio"}}, "q (state: Ohio; year: 2023). "},
		{Request{Question: "q", Params: map[string]any{"state": []any{"Ohio"}}, Where: map[string]any{"year": 2023.0}}, "q (state: Ohio; year: 2023). "},
		{Request{Question: "q", Where: map[string]any{"year": map[string]any{"min": 2020.0}}}, "q (year: from 2020; place: Ohio; year: 2023). "},
	} {
		a := &Answer{Table: table, Provenance: &Provenance{}}
		if got := Cite(a.Caption(nil, c.req, DatasetInfo{}), a.Provenance, time.Time{}).Text(); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s; want %s", got, c.want)
		}
	}
	a := &Answer{Provenance: &Provenance{}} // saved, without its table
	if got := Cite(a.Caption(nil, Request{Question: "q"}, DatasetInfo{}), a.Provenance, time.Time{}).Text(); !strings.HasPrefix(got, "q. ") {
		t.Error(got)
	}
}
