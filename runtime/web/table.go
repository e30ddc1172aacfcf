package web

import (
	"cmp"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// maxCell is how many columns of a terminal a text in a table has at most; files have the
// whole.
const maxCell = 400

// pageRows is the number of rows of one page of a table, and reportRows that of a report,
// which is rendered in memory: some hundred bytes per row.
const (
	pageRows   = 100
	reportRows = 10_000
)

// grid is a part of a table as HTML.
type grid struct {
	Caption string
	Heads   []head
	Body    template.HTML // rows
	Rows    int           // of the whole table
	From    int           // the first row shown, from 1
	To      int           // the last one
	Pages   []link        // "Previous", "Next"
}

// head is the head of a column, with a link that sorts by it.
type head struct {
	Title, URL string
	Sort       string // of aria-sort: "ascending", "descending" or ""
	Number     bool
}

// countText returns a number in decimal.
func countText(n int) string { return strconv.Itoa(n) }

// compareRows compares two rows of a column; those without a value come last.
func compareRows(c *question.Column, a, b int) int {
	switch {
	case !c.Present(a) || !c.Present(b):
		return cmp.Compare(btoi(!c.Present(a)), btoi(!c.Present(b)))
	case c.Type == question.Number:
		return cmp.Compare(c.Numbers[a], c.Numbers[b])
	case c.Type == question.Integer:
		return cmp.Compare(c.Integers[a], c.Integers[b])
	default:
		return strings.Compare(c.Dict[c.Codes[a]], c.Dict[c.Codes[b]])
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// gridOf returns page number page, from 1, of a table that is sorted by a column, or with "-"
// before its name in descending order; "" leaves the plugin's order. An unknown column is
// ignored, and a page beyond the last is the last. at returns the URL of the same table with
// another order and page; nil makes a grid of the first reportRows rows without links.
func gridOf(t *question.Table, sort string, page int, at func(sort string, page int) string) grid {
	g := grid{Rows: t.Rows()}
	by, down := strings.CutPrefix(sort, "-")
	rows := rowsOf(t)
	sorted := -1
	order := columnOrder(t)
	for _, i := range order {
		c := &t.Columns[i]
		h := head{Title: titleOf(c), Number: c.Type != question.String}
		if unit := question.Visible(c.Unit); unit != "" {
			h.Title += " (" + unit + ")"
		}
		next := c.Name
		if c.Name == by && sorted < 0 {
			sorted = i
			h.Sort = "ascending"
			if next = "-" + c.Name; down {
				h.Sort, next = "descending", c.Name
			}
		}
		if at != nil {
			h.URL = at(next, 1)
		}
		g.Heads = append(g.Heads, h)
	}
	if sorted >= 0 {
		c := &t.Columns[sorted]
		slices.SortStableFunc(rows, func(a, b int) int {
			if order := compareRows(c, a, b); !down || !c.Present(a) || !c.Present(b) {
				return order
			}
			return compareRows(c, b, a)
		})
	} else {
		sort = ""
	}
	if at != nil {
		last := max(1, int(math.Ceil(float64(len(rows))/pageRows)))
		page = min(max(page, 1), last)
		from := (page - 1) * pageRows
		if page > 1 {
			g.Pages = append(g.Pages, link{at(sort, page-1), "Previous " + countText(pageRows) + " rows"})
		}
		if page < last {
			g.Pages = append(g.Pages, link{at(sort, page+1), "Next rows"})
		}
		rows = rows[from:min(from+pageRows, len(rows))]
		g.From = from + 1
	} else {
		rows = rows[:min(reportRows, len(rows))]
		g.From = 1
	}
	g.To = g.From + len(rows) - 1
	g.Body = bodyOf(t, order, rows)
	return g
}

// columnOrder returns the order in which the columns of a table are shown: keys that have the
// same value in all rows, which the headline has, come last, so that a phone shows figures.
func columnOrder(t *question.Table) []int {
	var first, last []int
	for i := range t.Columns {
		if c := &t.Columns[i]; i < t.Keys() && t.Rows() > 1 && constant(c) {
			last = append(last, i)
		} else {
			first = append(first, i)
		}
	}
	return append(first, last...)
}

// bodyOf writes rows, with the columns in an order. It is not a template, because a page has thousands of cells.
func bodyOf(t *question.Table, order, rows []int) template.HTML {
	columns := make([]figures, len(order))
	for k, i := range order {
		columns[k] = figuresOf(&t.Columns[i])
	}
	var b strings.Builder
	b.Grow(len(rows) * len(columns) * 24)
	for _, i := range rows {
		b.WriteString("<tr>")
		for k := range columns {
			f := &columns[k]
			text := f.at(i)
			if f.c.Type == question.String {
				text = question.Cut(text, maxCell)
			}
			switch {
			case k == 0 && f.c.Role == question.RoleKey:
				b.WriteString(`<th scope="row"><bdi>`)
				b.WriteString(template.HTMLEscapeString(text))
				b.WriteString("</bdi></th>")
			case f.c.Type != question.String:
				b.WriteString(`<td class="n">`)
				b.WriteString(text)
				b.WriteString("</td>")
			default:
				b.WriteString("<td><bdi>")
				b.WriteString(template.HTMLEscapeString(text))
				b.WriteString("</bdi></td>")
			}
		}
		b.WriteString("</tr>\n")
	}
	return template.HTML(b.String()) //nolint:gosec // every text is escaped above
}
