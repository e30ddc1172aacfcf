package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/boundedyaml"
	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/literal"
	"github.com/le-stats-sportifs/lestats/runtime/dataset/tabular"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Bounds of a descriptor.
const (
	maxDescriptor = boundedyaml.MaxBytes
	maxText       = 4096 // bytes of a title, source or licence
	MaxHeader     = 256  // bytes of a header, alias or unit
	MaxMissing    = 64   // texts for a missing value, of a dataset or a column
	maxAliases    = 32   // of one column
)

// Descriptor describes a dataset and how the columns of its file are read. It must not
// be changed while in use; Build keeps a copy.
type Descriptor struct {
	Name    string `json:"name"` // [a-z][a-z0-9_]*, at most 64 bytes
	Title   string `json:"title,omitempty"`
	Source  string `json:"source,omitempty"`
	License string `json:"license,omitempty"`
	// Synthetic says whether the figures are generated, or which rows mark them so.
	Synthetic Synthetic `json:"synthetic,omitzero"`
	// Header is false if the first line of a CSV is a row: its columns are then
	// called column1, column2 and so on. nil is true.
	Header *bool `json:"header,omitempty"`
	// Skip is how many lines stand above the header of a CSV, or above the first row, and
	// are not read: at most tabular.MaxSkip.
	Skip int `json:"skip,omitempty"`
	// Encoding is that of a CSV, by a name of the WHATWG's standard such as windows-1252;
	// "" is UTF-8, or UTF-16 after a byte order mark.
	Encoding string `json:"encoding,omitempty"`
	// Missing are texts that mean a missing value in columns of numbers and integers,
	// such as "NA"; one that is a number, such as "-999", matches that number however
	// it is written. They have no effect on string columns, where NA may be Namibia.
	Missing []string `json:"missing,omitempty"`
	Sort    string   `json:"sort,omitempty"`  // name of the string column that rows are sorted by; "" keeps the file's order
	Roles   *Roles   `json:"roles,omitempty"` // which columns the built-in questions use; nil: those with the original's names
	// Kinds says, by the name of a string column, which of its values are not places like
	// the others: Kinds["location"]["National"] is KindAggregate. The dataset then has the
	// dimension location_kind.
	Kinds map[string]map[string]Kind `json:"kinds,omitempty"`
	// Defaults are values, by the name of a column, of question parameters that take a value
	// of that column and are left out. Latest is the last time with a value.
	Defaults map[string]string `json:"defaults,omitempty"`
	Caveats  []Caveat          `json:"caveats,omitempty"`
	// Geo names outlines, by the name of the string column whose values are their places.
	Geo     map[string]string `json:"geo,omitempty"`
	Columns []Column          `json:"columns"` // in the dataset's order; exactly one is the measure
}

// Column describes one column.
type Column struct {
	Name    string        `json:"name"` // [a-z][a-z0-9_]*, at most 64 bytes
	Title   string        `json:"title,omitempty"`
	Type    question.Type `json:"type"`
	Unit    string        `json:"unit,omitempty"`
	Role    question.Role `json:"role,omitempty"`    // dimension, measure or none
	Header  string        `json:"header,omitempty"`  // the column's header in the CSV; "": the name
	Aliases []string      `json:"aliases,omitempty"` // other names, in the file and in a question
	Missing []string      `json:"missing,omitempty"` // more texts that mean a missing value in this column, which may be a string column
	// Numbers says how the numbers of a column with the type number are written in a CSV;
	// nil: as plain decimals. Values that a file stores as numbers need none.
	Numbers *literal.Format `json:"numbers,omitempty"`
}

// Synthetic says whether a dataset's figures are generated. The zero value means that
// they are not. At most one of All and Column is set.
type Synthetic struct {
	All bool `json:"-"` // all figures are generated
	// Column and Value: the figures are generated if any row has this value in the column with
	// this header (case does not matter), which need not be one of the
	// dataset's. Reading such a file sets All instead.
	Column string `json:"column"`
	Value  string `json:"value"`
}

// SetBool sets All; in YAML, synthetic may be true or false.
func (s *Synthetic) SetBool(on bool) { *s = Synthetic{All: on} }

