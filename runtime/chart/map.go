package chart

import (
	"strconv"
)

// hatched reports whether a place of the map has no value.
func (f *figure) hatched() bool {
	for i := range f.rows {
		if f.rows[i].shape >= 0 && !f.rows[i].present {
			return true
		}
	}
	return false
}

// placed returns the rows by the index of their shape.
func (f *figure) placed() map[int]*row {
	out := map[int]*row{}
	for i := range f.rows {
		if r := &f.rows[i]; r.shape >= 0 {
			out[r.shape] = r
		}
	}
	return out
}

// absent returns the shapes that the answer has no row for and that are drawn nevertheless.
// Territories without a row are not drawn.
func (f *figure) absent() []int {
	placed := f.placed()
	var out []int
	for i := range f.outlines.Shapes {
		s := &f.outlines.Shapes[i]
		if placed[i] == nil && (!s.Chip || s.Code == "DC") {
			out = append(out, i)
		}
	}
	return out
}

func (f *figure) drawMap(c *canvas, id string) {
	o := f.outlines
	s, ok := f.classes()
	placed := f.placed()
	drawn := map[string]bool{}
	for i := range placed {
		drawn[o.Shapes[i].Code] = true
	}
	// In thousandths, so that the factor is the same text everywhere.
	factor := (c.width - 2*side) * 1000 / o.Width
	if f.hatched() {
		c.raw(`<pattern id="`, id, `-h" width="50" height="50" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">`)
		c.rect("none", 0, 0, 50, 50)
		c.line("hatch", 25, 0, 25, 50, 14)
		c.raw("</pattern>")
	}
	c.raw(`<g transform="translate(`, strconv.Itoa(side), " ", strconv.Itoa(c.y), ") scale(", strconv.Itoa(factor/1000), ".", strconv.Itoa(1000 + factor%1000)[1:], `)" stroke-linejoin="round">`)
	for _, i := range f.absent() {
		drawn[o.Shapes[i].Code] = true
		c.shape(&o.Shapes[i], "none", "", o.Shapes[i].Name+": not in this answer")
	}
	for i := range o.Shapes { // in the order of the codes, whatever the order of the rows
		r := placed[i]
		switch {
		case r == nil:
		case !r.present:
			c.shape(&o.Shapes[i], "none", id+"-h", f.tip(r))
		case ok:
			c.shape(&o.Shapes[i], "c"+strconv.Itoa(s.class(r.value)), "", f.tip(r))
		}
	}
	for _, in := range o.Insets {
		for _, code := range in.Codes {
			if drawn[code] {
				c.open("path", "axis")
				c.raw(` fill="none"`)
				c.attr("stroke-width", 6)
				c.raw(` d="`, in.Path, `"/>`)
				break
			}
		}
	}
	c.raw("</g>")
	c.y += o.Height*factor/1000 + 60
	f.chips(c, s, ok, placed)
	if ok {
		f.ramp(c, s)
	}
	f.keys(c)
}

// shape draws an outline. pattern is the id of its filling; "" for that of the class.
func (c *canvas) shape(s *shape, class, pattern, tip string) {
	p := c.p[class]
	c.raw(`<path`)
	if pattern == "" {
		c.raw(` class="ch-`, class, `" fill="`, p.fill, `" stroke="`, p.stroke, `"`, pick(class == "none", ` pointer-events="all"`, ""))
	} else {
		c.raw(` class="ch-hatch" fill="url(#`, pattern, `)" stroke="`, p.stroke, `"`)
	}
	c.attr("stroke-width", 7)
	c.raw(` d="`, s.Path, `"><title>`, escape(cut(tip, maxTip)), "</title></path>")
}

// chips draws the small places as squares with their values.
func (f *figure) chips(c *canvas, s scale, ok bool, placed map[int]*row) {
	x := side
	for i := range f.outlines.Shapes {
		shape, r := &f.outlines.Shapes[i], placed[i]
		if !shape.Chip || r == nil {
			continue
		}
		text := shape.Code + " –"
		if r.present {
			text = shape.Code + " " + number(r.value, f.decimals)
		}
		w := 150 + 50 + textWidth(text, sizeText)
		if x+w > c.width-side {
			x = side
			c.y += 200
		}
		c.group(f.tip(r))
		if r.present && ok {
			c.swatch(s.class(r.value), x, c.y, 150, 150)
		} else {
			c.hatch(x, c.y, 150, 150)
		}
		c.text("fg", atStart, x+190, c.y+122, sizeText, false, text)
		c.raw("</g>")
		x += w + 110
	}
	if x > side {
		c.y += 230
	}
}

// ramp draws the classes as a bar, with the value of all places together above it.
func (f *figure) ramp(c *canvas, s scale) {
	const height = 130
	c.y += 130
	c.text("fg", atStart, side, c.y, sizeText, true, fit(f.measure, sizeText, (c.width-2*side)*100/bold))
	c.y += 60
	x0 := side
	w := (c.width - 2*side) / 5
	w = min(w, 760)
	for i := range f.rows {
		r := &f.rows[i]
		if r.shape != whole {
			continue
		}
		c.group(f.tip(r))
		text := r.label + " " + f.value(r)
		size := boldWidth(text, sizeText)
		c.y += 120
		if r.present {
			x := s.at(r.value, x0, x0+5*w)
			at := min(max(x, x0+size/2), c.width-side-size/2)
			c.text("whole", atMiddle, at, c.y, sizeText, true, text)
			c.y += 30
			c.path("whole", 0, true, x-55, c.y, x+55, c.y, x, c.y+80)
			c.y += 95
		} else {
			c.text("whole", atStart, x0, c.y, sizeText, true, text)
			c.y += 60
		}
		c.raw("</g>")
	}
	for i := range 5 {
		c.swatch(i, x0+i*w, c.y, w, height)
	}
	c.y += height
	for i, tick := range s.ticks {
		anchor := pick(i == 0, atStart, pick(i == 5, atEnd, atMiddle))
		c.text("mute", anchor, x0+i*w, c.y+145, sizeText, false, number(tick, s.decimals))
	}
	c.y += 190
}

// keys explains the places without a colour.
func (f *figure) keys(c *canvas) {
	x := side
	entry := func(text string, draw func()) {
		draw()
		c.text("mute", atStart, x+200, c.y+122, sizeText, false, text)
		x += 200 + textWidth(text, sizeText) + 200
	}
	if f.hatched() {
		entry("no value in the data", func() { c.hatch(x, c.y, 150, 150) })
	}
	if len(f.absent()) > 0 {
		entry("not in this answer", func() { c.swatch(-1, x, c.y, 150, 150) })
	}
	if x > side {
		c.y += 200
	}
}
