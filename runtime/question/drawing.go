package question

// Drawing is a picture of a table for a page, which writes the title, the source and the
// notes around it. All texts are plain and safe to show: invisible characters are escaped.
// It belongs to the caller.
type Drawing struct {
	// SVG is one <svg> element that HTML can hold as it is: no style, no script, no address.
	// Its colours are light ones, or those of the caption's theme; a page that has
	// chart.Style in its style sheet gets dark ones where the reader prefers that.
	SVG    string
	Mark   string   // what is drawn: "map", "dots", "bars" or "line"
	Alt    string   // what the picture shows, for people who do not see it
	Legend []Swatch // what the colours mean, in the order of the values; empty if there is nothing to tell
	Notes  []string // sentences: what the picture leaves out, and how to read it
}

// Swatch is one entry of a legend.
type Swatch struct {
	SVG  string // a small <svg> element, 16 units square, hidden from screen readers
	Text string
}
