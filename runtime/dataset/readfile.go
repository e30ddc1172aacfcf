package dataset

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/literal"
	"github.com/le-stats-sportifs/lestats/runtime/dataset/tabular"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// ReadCSV reads CSV as specified by RFC 4180: UTF-8 with or without a byte order mark,
// UTF-16 with one, or the descriptor's encoding; lines that end in LF, CRLF or CR; quotes
// where needed. Fields may also be separated by
// semicolons, tabs or bars, which is detected from the first line. The first record is
// the header, unless the descriptor says that there is none. A column is found by its
// header, name or alias, in this order, at any position; other columns are skipped. An
// empty value is missing, and so are the texts that the descriptor lists. Numbers are
// decimal and read to the nearest float64; integers may be written as 12.0. Errors name
// line, row (from 1), column and value. A comment before the header, as this program writes it, marks
// the figures as synthetic.
//
// progress, if not nil, is called after each read with the number of bytes read so far.
// r is not closed.
func ReadCSV(ctx context.Context, r io.Reader, d *Descriptor, progress func(bytes int64)) (*Dataset, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	t, err := tabular.NewCSV(ctx, r, d.options(progress))
	if err != nil {
		return nil, err
	}
	return readColumnar(ctx, t, d)
}

// options are how a file with the descriptor, which may be nil, is read.
func (d *Descriptor) options(progress func(int64)) tabular.Options {
	if d == nil {
		return tabular.Options{Sniff: true} // how to read it is not known
	}
	return tabular.Options{NoHeader: d.Header != nil && !*d.Header, Skip: d.Skip, Encoding: d.Encoding, Progress: progress}
}

// readColumnar reads a dataset from a file of columns. A column is found by its header,
// name or alias.
func readColumnar(ctx context.Context, t *tabular.File, d *Descriptor) (*Dataset, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	fields := t.Fields
	header := make([]string, len(fields))
	for i := range fields {
		header[i] = fields[i].Name
	}
	columns, err := findColumns(d, header)
	for i := range columns {
		columns[i].check = t.CheckText
	}
	if err != nil {
		return nil, err
	}
	if t.IsCSV && d.Header == nil {
		if err := checkMeasureHeader(columns); err != nil {
			return nil, err
		}
	}
	chosen := make([]int, len(columns))
	rows := make([]int, len(columns))
	for k := range columns {
		chosen[k] = columns[k].field
		if why := fields[chosen[k]].Refused; why != "" {
			return nil, fmt.Errorf("column %s: %s; remove it from the descriptor", literal.Quote(columns[k].header), why)
		}
	}
	err = t.Scan(ctx, chosen, func(k int, c tabular.Cell) error {
		if rows[k] == math.MaxInt32 {
			return fmt.Errorf("there are more than %d rows", math.MaxInt32)
		}
		if err := columns[k].add(rows[k], &c); err != nil {
			return fmt.Errorf("column %s: %w", literal.Quote(columns[k].header), err)
		}
		rows[k]++
		return nil
	}, nil)
	if err != nil {
		return nil, err
	}
	if slices.Min(rows) != slices.Max(rows) {
		return nil, fmt.Errorf("it is damaged: one column has %d values, another %d", slices.Min(rows), slices.Max(rows))
	}
	return finish(d, columns, t.Synthetic)
}

// checkMeasureHeader refuses a measure whose header is a number other than a year: the
// descriptor may have been written for a CSV whose first line is a row, which it does not
// say.
func checkMeasureHeader(columns []builder) error {
	for i := range columns {
		c := &columns[i]
		if c.measure && literal.IsNumber(c.header) && !literal.IsYear(c.header) {
			return fmt.Errorf("the column that is averaged has the header %s, so the first line looks like a row; in the descriptor, set header: false if it is a row, or header: true if it is the header",
				literal.Quote(c.header))
		}
	}
	return nil
}

// finish builds the dataset from the columns that were read. It is synthetic if a row or
// the file itself is marked so.
func finish(d *Descriptor, columns []builder, synthetic bool) (*Dataset, error) {
	built := make([]question.Column, 0, len(columns))
	for i := range columns {
		if c := &columns[i]; c.syntheticValue == "" {
			built = append(built, c.Column)
		} else if c.foundSynthetic {
			synthetic = true
		}
	}
	if synthetic && !d.Synthetic.All {
		d = d.clone()
		d.Synthetic = Synthetic{All: true}
		// The descriptor describes the real figures; these do not come from its source.
		if title := "SYNTHETIC, in the form of: " + cmp.Or(d.Title, d.Name); len(title) <= maxText {
			d.Title = title
		}
		d.Source = ""
	}
	return Build(d, built)
}

// builder collects the values of one column.
type builder struct {
	question.Column
	header         string // as in the file
	field          int
	index          map[string]int32 // of a string column of the dataset: code by string, in order of appearance
	last           string           // the previous row's string, with its code: runs are common
	lastCode       int32
	missing        *literal.Marks
	check          func(text string) error // what is wrong with a text of the file
	format         *literal.Format         // of the numbers; nil: plain decimals
	measure        bool                    // the column with this role
	syntheticValue string                  // if set, this is not a column of the dataset, and is only searched for this value
	foundSynthetic bool                    // syntheticValue was found
}

// ErrMissingColumns means that a file lacks columns of its descriptor.
var ErrMissingColumns = errors.New("the header lacks")

