package dataset

import (
	"crypto/sha256"
	"sync"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// digest is the SHA-256 of a version line, the descriptor's JSON, the number of rows,
// and the SHA-256 of each column, so columns are hashed in parallel. The columns are
// canonical: equal datasets have equal bytes.
func digest(desc *Descriptor, columns []question.Column, rows int) (string, error) {
	text, err := desc.encode()
	if err != nil {
		return "", err
	}
	sums := make([][sha256.Size]byte, len(columns))
	var wg sync.WaitGroup
	for i := range columns {
		wg.Go(func() { sums[i] = columns[i].Sum() })
	}
	wg.Wait()
	h := sha256.New()
	h.Write([]byte("lestats dataset 1\n"))
	h.Write(question.Lengths(len(text), rows, len(columns)))
	h.Write(text)
	for i := range sums {
		h.Write(sums[i][:])
	}
	return question.DigestText(h.Sum(nil)), nil
}
