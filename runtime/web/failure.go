package web

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// failurePage is the data of the template "failure".
type failurePage struct {
	frame

	Heading string
	Status  int
	Error   *question.Error
	Links   []link
}

type link struct{ URL, Text string }

// headings say what a status means, for people.
var headings = map[int]string{
	http.StatusNotFound:            "There is nothing here",
	http.StatusForbidden:           "You may not see this",
	http.StatusMethodNotAllowed:    "This cannot be done here",
	http.StatusServiceUnavailable:  "This is not available now",
	http.StatusInternalServerError: "Something went wrong here",
}

// ErrorPage writes an error that no other page shows, with its status.
func (s *Site) ErrorPage(w http.ResponseWriter, _ *http.Request, v View, e *question.Error) {
	info := e.Code.Info()
	p := &failurePage{frame: s.frame(v, "", ""), Heading: headings[info.Status], Status: info.Status, Error: e}
	if e.Code == question.CodeUnknownQuestion {
		p.Heading = "There is no such question"
		for _, name := range e.Hint {
			p.Links = append(p.Links, link{v.Under + "/q/" + name, name})
		}
	}
	if p.Heading == "" {
		p.Heading = "This request cannot be answered"
	}
	for _, hint := range e.Hint {
		if e.Code == question.CodeUnknownRoute && strings.HasPrefix(hint, "/") && !strings.Contains(hint, "{") {
			p.Links = append(p.Links, link{v.Under + hint, hint})
		}
	}
	p.Title = p.Heading
	w.Header().Set("Cache-Control", "no-store")
	if info.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(info.RetryAfter))
	}
	if err := s.send(w, info.Status, "failure", p); err != nil {
		panic(err) // the template is a constant of this program
	}
}
