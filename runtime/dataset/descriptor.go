package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/le-stats-sportifs/lestats/runtime/boundedyaml"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Bounds of a descriptor.
const (
	maxDescriptor = boundedyaml.MaxBytes
	maxText       = 4096 // bytes of a title, source or licence
	maxHeader     = 256  // bytes of a header, alias or unit
	maxMissing    = 64   // texts for a missing value, of a dataset or a column
	maxAliases    = 32   // of one column
)

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// Descriptor says what a dataset is and how its CSV file becomes columns. One
// that is in use is not to be changed; Build keeps a copy.
type Descriptor struct {
	Name    string `json:"name"` // [a-z][a-z0-9_]*, at most 64 bytes
	Title   string `json:"title,omitempty"`
	Source  string `json:"source,omitempty"`
	License string `json:"license,omitempty"`
	// Synthetic says whether the figures are generated, or which row would tell.
	Synthetic Synthetic `json:"synthetic,omitzero"`
	// Header is false where the first line of a CSV is a row: its columns are then
	// called column1, column2 and so on. nil is true.
	Header *bool `json:"header,omitempty"`
	// Missing are texts that stand for no value in columns of numbers and integers,
	// such as "NA"; one that is a number, such as "-999", stands for that number however
	// it is written. They mean nothing in string columns, where NA may be Namibia.
	Missing []string `json:"missing,omitempty"`
	Sort    string   `json:"sort,omitempty"`  // name of the string column that rows are sorted by; "" keeps the file's order
	Roles   *Roles   `json:"roles,omitempty"` // which columns the built-in questions are about; nil: those with the seed's names
	Columns []Column `json:"columns"`         // in the dataset's order; exactly one is the measure
}

// Column describes one column.
type Column struct {
	Name    string        `json:"name"` // [a-z][a-z0-9_]*, at most 64 bytes
	Title   string        `json:"title,omitempty"`
	Type    question.Type `json:"type"`
	Unit    string        `json:"unit,omitempty"`
	Role    question.Role `json:"role,omitempty"`    // dimension, measure or none
	Header  string        `json:"header,omitempty"`  // the column's header in the CSV; "": the name
	Aliases []string      `json:"aliases,omitempty"` // further names, in the CSV and in a question
	Missing []string      `json:"missing,omitempty"` // more texts for a missing value, of this column, which may be a string column
}

// Synthetic says whether a dataset's figures are generated. The zero value says that
// they are not. At most one of All and Column is set.
type Synthetic struct {
	All bool // they are
	// Column and Value: they are if any row of the file has this value in the column with
	// this header (upper and lower case are the same), which need not be one of the
	// dataset's. Reading such a file sets All in its place.
	Column, Value string
}

// syntheticRule is Synthetic with a Column, as JSON.
type syntheticRule struct {
	Column string `json:"column"`
	Value  string `json:"value"`
}

// MarshalJSON implements json.Marshaler: true, false or {"column":...,"value":...}.
func (s Synthetic) MarshalJSON() ([]byte, error) {
	if s.Column == "" {
		return json.Marshal(s.All)
	}
	return json.Marshal(syntheticRule{s.Column, s.Value})
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *Synthetic) UnmarshalJSON(b []byte) error {
	*s = Synthetic{}
	if !bytes.HasPrefix(b, []byte("{")) {
		return json.Unmarshal(b, &s.All)
	}
	var rule syntheticRule
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	err := dec.Decode(&rule)
	s.Column, s.Value = rule.Column, rule.Value
	return err
}

// check reports the first thing that is wrong. A rule that was decoded has both parts.
func (s *Synthetic) check() *keyError {
	if !s.All && *s == (Synthetic{}) {
		return nil
	}
	for _, t := range []struct{ key, text string }{{keySynthetic + ".column", s.Column}, {keySynthetic + ".value", s.Value}} {
		if err := checkText(t.key, t.text, maxHeader); err != nil {
			return err
		}
		if !s.All && strings.TrimSpace(t.text) == "" {
			return &keyError{t.key, "it is missing; the header of a column, and the value in it that marks generated figures"}
		}
		if s.All && t.text != "" {
			return &keyError{t.key, "all figures are synthetic already"}
		}
	}
	return nil
}

