package chart

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Widths of a picture, and the distance of everything from its sides, in tenths of a unit.
const (
	inPage   = 4000
	alone    = 5600
	aloneTwo = 8000 // with two columns of rows
	side     = 120
)

// Sizes of text.
const (
	sizeTitle = 190
	sizeText  = 130
	sizeSmall = 110
)

// inline draws the picture for a page.
func (f *figure) inline(caption *question.Caption) []byte {
	c := &canvas{p: palettes[caption.Theme], width: inPage, y: 40}
	id := f.id(c.width, caption.Theme)
	f.body(c, id)
	c.y += 40
	return f.root(c, id, caption, f.title, "")
}

// alone draws the picture with all that belongs to it.
func (f *figure) alone(caption *question.Caption) []byte {
	c := &canvas{p: palettes[caption.Theme], width: alone}
	if (f.mark == markDots || f.mark == markBars) && f.lines() > maxLines {
		c.width = aloneTwo // a slide is wide
	}
	id := f.id(c.width, caption.Theme)
	f.header(c, caption)
	f.body(c, id)
	f.footer(c, caption)
	return f.root(c, id, caption, f.title, Style)
}

// root puts the canvas into the element svg.
func (f *figure) root(c *canvas, id string, caption *question.Caption, title, sheet string) []byte {
	out := &canvas{p: c.p, width: c.width}
	h := (c.y + 9) / 10 * 10
	out.raw(`<svg xmlns="http://www.w3.org/2000/svg" id="`, id, `" viewBox="0 0 `, strconv.Itoa(c.width), " ", strconv.Itoa(h), `"`)
	if sheet != "" { // stands alone
		out.attr("width", c.width/10)
		out.attr("height", h/10)
	}
	if caption.Dataset.Synthetic {
		title = "SYNTHETIC: " + title
	}
	out.raw(` class="`, class(caption.Theme), `" role="img" aria-labelledby="`, id, "-t ", id, `-d" font-family="Helvetica,Arial,'Liberation Sans','DejaVu Sans',sans-serif">`)
	out.raw(`<title id="`, id, `-t">`, escape(title), `</title><desc id="`, id, `-d">`, escape(cut(f.alt(), 1000)), "</desc>")
	if sheet != "" {
		out.raw("<style>", sheet, "</style>")
		out.rect("bg", 0, 0, c.width, h)
	}
	out.b = append(out.b, c.b...)
	out.raw("</svg>")
	if sheet != "" {
		out.raw("\n")
	}
	return out.b
}

// class returns the classes of the element svg.
func class(theme question.Theme) string {
	return pick(theme == question.ThemeAuto, "ch ch-auto", "ch")
}

// header writes the title, what was asked for, and the mark of generated figures.
func (f *figure) header(c *canvas, caption *question.Caption) {
	room := c.width - 2*side
	c.y = 90
	for _, line := range wrap(f.title, sizeTitle, room*100/bold, 3) {
		c.y += 210
		c.text("fg", atStart, side, c.y, sizeTitle, true, line)
	}
	for _, part := range f.selection {
		for _, line := range wrap(part, sizeText, room, 2) {
			c.y += 175
			c.text("mute", atStart, side, c.y, sizeText, false, line)
		}
	}
	if caption.Dataset.Synthetic {
		const mark = "SYNTHETIC: generated figures, not real"
		c.y += 80
		c.open("rect", "pill")
		c.attr("x", side)
		c.attr("y", c.y)
		c.attr("width", boldWidth(mark, sizeText)+120)
		c.attr("height", 210)
		c.attr("rx", 30)
		c.attr("stroke-width", 14)
		c.raw("/>")
		c.text("warn", atStart, side+60, c.y+151, sizeText, true, mark)
		c.y += 210
	}
	c.y += 130
}

