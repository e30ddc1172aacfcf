package main

import (
	"io"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// visible makes untrusted text safe for a terminal: names of files and plugins and values
// of a dataset can neither control the terminal nor change the direction of the text
// around them. Each Write must consist of whole characters.
type visible struct {
	to   io.Writer
	used bool // something was written, or the writer below was handed out
}

// Write implements io.Writer.
func (v *visible) Write(p []byte) (int, error) {
	v.used = true
	for line := range strings.Lines(string(p)) {
		end := "\r\n" // of CSV
		text, ended := strings.CutSuffix(line, end)
		if !ended {
			end = "\n"
			text, ended = strings.CutSuffix(line, end)
		}
		fields := strings.Split(text, "\t") // tabs lay out help and tables
		for i := range fields {
			fields[i] = question.Visible(fields[i])
		}
		text = strings.Join(fields, "\t")
		if ended {
			text += end
		}
		if _, err := io.WriteString(v.to, text); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// exact returns the writer below w, for output that programs read byte for byte.
func exact(w io.Writer) io.Writer {
	if v, ok := w.(*visible); ok {
		v.used = true
		return v.to
	}
	return w
}

// unchanged returns the writer for text that programs read byte for byte. On a terminal the
// text is made safe, as all other text is.
func unchanged(w io.Writer) io.Writer {
	if columns(w) > 0 {
		return w
	}
	return exact(w)
}
