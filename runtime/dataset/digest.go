package dataset

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// digest is the SHA-256 of a version line, the descriptor's JSON, the number of
// rows, and the SHA-256 of each column; so columns are hashed side by side. The
// columns are canonical: equal datasets have equal bytes.
func digest(desc *Descriptor, columns []question.Column, rows int) (string, error) {
	text, err := desc.encode()
	if err != nil {
		return "", err
	}
	sums := make([][sha256.Size]byte, len(columns))
	var wg sync.WaitGroup
	for i := range columns {
		wg.Go(func() { sums[i] = columnSum(&columns[i], rows) })
	}
	wg.Wait()
	h := sha256.New()
	h.Write([]byte("lestats dataset 1\n"))
	h.Write(lengths(len(text), rows, len(columns)))
	h.Write(text)
	for i := range sums {
		h.Write(sums[i][:])
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

// columnSum hashes lengths before contents, so that no two columns share a text.
func columnSum(c *question.Column, rows int) (sum [sha256.Size]byte) {
	h := sha256.New()
	valid := c.Valid[:min(len(c.Valid), (rows+7)/8)]
	h.Write(lengths(len(valid), len(c.Dict)))
	h.Write(valid)
	switch c.Type {
	case question.Number:
		h.Write(arrow.Float64Traits.CastToBytes(c.Numbers))
	case question.Integer:
		h.Write(arrow.Int64Traits.CastToBytes(c.Integers))
	default:
		h.Write(arrow.Int32Traits.CastToBytes(c.Codes))
		for _, text := range c.Dict {
			h.Write(lengths(len(text)))
			h.Write([]byte(text))
		}
	}
	h.Sum(sum[:0])
	return sum
}

func lengths(n ...int) []byte {
	var b []byte
	for _, v := range n {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	return b
}
