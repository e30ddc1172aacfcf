package dataset

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Coverage describes the rows: ascending ranges, as Select returns them. It takes about a
// nanosecond per row and dimension; a dimension of which every value was found takes no
// more. Of dimensions that say the same in other words, such as names of places and their
// abbreviations, it has one: the one with a caveat, or with a role, or else the first.
func (d *Dataset) Coverage(rows []question.Range) *question.Coverage {
	c := &question.Coverage{Mixed: []question.Mixed{}}
	dimensions := d.distinctDimensions()
	counters := make([]valueCounter, len(dimensions))
	for i, col := range dimensions {
		counters[i] = newValueCounter(col)
	}
	for _, r := range rows {
		c.Rows += int(r.Count)
	}
	with := 0
	d.eachBlock(rows, func(block []uint32) {
		with += len(block)
		for _, n := range counters {
			n.add(block)
		}
	})
	c.Missing = c.Rows - with
	for i, col := range dimensions {
		if n := counters[i].count(); n > 1 {
			c.Mixed = append(c.Mixed, question.Mixed{Column: col.Name, Title: col.Title, Values: n})
		}
	}
	return c
}

// distinctDimensions returns the dimensions without those that another one tells apart in
// the same way. It compares them once; most pairs differ in one of the first rows.
func (d *Dataset) distinctDimensions() []*question.Column {
	d.compared.Do(func() {
		hasRole, hasCaveat := map[int]bool{}, map[int]bool{}
		for _, p := range RoleSpecs {
			if at, ok := d.byName[p.Column]; ok {
				hasRole[at] = true
			}
		}
		for _, caveat := range d.desc.Caveats {
			hasCaveat[d.byName[caveat.Column]] = true
		}
		dropped := map[int]bool{}
		for i := range d.columns {
			for j := i + 1; j < len(d.columns) && !dropped[i]; j++ {
				switch {
				case dropped[j] || hasCaveat[i] && hasCaveat[j] || !sameDimension(&d.columns[i], &d.columns[j]):
				case hasCaveat[j], hasRole[j] && !hasRole[i] && !hasCaveat[i]:
					dropped[i] = true
				default:
					dropped[j] = true
				}
			}
			if c := &d.columns[i]; c.Role == question.RoleDimension && !dropped[i] {
				d.distinct = append(d.distinct, c)
			}
		}
	})
	return d.distinct
}

// sameDimension reports whether two dimensions have the same integers, or texts of which
// each goes with one of the other's.
func sameDimension(a, b *question.Column) bool {
	if a.Role != question.RoleDimension || b.Role != question.RoleDimension || a.Type != b.Type || !slices.Equal(a.Valid, b.Valid) {
		return false
	}
	if a.Type == question.Integer {
		return slices.Equal(a.Integers, b.Integers)
	}
	if a.Type != question.String || len(a.Dict) != len(b.Dict) {
		return false
	}
	there, back := make([]int32, len(a.Dict)), make([]int32, len(a.Dict)) // code + 1
	for i, code := range a.Codes {
		other := b.Codes[i]
		if !a.Present(i) {
			continue
		}
		if there[code] == 0 && back[other] == 0 {
			there[code], back[other] = other+1, code+1
		}
		if there[code] != other+1 || back[other] != code+1 {
			return false
		}
	}
	return true
}

// Groups returns into how many groups the columns divide those of the rows that have a
// value of the measure. Without columns that is one. It is -1 if a column does not exist.
func (d *Dataset) Groups(rows []question.Range, by []string) int {
	axes := make([]axis, len(by))
	cells := 1 // possible groups; 0: too many for a table of them
	for i, name := range by {
		c, ok := d.Column(name)
		if !ok {
			return -1
		}
		axes[i] = d.axisOf(c, rows)
		if cells *= axes[i].width; cells > maxCells {
			cells = 0
		}
	}
	if cells > 0 {
		return d.denseGroups(rows, axes, cells)
	}
	seen := map[string]struct{}{}
	var key []byte
	d.eachBlock(rows, func(block []uint32) {
		for _, row := range block {
			key = key[:0]
			for i := range axes {
				var present byte
				if axes[i].column.Present(int(row)) {
					present = 1
				}
				key = binary.LittleEndian.AppendUint64(append(key, present), bitsOf(axes[i].column, row))
			}
			if _, ok := seen[string(key)]; !ok {
				seen[string(key)] = struct{}{}
			}
		}
	})
	return len(seen)
}

// maxCells bounds the table of denseGroups, which has a byte per cell.
const maxCells = 1 << 18

