package chart

import "strconv"

func itoa(n int) string { return strconv.Itoa(n) }

// drawLine draws the values over whole numbers such as years, with a band of the intervals.
// Where a number or a value is missing there is a gap.
func (f *figure) drawLine(c *canvas) {
	s := f.heights()
	labels := 0
	for _, tick := range s.ticks {
		labels = max(labels, textWidth(number(tick, s.decimals), sizeText))
	}
	c.y += 110
	c.text("fg", atStart, side, c.y, sizeText, true, fit(f.measure+f.with(), sizeText, (c.width-2*side)*100/bold))
	c.y += 150
	first, last := f.rows[0].x, f.rows[len(f.rows)-1].x
	label := textWidth(f.rows[0].label, sizeText)
	label = max(label, textWidth(f.rows[len(f.rows)-1].label, sizeText))
	x0, x1 := max(side+labels+150, side+label/2), c.width-side-max(100, label/2)
	if r := f.latest(); r != nil {
		x1 = min(x1, c.width-side-100-boldWidth(number(r.value, f.decimals), sizeText))
	}
	top, bottom := c.y, c.y+c.width*45/100
	for _, tick := range s.ticks {
		y := s.at(tick, bottom, top)
		c.line("grid", x0-80, y, x1+80, y, 10)
		c.text("mute", atEnd, x0-120, y+45, sizeText, false, number(tick, s.decimals))
	}
	at := func(x int64) int {
		return x0 + int((x-first)*int64(x1-x0)/max(last-first, 1))
	}
	// As many labels as fit, and in steps that people count in.
	room := label + 120
	step := int64(1)
	for r := (round{1, 0}); (last-first)/step*int64(room) > int64(x1-x0); r = r.next() {
		step = int64(r.times(1))
	}
	for x := last; x >= first; x -= step {
		c.line("axis", at(x), bottom, at(x), bottom+50, 10)
		c.text("mute", atMiddle, at(x), bottom+190, sizeText, false, strconv.FormatInt(x, 10))
	}
	c.line("axis", x0-80, bottom, x1+80, bottom, 10)
	gaps := f.step()
	for i := 0; i < len(f.rows); {
		j := i
		for j < len(f.rows) && f.rows[j].present && (j == i || f.rows[j].x-f.rows[j-1].x <= gaps) {
			j++
		}
		f.segment(c, s, f.rows[i:j], at, top, bottom)
		i = max(j, i+1)
	}
	for i := range f.rows {
		r := &f.rows[i]
		if !r.present {
			continue
		}
		x, y := at(r.x), s.at(r.value, bottom, top)
		c.group(f.tip(r))
		c.circle("mark", x, y, pick(len(f.rows) > 40, 25, 48))
		c.raw("</g>")
	}
	if r := f.latest(); r != nil {
		c.text("fg", atStart, at(r.x)+80, s.at(r.value, bottom, top)+45, sizeText, true, number(r.value, f.decimals))
	}
	c.y = bottom + 260
}

// heights returns the vertical scale of a line.
func (f *figure) heights() scale {
	low, high := f.span()
	return axis(low, high, 5)
}

// latest returns the last row if it has a value.
func (f *figure) latest() *row {
	if r := &f.rows[len(f.rows)-1]; r.present {
		return r
	}
	return nil
}

// step returns the distance of neighbours without a gap: the least there is.
func (f *figure) step() int64 {
	step := f.rows[len(f.rows)-1].x - f.rows[0].x
	for i := 1; i < len(f.rows); i++ {
		step = min(step, f.rows[i].x-f.rows[i-1].x)
	}
	return step
}

// gaps returns the first numbers between the rows that have none, and how many there are.
func (f *figure) gaps() (first []string, n int64) {
	step := f.step()
	for i := 1; i < len(f.rows); i++ {
		n += (f.rows[i].x-f.rows[i-1].x+step-1)/step - 1
		for x := f.rows[i-1].x + step; x < f.rows[i].x && len(first) < maxNames; x += step {
			first = append(first, strconv.FormatInt(x, 10))
		}
	}
	return first, n
}

// segment draws neighbours: their band, and the line.
func (f *figure) segment(c *canvas, s scale, rows []row, at func(int64) int, top, bottom int) {
	var line, upper, lower []int
	flush := func() {
		if len(upper) > 2 {
			for i := len(lower) - 2; i >= 0; i -= 2 {
				upper = append(upper, lower[i], lower[i+1])
			}
			c.path("band", 0, true, upper...)
		} else if len(upper) == 2 { // alone: a band has no width
			c.line("whisk", upper[0], upper[1], lower[0], lower[1], 30)
		}
		upper, lower = nil, nil
	}
	for i := range rows {
		r := &rows[i]
		x := at(r.x)
		line = append(line, x, s.at(r.value, bottom, top))
		if !r.limits {
			flush()
			continue
		}
		upper = append(upper, x, s.at(r.high, bottom, top))
		lower = append(lower, x, s.at(r.low, bottom, top))
	}
	flush()
	if len(line) > 2 {
		c.path("line", 24, false, line...)
	}
}
