package web

import (
	"net/http"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// embedPage is the data of the template "embed".
type embedPage struct {
	frame

	Answer *shown
	URL    string // of the page with all of it
	Error  *question.Error
}

// embed: GET /embed/{question}. Its errors are in the frame, too.
func (s *Site) embed(w http.ResponseWriter, r *http.Request, v View) error {
	return s.keep(w, r, v, "embed", anyone, func() (built, error) {
		p := s.embedPage(r, v)
		return built{p.status(), p, p.Error == nil}, nil
	})
}

func (s *Site) embedPage(r *http.Request, v View) *embedPage {
	a, _, err := s.parse(r)
	p := &embedPage{frame: s.frame(v, "", ""), URL: v.Base + "/"}
	if err == nil {
		p.Title, p.URL = label(a.served.Question.Title, a.served.Question.Name), v.Base+askPath(a.req, "")
		err = a.pins(datasetKey, "dataset", s.cfg.Dataset.Digest)
	}
	if err == nil {
		var answer *question.Answer
		var found *shown
		if answer, found, err = s.answer(r.Context(), v, a.served.Question, a.req); err == nil {
			err = a.pins(pluginKey, "plugin", answer.Provenance.PluginDigest)
		}
		if err == nil {
			p.Answer = found
			p.Answer.Grid = gridOf(answer.Table, "", 1, nil)
			p.Answer.Grid.Caption = p.Title
			if p.Answer.Grid.Rows > pageRows {
				p.Answer.Grid = gridOf(answer.Table, "", 1, func(string, int) string { return "" })
				p.Answer.Grid.Pages = nil
			}
		}
	}
	if err != nil {
		p.Error = v.Fail(err)
	}
	return p
}

func (p *embedPage) status() int {
	if p.Error == nil {
		return http.StatusOK
	}
	return p.Error.Code.Info().Status
}
