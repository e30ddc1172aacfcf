package author

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// answer is a result with its cells as values of JSON, as a table of expected answers has it.
type answer struct {
	Columns []string `json:"columns"` // "location string": name and type
	Rows    [][]any  `json:"rows"`    // string, json.Number, or nil for no value
}

// answerOf returns the cells of a result. Numbers have their shortest text.
func answerOf(t *question.Table) *answer {
	out := &answer{}
	if n := t.Rows(); n > 0 {
		out.Rows = make([][]any, n)
	}
	for i := range t.Columns {
		c := &t.Columns[i]
		out.Columns = append(out.Columns, c.Name+" "+string(c.Type))
		for row := range out.Rows {
			v := c.JSONValue(row)
			if f, ok := v.(float64); ok {
				v = json.Number(strconv.FormatFloat(f, 'g', -1, 64))
			}
			out.Rows[row] = append(out.Rows[row], v)
		}
	}
	return out
}

// Difference is one place where an outcome is not the expected one. Its JSON keys are stable.
type Difference struct {
	Kind     string `json:"kind"`             // outcome, columns, missing_row, added_row, order or cell
	Row      int    `json:"row,omitempty"`    // 1 is the first; of the expected answer, but of an added row
	Key      string `json:"key,omitempty"`    // the row's key, such as Ohio; "" if the result has none
	Column   string `json:"column,omitempty"` // of a cell
	Expected any    `json:"expected"`
	Got      any    `json:"got"`
}

// first returns the first maxDifferences, and how many more there are.
func first(all []Difference) (shown []Difference, more int) {
	n := min(len(all), maxDifferences)
	return all[:n], len(all) - n
}

// text describes d in one line. was and now say what the two sides are.
func (d *Difference) text(was, now string) string {
	row := fmt.Sprintf("row %d", d.Row)
	if d.Key != "" {
		row += " (" + question.Visible(d.Key) + ")"
	}
	switch d.Kind {
	case "missing_row":
		return fmt.Sprintf("%s: %s %s, %s none", row, was, shown(d.Expected), now)
	case "added_row":
		return fmt.Sprintf("%s: %s none, %s %s", row, was, now, shown(d.Got))
	case "order":
		return fmt.Sprintf("the order of the rows: at row %d, %s %s, %s %s", d.Row, was, shown(d.Expected), now, shown(d.Got))
	case "cell":
		return fmt.Sprintf("%s, column %s: %s %s, %s %s", row, d.Column, was, shown(d.Expected), now, shown(d.Got))
	case "columns":
		return fmt.Sprintf("the columns: %s %s, %s %s", was, shown(d.Expected), now, shown(d.Got))
	default:
		return fmt.Sprintf("%s %s, %s %s", was, d.Expected, now, d.Got)
	}
}

// shown returns a value of JSON for one line of text.
func shown(v any) string {
	if v == nil {
		return "no value"
	}
	text := []rune(question.Visible(jsonText(v)))
	if len(text) > 100 {
		text = append(text[:100], '…')
	}
	return string(text)
}

// jsonText returns v as JSON in one line, with its characters as they are.
func jsonText(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Sprint(v) // no value of a table is such
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// compare returns how an answer differs from the expected one. Rows are matched by their
// first keys columns, which identify them; without keys, by their order. Numbers differ if
// they are further apart than the tolerance.
func (e *answer) compare(got *answer, keys int, tolerance float64) (out []Difference) {
	if !slices.Equal(e.Columns, got.Columns) {
		return []Difference{{Kind: "columns", Expected: e.Columns, Got: got.Columns}}
	}
	key := func(rows [][]any, i int) string {
		if keys == 0 {
			return strconv.Itoa(i)
		}
		return jsonText(rows[i][:keys])
	}
	at := make(map[string]int, len(got.Rows)) // rows of got
	for i := range got.Rows {
		at[key(got.Rows, i)] = i
	}
	found := make([]bool, len(got.Rows))
	order := make([]int, 0, len(e.Rows)) // the rows of got, in the order of e
	for i, row := range e.Rows {
		n, ok := at[key(e.Rows, i)]
		if !ok || found[n] {
			out = append(out, Difference{Kind: "missing_row", Row: i + 1, Key: label(row[:keys]), Expected: row})
			continue
		}
		found[n] = true
		order = append(order, n)
		for c := keys; c < len(row); c++ {
			if other := got.Rows[n][c]; !sameCell(row[c], other, tolerance) {
				name, _ := columnOf(e.Columns[c])
				out = append(out, Difference{"cell", i + 1, label(row[:keys]), name, row[c], other})
			}
		}
	}
	for n, row := range got.Rows {
		if !found[n] {
			out = append(out, Difference{Kind: "added_row", Row: n + 1, Key: label(row[:keys]), Got: row})
		}
	}
	if len(order) == len(e.Rows) && len(order) == len(got.Rows) && !slices.IsSorted(order) {
		for i, n := range order {
			if i != n {
				out = append(out, Difference{Kind: "order", Row: i + 1, Expected: e.Rows[i], Got: got.Rows[i]})
				break
			}
		}
	}
	return out
}

// label returns the cells of a key for people.
func label(cells []any) string {
	words := make([]string, len(cells))
	for i, v := range cells {
		if words[i] = fmt.Sprint(v); v == nil {
			words[i] = "no value"
		}
	}
	return strings.Join(words, ", ")
}

// sameCell compares two cells of one column. Numbers that are written differently may be
// the same.
func sameCell(a, b any, tolerance float64) bool {
	x, isNumber := a.(json.Number)
	y, ok := b.(json.Number)
	if !isNumber || !ok {
		return a == b
	}
	if x == y {
		return true
	}
	f, err := x.Float64()
	g, err2 := y.Float64()
	if err != nil || err2 != nil {
		return false
	}
	if i, err := x.Int64(); err == nil && tolerance == 0 { // a float does not tell large integers apart
		if j, err := y.Int64(); err == nil {
			return i == j
		}
	}
	return f == g || math.Abs(f-g) <= tolerance
}

// columnOf splits "location string".
func columnOf(text string) (name string, kind question.Type) {
	if at := strings.LastIndexByte(text, ' '); at >= 0 {
		return text[:at], question.Type(text[at+1:])
	}
	return text, ""
}
