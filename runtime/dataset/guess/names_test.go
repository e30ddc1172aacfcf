package guess

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Headers that are names of the host's own, or alike but for case and punctuation, give
// unique names, always the same, and a descriptor that reads the file.
func TestNames(t *testing.T) {
	own := []string{"location", "value", "question", "category", "stratum", "group", "measure", "indicator", "best", "mean", "global_mean", "state", "where", "kind", "location_kind", "synthetic", "name", "sort", "column", "column1"}
	headers := [][]string{
		{"Points", "points"}, {"points", "Points"}, {"Points", "points", "POINTS", "points_2"}, {"Net sales", "net_sales"}, {"net_sales", "Net sales", "net.sales", "Net-Sales"},
		{"Value", "value", "VALUE"}, {"category", "Category", "category_column"}, {"value_column", "value", "Value"}, {"!", "?", "column", "column_2"}, {"Âge", "age", "Age"},
	}
	for _, name := range own {
		headers = append(headers, []string{name, strings.ToUpper(name)}, []string{name, name + "_column"})
	}
	check := func(t *testing.T, header []string, text string, h Hints) *Draft {
		t.Helper()
		draft, err := guessText(t, "x.csv", text, h)
		if err != nil {
			t.Fatalf("%q: %v", header, err)
		}
		again, err := guessText(t, "x.csv", text, h)
		if err != nil || string(again.YAML) != string(draft.YAML) {
			t.Errorf("%q: another time it is otherwise: %v\n%s\n%s", header, err, draft.YAML, again.YAML)
		}
		return draft
	}
	for _, header := range headers {
		for _, texts := range []int{0, 1, len(header)} { // how many of the columns hold texts
			line := strings.Join(header, ",")
			var text strings.Builder
			text.WriteString("team," + line + ",goals\n")
			for row := range 4 {
				fmt.Fprintf(&text, "T%d", row)
				for i := range header {
					if i < texts {
						fmt.Fprintf(&text, ",%c", 'A'+row%2)
					} else {
						fmt.Fprintf(&text, ",%d", 10*i+row*row)
					}
				}
				fmt.Fprintf(&text, ",%d\n", row*row)
			}
			check(t, header, text.String(), Hints{})
			for _, name := range header[:texts] { // as the user names them
				draft := check(t, header, text.String(), Hints{Group: name, Measure: "goals"})
				i := slices.IndexFunc(draft.Columns, func(c dataset.Column) bool { return c.Name == draft.Roles.Group })
				if c := draft.Columns[i]; c.Header != name && (c.Header != "" || c.Name != name) {
					t.Errorf("%q: the group is %+v, not %q", header, c, name)
				}
			}
			for _, name := range header[texts:] {
				draft := check(t, header, text.String(), Hints{Measure: name})
				i := slices.IndexFunc(draft.Columns, func(c dataset.Column) bool { return c.Role == question.RoleMeasure })
				if c := draft.Columns[i]; c.Header != name && (c.Header != "" || c.Name != name) {
					t.Errorf("%q: the measure is %+v, not %q", header, c, name)
				}
			}
		}
	}
	for _, name := range own { // as the only column of texts
		d := check(t, []string{name}, name+",points\nA,1\nB,2\nB,4\n", Hints{})
		if _, ok := d.find(name); !ok || !strings.HasSuffix(d.Choices[1].Column, name) && !strings.HasSuffix(d.Choices[1].Column, fmt.Sprintf("%q", name)) {
			t.Errorf("%q: the group is %q", name, d.Roles.Group)
		}
	}
}

// find returns the column with this header.
func (d *Draft) find(header string) (dataset.Column, bool) {
	for _, c := range d.Columns {
		if c.Header == header || c.Header == "" && c.Name == header {
			return c, true
		}
	}
	return dataset.Column{}, false
}
