package dataset

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Bounds of a CSV file.
const (
	maxRecord = 1 << 20   // bytes of a record, about: the header or one row
	maxField  = 64 << 10  // bytes of a value that is kept
	csvBuffer = 256 << 10 // bytes that are read at a time
)

const byteOrderMark = "\xef\xbb\xbf"

// ReadCSV reads CSV as RFC 4180 has it: UTF-8, with or without a byte order mark,
// lines that end in LF or CRLF, quotes where needed; fields may also be separated by
// semicolons, tabs or bars, which the first line tells. The first record is the
// header, unless the descriptor says that there is none; a column is found by its
// header, name or alias, in this order, at any position; other columns are skipped. An
// empty value is missing, and so is what the descriptor says. Numbers are decimal and
// read to the nearest double; integers may be written as 12.0. Errors name line,
// column and value. A comment before the header that this program wrote says that
// the figures are synthetic.
// progress, if not nil, is told after each read how many bytes were read so far.
// r is not closed.
func ReadCSV(ctx context.Context, r io.Reader, d *Descriptor, progress func(bytes int64)) (*Dataset, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	src := &source{ctx: ctx, r: r, progress: progress, left: csvBuffer}
	records, header, err := src.start(d.Header == nil || *d.Header)
	if err != nil {
		return nil, err
	}
	header = slices.Clone(header) // which the next record overwrites
	columns, err := findColumns(d, header)
	if err != nil {
		return nil, err
	}
	if err := checkMeasureHeader(d, columns); err != nil {
		return nil, err
	}
	width := len(header)
	for rows := 0; ; rows++ {
		record, err := src.record(records)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(record) != width {
			return nil, raggedRow(src.line, len(record), width, rows == 0)
		}
		if rows == math.MaxInt32 {
			return nil, fmt.Errorf("line %d: there are more than %d rows", src.line, math.MaxInt32)
		}
		for i := range columns {
			c := &columns[i]
			if err := c.add(rows, record[c.field]); err != nil {
				if slices.Equal(record, header) {
					return nil, repeatedHeader(src.line)
				}
				line, _ := records.FieldPos(c.field)
				return nil, fmt.Errorf("line %d: column %s: %w", line+src.skipped, quote(c.header), err)
			}
		}
	}
	return finish(d, columns, src.synthetic)
}

// finish builds the dataset of columns that were read. It is synthetic if a row, or
// the file itself, said so.
func finish(d *Descriptor, columns []csvColumn, synthetic bool) (*Dataset, error) {
	built := make([]question.Column, 0, len(columns))
	for i := range columns {
		if c := &columns[i]; c.mark == "" {
			built = append(built, c.Column)
		} else if c.marked {
			synthetic = true
		}
	}
	if synthetic && !d.Synthetic.All {
		d = d.clone()
		d.Synthetic = Synthetic{All: true}
		// The descriptor is of the real figures, and these are not from there.
		if title := "SYNTHETIC, in the form of: " + cmp.Or(d.Title, d.Name); len(title) <= maxText {
			d.Title = title
		}
		d.Source = ""
	}
	return Build(d, built)
}

// syntheticComment begins the line before the header that says of a result that its
// figures are generated.
const syntheticComment = "# SYNTHETIC"

// start skips a byte order mark and our own comment, finds out the separator and reads
// the header, which is valid until the next record. Without a header it makes one up,
// and the first record is a row.
func (s *source) start(hasHeader bool) (records *csv.Reader, header []string, err error) {
	in := bufio.NewReaderSize(s, csvBuffer)
	if _, err := in.Peek(len(byteOrderMark)); err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	begin, _ := in.Peek(in.Buffered()) // which is there
	if bytes.HasPrefix(begin, []byte(byteOrderMark)) {
		begin = begin[len(byteOrderMark):]
		if _, err := in.Discard(len(byteOrderMark)); err != nil {
			return nil, nil, err
		}
	}
	if n := bytes.IndexByte(begin, '\n') + 1; n > 0 && bytes.HasPrefix(begin, []byte(syntheticComment)) {
		begin = begin[n:]
		if _, err := in.Discard(n); err != nil {
			return nil, nil, err
		}
		s.synthetic, s.skipped = true, 1
	}
	records = csv.NewReader(in)
	records.Comma = separator(begin, hasHeader)
	records.ReuseRecord = true
	records.FieldsPerRecord = -1 // counted by the caller, for a better message
	header, err = s.record(records)
	switch {
	case errors.Is(err, io.EOF):
		return nil, nil, errors.New("the file is empty; a CSV file starts with its header")
	case err != nil:
		return nil, nil, err
	case slices.ContainsFunc(header, func(h string) bool { return strings.ContainsRune(h, 0) }):
		return nil, nil, errors.New("it is not text; a dataset is a CSV, Parquet or Arrow file")
	}
	if hasHeader {
		return records, header, nil
	}
	s.first = header
	header = make([]string, len(s.first))
	for i := range header {
		header[i] = columnName(i)
	}
	return records, header, nil
}

