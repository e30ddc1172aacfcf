package main

import (
	"math"
	"math/bits"
	"slices"

	"github.com/le-stats-sportifs/lestats/plugins/sdk"
)

// Sums are exact: no addition rounds or overflows, so the same values in another order
// have the same mean. Only the mean is rounded, once. RATIONALE.md explains how, and what
// it costs.

// sum is the sum of count values of a narrow column, in two digits. For other columns
// only count is used.
type sum struct {
	high  float64 // column.zero, and a multiple of column.unit
	low   float64 // a multiple of column.lowUnit
	count int
}

func (s *sum) plus(v float64) {
	s.high, s.low = plus(s.high, s.low, v)
	s.count++
}

// plus adds v to a sum's digits. The higher digit stays close to column.zero, so adding v
// rounds to whole units; the remainder of v is a multiple of the lower unit. No other step
// rounds.
func plus(high, low, v float64) (float64, float64) {
	h := high + v
	return h, low + (v - (h - high))
}

// masked is v if the lowest bit of keep is 1, otherwise 0.
func masked(v float64, keep uint32) float64 {
	return math.Float64frombits(math.Float64bits(v) & -uint64(keep&1))
}

// sums holds one sum per group.
type sums struct {
	each []sum
	wide []int64 // if the column is not narrow: column.digits digits of 32 bits per group, lowest first
}

func newSums(n int) sums {
	s := sums{each: make([]sum, n)}
	if !column.narrow {
		s.wide = make([]int64, n*column.digits)
		return s
	}
	for i := range s.each {
		s.each[i].high = column.zero
	}
	return s
}

// grow adds a group and returns its number.
func (s *sums) grow() int {
	s.each = append(s.each, sum{high: column.zero})
	if !column.narrow {
		s.wide = append(s.wide, make([]int64, column.digits)...)
	}
	return len(s.each) - 1
}

// add adds v to a group.
func (s *sums) add(group int, v float64) {
	if column.narrow {
		s.each[group].plus(v)
		return
	}
	s.each[group].count++
	m, exponent := oddMantissa(v)
	if m == 0 {
		return
	}
	at := uint(exponent - column.lowest)
	d := s.wide[group*column.digits+int(at/32):]
	lower, upper := m<<(at%32), m>>(64-at%32)
	if v > 0 {
		d[0] += int64(lower & (1<<32 - 1))
		d[1] += int64(lower >> 32)
		d[2] += int64(upper)
	} else {
		d[0] -= int64(lower & (1<<32 - 1))
		d[1] -= int64(lower >> 32)
		d[2] -= int64(upper)
	}
}

// total returns the sum of a group.
func (s *sums) total(group int) total {
	g := &s.each[group]
	if !column.narrow {
		return total{count: g.count, wide: s.wide[group*column.digits:][:column.digits]}
	}
	return total{count: g.count, high: column.whole(g.high), low: column.lowWhole(g.low)}
}

// mean returns the mean of a group that has a value, rounded to the nearest float.
func (s *sums) mean(group int) float64 {
	if g := &s.each[group]; column.narrow && g.count < maxRatio {
		return ratio(g.high-column.zero, g.low, float64(g.count))
	}
	t := s.total(group)
	return t.mean()
}

// total is the sum of any number of values.
type total struct {
	count     int
	high, low int64   // for a narrow column: units of its digits
	wide      []int64 // for others: digits of 32 bits, lowest first
}

// plus adds another sum.
func (t *total) plus(other *total) {
	t.count += other.count
	t.high += other.high
	t.low += other.low
	if t.wide == nil {
		t.wide = make([]int64, len(other.wide))
	}
	for i, d := range other.wide {
		t.wide[i] += d
	}
}

// mean returns the mean, rounded to the nearest float; count is not 0.
func (t *total) mean() float64 {
	if !column.narrow {
		return quotient(t.wide, t.count, column.lowest)
	}
	const exact = 1 << 53
	if h, l := t.high, t.low; t.count < maxRatio && -exact < h && h < exact && -exact < l && l < exact {
		return ratio(float64(h)*column.unit, float64(l)*column.lowUnit, float64(t.count))
	}
	// Convert both to digits of 32 bits: the higher one starts column.digit bits up.
	at, by := column.digit/32, uint(column.digit%32)
	digits := make([]int64, at+3)
	digits[0] += t.low & (1<<32 - 1)
	digits[1] += t.low >> 32
	digits[at] += t.high << by & (1<<32 - 1)
	digits[at+1] += t.high >> (32 - by) & (1<<32 - 1)
	digits[at+2] += t.high >> (32 - by) >> 32
	return quotient(digits, t.count, column.lowest)
}

// maxRatio is the first count that is too large for ratio.
const maxRatio = 1 << 26

// ratio is (a+b)/n for an integer n below maxRatio: the quotient of the rounded sum, plus
// the contribution of the remainder.
func ratio(a, b, n float64) float64 {
	total := a + b
	part := total - a
	rest := (a - (total - part)) + (b - part)
	q := total / n
	upper := math.Float64frombits(math.Float64bits(q) &^ (1<<27 - 1)) // times n it is exact
	return q + (((total-upper*n)-(q-upper)*n)+rest)/n
}

