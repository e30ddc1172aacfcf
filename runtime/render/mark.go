package render

import (
	"fmt"
	"slices"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Mark is the name of the column or key that says of figures that they are synthetic,
// unless the table has a column of this name: then underscores follow.
const Mark = "synthetic"

// Synthetic is the sentence that says of what p tells that the figures are not real.
func Synthetic(p *question.Provenance) string {
	return fmt.Sprintf("SYNTHETIC: the figures of %q are generated, not real.", p.Dataset)
}

func synthetic(p *question.Provenance) bool { return p != nil && p.Synthetic }

func markName(t *question.Table) string {
	name := Mark
	for slices.ContainsFunc(t.Columns, func(c question.Column) bool { return c.Name == name }) {
		name += "_"
	}
	return name
}
