package tabular

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go/format"
)

// FuzzPage decodes a page of one encoding and type: in whole files the fuzzer spends its
// time on metadata.
func FuzzPage(f *testing.F) {
	f.Add([]byte{128, 1, 4, 9, 0, 2, 0, 0, 0, 0}, byte(1), byte(format.DeltaBinaryPacked), uint16(9), false)
	f.Add([]byte{2, 0, 0, 0, 3, 5, 4, 2, 0}, byte(1), byte(format.RLEDictionary), uint16(3), true)
	f.Add([]byte{128, 1, 4, 1, 4, 128, 1, 4, 1, 4, 'a', 'b'}, byte(6), byte(format.DeltaByteArray), uint16(1), false)
	f.Fuzz(func(t *testing.T, body []byte, kind, encoding byte, values uint16, optional bool) {
		l, err := layoutOf(format.Type(kind%8), 3)
		if err != nil {
			return
		}
		p := &page{pageHeader: pageHeader{kind: format.DataPage, unpacked: int64(len(body)), values: int64(values), encoding: format.Encoding(encoding % 10), levels: format.RLE}}
		r := &chunkReader{
			chunk: chunk{budget: &budget{size: int64(len(body))}, optional: optional}, layout: l, dictionary: make([]Cell, 5),
			value: func(v physical) (Cell, error) { return textCell(string(v.bytes)), nil },
		}
		count := 0
		if p.unpack(body, &r.chunk) == nil && r.readPage(p, func(Cell) error { count++; return nil }) == nil && count != int(values) {
			t.Errorf("%d values, want %d", count, values)
		}
	})
}

// TestDecimals compares with what the decimal's text gives.
func TestDecimals(t *testing.T) {
	for _, c := range []struct {
		unscaled string
		scale    int32
	}{{"6671", 2}, {"12345678998765433", 8}, {"9007199254740993", 0}, {"-1", 22}, {"1", 23}, {"7", -3}, {"99999999999999999999999999999999999999", 20}, {"-123456789012345678901234567890", 40}, {"0", 400}} {
		n, ok := new(big.Int).SetString(c.unscaled, 10)
		if !ok {
			t.Fatal(c.unscaled)
		}
		want, err := strconv.ParseFloat(fmt.Sprintf("%se%d", c.unscaled, -c.scale), 64)
		if err != nil {
			t.Fatal(err)
		}
		if got := bigDecimalCell(n, c.scale); got.Number != want {
			t.Errorf("%s/10^%d: %v, want %v", c.unscaled, c.scale, got.Number, want)
		}
	}
	if _, err := bigDecimal(make([]byte, 65), 0); err == nil || !strings.Contains(err.Error(), "65 bytes; at most 64") {
		t.Error(err)
	}
}