// quotient divides a number by n, which is below 2^32. The number is given as digits of 32
// bits, lowest first, which may be negative or too large, in units of 2^lowest.
func quotient(digits []int64, n, lowest int) float64 {
	const fraction = 3 // digits of the quotient below the units
	all := make([]int64, fraction+len(digits)+2)
	copy(all[fraction:], digits)
	negative := carry(all)
	if negative {
		for i := range all {
			all[i] = -all[i]
		}
		carry(all)
	}
	rest := uint64(0)
	top := -1
	for i := len(all) - 1; i >= 0; i-- {
		rest = rest<<32 | uint64(all[i])
		all[i] = int64(rest / uint64(n))
		rest %= uint64(n)
		if top < 0 && all[i] != 0 {
			top = i
		}
	}
	if top < 0 {
		return 0
	}
	for i := range max(0, top-2) { // below the three highest digits, only whether there is a bit matters
		rest |= uint64(all[i])
	}
	digit := func(i int) uint64 {
		if i < 0 {
			return 0
		}
		return uint64(all[i])
	}
	shift := bits.LeadingZeros32(uint32(all[top]))
	m := (digit(top)<<32 | digit(top-1)) << shift
	m |= digit(top-2) >> (32 - shift)
	if rest |= digit(top-2) << (32 + shift); rest != 0 {
		m |= 1
	}
	// A signed number of 63 bits is converted in one instruction; its lowest bit says
	// whether there is more below.
	v := math.Ldexp(float64(int64(m>>1|m&1)), 32*(top-1-fraction)+lowest+1-shift)
	if negative {
		return -v
	}
	return v
}

// carry normalizes every digit but the highest to 32 bits, and reports whether the number,
// and with it the highest digit, is negative.
func carry(digits []int64) bool {
	c := int64(0)
	for i := range digits {
		c += digits[i]
		if i == len(digits)-1 {
			digits[i] = c
			break
		}
		digits[i] = c & (1<<32 - 1)
		c >>= 32
	}
	return c < 0
}

// oddMantissa returns |v| as an odd number in units of 2^exponent; 0 for 0.
func oddMantissa(v float64) (m uint64, exponent int) {
	b := math.Float64bits(v)
	m, exponent = b&(1<<52-1), int(b>>52&0x7ff)
	if exponent > 0 {
		m |= 1 << 52
		exponent--
	}
	if m == 0 {
		return 0, 0
	}
	zeros := bits.TrailingZeros64(m)
	return m >> zeros, exponent + zeros - 1074 // the least float is 2^-1074
}

// span describes the values of the column: every one is a multiple of 2^lowest.
type span struct {
	narrow bool // two digits of the sum fit into whole numbers of 64 bits
	lowest int
	digits int // of 32 bits

	// Of a narrow column:
	digit         int     // bits of the lower digit
	unit, lowUnit float64 // value of one unit of each digit
	zero          float64 // 1.5 times 2^52 units: adding to it rounds to units
}

// whole is a sum's higher digit in units, lowWhole its lower digit.
func (s *span) whole(high float64) int64   { return int64((high - s.zero) / s.unit) }
func (s *span) lowWhole(low float64) int64 { return int64(low / s.lowUnit) }

// column is what measure found when the plugin was opened. It is part of the image that
// every job starts from.
var column span

// measure determines how sums of the column are represented.
func measure(job *sdk.Job) {
	values := value.Values(job)
	count, lowest, highest := 0, math.MaxInt, math.MinInt
	for rows := range job.Rows(value) {
		count += len(rows)
		for _, row := range rows {
			if m, exponent := oddMantissa(values[row]); m != 0 {
				lowest = min(lowest, exponent)
				highest = max(highest, exponent+bits.Len64(m))
			}
		}
	}
	if lowest > highest { // zeros
		lowest, highest = 0, 0
	}
	if column = spanOf(count, lowest, highest); !column.narrow {
		column = spanOf(mostOfOne(job), lowest, highest)
	}
}

// mostOfOne returns the largest number of values of any location.
func mostOfOne(job *sdk.Job) int {
	locations := location.Codes(job)
	counts := make([]int, location.Count(job)+1) // one at least
	for rows := range job.Rows(value, location) {
		for _, row := range rows {
			counts[locations[row]]++
		}
	}
	return slices.Max(counts)
}

// spanOf is the representation of sums of up to count values per location that are
// multiples of 2^lowest and below 2^highest.
func spanOf(count, lowest, highest int) span {
	const batch = 10 // sumOf adds up 2^10 values at a time
	width, room := highest-lowest, max(batch, bits.Len(uint(count)))
	s := span{lowest: lowest, digits: width/32 + 3, digit: (width + 4) / 2}
	// The higher digit of a sum stays below 2^51 units, the lower one below 2^53, and no
	// intermediate float is denormal or infinite.
	s.narrow = width-s.digit+1+room <= 51 && s.digit-1+room <= 53 && lowest >= -900 && lowest+s.digit <= 900
	if s.narrow {
		s.unit, s.lowUnit = math.Ldexp(1, lowest+s.digit), math.Ldexp(1, lowest)
		s.zero = 3 << 51 * s.unit
	}
	return s
}
