package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// homePage is the data of the template "home".
type homePage struct {
	frame

	Worked    *shown // the worked example; nil if it has no answer
	WorkedURL string
	WorkedWhy string // why there is none
	Title     string // of its question
	Questions []listed
}

type listed struct {
	Title, Name, URL, About, Plugin string
	Sure                            bool // its figures have limits
}

// homeWait is how long the first page waits for its example: it has a list of questions
// besides.
const homeWait = 2 * time.Second

// worked is the name of the question whose example is at /, if it is served and the client
// may ask it: places with intervals on a map.
const worked = "estimates"

// home: GET / of a browser.
func (s *Site) home(w http.ResponseWriter, r *http.Request, v View) error {
	return s.keep(w, r, v, "home", nobody, func() (built, error) {
		p := s.homePage(r.Context(), v)
		return built{http.StatusOK, p, p.WorkedWhy == ""}, nil
	})
}

func (s *Site) homePage(ctx context.Context, v View) *homePage {
	p := &homePage{frame: s.frame(v, "/", "")}
	var first question.ServedQuestion
	client := &question.OriginOf(ctx).Client
	for _, o := range s.cfg.Catalog.Served() {
		q := o.Question
		example := q.Canonical(o.Example, s.cfg.Schema)
		p.Questions = append(p.Questions, listed{label(q.Title, q.Name), q.Name, v.Under + askPath(example, ""), question.Visible(q.Description), o.Plugin, sure(q)})
		if client.May(q.Name) == nil && (first.Question == nil || q.Name == worked) {
			first = o
		}
	}
	// Those that say how sure their figures are come first.
	slices.SortStableFunc(p.Questions, func(x, y listed) int { return cmp.Compare(btoi(!x.Sure), btoi(!y.Sure)) })
	if first.Question == nil {
		return p
	}
	req := first.Question.Canonical(first.Example, s.cfg.Schema)
	p.Title, p.WorkedURL = label(first.Question.Title, first.Question.Name), v.Under+askPath(req, "")
	ctx, cancel := context.WithTimeout(ctx, homeWait)
	defer cancel()
	var err error
	if _, p.Worked, err = s.answer(ctx, v, first.Question, req); err != nil {
		p.WorkedWhy = why(v.Fail(err))
	}
	return p
}

// sure reports whether the figures of a question have limits.
func sure(q *question.Question) bool {
	return slices.ContainsFunc(q.Result.Values, func(c question.ResultColumn) bool { return c.Shows == question.ShowsLow })
}

// why says for people why there is no answer, as half a sentence.
func why(e *question.Error) string {
	switch e.Code {
	case question.CodeQueueFull, question.CodeTimeLimit:
		return "the server is busy with other questions. Look again in a moment."
	default:
		return question.Visible(e.Reason)
	}
}
