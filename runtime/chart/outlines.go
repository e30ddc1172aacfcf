package chart

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Outlines are the shapes of places, to draw maps on. They are immutable.
type Outlines struct {
	Name   string   `json:"name"`   // as in DatasetInfo.Geo: "us-states"
	Title  string   `json:"title"`  // for people
	Source string   `json:"source"` // where the shapes come from
	Width  int      `json:"width"`  // of the drawing, in tenths of a unit
	Height int      `json:"height"`
	Whole  []string `json:"whole"`  // names of all places together, such as "National"
	Insets []inset  `json:"insets"` // lines around places that are not drawn where they are
	Shapes []shape  `json:"shapes"`

	byName map[string]int // lower case -> index of Shapes, or -1 for the whole
}

type inset struct {
	Codes []string `json:"codes"` // drawn if the map has one of these places
	Path  string   `json:"path"`
}

type shape struct {
	Code    string   `json:"code"` // at most four characters
	Name    string   `json:"name"`
	Aliases []string `json:"aliases"`
	Chip    bool     `json:"chip"` // so small that it is shown as a square, too
	Path    string   `json:"path"` // SVG path data of integers
}

// whole is the index of the places together.
const whole = -1

// ParseOutlines reads outlines as command data/outlines writes them. It refuses paths that
// are not path data, because they are written into pictures as they are.
func ParseOutlines(b []byte) (*Outlines, error) {
	o := new(Outlines)
	if err := json.Unmarshal(b, o); err != nil {
		return nil, fmt.Errorf("outlines: %w", err)
	}
	if o.Name == "" || o.Width <= 0 || o.Height <= 0 || len(o.Shapes) == 0 {
		return nil, errors.New("outlines: they need a name, a width, a height and shapes")
	}
	o.byName = make(map[string]int)
	for _, name := range o.Whole {
		o.byName[fold(name)] = whole
	}
	for i, s := range o.Shapes {
		if s.Path == "" || strings.Trim(s.Path, "Mlz -0123456789") != "" {
			return nil, fmt.Errorf("outlines: the path of %q is not path data of M, l and z", s.Name)
		}
		for _, name := range append([]string{s.Code, s.Name}, s.Aliases...) {
			if _, ok := o.byName[fold(name)]; ok {
				return nil, fmt.Errorf("outlines: the name %q is not unique", name)
			}
			o.byName[fold(name)] = i
		}
	}
	for _, in := range o.Insets {
		if strings.Trim(in.Path, "Ml -0123456789") != "" {
			return nil, errors.New("outlines: the path of an inset is not path data of M and l")
		}
	}
	return o, nil
}

// find returns the index of the shape with this name, code or alias, or whole.
func (o *Outlines) find(name string) (int, bool) {
	i, ok := o.byName[fold(name)]
	return i, ok
}

func fold(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }
