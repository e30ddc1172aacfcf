package dataset

import (
	"cmp"
	"math/bits"
	"slices"
	"sort"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Select returns the rows that pass all conditions, as ascending ranges that are neither
// empty nor adjacent; without conditions, one range of all rows. A missing value never
// passes, and no row passes a condition on a column that does not exist. Conditions on
// the sort column use the index and cost nothing per row; the others cost about a
// nanosecond per remaining row.
func (d *Dataset) Select(conds []question.Condition) []question.Range {
	ranges := appendRange(nil, 0, uint32(d.rows))
	var tests []test
	for i := range conds {
		at, ok := d.byName[conds[i].Column]
		switch {
		case !ok:
			return nil
		case at == d.sorted:
			ranges = intersect(ranges, d.runs(conds[i].Codes))
		default:
			tests = append(tests, newTest(&d.columns[at], &conds[i]))
		}
	}
	if len(tests) == 0 {
		return ranges
	}
	var out []question.Range
	for _, r := range ranges {
		for start, end := r.Start, r.Start+r.Count; start < end; start += 64 {
			n := min(64, end-start)
			word := ^uint64(0) >> (64 - n)
			for _, t := range tests {
				if word &= t(start, n); word == 0 {
					break
				}
			}
			for word != 0 {
				from := uint32(bits.TrailingZeros64(word))
				length := uint32(bits.TrailingZeros64(^(word >> from)))
				out = appendRange(out, start+from, start+from+length)
				word = word >> (from + length) << (from + length) // of 64: 0
			}
		}
	}
	return out
}

// runs returns the rows of the given codes of the sort column; the codes ascend.
func (d *Dataset) runs(codes []int32) []question.Range {
	var out []question.Range
	for _, code := range codes {
		if code >= 0 && int(code) < len(d.starts)-1 {
			out = appendRange(out, d.starts[code], d.starts[code+1])
		}
	}
	return out
}

// appendRange appends the rows of [start, end), merged into the last range if they
// overlap or are adjacent.
func appendRange(ranges []question.Range, start, end uint32) []question.Range {
	if n := len(ranges); n > 0 {
		last := &ranges[n-1]
		if stop := last.Start + last.Count; start <= stop {
			last.Count = max(end, stop) - last.Start
			return ranges
		}
	}
	if start >= end {
		return ranges
	}
	return append(ranges, question.Range{Start: start, Count: end - start})
}

// intersect returns the rows that are in both.
func intersect(a, b []question.Range) []question.Range {
	var out []question.Range
	for len(a) > 0 && len(b) > 0 {
		endA, endB := a[0].Start+a[0].Count, b[0].Start+b[0].Count
		if start, end := max(a[0].Start, b[0].Start), min(endA, endB); start < end {
			out = append(out, question.Range{Start: start, Count: end - start})
		}
		if endA < endB {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return out
}

// test returns which of the n rows from start on pass, n being at most 64: row start+i
// is bit i. Bits from n on are undefined. Testing whole words avoids a branch per row.
type test func(start, n uint32) uint64

func newTest(c *question.Column, cond *question.Condition) test {
	var t test
	switch c.Type {
	case question.String:
		t = testCodes(c, cond.Codes)
	case question.Integer:
		t = testIntervals(c.Integers, cond.Intervals)
	default:
		t = testIntervals(c.Numbers, cond.Intervals)
	}
	if c.Valid == nil {
		return t
	}
	return func(start, n uint32) uint64 {
		if word := window(c.Valid, start, n); word != 0 {
			return word & t(start, n)
		}
		return 0
	}
}

// window returns n bits, at most 64, from bit start on.
func window(b question.Bitmap, start, n uint32) uint64 {
	first, shift := start/8, start%8
	word := uint64(b[first]) >> shift
	for i := first + 1; i <= (start+n-1)/8; i++ {
		word |= uint64(b[i]) << (8*(i-first) - shift)
	}
	return word
}

// testCodes passes rows that have one of the codes.
func testCodes(c *question.Column, codes []int32) test {
	pass := make([]uint8, max(1, len(c.Dict))) // by code: 0 or 1
	for _, code := range codes {
		if code >= 0 && int(code) < len(c.Dict) {
			pass[code] = 1
		}
	}
	return func(start, n uint32) (word uint64) {
		for i, code := range c.Codes[start : start+n] {
			word |= uint64(pass[code]) << i
		}
		return word
	}
}

// testIntervals passes rows whose value lies in one of the intervals.
func testIntervals[T int64 | float64](values []T, given []question.Interval) test {
	merged := mergeIntervals(given)
	switch len(merged) {
	case 0:
		return func(uint32, uint32) uint64 { return 0 }
	case 1:
		lo, hi := merged[0].Min, merged[0].Max
		return func(start, n uint32) (word uint64) {
			for i, v := range values[start : start+n] {
				var bit uint64
				if f := float64(v); f >= lo && f <= hi {
					bit = 1
				}
				word |= bit << i
			}
			return word
		}
	default:
		return func(start, n uint32) (word uint64) {
			for i, v := range values[start : start+n] {
				f := float64(v)
				at := sort.Search(len(merged), func(k int) bool { return merged[k].Max >= f })
				if at < len(merged) && merged[at].Min <= f {
					word |= 1 << i
				}
			}
			return word
		}
	}
}

// mergeIntervals returns the intervals in ascending order, overlapping ones as one,
// without empty ones.
func mergeIntervals(given []question.Interval) []question.Interval {
	var out []question.Interval
	for _, iv := range given {
		if iv.Min <= iv.Max { // also not NaN
			out = append(out, iv)
		}
	}
	slices.SortFunc(out, func(a, b question.Interval) int { return cmp.Compare(a.Min, b.Min) })
	n := 0
	for _, iv := range out {
		if n > 0 && iv.Min <= out[n-1].Max {
			out[n-1].Max = max(out[n-1].Max, iv.Max)
			continue
		}
		out[n] = iv
		n++
	}
	return out[:n]
}
