package httpapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

// withPages adds a home page, a page of questions that fails if its query says how, and one
// that may be framed.
func withPages(c *httpapi.Config) {
	write := func(w http.ResponseWriter, r *http.Request, v httpapi.View) error {
		switch r.URL.RawQuery {
		case "internal":
			return errors.New("secret")
		case "wrong":
			return question.Errorf(question.CodeBadRequest, "the query is wrong")
		case "shown":
			w.WriteHeader(http.StatusBadRequest)
			_, err := fmt.Fprint(w, v.Fail(errors.New("secret")).Reason)
			return err
		}
		w.Header().Set("Content-Type", "text/html")
		_, err := fmt.Fprintf(w, "<p>%s|%s|%t|%s", v.Base, v.Under, v.Keyed, r.PathValue("question"))
		return err
	}
	c.Pages = []httpapi.Page{
		{ID: "home", Path: "/", Serve: write},
		{ID: "page", Path: "/q/{question}", Summary: "A page", Serve: write},
		{ID: "embed", Path: "/embed/{question}", Summary: "A frame", Frame: true, Serve: write},
	}
	c.ErrorPage = func(w http.ResponseWriter, _ *http.Request, v httpapi.View, e *question.Error) {
		w.WriteHeader(e.Code.Info().Status)
		_, _ = fmt.Fprintf(w, "<h1>%s %s", v.Under, e.Error())
	}
}

func TestPageRoutes(t *testing.T) {
	s := serve(t, withPages, func(c *httpapi.Config) { c.BasePath = "/stats" })
	keyed := serve(t, withPages, func(c *httpapi.Config) { c.ClientKey = "k" })
	for _, c := range []struct {
		*service
		method, target, header string
		status                 int
		want                   string
	}{
		{s, "GET", "/", browser, 200, "<p>http://example.com/stats|/stats|false|"},
		{s, "GET", "/stats", browser, 200, "<p>http://example.com/stats|/stats|false|"},
		{s, "GET", "/", "Accept: */*", 200, "Le Stats Sportifs (1.2.3)"},
		{s, "GET", "/", "Accept: text/html;q=0.5, text/*", 200, "Le Stats Sportifs (1.2.3)"},
		{s, "GET", "/q/states_mean?x=1", "Accept: */*", 200, "<p>http://example.com/stats|/stats|false|states_mean"},
		{s, "HEAD", "/q/states_mean", browser, 200, ""},
		{s, "GET", "/embed/states_mean", browser, 200, "<p>"},
		{s, "GET", "/q/states_mean?wrong", "Accept: */*", 400, "<h1>/stats bad_request: the query is wrong"},
		{s, "GET", "/q/states_mean?internal", browser, 500, "<h1>/stats internal: a defect"},
		{s, "GET", "/q/states_mean?shown", browser, 400, "a defect of the server"},
		{s, "GET", "/q/stats_mean?wrong", browser, 404, "<h1>/stats unknown_question"},
		{s, "POST", "/q/states_mean", browser, 405, "<h1>/stats method_not_allowed"},
		{s, "GET", "/nowhere", browser, 404, "<h1>/stats unknown_route"},
		{s, "GET", "/nowhere", "Accept: */*", 404, `{"status":"error"`},
		{s, "GET", "/api/nowhere", browser, 404, `{"status":"error"`},
		{keyed, "GET", "/q/states_mean", "X-Api-Key: k", 200, "<p>http://example.com||true|states_mean"},
		{keyed, "GET", "/embed/states_mean", "X-Api-Key: k", 404, `{"status":"error"`},
		{keyed, "GET", "/nowhere", browser, 401, "<h1> key_required"},
	} {
		w := c.do(c.method, c.target, "", c.header)
		if w.Code != c.status || !strings.HasPrefix(w.Body.String(), c.want) || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s %s %s: %d %s", c.method, c.target, c.header, w.Code, w.Body)
		}
		if c.method == "HEAD" && w.Body.Len() > 0 {
			t.Errorf("HEAD has a body: %s", w.Body)
		}
	}
	if log := s.log.String(); strings.Count(log, "secret") != 2 {
		t.Errorf("the log has the errors of pages, too:\n%s", log)
	}
	if w := s.do("GET", "/openapi.json", ""); !strings.Contains(w.Body.String(), `"/q/{question}"`) {
		t.Errorf("the description lacks the pages")
	}
}