// footer writes the notes, the caveats and the source.
func (f *figure) footer(c *canvas, caption *question.Caption) {
	room := c.width - 2*side
	c.y += 60
	c.line("grid", side, c.y, c.width-side, c.y, 10)
	c.y += 20
	write := func(s string, most int) {
		if s == "" {
			return
		}
		for _, line := range wrap(s, sizeSmall, room, most) {
			c.y += 145
			c.text("mute", atStart, side, c.y, sizeSmall, false, line)
		}
		c.y += 20
	}
	for _, note := range f.notes {
		write(note, 4)
	}
	write(f.covered(caption.Coverage), 3)
	for i := range caption.Caveats {
		if i == 6 {
			write("There are more caveats; the table has them.", 1)
			break
		}
		if caption.Caveats[i].Code != "synthetic" || !caption.Dataset.Synthetic {
			write(caption.Caveats[i].Text, 3)
		}
	}
	if d := caption.Dataset; d.Title != "" || d.Name != "" {
		source := "Source: " + cmp.Or(d.Title, d.Name)
		if d.Source != "" {
			source += "; " + d.Source
		}
		if d.License != "" {
			source += "; licence: " + d.License
		}
		write(source, 4)
	}
	if caption.URL != "" {
		write("This answer: "+caption.URL, 6)
	}
	c.y += 80
}

// covered says which rows an answer comes from; "" if that is not known. What the table has a
// column of is not mixed.
func (f *figure) covered(c *question.Coverage) string {
	if c == nil {
		return ""
	}
	s := "From " + number(float64(c.Rows), 0) + " rows of the dataset"
	if c.Missing > 0 {
		s += ", " + number(float64(c.Missing), 0) + " of them without a value"
	}
	var mixed []string
	for _, m := range c.Mixed {
		if slices.Contains(f.names, m.Column) {
			continue
		}
		mixed = append(mixed, strconv.Itoa(m.Values)+" values of "+cut(cmp.Or(m.Title, m.Column), maxLabel))
	}
	if len(mixed) > 0 {
		s += "; they mix " + strings.Join(mixed, ", ")
	}
	return s + "."
}

// body draws the marks.
func (f *figure) body(c *canvas, id string) {
	switch f.mark {
	case markMap:
		f.drawMap(c, id)
	case markLine:
		f.drawLine(c)
	default:
		f.drawRows(c)
	}
}

// swatches returns the legend of the colours for a page.
func (f *figure) swatches(theme question.Theme) []question.Swatch {
	s, ok := f.classes()
	if f.mark != markMap {
		return nil
	}
	var out []question.Swatch
	add := func(text string, draw func(c *canvas)) {
		c := &canvas{p: palettes[theme], width: 160}
		c.raw(`<svg xmlns="http://www.w3.org/2000/svg" class="`, class(theme), `" viewBox="0 0 160 160" width="16" height="16" aria-hidden="true">`)
		draw(c)
		c.raw("</svg>")
		out = append(out, question.Swatch{SVG: string(c.b), Text: text})
	}
	if ok {
		for i := range 5 {
			text := number(s.ticks[i], s.decimals) + " to under " + number(s.ticks[i+1], s.decimals)
			if i == 4 {
				text = number(s.ticks[i], s.decimals) + " to " + number(s.ticks[i+1], s.decimals)
			}
			if f.unit != "" {
				text += " " + f.unit
			}
			add(text, func(c *canvas) { c.swatch(i, 10, 10, 140, 140) })
		}
	}
	for i := range f.rows {
		if r := &f.rows[i]; r.shape == whole && r.present {
			add(f.tip(r), func(c *canvas) { c.path("whole", 0, true, 80, 20, 140, 130, 20, 130) })
		}
	}
	if f.hatched() {
		add("no value in the data", func(c *canvas) { c.hatch(10, 10, 140, 140) })
	}
	if len(f.absent()) > 0 {
		add("not in this answer", func(c *canvas) { c.swatch(-1, 10, 10, 140, 140) })
	}
	return out
}

// swatch draws a square of a class, or an empty one for -1.
func (c *canvas) swatch(class, x, y, w, h int) {
	name := "none"
	if class >= 0 {
		name = "c" + strconv.Itoa(class)
	}
	c.open("rect", name)
	c.attr("x", x)
	c.attr("y", y)
	c.attr("width", w)
	c.attr("height", h)
	c.attr("stroke-width", 8)
	c.raw("/>")
}
