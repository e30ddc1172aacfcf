package main

import (
	"io"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// visible writes for a person: what strangers chose (names of files and plugins, texts
// and values of a dataset) cannot act on the terminal, or turn the direction of the
// text around it. Each Write is of whole characters.
type visible struct{ to io.Writer }

func (v visible) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		text, ended := strings.CutSuffix(line, "\n")
		fields := strings.Split(text, "\t") // which help and tables are laid out with
		for i := range fields {
			fields[i] = question.Visible(fields[i])
		}
		text = strings.Join(fields, "\t")
		if ended {
			text += "\n"
		}
		if _, err := io.WriteString(v.to, text); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// exact is w for what programs read, to the byte.
func exact(w io.Writer) io.Writer {
	if v, ok := w.(visible); ok {
		return v.to
	}
	return w
}
