package render

import (
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// CSV writes the table as in RFC 4180: UTF-8, lines that end in CR LF, a header with the
// names of the columns, and quotes only where they are needed.
//
// A missing value is an empty field, and an empty string is "" in quotes. In a table with
// a single column a missing value is "" too, because many readers skip empty lines.
//
// Values are not changed, unless the file is for people: a spreadsheet runs a text that
// starts with =, +, - or @ as a formula, so such a text, in the header too, then gets a
// leading ' (see formula). Numbers stay as they are.
//
// A file of synthetic figures says so in the way that the note selects.
func CSV(w io.Writer, t *question.Table, o question.WriteOptions) error {
	const flushAt = 32 << 10
	b := make([]byte, 0, 4<<10)
	mark, appendText := "", appendField
	if o.People {
		appendText = appendInert
	}
	switch {
	case !synthetic(o.Provenance):
	case o.Note == question.NoteComment:
		b = append(append(append(b, "# "...), Synthetic(o.Provenance)...), '\r', '\n')
	case o.Note == question.NoteColumn:
		mark = markName(t)
	}
	for n := range t.Columns {
		if n > 0 {
			b = append(b, ',')
		}
		b = appendText(b, t.Columns[n].Name)
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
				b = appendText(b, c.Dict[c.Codes[i]])
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

// appendInert appends s so that no spreadsheet takes it for a formula.
func appendInert(b []byte, s string) []byte {
	if formula(s) {
		s = "'" + s
	}
	return appendField(b, s)
}

// formula reports whether a spreadsheet may take s for a formula, by its first character:
// one of those in OWASP's page "CSV Injection". Some spreadsheets skip white space before
// it, and some take the full-width forms.
func formula(s string) bool {
	first, _ := utf8.DecodeRuneInString(strings.TrimLeft(s, " \u00a0\ufeff"))
	return strings.ContainsRune("=+-@\t\r\n＝＋－＠", first) // RuneError is none of them
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
