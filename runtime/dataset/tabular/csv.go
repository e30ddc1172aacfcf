package tabular

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Bounds of a CSV file.
const (
	maxRecord = 1 << 20   // bytes of a record (the header or one row), approximately
	MaxField  = 64 << 10  // bytes of a value
	csvBuffer = 256 << 10 // bytes read at a time
)

// NewCSV reads CSV from r until ctx ends. It does not close r.
func NewCSV(ctx context.Context, r io.Reader, o Options) (*File, error) {
	text, encoding, err := decode(&source{ctx: ctx, r: r, progress: o.Progress}, o.Encoding)
	if err != nil {
		return nil, err
	}
	c := &csvFile{r: text, left: csvBuffer}
	if err := c.readHeader(o); err != nil {
		return nil, err
	}
	return &File{Fields: c.fields, Above: c.above, Synthetic: c.synthetic, IsCSV: true, Semicolon: c.records.Comma == ';', encoding: encoding, scan: c.scan, line: func() int { return c.line }}, nil
}

// source is the file under a CSV: it counts bytes, and stops when the context ends.
type source struct {
	ctx      context.Context
	r        io.Reader
	progress func(int64)
	total    int64 // bytes read
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.r.Read(p)
	s.total += int64(n)
	if s.progress != nil {
		s.progress(s.total)
	}
	return n, err
}

// csvFile is a CSV file as columns of text. It is also the reader under the CSV reader: it
// limits the size of a record and makes all line ends LF or CRLF.
type csvFile struct {
	r         io.Reader // of UTF-8, if the file is what it says
	records   *csv.Reader
	fields    []Field
	synthetic bool     // there was a syntheticComment
	above     []string // the lines that were skipped because they are above the header
	pending   []string // a record that was read ahead; nil if there is none
	line      int      // of the last record
	row       int      // the last record's, from 1; 0 is the header
	skipped   int      // lines before the first record that bypassed the CSV reader
	left      int      // bytes left for the current record
	quoted    bool     // what was read so far ends inside of quotes
	endedCR   bool     // what was read so far ends with a CR that became a LF
	err       error    // why it stopped, other than io.EOF
}

func (c *csvFile) scan(_ context.Context, chosen []int, add func(int, Cell) error, _ func(int, error)) error {
	for first := true; ; first = false {
		record, err := c.record()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		c.row++
		if width := len(c.fields); len(record) != width {
			why := ""
			switch {
			case width < len(record) && (first || width == 1):
				why = "; if the first line is a title or a comment, remove it: a CSV file must start with its header; if it is the header, each column needs one, also a first one of names"
			case width > len(record) && filled(record) <= 1:
				why = "; if it is a note below the table, remove it"
			}
			return c.at(c.line, fmt.Errorf("the row has %s; the header has %d%s", fields(len(record)), width, why))
		}
		if c.isHeader(record) {
			return fmt.Errorf("line %d repeats the header; remove it (if the first line is a row, pass --no-header to data init, or set header: false in the descriptor)", c.line)
		}
		for k, at := range chosen {
			if err := add(k, textCell(record[at])); err != nil {
				line, _ := c.records.FieldPos(at)
				return c.at(line+c.skipped, err)
			}
		}
	}
}

func fields(n int) string {
	if n == 1 {
		return "1 field"
	}
	return strconv.Itoa(n) + " fields"
}

// at adds the line and the row to an error.
func (c *csvFile) at(line int, err error) error {
	return fmt.Errorf("line %d (row %d): %w", line, c.row, err)
}

func (c *csvFile) isHeader(record []string) bool {
	for i, text := range record {
		if strings.TrimSpace(text) != c.fields[i].Name {
			return false
		}
	}
	return true
}

// syntheticComment begins the line before the header that marks a saved result as
// generated.
const syntheticComment = "# SYNTHETIC"

// separatorLine begins a line before the header that names the separator, which
// spreadsheets read and write: sep=;
const separatorLine = "sep="

