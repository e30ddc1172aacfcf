package render_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/render"
)

// What is saved of generated figures says so; real figures are written as ever.
func TestSyntheticIsSaved(t *testing.T) {
	synthetic := &question.Provenance{Dataset: "made_up", Synthetic: true}
	two := table(question.LayoutMap, key("k", "a", "b"), value("v", 1, 2))
	none := table(question.LayoutMap, key("k"), value("v"))
	nested := table(question.LayoutNested, key("k", "a"), key("l", "x"), value("v", 1))
	record := table(question.LayoutRecord, value("global_mean", 1.5))
	rows := table(question.LayoutRows, key("k", "a"), value("v", 1))
	taken := table(question.LayoutMap, key("synthetic", "synthetic"), value("v", 1))
	type form func(io.Writer, *question.Table, *question.Provenance, question.Note) error
	for _, c := range []struct {
		name string
		form form
		in   *question.Table
		note question.Note
		want string
	}{
		{"CSV, column", render.CSV, two, question.NoteColumn, "k,v,synthetic\r\na,1.0,true\r\nb,2.0,true\r\n"},
		{"CSV, comment", render.CSV, two, question.NoteComment, "# SYNTHETIC: the figures of \"made_up\" are generated, not real.\r\nk,v\r\na,1.0\r\nb,2.0\r\n"},
		{"CSV, none", render.CSV, two, question.NoteNone, "k,v\r\na,1.0\r\nb,2.0\r\n"},
		{"CSV, no rows", render.CSV, none, question.NoteColumn, "k,v,synthetic\r\n"},
		{"CSV, a column of that name", render.CSV, taken, question.NoteColumn, "synthetic,v,synthetic_\r\nsynthetic,1.0,true\r\n"},
		{"map", render.SeedJSON, two, question.NoteColumn, `{"a":1.0,"b":2.0,"synthetic":true}`},
		{"map, comment", render.SeedJSON, two, question.NoteComment, `{"a":1.0,"b":2.0,"synthetic":true}`},
		{"map, none", render.SeedJSON, two, question.NoteNone, `{"a":1.0,"b":2.0}`},
		{"map, no rows", render.SeedJSON, none, question.NoteColumn, `{"synthetic":true}`},
		{"map, a key of that name", render.SeedJSON, taken, question.NoteColumn, `{"synthetic":1.0,"synthetic_":true}`},
		{"nested", render.SeedJSON, nested, question.NoteColumn, `{"a":{"x":1.0},"synthetic":true}`},
		{"record", render.SeedJSON, record, question.NoteColumn, `{"global_mean":1.5,"synthetic":true}`},
		{"rows in the question's layout", render.SeedJSON, rows, question.NoteColumn, `[{"k":"a","v":1.0,"synthetic":true}]`},
		{"rows", render.RowsJSON, two, question.NoteColumn, `[{"k":"a","v":1.0,"synthetic":true},{"k":"b","v":2.0,"synthetic":true}]`},
		{"rows, none", render.RowsJSON, two, question.NoteNone, `[{"k":"a","v":1.0},{"k":"b","v":2.0}]`},
		{"no rows at all", render.RowsJSON, none, question.NoteColumn, `[]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := c.form(&b, c.in, synthetic, c.note); err != nil {
				t.Fatal(err)
			}
			if got := b.String(); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
			for _, p := range []*question.Provenance{nil, {Dataset: "real"}} {
				var honest, plain bytes.Buffer
				if err := c.form(&honest, c.in, p, c.note); err != nil {
					t.Fatal(err)
				}
				if err := c.form(&plain, c.in, synthetic, question.NoteNone); err != nil {
					t.Fatal(err)
				}
				if got := honest.String(); got != plain.String() || strings.Contains(got, "SYNTHETIC") {
					t.Errorf("real figures are %s", got)
				}
			}
		})
	}
}
