package sdk

import "iter"

// Filter narrows down the selected rows. A Column passes the rows that have a
// value; StringColumn.Is those that have one value.
type Filter interface {
	// keep narrows the blocks down in place and returns those that may have rows.
	keep(job *Job, blocks []Block) []Block
}

// Block is eight rows of the dataset, from Row on, of which those count whose
// bit in Mask is 1: bit 0 is Row, bit 7 is Row+7. Row is a multiple of eight.
// Two blocks may share eight rows, never a bit.
type Block struct {
	Row  uint32
	Mask uint32
}

const (
	batchBlocks = 128
	batchRows   = 8 * batchBlocks
)

// Rows yields the selected rows that pass every filter, in ascending order, up
// to 1,024 of them at a time: the numbers by which the values of a column are
// indexed. The slice is good until the next one is yielded.
//
//	for rows := range job.Rows(value) {
//		for _, row := range rows {
//			sum += values[row]
//		}
//	}
func (job *Job) Rows(filters ...Filter) iter.Seq[[]uint32] {
	return func(yield func([]uint32) bool) {
		buffer := job.rowBuffer
		job.rowBuffer = nil // a loop inside this one needs its own
		if buffer == nil {
			buffer = new([batchRows + 8]uint32)
		}
		for blocks := range job.Blocks(filters...) {
			n := expand(buffer, blocks)
			if n > 0 && !yield(buffer[:n]) {
				break
			}
		}
		job.rowBuffer = buffer
	}
}

// Blocks yields the same rows as Rows does, in blocks of eight, up to 128 blocks
// at a time. It is the faster way for a loop that writes out its eight rows: a
// turn of a loop costs a Go guest as much as several of the additions inside.
// Eight gives the values of a block. The slice is good until the next one is
// yielded.
func (job *Job) Blocks(filters ...Filter) iter.Seq[[]Block] {
	return func(yield func([]Block) bool) {
		buffer := job.blockBuffer
		job.blockBuffer = nil
		if buffer == nil {
			buffer = new([batchBlocks]Block)
		}
		c := cursor{ranges: job.ranges}
		fused := -1 // the first bitmap costs no loop of its own
		for i, f := range filters {
			if column, ok := f.(Column); ok {
				if c.valid = column.bitmap(job); c.valid != nil {
					fused = i
					break
				}
			}
		}
		for {
			blocks := buffer[:c.fill(buffer)]
			if len(blocks) == 0 {
				break
			}
			for i, f := range filters {
				if i != fused {
					blocks = f.keep(job, blocks)
				}
			}
			if len(blocks) > 0 && !yield(blocks) {
				break
			}
		}
		job.blockBuffer = buffer
	}
}

// Eight returns the values of a block's rows. Those whose bit in the mask is 0
// have no meaning; at the end of a column there may be no such row at all. s is
// what Values or Codes returned, not a part of it.
func Eight[T float64 | int64 | int32](s []T, b Block) *[8]T {
	return (*[8]T)(s[b.Row : b.Row+8])
}

// cursor walks over the rows of ranges.
type cursor struct {
	ranges   []Range
	row, end uint32 // what is left of the range before
	valid    []byte // one bit per row; nil: all are 1
}

// fill puts the next blocks into buffer and returns how many.
func (c *cursor) fill(buffer *[batchBlocks]Block) int {
	n := 0
	for n < len(buffer) {
		if c.row == c.end {
			if len(c.ranges) == 0 {
				break
			}
			c.row, c.end = c.ranges[0].Start, c.ranges[0].Start+c.ranges[0].Count
			c.ranges = c.ranges[1:]
		}
		if c.row&7 == 0 { // whole blocks
			whole := buffer[n:min(len(buffer), n+int(c.end-c.row)/8)]
			if c.valid == nil {
				number(whole, c.row)
			} else {
				numberPresent(whole, c.row, c.valid[c.row>>3:])
			}
			c.row += 8 * uint32(len(whole))
			n += len(whole)
			if n == len(buffer) || c.row == c.end {
				continue
			}
		}
		base := c.row &^ 7
		mask := uint32(0xff) << (c.row & 7) & 0xff
		if left := c.end - base; left < 8 {
			mask &= 1<<left - 1
			c.row = c.end
		} else {
			c.row = base + 8
		}
		if c.valid != nil {
			mask &= uint32(c.valid[base>>3])
		}
		buffer[n] = Block{base, mask}
		n++
	}
	return n
}

