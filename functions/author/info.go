package author

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Info is what a plugin file declares. Its JSON keys are stable.
type Info struct {
	Plugin   string             `json:"plugin"` // the file, as given
	Digest   string             `json:"digest"` // "sha256:..."
	Size     int                `json:"size"`   // bytes
	Memory   uint64             `json:"memory"` // initial memory, in bytes
	Imports  []string           `json:"imports"`
	Manifest *question.Manifest `json:"manifest"`
}

// Inspect reads what a plugin declares. The dataset need not fit the plugin.
func Inspect(ctx context.Context, w *wire.Workbench, file string) (*Info, error) {
	wasm, err := wire.ReadPlugin(file)
	if err != nil {
		return nil, err
	}
	seen, err := w.Engine.Inspect(ctx, wasm)
	if err != nil {
		return nil, err
	}
	var m *question.Manifest
	if len(seen.Faults) > 0 {
		err = seen.Faults[0].Err
	} else {
		m, err = question.ParseManifest(seen.Manifest)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w; \"lestats plugin check\" reports everything that is wrong with it", file, err)
	}
	sum := sha256.Sum256(wasm)
	return &Info{file, "sha256:" + hex.EncodeToString(sum[:]), len(wasm), seen.Memory, seen.Imports, m}, nil
}

// Write writes the information as text.
func (i *Info) Write(w io.Writer) error {
	m := i.Manifest
	fmt.Fprintf(w, "%s %s  %s\n  %s, %s bytes, starts with %s of memory\n  %s\n", m.Name, m.Version, m.Title, i.Plugin, humanize.Comma(int64(i.Size)), humanize.IBytes(i.Memory), i.Digest)
	if len(m.Columns) > 0 {
		words := make([]string, len(m.Columns))
		for n, c := range m.Columns {
			words[n] = fmt.Sprintf("%s (%s)", c.Name, c.Type)
		}
		fmt.Fprintf(w, "  columns: %s\n", strings.Join(words, ", "))
	}
	if len(i.Imports) > 0 {
		fmt.Fprintf(w, "  imports: %s\n", strings.Join(i.Imports, ", "))
	}
	for n := range m.Questions {
		WriteQuestion(w, &m.Questions[n])
	}
	return nil
}

// WriteQuestion writes how a question is asked, and its title.
func WriteQuestion(w io.Writer, q *question.Question) {
	fmt.Fprintf(w, "  %s\n      %s\n", signature(q), q.Title)
}

// signature returns the question as it is asked: "state_mean question=<column> [state=<column>]".
func signature(q *question.Question) string {
	var b strings.Builder
	b.WriteString(q.Name)
	for i := range q.Params {
		p := &q.Params[i]
		if p.Absent {
			continue
		}
		word := fmt.Sprintf("%s=<%s>", p.Name, p.Type)
		if !p.Required {
			word = "[" + word + "]"
		}
		b.WriteString(" " + word)
	}
	return b.String()
}
