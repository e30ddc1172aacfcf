package dataset

import (
	"fmt"
	"math"
)

// What reading a file may come to: a fixed sum, which lets small files of repeated
// values unfold, and a multiple of the file's size.
const (
	freeValues, valuesPerByte = 1 << 24, 64   // rows times columns
	freeBytes, bytesPerByte   = 1 << 28, 64   // bytes read, unpacked and decoded
	freeTexts, textsPerByte   = 1 << 30, 1024 // bytes of the texts of all rows: a dictionary repeats them
)

// budget is what one reading of a file may still cost. It is used by one goroutine.
type budget struct {
	size                 int64 // of the file, in bytes
	values, bytes, texts int64 // spent
}

// take spends n of one of the budget's sums.
func (b *budget) take(spent *int64, n, free, perByte int64, what string) error {
	most := int64(math.MaxInt64)
	if b.size < (most-free)/perByte {
		most = free + perByte*b.size
	}
	if n < 0 || n > most-*spent {
		return fmt.Errorf("its %d bytes hold more than %d %s, which is as much as a file of this size may: %d and %d per byte; is it damaged? If not, write it with less compression", b.size, most, what, free, perByte)
	}
	*spent += n
	return nil
}

// takeRows is told of a number of rows before they are read.
func (b *budget) takeRows(rows int64, columns int) error {
	if rows < 0 || rows > math.MaxInt32 {
		return fmt.Errorf("it is damaged, or too large: it has %d rows; at most %d", rows, math.MaxInt32)
	}
	return b.take(&b.values, rows*int64(columns), freeValues, valuesPerByte, "values")
}

// takeBytes is told how many bytes are about to be read or unpacked.
func (b *budget) takeBytes(n int64) error {
	return b.take(&b.bytes, n, freeBytes, bytesPerByte, "bytes when unpacked")
}

// takeText is told of each text that a row has.
func (b *budget) takeText(c cell) error {
	if c.kind != aText {
		return nil
	}
	return b.take(&b.texts, int64(len(c.text)), freeTexts, textsPerByte, "bytes of text in its rows")
}
