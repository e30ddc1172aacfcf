package chart

import (
	"math"
	"strconv"
	"strings"
)

// A scale is a range of numbers with round ticks. Its formulas keep clear of x*y+z, which
// some processors compute with one rounding instead of two.
type scale struct {
	low, high float64   // the ends, which differ
	ticks     []float64 // ascending
	decimals  int       // that the ticks need
}

// round is a number m * 10^e with m one of 1, 2, 5 and, for classes, 25.
type round struct {
	m float64
	e int
}

// times returns i times r, correctly rounded.
func (r round) times(i float64) float64 {
	if r.e < 0 {
		return i * r.m / math.Pow10(-r.e)
	}
	return i * r.m * math.Pow10(r.e)
}

func (r round) next() round {
	switch r.m {
	case 1:
		return round{2, r.e}
	case 2:
		return round{5, r.e}
	default:
		return round{1, r.e + 1}
	}
}

// nextClass is next with 2.5 between 2 and 5, so that five classes are not much wider than
// the values.
func (r round) nextClass() round {
	switch r.m {
	case 2:
		return round{25, r.e - 1}
	case 25:
		return round{5, r.e + 1}
	default:
		return r.next()
	}
}

// below returns a round number that is not greater than x, which is positive.
func below(x float64) round { return round{1, exponent(x)} }

// exponent returns the e of x = d.ddd * 10^e.
func exponent(x float64) int {
	s := strconv.FormatFloat(x, 'e', -1, 64)
	e, _ := strconv.Atoi(s[strings.IndexByte(s, 'e')+1:]) // FormatFloat writes one
	return e
}

// spread makes a range of two numbers that are the same, or nearly, wide enough to divide.
func spread(low, high float64) (float64, float64) {
	if size := max(math.Abs(low), math.Abs(high)); high-low <= size*1e-9 || high-low < 1e-250 {
		if size < 1e-200 {
			return low - 1, high + 1
		}
		return low - size/10, high + size/10
	}
	return low, high
}

// axis returns a scale that has all of low to high, with about most ticks or fewer.
func axis(low, high float64, most int) scale {
	low, high = spread(low, high)
	step := below((high - low) / float64(most))
	for math.Ceil(high/step.times(1))-math.Floor(low/step.times(1)) > float64(most) {
		step = step.next()
	}
	return step.scale(math.Floor(low/step.times(1)), math.Ceil(high/step.times(1)))
}

// classes returns the six ends of five equal classes that have all of low to high.
func classes5(low, high float64) scale {
	if l, _ := spread(low, high); l != low { // all equal: they are in the first class
		high = low + max(math.Abs(low)/2, 1e-200)
		if low == 0 {
			high = 1
		}
	}
	step := below((high - low) / 5)
	for step.times(math.Floor(low/step.times(1))+5) < high {
		step = step.nextClass()
	}
	first := math.Floor(low / step.times(1))
	return step.scale(first, first+5)
}

func (r round) scale(first, last float64) scale {
	s := scale{decimals: max(0, -r.e)}
	for i := first; i <= last && len(s.ticks) < 50; i++ {
		s.ticks = append(s.ticks, r.times(i)+0) // +0: no minus before a zero
	}
	if len(s.ticks) > 0 {
		s.low, s.high = s.ticks[0], s.ticks[len(s.ticks)-1]
	}
	return s
}

// tight is axis with ends next to low and high, and the ticks between them.
func tight(low, high float64, most int) scale {
	low, high = spread(low, high)
	step := below((high - low) / float64(most))
	for (high-low)/step.times(1) > float64(most) {
		step = step.next()
	}
	s := step.scale(math.Ceil(low/step.times(1)), math.Floor(high/step.times(1)))
	edge := (high - low) / 25
	s.low, s.high = low-edge, high+edge
	return s
}

// at returns where x is between from and to.
func (s scale) at(x float64, from, to int) int {
	part := (x - s.low) / (s.high - s.low)
	part = min(max(part, 0), 1)
	return from + int(math.Round(part*float64(to-from)))
}

// class returns the index of the class that x is in.
func (s scale) class(x float64) int {
	n := 0
	for _, end := range s.ticks[1 : len(s.ticks)-1] {
		if x >= end {
			n++
		}
	}
	return n
}

// number writes x with a number of decimals, a minus sign that is one, and thin groups of
// digits: 1,234,567.
func number(x float64, decimals int) string {
	if math.Abs(x) >= 1e15 {
		return minus(strconv.FormatFloat(x, 'g', 6, 64))
	}
	if x != 0 && math.Abs(x) < 1e-6 {
		return minus(strconv.FormatFloat(x, 'g', 3, 64))
	}
	s := strconv.FormatFloat(math.Abs(x), 'f', decimals, 64)
	whole, rest, _ := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if rest != "" {
		whole += "." + rest
	}
	if x < 0 && strings.Trim(whole, "0.,") != "" {
		return "\u2212" + whole
	}
	return whole
}

func minus(s string) string { return strings.ReplaceAll(s, "-", "\u2212") }

// decimals returns how many decimals the values need, at most as many as give three digits
// to the largest, and at least one if any value has one and all are below 10,000.
func decimals(values []float64) int {
	need, largest := 0, 0.0
	for _, v := range values {
		largest = max(largest, math.Abs(v))
		if s := strconv.FormatFloat(v, 'f', -1, 64); math.Abs(v) < 1e15 {
			if point := strings.IndexByte(s, '.'); point >= 0 {
				need = max(need, len(s)-point-1)
			}
		}
	}
	if largest == 0 || largest >= 1e4 {
		return 0
	}
	return min(need, max(1, 2-exponent(largest)), 9)
}
