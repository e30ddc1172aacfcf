package sdktest

import (
	"fmt"
	"math"
	"reflect"
	"slices"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
)

// manifest is what a session needs to know of the plugin's.
type manifest struct {
	Columns []struct {
		Name     string `json:"name"`
		Type     string `json:"type"`
		Optional bool   `json:"optional"`
	} `json:"columns"`
	Questions []question `json:"questions"`
}

type question struct {
	Name   string  `json:"name"`
	Params []param `json:"params"`
}

type param struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"`
	Column   string   `json:"column"`
	Choices  []string `json:"choices"`
	Default  any      `json:"default"`
	Required bool     `json:"required"`
	List     bool     `json:"list"`
	Select   bool     `json:"select"`
}

var columnTypes = map[string]abi.Type{"number": abi.TypeFloat64, "integer": abi.TypeInt64, "string": abi.TypeString}

// column returns the index of the column whose values p takes, or -1.
func (s *Session) column(p *param) int {
	return slices.IndexFunc(s.columns, func(c Column) bool { return p.Column != "" && c.Name == p.Column })
}

// values encodes what was given for p, or else its default.
func (s *Session) values(p *param, args map[string]any) ([]uint64, error) {
	given, ok := args[p.Name]
	switch {
	case ok:
	case p.Required:
		return nil, fmt.Errorf("the parameter %q is required", p.Name)
	case p.Default == nil:
		return nil, nil
	default:
		given = p.Default
	}
	list := []any{given}
	if v := reflect.ValueOf(given); v.Kind() == reflect.Slice {
		if !p.List {
			return nil, fmt.Errorf("the parameter %q takes no list", p.Name)
		}
		list = list[:0]
		for i := range v.Len() {
			list = append(list, v.Index(i).Interface())
		}
	}
	out := make([]uint64, len(list))
	for i, v := range list {
		if out[i], ok = s.value(p, v); !ok {
			return nil, fmt.Errorf("the parameter %q cannot be %#v (%T)", p.Name, v, v)
		}
	}
	return out, nil
}

// value encodes one value, or returns false where it is none of p's.
func (s *Session) value(p *param, v any) (uint64, bool) {
	texts, kind := p.Choices, columnTypes[p.Type]
	if i := s.column(p); i >= 0 {
		texts, kind = s.columns[i].Dict, s.columns[i].kind()
	}
	switch v := v.(type) {
	case string:
		i := slices.Index(texts, v)
		return uint64(i), i >= 0
	case bool:
		if v {
			return 1, p.Type == "boolean"
		}
		return 0, p.Type == "boolean"
	case int:
		return s.value(p, float64(v))
	case int64:
		return uint64(v), kind == abi.TypeInt64
	case float64:
		if kind == abi.TypeInt64 {
			return uint64(int64(v)), v == math.Trunc(v)
		}
		return math.Float64bits(v), kind == abi.TypeFloat64
	default:
		return 0, false
	}
}
