package render

import (
	"slices"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Mark is the name of the column or key that marks synthetic figures. Underscores are
// added if the table has a column of this name.
const Mark = "synthetic"

// Synthetic returns the sentence that says that the figures of p are not real.
func Synthetic(p *question.Provenance) string { return question.SyntheticText(p.Dataset) }

func synthetic(p *question.Provenance) bool { return p != nil && p.Synthetic }

func markName(t *question.Table) string {
	name := Mark
	for slices.ContainsFunc(t.Columns, func(c question.Column) bool { return c.Name == name }) {
		name += "_"
	}
	return name
}
