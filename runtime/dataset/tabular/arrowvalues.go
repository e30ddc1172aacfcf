package tabular

import (
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// arrowKind returns the type as which values of an Arrow type are read, or why they
// cannot be read.
func arrowKind(t arrow.DataType) (kind question.Type, refused string) {
	switch t.ID() {
	case arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64, arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64:
		return question.Integer, ""
	case arrow.FLOAT16, arrow.FLOAT32, arrow.FLOAT64, arrow.DECIMAL32, arrow.DECIMAL64, arrow.DECIMAL128, arrow.DECIMAL256:
		return question.Number, ""
	case arrow.STRING, arrow.LARGE_STRING, arrow.STRING_VIEW, arrow.BOOL, arrow.DATE32, arrow.DATE64, arrow.TIMESTAMP, arrow.NULL:
		return question.String, ""
	case arrow.DICTIONARY:
		if d, ok := t.(*arrow.DictionaryType); ok && d.ValueType.ID() != arrow.DICTIONARY {
			return arrowKind(d.ValueType)
		}
	}
	return "", fmt.Sprintf("its type is %s; integers, floats, decimals, strings, booleans, dates, timestamps and dictionaries of them can be read", t)
}

// arrowValues returns a function that reads the values of a column whose type arrowKind
// accepts. An index out of range panics.
func arrowValues(column arrow.Array) func(i int) Cell {
	read := arrowPresent(column)
	if column.NullN() == 0 {
		return read
	}
	return func(i int) Cell {
		if column.IsNull(i) {
			return Cell{}
		}
		return read(i)
	}
}

func arrowPresent(column arrow.Array) func(i int) Cell {
	switch c := column.(type) {
	case *array.Int8:
		return func(i int) Cell { return integerCell(int64(c.Value(i))) }
	case *array.Int16:
		return func(i int) Cell { return integerCell(int64(c.Value(i))) }
	case *array.Int32:
		return func(i int) Cell { return integerCell(int64(c.Value(i))) }
	case *array.Int64:
		return func(i int) Cell { return integerCell(c.Value(i)) }
	case *array.Uint8:
		return func(i int) Cell { return integerCell(int64(c.Value(i))) }
	case *array.Uint16:
		return func(i int) Cell { return integerCell(int64(c.Value(i))) }
	case *array.Uint32:
		return func(i int) Cell { return integerCell(int64(c.Value(i))) }
	case *array.Uint64:
		return func(i int) Cell { return unsignedCell(c.Value(i)) }
	case *array.Float16:
		return func(i int) Cell { return halfCell(c.Value(i).Uint16()) }
	case *array.Float32:
		return func(i int) Cell { return numberCell(float64(c.Value(i))) }
	case *array.Float64:
		return func(i int) Cell { return numberCell(c.Value(i)) }
	case *array.Decimal32:
		scale := c.DataType().(*arrow.Decimal32Type).Scale
		return func(i int) Cell { return decimalCell(int64(c.Value(i)), scale) }
	case *array.Decimal64:
		scale := c.DataType().(*arrow.Decimal64Type).Scale
		return func(i int) Cell { return decimalCell(int64(c.Value(i)), scale) }
	case *array.Decimal128:
		scale := c.DataType().(*arrow.Decimal128Type).Scale
		return func(i int) Cell { return bigDecimalCell(c.Value(i).BigInt(), scale) }
	case *array.Decimal256:
		scale := c.DataType().(*arrow.Decimal256Type).Scale
		return func(i int) Cell { return bigDecimalCell(c.Value(i).BigInt(), scale) }
	case *array.Boolean:
		return func(i int) Cell { return boolCell(c.Value(i)) }
	case *array.Date32:
		return func(i int) Cell { return textCell(c.Value(i).ToTime().Format(time.DateOnly)) }
	case *array.Date64:
		return func(i int) Cell { return textCell(c.Value(i).ToTime().Format(time.DateOnly)) }
	case *array.Timestamp:
		unit := c.DataType().(*arrow.TimestampType).Unit
		return func(i int) Cell { return timeCell(c.Value(i).ToTime(unit)) }
	case *array.Dictionary:
		value := arrowValues(c.Dictionary())
		return func(i int) Cell { return value(c.GetValueIndex(i)) }
	case interface{ Value(i int) string }: // strings of all sizes
		return func(i int) Cell { return textCell(c.Value(i)) }
	default: // of the type null
		return func(int) Cell { return Cell{} }
	}
}

func boolCell(v bool) Cell {
	if v {
		return textCell("true")
	}
	return textCell("false")
}

// timeCell formats a time as RFC 3339 in UTC, so that the text sorts by time.
func timeCell(t time.Time) Cell { return textCell(t.UTC().Format("2006-01-02T15:04:05.999999999Z")) }