// syntheticRule is a Synthetic with a Column, without its methods.
type syntheticRule Synthetic

// MarshalJSON implements json.Marshaler: true, false or {"column":...,"value":...}.
func (s Synthetic) MarshalJSON() ([]byte, error) {
	if s.Column == "" {
		return json.Marshal(s.All)
	}
	return json.Marshal(syntheticRule(s))
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *Synthetic) UnmarshalJSON(b []byte) error {
	*s = Synthetic{}
	if !bytes.HasPrefix(b, []byte("{")) {
		return json.Unmarshal(b, &s.All)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	return dec.Decode((*syntheticRule)(s))
}

// check returns the first error. A decoded rule has both parts.
func (s *Synthetic) check() *keyError {
	if !s.All && *s == (Synthetic{}) {
		return nil
	}
	for _, t := range []struct{ key, text string }{{"synthetic.column", s.Column}, {"synthetic.value", s.Value}} {
		if err := checkText(t.key, t.text, MaxHeader); err != nil {
			return err
		}
		if !s.All && strings.TrimSpace(t.text) == "" {
			return badKey(t.key, "it is missing; give the header of a column and the value that marks generated figures")
		}
		if s.All && t.text != "" {
			return badKey(t.key, "all figures are already synthetic")
		}
	}
	return nil
}

// CheckMissing returns what is wrong with texts that are meant for Descriptor.Missing.
func CheckMissing(texts []string) error {
	if err := checkMissingTexts("", texts); err != nil {
		return errors.New(err.Reason)
	}
	return nil
}

// checkMissingTexts checks a list of texts for a missing value.
func checkMissingTexts(at string, texts []string) *keyError {
	if len(texts) > MaxMissing {
		return badKey(at, "there are %d; at most %d", len(texts), MaxMissing)
	}
	for i, text := range texts {
		key := fmt.Sprintf("%s[%d]", at, i)
		if strings.TrimSpace(text) == "" {
			return badKey(key, "it is empty; an empty field already counts as missing")
		}
		if err := checkText(key, text, MaxHeader); err != nil {
			return err
		}
	}
	return nil
}

// names returns the accepted names of the column, its header in the file first.
// Surrounding spaces do not count: published files have some.
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
		if f := c.Columns[i].Numbers; f != nil {
			c.Columns[i].Numbers = new(*f)
		}
	}
	c.Missing = slices.Clone(d.Missing)
	c.Kinds = maps.Clone(d.Kinds)
	for column := range c.Kinds {
		c.Kinds[column] = maps.Clone(c.Kinds[column])
	}
	c.Defaults, c.Geo, c.Caveats = maps.Clone(d.Defaults), maps.Clone(d.Geo), slices.Clone(d.Caveats)
	if d.Header != nil {
		c.Header = new(*d.Header)
	}
	return &c
}

