package literal

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ParseNumber reads a finite decimal number.
func ParseNumber(text string) (float64, error) {
	if strings.Trim(text, "0123456789+-.eE") == "" { // no Inf, NaN, hexadecimal
		if v, err := strconv.ParseFloat(text, 64); err == nil {
			if len(text) > 15 && !exactText(text, v) {
				return 0, Inexact(text)
			}
			return v, nil
		} else if errors.Is(err, strconv.ErrRange) {
			return 0, fmt.Errorf("%s is too large for a number", Quote(text))
		}
	}
	if strings.Count(text, ",") == 1 && strings.Trim(text, "0123456789+-,") == "" {
		return 0, fmt.Errorf("%s is not a number: use a decimal point and no thousands separators, or declare how the column is written (numbers)%s", Quote(text), Remedy)
	}
	return 0, fmt.Errorf("%s is not a number%s", Quote(text), Remedy)
}

// exactText reports whether v represents text. If text is an integer, v must be equal to
// it, or text must be v in full, with the zeros that programs write for digits that a
// float64 does not have. A text with a point or an exponent means the nearest float64.
func exactText(text string, v float64) bool {
	digits := strings.TrimLeft(strings.TrimLeft(text, "+-"), "0")
	if strings.Trim(digits, "0123456789") != "" {
		return true
	}
	v = math.Abs(v)
	return digits == "" || digits == strconv.FormatFloat(v, 'f', 0, 64) || digits == strconv.FormatFloat(v, 'f', -1, 64)
}

// ParseInteger reads an integer, including one with a fraction of zero: pandas writes
// integers that way where some are missing.
func ParseInteger(text string) (int64, error) {
	v, err := strconv.ParseInt(text, 10, 64)
	if err == nil {
		return v, nil
	}
	const exact = 1 << 53
	if f, err := ParseNumber(text); err == nil && f == math.Trunc(f) && math.Abs(f) <= exact {
		return int64(f), nil
	}
	if errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("%s is too large for an integer", Quote(text))
	}
	return 0, fmt.Errorf("%s is not an integer%s", Quote(text), Remedy)
}

// Exact reports whether a float64 is exactly v.
func Exact(v int64) bool {
	f := float64(v)
	return f < 1<<63 && int64(f) == v
}

// Inexact returns the error about an integer that a float64 cannot hold. The nearest float
// would do for a single value, but a difference of such values in their last digits would
// be lost entirely.
func Inexact(text string) error {
	return fmt.Errorf("%s cannot be stored exactly as a number (64-bit floats hold every integer only up to 9007199254740992): round it, divide it, or subtract a constant from all rows", Quote(text))
}

// Remedy ends the message about a value that does not match its column's type.
const Remedy = "; correct it, leave it empty, or give the column another type in the descriptor"

// IsNumber reports whether ParseNumber reads text.
func IsNumber(text string) bool {
	_, err := ParseNumber(text)
	return err == nil
}

// Integers from FirstYear to LastYear may be years.
const (
	FirstYear = 1500
	LastYear  = 2200
)

// IsYear reports whether text is a number that may be a year.
func IsYear(text string) bool {
	year, err := strconv.Atoi(strings.TrimSpace(text))
	return err == nil && year >= FirstYear && year <= LastYear
}