// readHeader skips a byte order mark, syntheticComment and separatorLine, detects the
// separator and reads the header, below the lines that o skips. For a file without a header
// it generates one, and the first record is a row.
func (c *csvFile) readHeader(o Options) error {
	hasHeader := !o.NoHeader
	in := bufio.NewReaderSize(c, csvBuffer)
	begin, err := in.Peek(csvBuffer)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if bytes.HasPrefix(begin, []byte(byteOrderMark)) {
		n, _ := in.Discard(len(byteOrderMark)) // cannot fail
		begin = begin[n:]
	}
	if n := bytes.IndexByte(begin, '\n') + 1; n > 0 && bytes.HasPrefix(begin, []byte(syntheticComment)) {
		n, _ = in.Discard(n)
		begin = begin[n:]
		c.synthetic, c.skipped = true, 1
	}
	lines := o.Skip
	if o.FindHeader && !bytes.HasPrefix(begin, []byte(separatorLine)) {
		lines = findHeader(begin)
	}
	if begin, err = c.skip(in, begin, lines); err != nil {
		return err
	}
	comma := separator(begin, hasHeader)
	if rest, ok := bytes.CutPrefix(begin, []byte(separatorLine)); ok && len(rest) > 1 && strings.IndexByte(separators, rest[0]) >= 0 {
		if line, _, ok := bytes.Cut(rest, []byte("\n")); ok && len(bytes.TrimSuffix(line, []byte("\r"))) == 1 {
			comma = rune(rest[0])
			_, _ = in.Discard(len(separatorLine) + len(line) + 1)
			c.skipped++
		}
	}
	c.records = csv.NewReader(in)
	c.records.Comma = comma
	c.records.ReuseRecord = true
	c.records.FieldsPerRecord = -1 // scan counts, for a better message
	first, err := c.record()
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("the file is empty; a CSV file must start with a header")
	case err != nil:
		return err
	case slices.ContainsFunc(first, func(h string) bool { return strings.ContainsRune(h, 0) }):
		return errors.New("it is not text: its first line has a zero byte; a dataset is a CSV, Parquet or Arrow file (if it is text in UTF-16, pass --encoding utf-16le or utf-16be to data init)")
	}
	if !hasHeader {
		c.pending = first
	}
	for i, name := range first {
		if !hasHeader {
			name = ColumnName(i)
		}
		c.fields = append(c.fields, Field{Name: strings.Clone(strings.TrimSpace(name))})
	}
	return nil
}

// ColumnName is the header of a column in a file without one.
func ColumnName(i int) string { return "column" + strconv.Itoa(i+1) }

// separators are the characters that may separate fields.
const separators = ",;\t|"

// separator returns the character that splits the first line into the most fields, by
// default the comma. If the line is a row, commas may be decimal ones, so the other
// characters take precedence.
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
	for _, b := range []byte(separators) {
		if counts[b] > counts[best] || !isHeader && best == ',' && counts[b] > 0 {
			best = b
		}
	}
	return rune(best)
}

// Read implements io.Reader.
func (c *csvFile) Read(p []byte) (int, error) {
	if c.left <= 0 {
		c.err = fmt.Errorf("a record has more than %d bytes; is a closing quote missing?", maxRecord)
		return 0, c.err
	}
	n, err := c.r.Read(p)
	if n > 0 {
		if c.endedCR && p[0] == '\n' { // of CRLF: the CR already ended the line
			n = copy(p, p[1:n])
		}
		c.endedCR = false
		c.endLines(p[:n])
		c.left -= n
	}
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// endLines makes a LF of every CR outside of quotes that no LF follows: old spreadsheets
// end lines so, and the CSV reader knows LF and CRLF only.
func (c *csvFile) endLines(b []byte) {
	counted := 0 // up to where quotes are counted
	for at := 0; at < len(b); at++ {
		next := bytes.IndexByte(b[at:], '\r')
		if next < 0 {
			break
		}
		at += next
		if at+1 < len(b) && b[at+1] == '\n' {
			continue
		}
		if c.countQuotes(b[counted:at]); !c.quoted {
			b[at] = '\n'
			c.endedCR = at+1 == len(b)
		}
		counted = at
	}
	c.countQuotes(b[counted:])
}

// countQuotes updates quoted.
func (c *csvFile) countQuotes(b []byte) { c.quoted = c.quoted != (bytes.Count(b, []byte{'"'})%2 == 1) }

// record returns the next record, valid until the next call.
func (c *csvFile) record() ([]string, error) {
	if record := c.pending; record != nil {
		c.pending = nil
		return record, nil
	}
	c.left = maxRecord + csvBuffer // one buffer may belong to the next record
	record, err := c.records.Read()
	var syntax *csv.ParseError
	switch {
	case err == nil:
		c.line, _ = c.records.FieldPos(0)
		c.line += c.skipped
		return record, nil
	case errors.Is(err, io.EOF):
		return nil, err
	case c.err != nil:
		return nil, fmt.Errorf("after line %d: %w", c.line, c.err)
	case errors.As(err, &syntax):
		return nil, fmt.Errorf("line %d (row %d), byte %d: it is not CSV: %w", syntax.Line+c.skipped, c.row+1, syntax.Column, syntax.Err)
	default:
		return nil, err
	}
}
