package question

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// columnJSON is a column of a result in the store. Strings keep their
// dictionary: {"dict": ["Ohio", ...], "values": [0, null, ...]}.
type columnJSON struct {
	Name   string          `json:"name"`
	Title  string          `json:"title,omitempty"`
	Type   Type            `json:"type"`
	Unit   string          `json:"unit,omitempty"`
	Role   Role            `json:"role,omitempty"`
	Shows  Shows           `json:"shows,omitempty"`
	Dict   []string        `json:"dict,omitempty"`
	Values json.RawMessage `json:"values"`
}

// AppendJSON appends the table's JSON form. Numbers must be finite.
func (t *Table) AppendJSON(b []byte) (_ []byte, err error) {
	// encoding/json compacts the output of a MarshalJSON again, which would take several
	// times as long (BenchmarkTableJSON).
	b = append(b, `{"layout":`...)
	if b, err = appendMarshalled(b, t.Layout); err != nil {
		return nil, err
	}
	if t.Chart != "" {
		if b, err = appendMarshalled(append(b, `,"chart":`...), t.Chart); err != nil {
			return nil, err
		}
	}
	b = append(b, `,"columns":[`...)
	for i := range t.Columns {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = t.Columns[i].appendJSON(b); err != nil {
			return nil, err
		}
	}
	return append(b, ']', '}'), nil
}

// MarshalJSON returns what AppendJSON appends.
func (t Table) MarshalJSON() ([]byte, error) { return t.AppendJSON(nil) }

// MarshalJSON writes the column with null for a missing value. Numbers must be
// finite.
func (c Column) MarshalJSON() ([]byte, error) { return c.appendJSON(nil) }

func (c *Column) appendJSON(b []byte) ([]byte, error) {
	b, err := appendMarshalled(b, columnJSON{c.Name, c.Title, c.Type, c.Unit, c.Role, c.Shows, c.Dict, nil})
	if err != nil {
		return nil, err
	}
	b = append(b[:len(b)-len("null}")], '[')
	for i := range c.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		switch {
		case !c.Present(i):
			b = append(b, "null"...)
		case c.Type == Number:
			if !finite(c.Numbers[i]) {
				return nil, fmt.Errorf("column %q, row %d: JSON cannot represent %v", c.Name, i, c.Numbers[i])
			}
			b = strconv.AppendFloat(b, c.Numbers[i], 'g', -1, 64)
		case c.Type == Integer:
			b = strconv.AppendInt(b, c.Integers[i], 10)
		default:
			b = strconv.AppendInt(b, int64(c.Codes[i]), 10)
		}
	}
	return append(b, ']', '}'), nil
}

func appendMarshalled(b []byte, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	return append(b, text...), err
}

// UnmarshalJSON reads what MarshalJSON writes.
func (c *Column) UnmarshalJSON(b []byte) error {
	var j columnJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*c = Column{Name: j.Name, Title: j.Title, Type: j.Type, Unit: j.Unit, Role: j.Role, Shows: j.Shows, Dict: j.Dict}
	switch j.Type {
	case Number:
		return unmarshalValues(j.Values, &c.Numbers, &c.Valid)
	case Integer:
		return unmarshalValues(j.Values, &c.Integers, &c.Valid)
	case String:
		if err := unmarshalValues(j.Values, &c.Codes, &c.Valid); err != nil {
			return err
		}
		for i, code := range c.Codes {
			if c.Present(i) && (code < 0 || int(code) >= len(c.Dict)) {
				return fmt.Errorf("column %q, row %d: code %d is outside the dictionary", c.Name, i, code)
			}
		}
		return nil
	default:
		return fmt.Errorf("column %q has the type %q", c.Name, j.Type)
	}
}

func unmarshalValues[T any](b []byte, out *[]T, valid *Bitmap) error {
	var values []*T
	if err := json.Unmarshal(b, &values); err != nil {
		return err
	}
	*out = make([]T, len(values))
	missing := slices.Contains(values, nil)
	if missing {
		*valid = NewBitmap(len(values))
	}
	for i, v := range values {
		if v == nil {
			continue
		}
		(*out)[i] = *v
		if missing {
			valid.Set(i)
		}
	}
	return nil
}

// UnmarshalJSON reads a table and checks that its columns have the same length.
func (t *Table) UnmarshalJSON(b []byte) error {
	type plain Table
	var p plain
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	for i := range p.Columns {
		if p.Columns[i].Len() != p.Columns[0].Len() {
			return errors.New("the columns of the table differ in length")
		}
	}
	*t = Table(p)
	return nil
}
