package tabular

import (
	"fmt"
	"math/big"
	"strconv"

	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/literal"
)

// maxDecimal is how many bytes an unscaled decimal may have: twice those of the largest
// decimal type, which has 76 digits.
const maxDecimal = 64

// powersOfTen are those that a float64 holds exactly.
var powersOfTen = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// decimalCell is the float64 nearest to unscaled/10^scale, as parsing the decimal's text
// would give.
func decimalCell(unscaled int64, scale int32) Cell {
	if v := float64(unscaled); literal.Exact(unscaled) && scale >= 0 && int(scale) < len(powersOfTen) {
		return numberCell(v / powersOfTen[scale]) // of two exact numbers, rounded once
	}
	return decimalText(strconv.FormatInt(unscaled, 10), scale)
}

// bigDecimalCell is decimalCell for any integer.
func bigDecimalCell(unscaled *big.Int, scale int32) Cell {
	if unscaled.IsInt64() {
		return decimalCell(unscaled.Int64(), scale)
	}
	return decimalText(unscaled.String(), scale)
}

func decimalText(unscaled string, scale int32) Cell {
	v, _ := strconv.ParseFloat(unscaled+"e"+strconv.FormatInt(-int64(scale), 10), 64) // infinite if it is too large, which readers refuse
	return numberCell(v)
}

// bigDecimal reads an unscaled decimal in big-endian two's complement.
func bigDecimal(b []byte, scale int32) (Cell, error) {
	if len(b) > maxDecimal {
		return Cell{}, fmt.Errorf("a decimal of %d bytes; at most %d", len(b), maxDecimal)
	}
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return bigDecimalCell(n, scale), nil
}
