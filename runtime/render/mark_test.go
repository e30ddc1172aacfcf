package render_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/render"
)

// Files of generated figures are marked, and those of real figures are not.
func TestSyntheticIsSaved(t *testing.T) {
	synthetic := &question.Provenance{Dataset: "made_up", Synthetic: true}
	two := table(question.LayoutMap, key("k", "a", "b"), value("v", 1, 2))
	none := table(question.LayoutMap, key("k"), value("v"))
	taken := table(question.LayoutMap, key("synthetic", "synthetic"), value("v", 1))
	type noted struct {
		format string
		note   question.Note
	}
	tested := map[noted]bool{{"arrow", ""}: true} // by TestArrowReadsBack
	for _, c := range []struct {
		name, format string
		in           *question.Table
		note         question.Note
		want         string
	}{
		{"CSV, column", "csv", two, question.NoteColumn, "k,v,synthetic\r\na,1.0,true\r\nb,2.0,true\r\n"},
		{"CSV, comment", "csv", two, question.NoteComment, "# SYNTHETIC: the figures of \"made_up\" are generated, not real.\r\nk,v\r\na,1.0\r\nb,2.0\r\n"},
		{"CSV, none", "csv", two, question.NoteNone, "k,v\r\na,1.0\r\nb,2.0\r\n"},
		{"CSV, no rows", "csv", none, question.NoteColumn, "k,v,synthetic\r\n"},
		{"CSV, a column of that name", "csv", taken, question.NoteColumn, "synthetic,v,synthetic_\r\nsynthetic,1.0,true\r\n"},
		{"table", "table", two, question.NoteColumn, "SYNTHETIC: the figures of \"made_up\" are generated, not real.\nk  v (%)\n-  -----\na      1\nb      2\n"},
		{"table, none", "table", two, question.NoteNone, "k  v (%)\n-  -----\na      1\nb      2\n"},
	} {
		tested[noted{c.format, c.note}], tested[noted{c.format, ""}] = true, true
		t.Run(c.name, func(t *testing.T) {
			f, ok := render.Find(c.format)
			if !ok {
				t.Fatalf("there is no format %q", c.format)
			}
			var b bytes.Buffer
			if err := f.Write(&b, c.in, question.WriteOptions{Provenance: synthetic, Note: c.note}); err != nil {
				t.Fatal(err)
			}
			if got := b.String(); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
			for _, p := range []*question.Provenance{nil, {Dataset: "real"}} {
				var honest, plain bytes.Buffer
				if err := f.Write(&honest, c.in, question.WriteOptions{Provenance: p, Note: c.note}); err != nil {
					t.Fatal(err)
				}
				if err := f.Write(&plain, c.in, question.WriteOptions{Provenance: synthetic, Note: question.NoteNone}); err != nil {
					t.Fatal(err)
				}
				if got := honest.String(); got != plain.String() || strings.Contains(got, "SYNTHETIC") {
					t.Errorf("real figures are %s", got)
				}
			}
		})
	}
	for _, f := range render.Formats {
		if f.Value != nil { // JSON, whose envelope has the provenance
			continue
		}
		notes := []question.Note{""} // any
		if f.Notes {
			notes = question.Notes
		}
		for _, note := range notes {
			if !tested[noted{f.Name, note}] {
				t.Errorf("add a case of the format %q with the note %q", f.Name, note)
			}
		}
	}
}
