package httpapi

import (
	"io"
	"net/http"
	"net/url"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Mount is a route that another room serves, such as /metrics. The mux, /openapi.json and
// suggestions know it as they know every route. What is checked for every request is checked
// before it: the host, the client's key, the size of the body. The context of the request has
// its question.Origin.
type Mount struct {
	ID, Method, Path, Summary, Description string
	MediaType                              string // of the response
	Admin                                  bool   // it needs an admin key
	Body                                   object // JSON schema of the request's body; nil: none
	Example                                any    // of the body
	Accepted                               string // when it answers 202 with nothing, as a sentence; "": never
	// Codes are its error codes, in addition to those that every route has.
	Codes []question.Code
	// Serve answers. If it returns an error it has written nothing, and the error is the
	// response.
	// The read of a body that is too long fails with an *http.MaxBytesError.
	Serve func(w http.ResponseWriter, r *http.Request) error
}

// mounts returns the routes of Config.Mounts.
func (a *api) mounts() (routes []route) {
	for i := range a.cfg.Mounts {
		m := &a.cfg.Mounts[i]
		answers := []answer{{http.StatusOK, "The content.", object{m.MediaType: contentSchema(m.MediaType)}, nil}}
		if m.Accepted != "" {
			answers = append(answers, answer{http.StatusAccepted, m.Accepted, nil, nil})
		}
		routes = append(routes, route{
			ID: m.ID, Method: m.Method, Path: m.Path, Group: "Service", Summary: m.Summary, Description: m.Description,
			Admin: m.Admin, Body: m.Body, Example: m.Example, Codes: m.Codes, AnyQuery: true, Answers: answers,
			serve: func(w *response, r *http.Request, _ url.Values) error {
				if m.Admin {
					if err := a.mayOperate(r); err != nil {
						return err
					}
				}
				if w.body != nil {
					r.Body = io.NopCloser(w.body)
				}
				return m.Serve(w, r)
			},
		})
	}
	return routes
}