// ParseDescriptor reads a descriptor: one YAML mapping with the keys of Descriptor, at
// most 256 KiB. It is strict: unknown and duplicate keys, values of the wrong type,
// anchors and invalid combinations are errors that name the line, the key and what would
// have been valid.
func ParseDescriptor(b []byte) (*Descriptor, error) {
	var d Descriptor
	lines, err := boundedyaml.Decode(b, &d)
	if err == nil {
		if bad := d.firstError(); bad != nil {
			err = lines.Locate(bad)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("descriptor: %w", err)
	}
	return &d, nil
}

// keyError is an error in one key, such as "columns[3].type".
type keyError = boundedyaml.KeyError

func badKey(key, format string, args ...any) *keyError {
	return &keyError{Key: key, Reason: fmt.Sprintf(format, args...)}
}

// check returns the first error.
func (d *Descriptor) check() error {
	if err := d.firstError(); err != nil {
		return fmt.Errorf("descriptor: %w", err)
	}
	return nil
}

func (d *Descriptor) firstError() *keyError {
	if err := checkName("name", d.Name); err != nil {
		return err
	}
	for _, t := range []struct{ key, text string }{{"title", d.Title}, {"source", d.Source}, {"license", d.License}} {
		if err := checkText(t.key, t.text, maxText); err != nil {
			return err
		}
	}
	if err := d.Synthetic.check(); err != nil {
		return err
	}
	if err := checkMissingTexts("missing", d.Missing); err != nil {
		return err
	}
	if d.Skip < 0 || d.Skip > tabular.MaxSkip {
		return badKey("skip", "it is %d; it must be 0 to %d, the number of lines above the header", d.Skip, tabular.MaxSkip)
	}
	if d.Encoding != "" {
		if err := tabular.CheckEncoding(d.Encoding); err != nil {
			return badKey("encoding", "%s", err)
		}
	}
	if n := len(d.Columns); n == 0 || n > question.MaxColumns {
		return badKey("columns", "there are %d; there must be 1 to %d", n, question.MaxColumns)
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
				return badKey(at, "%q already names the column %q; names, headers and aliases must be unique", n, other)
			}
			owner[n] = c.Name
		}
		if c.Role != question.RoleMeasure {
			continue
		}
		if measure != "" {
			return badKey(at+".role", "%q is already the measure; a dataset has exactly one", measure)
		}
		measure = c.Name
	}
	if measure == "" {
		return badKey("columns", "no column has the role measure; exactly one must")
	}
	if err := d.checkRoles(); err != nil {
		return err
	}
	if err := d.checkHonesty(); err != nil {
		return err
	}
	if d.Sort == "" {
		return nil
	}
	i := slices.IndexFunc(d.Columns, func(c Column) bool { return c.Name == d.Sort })
	if i < 0 || d.Columns[i].Type != question.String {
		return badKey("sort", "%q is not a string column of this dataset; its string columns are %s", d.Sort, d.listStrings())
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
		return badKey(at+".type", "it is missing; use number, integer or string")
	default:
		return badKey(at+".type", "%q is not a type; use number, integer or string", c.Type)
	}
	switch c.Role {
	case question.RoleNone, question.RoleDimension:
	case question.RoleMeasure:
		if c.Type == question.String {
			return badKey(at+".role", "a measure must be a number or an integer, and this is a string")
		}
	default:
		return badKey(at+".role", "%q is not a role; use dimension or measure, or leave it out", c.Role)
	}
	if err := checkText(at+".title", c.Title, maxText); err != nil {
		return err
	}
	if err := checkText(at+".unit", c.Unit, MaxHeader); err != nil {
		return err
	}
	if err := checkText(at+".header", c.Header, MaxHeader); err != nil {
		return err
	}
	if len(c.Aliases) > maxAliases {
		return badKey(at+".aliases", "there are %d; at most %d", len(c.Aliases), maxAliases)
	}
	for i, a := range c.Aliases {
		key := fmt.Sprintf("%s.aliases[%d]", at, i)
		if strings.TrimSpace(a) == "" {
			return badKey(key, "it is empty")
		}
		if err := checkText(key, a, MaxHeader); err != nil {
			return err
		}
	}
	if c.Numbers != nil {
		if c.Type != question.Number {
			return badKey(at+".numbers", "the type is %s; only a column with the type number has it", c.Type)
		}
		if key, reason := c.Numbers.Check(); reason != "" {
			return badKey(at+".numbers."+key, "%s", reason)
		}
	}
	return checkMissingTexts(at+".missing", c.Missing)
}

func (d *Descriptor) listStrings() string {
	var names []string
	for _, c := range d.Columns {
		if c.Type == question.String {
			names = append(names, c.Name)
		}
	}
	return literal.List(names)
}

func checkName(key, name string) *keyError {
	if !question.ValidName(name) {
		return badKey(key, "%s is not a valid name: a lower-case letter, then lower-case letters, digits and _, at most %d in all",
			literal.Quote(name), question.MaxNameLen)
	}
	return nil
}

func checkText(key, s string, most int) *keyError {
	if reason := literal.CheckPlain(s, most); reason != "" {
		return badKey(key, "%s", reason)
	}
	return nil
}

// encode returns the descriptor as the JSON that an Arrow file contains and the digest
// covers. Equal descriptors give equal bytes.
func (d *Descriptor) encode() ([]byte, error) {
	b, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("descriptor: %w", err)
	}
	return b, nil
}

// decode reads the output of encode and refuses everything else.
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
		return nil, errors.New("descriptor: there is data after the JSON object")
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	return &d, nil
}
