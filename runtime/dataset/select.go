package dataset

import (
	"math"
	"slices"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Select returns the rows that pass all conditions, as ascending ranges that do
// not touch and are never empty; without conditions one range of all rows. A
// missing value never passes, nor does anything pass a condition on a column that
// is not there. Conditions on the sort column cost nothing a row; each other one
// costs about a nanosecond for each row that the ones before it let through.
func (d *Dataset) Select(conds []question.Condition) []question.Range {
	var ranges []question.Range
	if d.rows > 0 {
		ranges = []question.Range{{Start: 0, Count: uint32(d.rows)}}
	}
	isSort := func(c *question.Condition) bool { return d.sorted >= 0 && d.byName[c.Column] == d.sorted }
	for i := range conds {
		if _, ok := d.byName[conds[i].Column]; !ok {
			return nil
		}
		if isSort(&conds[i]) {
			ranges = intersect(ranges, d.runs(conds[i].Codes))
		}
	}
	for i := range conds {
		if len(ranges) == 0 {
			return nil
		}
		if isSort(&conds[i]) {
			continue
		}
		c := &d.columns[d.byName[conds[i].Column]]
		switch c.Type {
		case question.String:
			ranges = filterCodes(ranges, c, conds[i].Codes)
		case question.Integer:
			ranges = filterIntervals(ranges, c, c.Integers, conds[i].Intervals)
		default:
			ranges = filterIntervals(ranges, c, c.Numbers, conds[i].Intervals)
		}
	}
	return ranges
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

// appendRange appends the rows from start to before end, to the last range where
// they touch it. Nothing is appended that is there already.
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

// filterCodes keeps the rows that have one of the codes.
func filterCodes(ranges []question.Range, c *question.Column, codes []int32) []question.Range {
	pass := make([]bool, max(1, len(c.Dict)))
	for _, code := range codes {
		if code >= 0 && int(code) < len(c.Dict) {
			pass[code] = true
		}
	}
	if pass[0] && c.Valid != nil { // a missing row's code is 0
		return filter(ranges, func(row uint32) bool { return pass[c.Codes[row]] && c.Valid.Get(int(row)) })
	}
	return filter(ranges, func(row uint32) bool { return pass[c.Codes[row]] })
}

// filterIntervals keeps the rows whose value lies in one of the intervals.
func filterIntervals[T int64 | float64](ranges []question.Range, c *question.Column, values []T, given []question.Interval) []question.Range {
	merged := mergeIntervals(given)
	switch len(merged) {
	case 0:
		return nil
	case 1:
		iv := merged[0]
		return filter(ranges, func(row uint32) bool {
			v := float64(values[row])
			return v >= iv.Min && v <= iv.Max && c.Present(int(row))
		})
	default:
		return filter(ranges, func(row uint32) bool {
			v := float64(values[row])
			at, _ := slices.BinarySearchFunc(merged, v, func(iv question.Interval, v float64) int {
				if iv.Max < v {
					return -1
				}
				return 1
			})
			return at < len(merged) && v >= merged[at].Min && c.Present(int(row))
		})
	}
}

// mergeIntervals returns the intervals in ascending order, overlapping ones as one,
// without those that hold nothing.
func mergeIntervals(given []question.Interval) []question.Interval {
	var out []question.Interval
	for _, iv := range given {
		if iv.Min <= iv.Max { // also not NaN
			out = append(out, iv)
		}
	}
	slices.SortFunc(out, func(a, b question.Interval) int {
		switch {
		case a.Min < b.Min:
			return -1
		case a.Min > b.Min:
			return 1
		default:
			return 0
		}
	})
	n := 0
	for _, iv := range out {
		if n > 0 && iv.Min <= out[n-1].Max {
			out[n-1].Max = math.Max(out[n-1].Max, iv.Max)
			continue
		}
		out[n] = iv
		n++
	}
	return out[:n]
}

// filter keeps the rows that pass.
func filter(ranges []question.Range, pass func(row uint32) bool) []question.Range {
	var out []question.Range
	for _, r := range ranges {
		row, end := r.Start, r.Start+r.Count
		for {
			for row < end && !pass(row) {
				row++
			}
			if row == end {
				break
			}
			start := row
			for row < end && pass(row) {
				row++
			}
			out = append(out, question.Range{Start: start, Count: row - start})
		}
	}
	return out
}
