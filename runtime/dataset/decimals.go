package dataset

import (
	"fmt"
	"math/big"
	"strconv"
)

// maxDecimal is how many bytes an unscaled decimal may have: twice as many as the
// largest that has a name, with 76 digits.
const maxDecimal = 64

// exactTens are the powers of ten that a float64 holds exactly.
var exactTens = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// decimalCell is the float64 nearest to unscaled/10^scale: what the decimal's text
// gives.
func decimalCell(unscaled int64, scale int32) cell {
	if v := float64(unscaled); exact(unscaled) && scale >= 0 && int(scale) < len(exactTens) {
		return numberCell(v / exactTens[scale]) // of two exact numbers, rounded once
	}
	return decimalText(strconv.FormatInt(unscaled, 10), scale)
}

// bigDecimalCell is decimalCell of any integer.
func bigDecimalCell(unscaled *big.Int, scale int32) cell {
	if unscaled.IsInt64() {
		return decimalCell(unscaled.Int64(), scale)
	}
	return decimalText(unscaled.String(), scale)
}

func decimalText(unscaled string, scale int32) cell {
	v, _ := strconv.ParseFloat(unscaled+"e"+strconv.FormatInt(-int64(scale), 10), 64) // infinite where it is too large: addCell says so
	return numberCell(v)
}

// bigDecimal reads an unscaled decimal that is big-endian, in two's complement.
func bigDecimal(b []byte, scale int32) (cell, error) {
	if len(b) > maxDecimal {
		return cell{}, fmt.Errorf("a decimal of %d bytes; at most %d", len(b), maxDecimal)
	}
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return bigDecimalCell(n, scale), nil
}

// exact reports whether a float64 is exactly v.
func exact(v int64) bool {
	f := float64(v)
	return f < 1<<63 && int64(f) == v
}
