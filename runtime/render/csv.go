package render

import (
	"io"
	"strconv"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// CSV writes the table as RFC 4180 asks: UTF-8, lines that end in CR LF, a header
// with the names of the columns, quotes only where they are needed.
//
// A missing value is an empty field and an empty string is "" in quotes. (In a
// table of one column a missing value is "" too: many readers skip an empty line.)
//
// Values are written as they are. A value that starts with =, +, - or @ is a
// formula to a spreadsheet; prefixing it would falsify it for every other reader,
// so who opens data of a stranger in a spreadsheet imports it as text.
//
// Where p says that the figures are synthetic, so does the file, as note says. p may be
// nil.
func CSV(w io.Writer, t *question.Table, p *question.Provenance, note question.Note) error {
	const flushAt = 32 << 10
	b := make([]byte, 0, 4<<10)
	mark := ""
	switch {
	case !synthetic(p):
	case note == question.NoteComment:
		b = append(append(append(b, "# "...), Synthetic(p)...), '\r', '\n')
	case note == question.NoteColumn:
		mark = markName(t)
	}
	for n := range t.Columns {
		if n > 0 {
			b = append(b, ',')
		}
		b = appendField(b, t.Columns[n].Name)
	}
	last := "\r\n"
	if mark != "" {
		b = append(append(b, ','), mark...)
		last = ",true\r\n"
	}
	b = append(b, '\r', '\n')
	for i := range t.Rows() {
		for n := range t.Columns {
			if n > 0 {
				b = append(b, ',')
			}
			c := &t.Columns[n]
			switch {
			case !present(c, i):
				if len(t.Columns) == 1 && mark == "" {
					b = append(b, '"', '"')
				}
			case c.Type == question.Number:
				b = appendFloat(b, c.Numbers[i])
			case c.Type == question.Integer:
				b = strconv.AppendInt(b, c.Integers[i], 10)
			default:
				b = appendField(b, c.Dict[c.Codes[i]])
			}
		}
		b = append(b, last...)
		if len(b) >= flushAt {
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	_, err := w.Write(b)
	return err
}

func appendField(b []byte, s string) []byte {
	quote := s == "" || s[0] == ' ' || s[len(s)-1] == ' ' || strings.ContainsAny(s, ",\"\r\n\t")
	if !quote {
		return append(b, s...)
	}
	b = append(b, '"')
	for {
		i := strings.IndexByte(s, '"')
		if i < 0 {
			break
		}
		b = append(append(b, s[:i+1]...), '"')
		s = s[i+1:]
	}
	return append(append(b, s...), '"')
}
