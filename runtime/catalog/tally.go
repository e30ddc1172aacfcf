package catalog

import (
	"sync/atomic"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// tally counts what a plugin did since it was loaded. It is safe for concurrent use.
type tally struct {
	answers, fuel atomic.Int64
	errors        []atomic.Int64 // as question.Codes
}

func newTally() *tally { return &tally{errors: make([]atomic.Int64, len(question.Codes))} }

// add counts an answer, or the error that came in its place.
func (t *tally) add(used question.Usage, err error) {
	t.fuel.Add(used.Fuel)
	if err == nil {
		t.answers.Add(1)
		return
	}
	code := question.CodeOf(err)
	for i := range question.Codes {
		if question.Codes[i].Code == code {
			t.errors[i].Add(1)
		}
	}
}

func (t *tally) counts() question.Counts {
	out := question.Counts{Answers: t.answers.Load(), Fuel: t.fuel.Load()}
	for i := range t.errors {
		if n := t.errors[i].Load(); n > 0 {
			out.Errors = append(out.Errors, question.CodeCount{Code: question.Codes[i].Code, Count: n})
		}
	}
	return out
}

// Counts returns what each plugin that is served did since it was loaded, by its name. A
// request that is refused before it reaches a plugin is not counted.
func (c *Catalog) Counts() map[string]question.Counts {
	out := map[string]question.Counts{}
	for name, h := range c.current.Load().names {
		out[name] = h.tally.counts()
	}
	return out
}
