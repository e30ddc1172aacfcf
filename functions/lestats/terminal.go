package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// columns returns the width of the terminal that w writes to, 0 if it is none. The
// variable COLUMNS, where it is set, counts before what the terminal says.
func columns(w io.Writer) int {
	if v, ok := w.(*visible); ok {
		w = v.to
	}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
		return n
	}
	return 80
}

// binary returns the writer for a file of bytes, and refuses a terminal.
func binary(out io.Writer, what string) (io.Writer, error) {
	if columns(out) > 0 {
		return nil, fmt.Errorf("%s would garble the terminal; write it to a file with -o FILE", what)
	}
	return exact(out), nil
}

// aligned prints lines whose cells end in tabs as columns, and on a terminal cuts the lines
// at its width.
func aligned(out io.Writer, lines func(w io.Writer)) error {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	lines(w)
	if err := w.Flush(); err != nil {
		return err
	}
	text := b.String()
	if most := columns(out); most > 0 {
		cut := make([]string, 0, 64)
		for line := range strings.Lines(text) {
			cut = append(cut, question.Cut(strings.TrimRight(line, " \n"), most)+"\n")
		}
		text = strings.Join(cut, "")
	}
	_, err := io.WriteString(out, text)
	return err
}

// program returns this program as it was called, for commands that are printed to be
// typed where it was started.
func program() string { return question.ShellWord(os.Args[0]) }