// columnName is the header of a column where the file has none.
func columnName(i int) string { return "column" + strconv.Itoa(i+1) }

// separator returns which character cuts the first line into the most fields, the
// comma where it is none. In a row commas may be decimal ones, so the others come first
// there.
func separator(begin []byte, isHeader bool) rune {
	counts := map[byte]int{}
	quoted := false
line:
	for _, b := range begin {
		switch {
		case b == '"':
			quoted = !quoted
		case quoted:
		case b == '\n':
			break line
		default:
			counts[b]++
		}
	}
	best := byte(',')
	for _, b := range []byte(";\t|") {
		if counts[b] > counts[best] || !isHeader && best == ',' && counts[b] > 0 {
			best = b
		}
	}
	return rune(best)
}

// raggedRow is the error about a row of another width; first: it is the first one, so
// that it may be the line before it that is wrong.
func raggedRow(line, fields, width int, first bool) error {
	why := ""
	if first && width < fields {
		why = "; if the first line is a title or a comment, remove it: a CSV file starts with its header"
	}
	return fmt.Errorf("line %d: the row has %d fields; the header has %d%s", line, fields, width, why)
}

func repeatedHeader(line int) error {
	return fmt.Errorf("line %d is the header again; remove it (if the first line is a row, say so: --no-header of data init, header: false in the descriptor)", line)
}

// source is the reader under the CSV reader: it bounds what one record may take,
// counts, and ends with the context.
type source struct {
	ctx       context.Context
	r         io.Reader
	progress  func(int64)
	total     int64
	line      int      // of the last record
	skipped   int      // lines before the first record that the CSV reader did not see
	first     []string // a record that was read and is to be returned once more; nil: none
	synthetic bool     // the comment before the header said so
	left      int      // bytes that the current record may still read
	err       error    // what ended it, other than io.EOF
}

func (s *source) Read(p []byte) (int, error) {
	if s.err = s.ctx.Err(); s.err != nil {
		return 0, s.err
	}
	if s.left <= 0 {
		s.err = fmt.Errorf("a record has more than %d bytes; is a closing quote missing?", maxRecord)
		return 0, s.err
	}
	n, err := s.r.Read(p)
	s.total += int64(n)
	s.left -= n
	if s.progress != nil {
		s.progress(s.total)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// record returns the next record, valid until the next call.
func (s *source) record(r *csv.Reader) ([]string, error) {
	if record := s.first; record != nil {
		s.first = nil
		return record, nil
	}
	s.left = maxRecord + csvBuffer // one buffer may be of what follows
	record, err := r.Read()
	var syntax *csv.ParseError
	switch {
	case err == nil:
		s.line, _ = r.FieldPos(0)
		s.line += s.skipped
		return record, nil
	case errors.Is(err, io.EOF):
		return nil, err
	case s.err != nil:
		return nil, fmt.Errorf("after line %d: %w", s.line, s.err)
	case errors.As(err, &syntax):
		return nil, fmt.Errorf("line %d, byte %d: it is not CSV: %w", syntax.Line+s.skipped, syntax.Column, syntax.Err)
	default:
		return nil, err
	}
}

// csvColumn collects one column.
type csvColumn struct {
	question.Column
	header   string // as in the file
	field    int
	index    map[string]int32 // string -> code, in order of appearance
	last     string           // of the row before, with its code: runs are common
	lastCode int32
	missing  *marks
	measure  bool   // the column with this role
	mark     string // with it, this is no column of the dataset: it is looked through for this value
	marked   bool   // which was found
}

// ErrHeader tells that a file has not all columns of its descriptor.
var ErrHeader = errors.New("the header lacks")

// findColumns finds the descriptor's columns in the header.
func findColumns(d *Descriptor, header []string) ([]csvColumn, error) {
	fields := map[string][]int{}
	for i, h := range header {
		name := strings.TrimSpace(h)
		fields[name] = append(fields[name], i)
	}
	var columns []csvColumn
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
			return nil, fmt.Errorf("the header %s stands there twice, as fields %d and %d", quote(names[at]), found[0]+1, found[1]+1)
		}
		c := csvColumn{header: strings.Clone(header[found[0]]), field: found[0], missing: marksOf(d, spec), measure: spec.Role == question.RoleMeasure}
		c.Name, c.Type = spec.Name, spec.Type
		c.Valid = question.Bitmap{}
		if c.Type == question.String {
			c.index = map[string]int32{}
		}
		columns = append(columns, c)
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%w %s; it has %s", ErrHeader, list(missing), list(header))
	}
	for i, h := range header {
		if name := strings.TrimSpace(h); d.Synthetic.Column != "" && strings.EqualFold(name, strings.TrimSpace(d.Synthetic.Column)) {
			c := csvColumn{header: name, field: i, mark: strings.TrimSpace(d.Synthetic.Value)}
			c.Type = question.String
			columns = append(columns, c)
		}
	}
	return columns, nil
}