// number makes blocks of all rows from row on.
func number(blocks []Block, row uint32) {
	for i := range blocks {
		blocks[i] = Block{row, 0xff}
		row += 8
	}
}

// numberPresent makes blocks of those that have a value, four in a turn.
func numberPresent(blocks []Block, row uint32, valid []byte) {
	for ; len(blocks) >= 4 && len(valid) >= 4; blocks, valid = blocks[4:], valid[4:] {
		b, v := (*[4]Block)(blocks), (*[4]byte)(valid)
		b[0] = Block{row, uint32(v[0])}
		b[1] = Block{row + 8, uint32(v[1])}
		b[2] = Block{row + 16, uint32(v[2])}
		b[3] = Block{row + 24, uint32(v[3])}
		row += 32
	}
	for i := range blocks {
		blocks[i] = Block{row, uint32(valid[i])}
		row += 8
	}
}

// expand writes the numbers of the blocks' rows and returns how many. Every
// step writes, and the next one overwrites what was not to be counted: that
// leaves no branch to mispredict.
func expand(rows *[batchRows + 8]uint32, blocks []Block) int {
	n := uint32(0)
	for _, b := range blocks {
		to := (*[8]uint32)(rows[n : n+8])
		m := b.Mask
		to[0] = b.Row
		i := m & 1
		to[i&7] = b.Row + 1
		i += m >> 1 & 1
		to[i&7] = b.Row + 2
		i += m >> 2 & 1
		to[i&7] = b.Row + 3
		i += m >> 3 & 1
		to[i&7] = b.Row + 4
		i += m >> 4 & 1
		to[i&7] = b.Row + 5
		i += m >> 5 & 1
		to[i&7] = b.Row + 6
		i += m >> 6 & 1
		to[i&7] = b.Row + 7
		i += m >> 7 & 1
		n += i
	}
	return int(n)
}

func (c *NumberColumn) bitmap(job *Job) []byte { return job.column(c).valid }

func (c *NumberColumn) keep(job *Job, blocks []Block) []Block {
	return keepPresent(c.bitmap(job), blocks)
}

func (c *IntegerColumn) bitmap(job *Job) []byte { return job.column(c).valid }

func (c *IntegerColumn) keep(job *Job, blocks []Block) []Block {
	return keepPresent(c.bitmap(job), blocks)
}

func (c *StringColumn) bitmap(job *Job) []byte { return job.column(c).valid }

func (c *StringColumn) keep(job *Job, blocks []Block) []Block {
	return keepPresent(c.bitmap(job), blocks)
}

func keepPresent(valid []byte, blocks []Block) []Block {
	if valid == nil {
		return blocks
	}
	for i := range blocks {
		blocks[i].Mask &= uint32(valid[blocks[i].Row>>3])
	}
	return blocks
}

// Is passes the rows whose value has this code.
func (c *StringColumn) Is(code int32) Filter { return is{c, code} }

type is struct {
	column *StringColumn
	code   int32
}

func (f is) keep(job *Job, blocks []Block) []Block {
	blocks = f.column.keep(job, blocks)
	return keepEqual(job.column(f.column).codes, f.code, blocks)
}

func keepEqual(codes []int32, code int32, blocks []Block) []Block {
	n := 0
	for _, b := range blocks {
		c := Eight(codes, b)
		m := bit(c[0] == code) | bit(c[1] == code)<<1 | bit(c[2] == code)<<2 | bit(c[3] == code)<<3 |
			bit(c[4] == code)<<4 | bit(c[5] == code)<<5 | bit(c[6] == code)<<6 | bit(c[7] == code)<<7
		if b.Mask &= m; b.Mask != 0 {
			blocks[n] = b
			n++
		}
	}
	return blocks[:n]
}

func bit(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}
