package question

import (
	"cmp"
	"fmt"
	"time"
)

// Answer is the outcome of running a request: the result, and how far it can be trusted.
// Those who hold it share it and must not modify it.
type Answer struct {
	Table      *Table
	Provenance *Provenance
	Coverage   *Coverage // nil if it is not known
	Caveats    []Caveat
	Receipt    *Receipt // nil if it is not known
}

// Usage is how much of its limits one answer used.
type Usage struct {
	Fuel   int64         // see the sandbox's Limits.Fuel; the same for every run of the same request
	Time   time.Duration // on the clock
	Memory uint64        // linear memory beyond the dataset's columns, in bytes
	Result uint64        // size of the result's columns, in bytes
}

// Coverage describes the rows that an answer was computed from.
type Coverage struct {
	Rows    int     `json:"rows"`    // selected
	Missing int     `json:"missing"` // of these, rows without a value of the measure
	Mixed   []Mixed `json:"mixed"`   // the dimensions of which the rows have more than one value, in the dataset's order
}

// Mixed is a dimension that a selection does not hold fixed.
type Mixed struct {
	Column string `json:"column"`
	Title  string `json:"title"`
	Values int    `json:"values"` // how many different ones the selected rows with a value of the measure have
}

// Caveat is a reason to read the figures of an answer with care.
type Caveat struct {
	Code string `json:"code"` // for programs: [a-z][a-z0-9_]*
	Text string `json:"text"` // for people, one sentence
}

// Codes of caveats that the host itself adds.
const (
	CaveatSynthetic = "synthetic"  // the dataset is generated; always the first
	CaveatMean      = "plain_mean" // means of several published figures, which have no interval
)

// SyntheticText is the sentence that says that the figures of a dataset are generated.
func SyntheticText(dataset string) string {
	return fmt.Sprintf("SYNTHETIC: the figures of %q are generated, not real.", dataset)
}

// UnknownBuild is the build of a program that was built without a version. Two of them need
// not be the same program.
const UnknownBuild = "unknown"

// Receipt identifies an answer, so that it can be computed again and compared. Digests are
// "sha256:" and 64 hex digits.
type Receipt struct {
	Dataset string `json:"dataset"` // digest of the dataset, descriptor included
	Plugin  string `json:"plugin"`  // digest of the .wasm file
	Request string `json:"request"` // digest of the canonical request
	Result  string `json:"result"`  // digest of the result's typed columns
	Fuel    int64  `json:"fuel"`    // that the answer took; comparable within one build only
	Build   string `json:"build"`   // version of the program
}

// Caption is what a picture or a page says about the table of an answer. Parts that are not
// known have their zero value.
type Caption struct {
	Title    string // of the question
	Question *Question
	Request  Request // canonical
	Dataset  DatasetInfo
	Coverage *Coverage
	Caveats  []Caveat
	Receipt  *Receipt
	Fixed    []Fixed // keys of the result that have the same value in all rows, so far as the request does not name it
	URL      string  // absolute, of this answer for people
	Theme    Theme
}

// Fixed is a key of a result with one value, such as the year that was used because the
// request names none.
type Fixed struct {
	Column string
	Title  string
	Value  any // as Column.JSONValue returns it
}

// fixed returns the keys of a table that have the same value in all rows, but not those whose
// value is one that was asked for.
func fixed(t *Table, req Request) (out []Fixed) {
	if t == nil || t.Rows() == 0 {
		return nil
	}
	for i := range t.Keys() {
		c := &t.Columns[i]
		same, first := true, c.Value(0)
		for row := 1; same && row < c.Len(); row++ {
			same = c.Value(row) == first
		}
		if value := c.JSONValue(0); same && value != nil && !asks(req.Params, value) && !asks(req.Where, value) {
			out = append(out, Fixed{c.Name, c.Title, value})
		}
	}
	return out
}

// asks reports whether a request has a value for any of its names.
func asks(given map[string]any, value any) bool {
	for _, v := range given {
		if list, ok := v.([]any); ok && len(list) == 1 {
			v = list[0]
		}
		if text, ok := v.(string); ok && value == text || !ok && canonicalNumber(v) == canonicalNumber(value) {
			return true
		}
	}
	return false
}

// Caption returns what a picture or a page says about the answer to req, which is canonical.
// q is nil if the question is not served any more. The caller sets URL and Theme.
func (a *Answer) Caption(q *Question, req Request, dataset DatasetInfo) *Caption {
	c := &Caption{
		Title: req.Question, Question: q, Request: req, Dataset: dataset,
		Coverage: a.Coverage, Caveats: a.Caveats, Receipt: a.Receipt, Fixed: fixed(a.Table, req),
	}
	if q != nil {
		c.Title = cmp.Or(q.Title, q.Name)
	}
	if p := a.Provenance; p != nil && p.DatasetDigest != dataset.Digest { // of an earlier dataset
		c.Dataset = DatasetInfo{Name: p.Dataset, Digest: p.DatasetDigest, Synthetic: p.Synthetic}
	}
	return c
}

// Theme selects the colours of a picture.
type Theme string

// The themes.
const (
	ThemeAuto  Theme = ""      // light or dark, as the reader's system prefers
	ThemeLight Theme = "light" // also for print
	ThemeDark  Theme = "dark"
)
