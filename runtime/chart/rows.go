package chart

// maxLines is the greatest number of rows in one column of a picture that stands alone.
const maxLines = 30

// lines returns how many lines the rows take, headings included.
func (f *figure) lines() int {
	n := len(f.rows)
	for i := range f.rows {
		if f.heads(i) {
			n++
		}
	}
	return n
}

// heads reports whether row i has a heading above it.
func (f *figure) heads(i int) bool {
	return f.grouped && (i == 0 || f.rows[i].group != f.rows[i-1].group)
}

// rowsLayout is where the parts of rows are.
type rowsLayout struct {
	s           scale
	left, right int // of the column
	x0, x1      int // of the axis
	top, bottom int
	pitch, size int
	labels      int // width
	intervals   bool
	below       bool // the axis has labels below, too
}

// drawRows draws one row per value: a dot with its interval, or a bar. A wide picture has two
// columns with the same axis.
func (f *figure) drawRows(c *canvas) {
	bars := f.mark == markBars
	columns := 1
	if c.width == aloneTwo {
		columns = 2
	}
	lines := f.lines()
	each := (lines + columns - 1) / columns
	l := rowsLayout{pitch: 200, size: sizeText, intervals: c.width == alone}
	switch {
	case each > 60:
		l.pitch, l.size = 140, sizeSmall
	case each > 24:
		l.pitch, l.size = 160, 120
	}
	values := 0
	for i := range f.rows {
		r := &f.rows[i]
		width := pick(r.shape == whole, boldWidth, textWidth)
		l.labels = max(l.labels, width(r.label, l.size)+10)
		values = max(values, width(f.shown(r, l.intervals), l.size))
	}
	const between = 300
	width := (c.width - 2*side - (columns-1)*between) / columns
	l.labels = min(l.labels, width*44/100)
	low, high := f.span()
	if bars {
		low, high = min(low, 0), max(high, 0)
	}
	c.y += 110
	c.text("fg", atStart, side, c.y, sizeText, true, fit(f.measure+f.with(), sizeText, (c.width-2*side)*100/bold))
	c.y += 190
	l.top = c.y
	l.bottom = l.top + each*l.pitch + 40
	l.below = l.bottom-l.top > 2500
	i := 0
	for n := range columns {
		l.left = side + n*(width+between)
		l.right = l.left + width
		l.x0, l.x1 = l.left+l.labels+100, l.right-values-130
		if n == 0 {
			most := min(max(2, (l.x1-l.x0)/(textWidth(number(high, 1), sizeSmall)+100)), 6)
			l.s = pick(bars, axis, tight)(low, high, most)
		}
		first := i
		for used := 0; i < len(f.rows); i++ {
			if used += pick(f.heads(i), 2, 1); used > each && n < columns-1 {
				break
			}
		}
		if first < i {
			f.drawColumn(c, l, first, i)
		}
	}
	c.y = l.bottom + pick(l.below, 160, 40)
}

// drawColumn draws the rows from first to before end below each other.
func (f *figure) drawColumn(c *canvas, l rowsLayout, first, end int) {
	bars := f.mark == markBars
	for _, tick := range l.s.ticks {
		x := l.s.at(tick, l.x0, l.x1)
		c.line(pick(bars && tick == 0, "axis", "grid"), x, l.top, x, l.bottom, 10)
		c.text("mute", atMiddle, x, l.top-40, sizeSmall, false, number(tick, l.s.decimals))
		if l.below {
			c.text("mute", atMiddle, x, l.bottom+130, sizeSmall, false, number(tick, l.s.decimals))
		}
	}
	for i := range f.rows {
		if r := &f.rows[i]; r.shape == whole && r.present {
			x := l.s.at(r.value, l.x0, l.x1)
			c.open("path", "wholel")
			c.raw(` fill="none" stroke-dasharray="30 30"`)
			c.attr("stroke-width", 12)
			c.raw(` d="M`, itoa(x), " ", itoa(l.top), "V", itoa(l.bottom), `"/>`)
			break
		}
	}
	y := l.top + 20
	for i := first; i < end; i++ {
		r := &f.rows[i]
		if f.heads(i) || f.grouped && i == first {
			c.text("fg", atStart, l.left, y+l.pitch*7/10, l.size, true, fit(cut(r.group, 2*maxLabel), l.size, (l.right-l.left)*100/bold))
			y += l.pitch
		}
		f.drawRow(c, r, l, y)
		y += l.pitch
	}
}

// shown returns the value at the end of a row.
func (f *figure) shown(r *row, intervals bool) string {
	if !r.present {
		return "no value"
	}
	s := number(r.value, f.decimals)
	if r.limits && intervals {
		s += " (" + f.interval(r) + ")"
	}
	return s
}

// with tells that there are intervals.
func (f *figure) with() string { return pick(f.limits, ", with "+f.level+"intervals", "") }

func (f *figure) drawRow(c *canvas, r *row, l rowsLayout, y int) {
	bars := f.mark == markBars
	base, mid := y+l.pitch*7/10, y+l.pitch/2
	all := r.shape == whole
	c.group(f.tip(r))
	c.line("grid", l.x0, mid, l.x1, mid, 6)
	c.text(pick(all, "whole", "fg"), atEnd, l.left+l.labels, base, l.size, all, fit(r.label, l.size, l.labels*100/pick(all, bold, 100)))
	c.text(pick(r.present, pick(all, "whole", "fg"), "mute"), atEnd, l.right, base, l.size, all, f.shown(r, l.intervals))
	if r.present {
		x := l.s.at(r.value, l.x0, l.x1)
		mark := pick(all, "whole", "mark")
		if bars {
			zero := l.s.at(0, l.x0, l.x1)
			c.rect(mark, min(x, zero), y+l.pitch*15/100, max(x, zero)-min(x, zero), l.pitch*7/10)
		}
		if r.limits {
			from, to := l.s.at(r.low, l.x0, l.x1), l.s.at(r.high, l.x0, l.x1)
			class := pick(all, "wholel", "whisk")
			if bars {
				class = "cap"
			}
			c.line(class, from, mid, to, mid, pick(bars, 16, 36))
			if bars {
				c.line(class, from, mid-25, from, mid+25, 16)
				c.line(class, to, mid-25, to, mid+25, 16)
			}
		}
		switch {
		case bars:
		case all:
			c.path(mark, 0, true, x-60, mid, x, mid-60, x+60, mid, x, mid+60)
		default:
			c.circle(mark, x, mid, 45)
		}
	}
	c.raw("</g>")
}