// add appends a row.
func (c *csvColumn) add(row int, text string) error {
	if c.mark != "" {
		c.marked = c.marked || strings.TrimSpace(text) == c.mark
		return nil
	}
	if row%8 == 0 {
		c.Valid = append(c.Valid, 0)
	}
	switch c.Type {
	case question.String:
		return c.addString(row, text)
	case question.Integer:
		text = strings.TrimSpace(text)
		if text == "" {
			c.Integers = append(c.Integers, 0)
			return nil
		}
		v, err := parseInteger(text)
		switch {
		case err == nil && c.missing.integer(v), err != nil && c.missing.text(text):
			c.Integers = append(c.Integers, 0)
			return nil
		case err != nil:
			return c.explain(err, text)
		case c.measure && !exact(v):
			return inexact(quote(text))
		}
		c.Integers = append(c.Integers, v)
	default:
		text = strings.TrimSpace(text)
		if text == "" {
			c.Numbers = append(c.Numbers, 0)
			return nil
		}
		v, err := parseNumber(text)
		switch {
		case err == nil && c.missing.number(v), err != nil && c.missing.text(text):
			c.Numbers = append(c.Numbers, 0)
			return nil
		case err != nil:
			return c.explain(err, text)
		}
		c.Numbers = append(c.Numbers, v)
	}
	c.Valid.Set(row)
	return nil
}

// explain adds to the error about a value what would make it right, where it looks like
// a mark for a missing value.
func (c *csvColumn) explain(err error, text string) error {
	if !isKnownMark(text) {
		return err
	}
	return fmt.Errorf("%w; where it stands for no value, say so in the descriptor: missing: [%s]", err, quote(text))
}

func (c *csvColumn) addString(row int, text string) error {
	if text == "" {
		c.Codes = append(c.Codes, 0)
		return nil
	}
	if text != c.last {
		code, ok := c.index[text]
		if !ok {
			if c.missing.text(text) {
				c.Codes = append(c.Codes, 0)
				return nil
			}
			if len(text) > maxField {
				return fmt.Errorf("the value has %d bytes; at most %d", len(text), maxField)
			}
			if !utf8.ValidString(text) {
				return fmt.Errorf("%s is not UTF-8", quote(text))
			}
			code = int32(len(c.Dict))
			text = strings.Clone(text) // the record's memory is larger
			c.Dict = append(c.Dict, text)
			c.index[text] = code
		}
		c.last, c.lastCode = c.Dict[code], code
	}
	c.Codes = append(c.Codes, c.lastCode)
	c.Valid.Set(row)
	return nil
}

// parseNumber reads a finite decimal number.
func parseNumber(text string) (float64, error) {
	if strings.Trim(text, "0123456789+-.eE") == "" { // no Inf, NaN, hexadecimal
		if v, err := strconv.ParseFloat(text, 64); err == nil {
			if len(text) > 15 && !exactText(text, v) {
				return 0, inexact(quote(text))
			}
			return v, nil
		} else if errors.Is(err, strconv.ErrRange) {
			return 0, fmt.Errorf("%s is too large for a number", quote(text))
		}
	}
	if strings.Count(text, ",") == 1 && strings.Trim(text, "0123456789+-,") == "" {
		return 0, fmt.Errorf("%s is not a number: it wants a decimal point, and no separators of thousands%s", quote(text), remedy)
	}
	return 0, fmt.Errorf("%s is not a number%s", quote(text), remedy)
}

// exactText reports whether v is what text says: if text is an integer, v is equal to
// it, or text is how v is written in full, with the zeros that a program puts in place
// of digits that a double does not have. A text with a point or an exponent is rounded
// to the nearest double, which is what it means.
func exactText(text string, v float64) bool {
	digits := strings.TrimLeft(strings.TrimLeft(text, "+-"), "0")
	if strings.Trim(digits, "0123456789") != "" {
		return true
	}
	v = math.Abs(v)
	return digits == "" || digits == strconv.FormatFloat(v, 'f', 0, 64) || digits == strconv.FormatFloat(v, 'f', -1, 64)
}

// parseInteger reads an integer, also one with a fraction of zero: pandas writes
// integers so where some are missing.
func parseInteger(text string) (int64, error) {
	v, err := strconv.ParseInt(text, 10, 64)
	if err == nil {
		return v, nil
	}
	const exact = 1 << 53
	if f, err := parseNumber(text); err == nil && f == math.Trunc(f) && math.Abs(f) <= exact {
		return int64(f), nil
	}
	if errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("%s is too large for an integer", quote(text))
	}
	return 0, fmt.Errorf("%s is not an integer%s", quote(text), remedy)
}