// findColumns finds the descriptor's columns in the header.
func findColumns(d *Descriptor, header []string) ([]builder, error) {
	fields := map[string][]int{}
	for i, h := range header {
		name := strings.TrimSpace(h)
		fields[name] = append(fields[name], i)
	}
	var columns []builder
	var missing []string
	for i := range d.Columns {
		spec := &d.Columns[i]
		names := spec.names()
		at := slices.IndexFunc(names, func(n string) bool { return len(fields[n]) > 0 })
		if at < 0 {
			missing = append(missing, names[0])
			continue
		}
		found := fields[names[at]]
		if len(found) > 1 {
			return nil, fmt.Errorf("the header %s appears twice, as fields %d and %d", literal.Quote(names[at]), found[0]+1, found[1]+1)
		}
		c := builder{header: strings.Clone(header[found[0]]), field: found[0], missing: marksOf(d, spec), format: spec.Numbers, measure: spec.Role == question.RoleMeasure}
		c.Name, c.Type = spec.Name, spec.Type
		if c.Type == question.String {
			c.index = map[string]int32{}
		}
		columns = append(columns, c)
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%w %s; it has %s", ErrMissingColumns, literal.List(missing), literal.List(header))
	}
	for i, h := range header {
		if name := strings.TrimSpace(h); d.Synthetic.Column != "" && strings.EqualFold(name, strings.TrimSpace(d.Synthetic.Column)) {
			c := builder{header: name, field: i, syntheticValue: strings.TrimSpace(d.Synthetic.Value)}
			c.Type = question.String
			columns = append(columns, c)
		}
	}
	return columns, nil
}

// marksOf returns the marks of a column of the descriptor: its own, and those of the
// dataset unless it is a string column.
func marksOf(d *Descriptor, c *Column) *literal.Marks {
	texts := slices.Clone(c.Missing)
	if c.Type != question.String {
		texts = append(texts, d.Missing...)
	}
	return literal.NewMarks(texts)
}

// add appends a row.
func (c *builder) add(row int, v *tabular.Cell) error {
	if err := c.convert(v); err != nil {
		return err
	}
	if c.syntheticValue != "" {
		c.foundSynthetic = c.foundSynthetic || strings.TrimSpace(v.Text) == c.syntheticValue
		return nil
	}
	if row%8 == 0 {
		c.Valid = append(c.Valid, 0)
	}
	if v.Kind != tabular.CellMissing {
		c.Valid.Set(row)
	}
	switch c.Type {
	case question.String:
		c.Codes = append(c.Codes, c.lastCode)
	case question.Integer:
		c.Integers = append(c.Integers, v.Integer)
	default:
		c.Numbers = append(c.Numbers, v.Number)
	}
	return nil
}

// convert makes v a cell of the column's type, or a missing one. The code of a text is
// lastCode.
func (c *builder) convert(v *tabular.Cell) error {
	if v.Kind == tabular.CellText && c.Type != question.String {
		text := strings.TrimSpace(v.Text)
		var err error
		switch {
		case text == "":
			*v = tabular.Cell{}
			return nil
		case c.Type == question.Integer:
			v.Kind = tabular.CellInteger
			v.Integer, err = literal.ParseInteger(text)
		default:
			v.Kind = tabular.CellNumber
			v.Number, err = c.format.Parse(text)
		}
		switch {
		case err == nil:
		case c.missing.Text(text):
			*v = tabular.Cell{}
			return nil
		case literal.IsKnownMark(text):
			return fmt.Errorf("%w; if it means a missing value, add it to the descriptor: missing: [%s]", err, literal.Quote(text))
		default:
			return err
		}
	}
	switch v.Kind {
	case tabular.CellInteger:
		text := func() string { return strconv.FormatInt(v.Integer, 10) }
		switch {
		case c.missing.Integer(v.Integer), c.missing.Number(float64(v.Integer)):
			*v = tabular.Cell{}
		case c.Type == question.String:
			v.Text = text()
		case (c.measure || c.Type == question.Number) && !literal.Exact(v.Integer):
			return literal.Inexact(text())
		default:
			v.Number = float64(v.Integer)
		}
	case tabular.CellNumber:
		switch {
		case c.missing.Number(v.Number):
			*v = tabular.Cell{}
		case c.Type == question.String:
			v.Text = strconv.FormatFloat(v.Number, 'f', -1, 64)
		case math.IsInf(v.Number, 0):
			return fmt.Errorf("%v is not finite", v.Number)
		case c.Type == question.Integer && (v.Number != math.Trunc(v.Number) || math.Abs(v.Number) > 1<<53):
			return fmt.Errorf("%v is not an integer%s", v.Number, literal.Remedy)
		default:
			v.Integer = int64(v.Number)
		}
	}
	if c.index != nil {
		return c.encode(v)
	}
	return nil
}

// encode sets lastCode to the code of a text, which may mean a missing value.
func (c *builder) encode(v *tabular.Cell) error {
	switch v.Text {
	case "":
		v.Kind, c.last, c.lastCode = tabular.CellMissing, "", 0
		return nil
	case c.last:
		return nil
	}
	code, ok := c.index[v.Text]
	switch {
	case ok:
	case c.missing.Text(v.Text):
		v.Kind, c.last, c.lastCode = tabular.CellMissing, "", 0
		return nil
	case len(v.Text) > tabular.MaxField:
		return fmt.Errorf("the value has %d bytes; at most %d", len(v.Text), tabular.MaxField)
	default:
		if err := c.check(v.Text); err != nil {
			return err
		}
		code = int32(len(c.Dict))
		text := strings.Clone(v.Text) // the record's memory would be kept alive
		c.Dict = append(c.Dict, text)
		c.index[text] = code
	}
	c.last, c.lastCode = c.Dict[code], code
	return nil
}
