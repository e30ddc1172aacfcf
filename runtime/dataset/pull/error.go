package pull

import (
	"context"
	"errors"
	"os"
	"strings"
)

// Error says what failed, what was kept, and what to do next.
type Error struct {
	Source string // the dataset's name
	Reason error
	Kept   string // "" if nothing was changed
	Next   string // "" if Reason says it
}

// Error returns one line for a person.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Source + " was not downloaded: " + e.Reason.Error())
	if e.Kept != "" {
		b.WriteString(". Kept: " + e.Kept)
	}
	if e.Next != "" {
		b.WriteString(". Next: " + e.Next)
	}
	return b.String()
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Reason }

// refusal is the error about a received file that was rejected.
type refusal struct{ error }

func (e *refusal) Unwrap() error { return e.error }

// explain adds to an error what was kept and what to do next.
func (p *puller) explain(err error) error {
	e := &Error{Source: p.Source.Name, Reason: err}
	var kept []string
	if _, err := os.Stat(p.Target); err == nil {
		kept = append(kept, p.Target+" unchanged")
	}
	resumable := p.part != nil && p.have > 0 && p.version.validator() != ""
	if resumable {
		kept = append(kept, p.received()+" in "+p.Target+".part")
	}
	e.Kept = strings.Join(kept, ", ")
	if e.Kept == "" {
		e.Kept = "nothing"
	}
	var refused *refusal
	var path *os.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &refused):
		e.Next = "open " + p.Source.URL + " in a browser to see what it returns, or name another address"
	case errors.As(err, &path), errors.As(err, &link):
		e.Next = "check the disk and its permissions, then run the same command again"
	case isPermanent(err):
		e.Next = "check the connection and the address, " + p.Source.URL
	case resumable:
		e.Next = "run the same command again; it resumes from there"
	case errors.Is(err, context.Canceled):
		e.Next = "run the same command again; it starts over"
	default:
		e.Next = "run the same command again later"
	}
	return e
}
