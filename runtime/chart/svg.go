package chart

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// canvas collects the elements of a picture. Lengths are tenths of a unit.
type canvas struct {
	b     []byte
	p     palette
	width int
	y     int // where the next part begins
}

func (c *canvas) raw(parts ...string) {
	for _, s := range parts {
		c.b = append(c.b, s...)
	}
}

// attr appends name="value" of a number.
func (c *canvas) attr(name string, value int) {
	c.b = append(c.b, ' ')
	c.b = append(c.b, name...)
	c.b = append(c.b, '=', '"')
	c.b = strconv.AppendInt(c.b, int64(value), 10)
	c.b = append(c.b, '"')
}

// open begins an element with a class and its colours.
func (c *canvas) open(element, class string) {
	p := c.p[class]
	c.raw("<", element, ` class="ch-`, class, `"`)
	if p.fill != "" {
		c.raw(` fill="`, p.fill, `"`)
	}
	if class == "none" {
		c.raw(` pointer-events="all"`) // its tooltip is the whole area's
	}
	if p.stroke != "" {
		c.raw(` stroke="`, p.stroke, `"`)
	}
}

func (c *canvas) rect(class string, x, y, w, h int) {
	c.open("rect", class)
	c.attr("x", x)
	c.attr("y", y)
	c.attr("width", w)
	c.attr("height", h)
	c.raw("/>")
}

// line draws a line of the width of stroke.
func (c *canvas) line(class string, x1, y1, x2, y2, stroke int) {
	c.open("line", class)
	c.attr("x1", x1)
	c.attr("y1", y1)
	c.attr("x2", x2)
	c.attr("y2", y2)
	c.attr("stroke-width", stroke)
	c.raw("/>")
}

func (c *canvas) circle(class string, x, y, r int) {
	c.open("circle", class)
	c.attr("cx", x)
	c.attr("cy", y)
	c.attr("r", r)
	c.raw("/>")
}

// path draws the points as one line, closed if it has an area.
func (c *canvas) path(class string, stroke int, closed bool, points ...int) {
	c.open("path", class)
	if stroke > 0 {
		c.attr("stroke-width", stroke)
	}
	c.raw(` d="`)
	for i := 0; i+1 < len(points); i += 2 {
		c.raw(pick(i == 0, "M", "L"), strconv.Itoa(points[i]), " ", strconv.Itoa(points[i+1]))
	}
	c.raw(pick(closed, "Z", ""), `"/>`)
}

// The anchors of a text.
const (
	atStart  = ""
	atMiddle = "middle"
	atEnd    = "end"
)

// text writes one line of text with its baseline at y.
func (c *canvas) text(class, anchor string, x, y, size int, bold bool, s string) {
	c.open("text", class)
	c.attr("x", x)
	c.attr("y", y)
	c.attr("font-size", size)
	if bold {
		c.raw(` font-weight="700"`)
	}
	if anchor != atStart {
		c.raw(` text-anchor="`, anchor, `"`)
	}
	c.raw(">", escape(s), "</text>")
}

// group begins the group of one mark with its tooltip. raw("</g>") ends it.
func (c *canvas) group(tip string) { c.raw("<g><title>", escape(cut(tip, maxTip)), "</title>") }

// maxTip bounds a tooltip, in characters: a picture must not grow with the length of names.
const maxTip = 400

// hatch fills a rectangle with diagonal lines, without a pattern and thus without an id.
func (c *canvas) hatch(x, y, w, h int) {
	c.rect("none", x, y, w, h)
	c.open("path", "hatch")
	c.attr("stroke-width", 10)
	c.raw(` d="`)
	for d := 40; d < w+h; d += 40 {
		x1, y1 := x, y+d
		if y1 > y+h {
			x1, y1 = x+d-h, y+h
		}
		x2, y2 := x+d, y
		if x2 > x+w {
			x2, y2 = x+w, y+d-w
		}
		c.raw("M", strconv.Itoa(x1), " ", strconv.Itoa(y1), "L", strconv.Itoa(x2), " ", strconv.Itoa(y2))
	}
	c.raw(`"/>`)
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;")

// escape makes any string text for XML and for HTML: invisible characters, which include all
// that XML forbids, become \u202e and the like.
func escape(s string) string {
	return escaper.Replace(strings.ToValidUTF8(question.Visible(s), "\ufffd"))
}

// cut returns at most n characters of s, the last of them an ellipsis if s is longer. It
// reads no more of s than it returns.
func cut(s string, n int) string {
	last := 0 // where the text before an ellipsis ends
	for i := range s {
		if n == 1 {
			last = i
		}
		if n == 0 {
			return s[:last] + "…"
		}
		n--
	}
	return s
}

// fit cuts s until it is not wider than width at this size.
func fit(s string, size, width int) string {
	if textWidth(s, size) <= width {
		return s
	}
	return strings.TrimRight(s[:prefix(s, size, width-size)], " ") + "…"
}

// prefix returns how many bytes of s are not wider than width: at least one character.
func prefix(s string, size, width int) int {
	n := 0
	for i, r := range s {
		if n += runeWidth(r) * size; n > width*100 && i > 0 {
			return i
		}
	}
	return len(s)
}

// wrap breaks s into at most most lines that are not wider than width.
func wrap(s string, size, width, most int) []string {
	var lines []string
	line := ""
	var words []string
	for word := range strings.FieldsSeq(clean(s, 2000)) {
		for textWidth(word, size) > width { // an address
			n := prefix(word, size, width)
			words = append(words, word[:n])
			word = word[n:]
		}
		words = append(words, word)
	}
	for i, word := range words {
		joined := word
		if line != "" {
			joined = line + " " + word
		}
		if textWidth(joined, size) <= width || line == "" {
			line = joined
			continue
		}
		if len(lines) == most-1 {
			return append(lines, fit(line+" "+strings.Join(words[i:], " "), size, width))
		}
		lines, line = append(lines, fit(line, size, width)), word
	}
	if line != "" {
		lines = append(lines, fit(line, size, width))
	}
	return lines
}

// bold is the width of bold text in hundredths of that of other text.
const bold = 116

func boldWidth(s string, size int) int { return textWidth(s, size) * bold / 100 }

// textWidth estimates the width of a line, in the unit of size. It is an upper bound for the
// usual fonts: those of DejaVu Sans are wider than those of Helvetica, Arial and systems.
func textWidth(s string, size int) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return (n*size + 99) / 100
}

// widths are the characters of ASCII by their width in hundredths of the font's size.
var widths = func() (out [utf8.RuneSelf]int) {
	for width, runes := range map[int]string{
		28: "ijl'", 30: "IJ", 32: " ,.!f;:|", 40: "t()[]-/\\r", 47: "\"*", 53: "sczL?_", 58: "FkTYP", 60: "vxy", 64: "abdeghnopqu0123456789ESZ$#{}`",
		70: "AKVXRBC", 78: "DGHNOQU&", 84: "w+=<>~^", 90: "M", 99: "mW%@",
	} {
		for _, r := range runes {
			out[r] = width
		}
	}
	return out
}()

// runeWidth returns the width of a character in hundredths of the font's size.
func runeWidth(r rune) int {
	switch {
	case r < utf8.RuneSelf:
		return max(widths[r], 28)
	case r == '·':
		return 32
	case r < 0x250:
		return 78
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	default:
		return 105
	}
}

func pick[T any](b bool, yes, no T) T {
	if b {
		return yes
	}
	return no
}
