package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

func TestCatalogRoutes(t *testing.T) {
	s := serve(t)
	var questions struct {
		Status  string
		Data    []question.ServedQuestion
		Dataset question.DatasetInfo
	}
	w := s.do("GET", "/api/questions", "")
	if err := json.Unmarshal(w.Body.Bytes(), &questions); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %v", w.Code, err)
	}
	if questions.Status != "done" || len(questions.Data) != 2 || questions.Data[0].Question.Name != "states_mean" || !questions.Dataset.Synthetic {
		t.Errorf("%+v", questions)
	}
	var plugins struct {
		Status string
		Data   []question.PluginInfo
	}
	w = s.do("GET", "/api/plugins", "")
	if err := json.Unmarshal(w.Body.Bytes(), &plugins); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %v", w.Code, err)
	}
	if plugins.Status != "done" || len(plugins.Data) != 2 || plugins.Data[1].Error.Code != question.CodeBadPlugin {
		t.Errorf("%+v", plugins)
	}
	s.catalog.offers = nil
	if w := s.do("GET", "/api/questions", ""); !strings.Contains(w.Body.String(), `"data":[]`) {
		t.Errorf("no questions: %s", w.Body)
	}
}

// A question that does not fit the dataset has a reason of its own.
func TestUnfitQuestion(t *testing.T) {
	s := serve(t)
	s.catalog.more = []question.PluginInfo{{Name: "estimates", Serving: true, Unfit: []question.UnfitQuestion{{Name: "estimates", Lacks: []string{"low"}}}}}
	for method, body := range map[string]string{"POST": "{}", "GET": ""} {
		w := s.do(method, "/api/estimates", body)
		wantError(t, w, 404, question.CodeUnknownQuestion)
		if !strings.Contains(w.Body.String(), "estimates does not fit this dataset: it needs the column low") {
			t.Errorf("%s: %s", method, w.Body)
		}
	}
}

func TestReady(t *testing.T) {
	var reason error
	s := serve(t, func(c *httpapi.Config) { c.Ready = func(context.Context) error { return reason } })
	wantBody(t, s.do("GET", "/readyz", ""), http.StatusOK, `{"status":"ready","version":"1.2.3"}`+"\n")
	if w := s.do("HEAD", "/readyz", ""); w.Code != http.StatusOK || w.Body.Len() > 0 {
		t.Errorf("HEAD: %d %s", w.Code, w.Body)
	}
	reason = question.Errorf(question.CodeStoreUnavailable, "the bucket does not answer")
	wantError(t, s.do("GET", "/readyz", ""), 503, question.CodeStoreUnavailable)
	reason = nil
	s.catalog.offers = nil
	wantError(t, s.do("GET", "/readyz", ""), 503, question.CodeNotReady)
	wantBody(t, s.do("GET", "/healthz", ""), http.StatusOK, `{"status":"ok","version":"1.2.3"}`+"\n")

	// Every failure of a probe is 503.
	s = serve(t, func(c *httpapi.Config) { c.Ready = func(context.Context) error { return errors.New("no idea") } })
	if w := s.do("GET", "/readyz", ""); w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