// axis numbers the values of a column: 0 is a missing one.
type axis struct {
	column *question.Column
	base   int64 // of integers, the least
	width  int   // how many numbers; 0: too many
}

// axisOf returns the axis of a column for rows that have a value of the measure.
func (d *Dataset) axisOf(c *question.Column, rows []question.Range) axis {
	switch c.Type {
	case question.String:
		return axis{column: c, width: len(c.Dict) + 1}
	case question.Integer:
		least, greatest, found := int64(math.MaxInt64), int64(math.MinInt64), false
		d.eachBlock(rows, func(block []uint32) {
			for _, row := range block {
				if c.Present(int(row)) {
					v := c.Integers[row]
					least, greatest, found = min(least, v), max(greatest, v), true
				}
			}
		})
		if span := uint64(greatest) - uint64(least); found && span < maxCells {
			return axis{column: c, base: least, width: int(span) + 2}
		} else if !found {
			return axis{column: c, width: 1}
		}
	default:
	}
	return axis{column: c}
}

// denseGroups is Groups for axes with at most cells combinations.
func (d *Dataset) denseGroups(rows []question.Range, axes []axis, cells int) int {
	seen, n := make([]bool, cells), 0
	d.eachBlock(rows, func(block []uint32) {
		for _, row := range block {
			cell := 0
			for i := range axes {
				a := &axes[i]
				cell *= a.width
				switch {
				case !a.column.Present(int(row)):
				case a.column.Type == question.String:
					cell += int(a.column.Codes[row]) + 1
				default:
					cell += int(a.column.Integers[row]-a.base) + 1
				}
			}
			if !seen[cell] {
				seen[cell] = true
				n++
			}
		}
	})
	return n
}

// eachBlock calls do with the rows that have a value of the measure, some at a time.
func (d *Dataset) eachBlock(rows []question.Range, do func(block []uint32)) {
	measure := &d.columns[d.desc.measure()]
	block := make([]uint32, 0, 4096)
	for _, r := range rows {
		for row, end := r.Start, r.Start+r.Count; row < end; row++ {
			if !measure.Present(int(row)) {
				continue
			}
			if block = append(block, row); len(block) == cap(block) {
				do(block)
				block = block[:0]
			}
		}
	}
	if len(block) > 0 {
		do(block)
	}
}

// bitsOf returns what tells a present value from others of its column, and 0 for a missing
// one.
func bitsOf(c *question.Column, row uint32) uint64 {
	switch c.Type {
	case question.Number:
		return math.Float64bits(c.Numbers[row] + 0) // -0 is 0
	case question.Integer:
		return uint64(c.Integers[row])
	default:
		return uint64(c.Codes[row])
	}
}

// valueCounter counts the different values of a column; missing ones are not counted.
type valueCounter interface {
	add(rows []uint32)
	count() int
}

func newValueCounter(c *question.Column) valueCounter {
	if c.Type == question.String {
		return &codeCounter{column: c, seen: make([]bool, len(c.Dict))}
	}
	return &numberCounter{column: c, others: map[uint64]struct{}{}}
}

// codeCounter counts the values of a column of strings.
type codeCounter struct {
	column *question.Column
	seen   []bool
	n      int
}

func (k *codeCounter) add(rows []uint32) {
	c := k.column
	if k.n == len(k.seen) {
		return
	}
	for _, row := range rows {
		if code := c.Codes[row]; !k.seen[code] && c.Present(int(row)) {
			k.seen[code] = true
			k.n++
		}
	}
}

func (k *codeCounter) count() int { return k.n }

// numberCounter counts the values of a column of numbers or integers. Years and the like,
// which are near to each other, need no map.
type numberCounter struct {
	column *question.Column
	seen   [4096]bool // integers from base on
	base   uint64
	others map[uint64]struct{}
	n      int
}

func (k *numberCounter) add(rows []uint32) {
	c := k.column
	for _, row := range rows {
		if !c.Present(int(row)) {
			continue
		}
		bits := bitsOf(c, row)
		if k.n == 0 {
			k.base = bits - uint64(len(k.seen))/2 // may wrap around, as the difference below does
		}
		if at := bits - k.base; at < uint64(len(k.seen)) {
			if !k.seen[at] {
				k.seen[at] = true
				k.n++
			}
			continue
		}
		if _, ok := k.others[bits]; !ok {
			k.others[bits] = struct{}{}
			k.n++
		}
	}
}

func (k *numberCounter) count() int { return k.n }