// checkMissingTexts checks a list of texts for a missing value.
func checkMissingTexts(at string, texts []string) *keyError {
	if len(texts) > maxMissing {
		return &keyError{at, fmt.Sprintf("there are %d; at most %d", len(texts), maxMissing)}
	}
	for i, text := range texts {
		key := fmt.Sprintf("%s[%d]", at, i)
		if strings.TrimSpace(text) == "" {
			return &keyError{key, "it is empty, and an empty field is missing anyway"}
		}
		if err := checkText(key, text, maxHeader); err != nil {
			return err
		}
	}
	return nil
}

// names returns what the column may be called, the CSV's own header first.
// Spaces around a header do not count: published ones have some.
func (c *Column) names() []string {
	var names []string
	for _, n := range append([]string{c.Header, c.Name}, c.Aliases...) {
		if n = strings.TrimSpace(n); n != "" && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

// clone returns a copy that shares nothing with d.
func (d *Descriptor) clone() *Descriptor {
	c := *d
	c.Columns = slices.Clone(d.Columns)
	if d.Roles != nil {
		c.Roles = new(*d.Roles)
	}
	for i := range c.Columns {
		c.Columns[i].Aliases = slices.Clone(c.Columns[i].Aliases)
		c.Columns[i].Missing = slices.Clone(c.Columns[i].Missing)
	}
	c.Missing = slices.Clone(d.Missing)
	if d.Header != nil {
		c.Header = new(*d.Header)
	}
	return &c
}

// keyError is what is wrong with one key, such as "columns[3].type".
type keyError struct{ key, reason string }

func (e *keyError) Error() string { return "descriptor: " + e.key + ": " + e.reason }

// check reports the first thing that is wrong.
func (d *Descriptor) check() *keyError {
	if err := checkName(keyName, d.Name); err != nil {
		return err
	}
	for _, t := range []struct{ key, text string }{{keyTitle, d.Title}, {keySource, d.Source}, {keyLicense, d.License}} {
		if err := checkText(t.key, t.text, maxText); err != nil {
			return err
		}
	}
	if err := d.Synthetic.check(); err != nil {
		return err
	}
	if err := checkMissingTexts(keyMissing, d.Missing); err != nil {
		return err
	}
	if n := len(d.Columns); n == 0 || n > question.MaxColumns {
		return &keyError{keyColumns, fmt.Sprintf("there are %d; 1 to %d", n, question.MaxColumns)}
	}
	owner := map[string]string{} // every name, header and alias -> the column's name
	measure := ""
	for i := range d.Columns {
		c := &d.Columns[i]
		at := fmt.Sprintf("columns[%d]", i)
		if err := c.check(at); err != nil {
			return err
		}
		for _, n := range c.names() {
			if other, taken := owner[n]; taken {
				return &keyError{at, fmt.Sprintf("%q names the column %q already; names, headers and aliases of a dataset differ", n, other)}
			}
			owner[n] = c.Name
		}
		if c.Role != question.RoleMeasure {
			continue
		}
		if measure != "" {
			return &keyError{at + ".role", fmt.Sprintf("%q is the measure already; a dataset has one", measure)}
		}
		measure = c.Name
	}
	if measure == "" {
		return &keyError{keyColumns, "none has the role measure; one does"}
	}
	if err := d.checkRoles(); err != nil {
		return err
	}
	if d.Sort == "" {
		return nil
	}
	i := slices.IndexFunc(d.Columns, func(c Column) bool { return c.Name == d.Sort })
	if i < 0 || d.Columns[i].Type != question.String {
		return &keyError{keySort, fmt.Sprintf("%q is no string column of this dataset; its string columns are %s", d.Sort, d.listStrings())}
	}
	return nil
}

func (c *Column) check(at string) *keyError {
	if err := checkName(at+".name", c.Name); err != nil {
		return err
	}
	switch c.Type {
	case question.Number, question.Integer, question.String:
	case "":
		return &keyError{at + ".type", "it is missing; one of number, integer, string"}
	default:
		return &keyError{at + ".type", fmt.Sprintf("%q is no type; one of number, integer, string", c.Type)}
	}
	switch c.Role {
	case question.RoleNone, question.RoleDimension:
	case question.RoleMeasure:
		if c.Type == question.String {
			return &keyError{at + ".role", "a measure is a number or an integer, and this is a string"}
		}
	default:
		return &keyError{at + ".role", fmt.Sprintf("%q is no role; dimension or measure, or leave it out", c.Role)}
	}
	if err := checkText(at+".title", c.Title, maxText); err != nil {
		return err
	}
	if err := checkText(at+".unit", c.Unit, maxHeader); err != nil {
		return err
	}
	if err := checkText(at+".header", c.Header, maxHeader); err != nil {
		return err
	}
	if len(c.Aliases) > maxAliases {
		return &keyError{at + ".aliases", fmt.Sprintf("there are %d; at most %d", len(c.Aliases), maxAliases)}
	}
	for i, a := range c.Aliases {
		key := fmt.Sprintf("%s.aliases[%d]", at, i)
		if strings.TrimSpace(a) == "" {
			return &keyError{key, "it is empty"}
		}
		if err := checkText(key, a, maxHeader); err != nil {
			return err
		}
	}
	return checkMissingTexts(at+"."+keyMissing, c.Missing)
}

func (d *Descriptor) listStrings() string {
	var names []string
	for _, c := range d.Columns {
		if c.Type == question.String {
			names = append(names, c.Name)
		}
	}
	return list(names)
}

func checkName(key, name string) *keyError {
	if !namePattern.MatchString(name) || len(name) > question.MaxNameLen {
		return &keyError{key, fmt.Sprintf("%s is no name: a lower-case letter, then lower-case letters, digits and _, at most %d in all",
			quote(name), question.MaxNameLen)}
	}
	return nil
}

func checkText(key, text string, most int) *keyError {
	switch {
	case len(text) > most:
		return &keyError{key, fmt.Sprintf("it has %d bytes; at most %d", len(text), most)}
	case !utf8.ValidString(text):
		return &keyError{key, "it is not UTF-8"}
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }):
		return &keyError{key, "it has a control character"}
	default:
		return nil
	}
}

// encode returns the descriptor as the JSON that the digest and an Arrow file
// contain: the same bytes for the same descriptor.
func (d *Descriptor) encode() ([]byte, error) {
	b, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("descriptor: %w", err)
	}
	return b, nil
}

// decode reads what encode made, and refuses everything else.
func decode(b []byte) (*Descriptor, error) {
	if len(b) > maxDescriptor {
		return nil, fmt.Errorf("descriptor: it has %d bytes; at most %d", len(b), maxDescriptor)
	}
	var d Descriptor
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return nil, fmt.Errorf("descriptor: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("descriptor: something follows the JSON object")
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	return &d, nil
}

// quote quotes s for a message, cut where it is long.
func quote(s string) string {
	const most = 100
	if len(s) > most {
		return fmt.Sprintf("%.*q... (%d bytes)", most, s, len(s))
	}
	return fmt.Sprintf("%q", s)
}

// list quotes names for a message, cut where there are many.
func list(names []string) string {
	const most = 64
	quoted := make([]string, 0, most+1)
	for i, n := range names {
		if i == most {
			quoted = append(quoted, fmt.Sprintf("... (%d in all)", len(names)))
			break
		}
		quoted = append(quoted, quote(n))
	}
	return strings.Join(quoted, ", ")
}
