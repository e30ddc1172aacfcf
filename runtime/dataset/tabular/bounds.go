package tabular

import (
	"fmt"
	"math"
)

// Limits on what reading a file may produce: a base amount, which lets small files of
// repeated values expand, plus a multiple of the file's size.
const (
	baseValues, valuesPerByte = 1 << 24, 64   // rows times columns
	baseBytes, bytesPerByte   = 1 << 28, 64   // bytes read, unpacked and decoded
	baseTexts, textsPerByte   = 1 << 30, 1024 // bytes of the texts of all rows: a dictionary repeats them
)

const (
	maxFields = 1 << 14 // columns of a schema, nested ones included
	maxNested = 32
)

// budget counts what one reading of a file has cost. It is used by one goroutine.
type budget struct {
	size                 int64 // of the file, in bytes
	values, bytes, texts int64 // spent
}

// take spends n of one of the budget's amounts.
func (b *budget) take(spent *int64, n, free, perByte int64, what string) error {
	most := int64(math.MaxInt64)
	if b.size < (most-free)/perByte {
		most = free + perByte*b.size
	}
	if n < 0 || n > most-*spent {
		return fmt.Errorf("its %d bytes hold more than %d %s, the limit for a file of this size (%d plus %d per byte); is it damaged? If not, save it with less compression", b.size, most, what, free, perByte)
	}
	*spent += n
	return nil
}

// takeRows spends rows that are about to be read.
func (b *budget) takeRows(rows int64, columns int) error {
	if rows < 0 || rows > math.MaxInt32 {
		return fmt.Errorf("it is damaged or too large: it has %d rows; at most %d", rows, math.MaxInt32)
	}
	return b.take(&b.values, rows*int64(columns), baseValues, valuesPerByte, "values")
}

// takeBytes spends bytes that are about to be read or decompressed.
func (b *budget) takeBytes(n int64) error {
	return b.take(&b.bytes, n, baseBytes, bytesPerByte, "bytes when decompressed")
}

// takeText spends the text of a cell, if it has one.
func (b *budget) takeText(c Cell) error {
	if c.Kind != CellText {
		return nil
	}
	return b.take(&b.texts, int64(len(c.Text)), baseTexts, textsPerByte, "bytes of text in its rows")
}
