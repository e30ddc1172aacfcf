package httpapi_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/render"
)

// benchJobs has one job, which is done.
type benchJobs struct {
	*fakeJobs
	job *question.Job
}

func (j benchJobs) Submit(context.Context, question.Request) (*question.Job, error) {
	return j.job, nil
}
func (j benchJobs) Get(context.Context, string) (*question.Job, error) { return j.job, nil }

// states is an answer of states_mean, with 55 locations.
func states() *question.Job {
	job := done
	job.ID, job.Request.Question = id1, "states_mean"
	location := question.Column{Name: "location", Type: question.String, Role: question.RoleKey}
	mean := question.Column{Name: "mean", Type: question.Number, Role: question.RoleValue, Unit: "%"}
	for i := range 55 {
		location.Dict = append(location.Dict, fmt.Sprintf("State %d", i))
		location.Codes = append(location.Codes, int32(i))
		mean.Numbers = append(mean.Numbers, 20+float64(i)/7)
	}
	job.Result = &question.Table{Layout: question.LayoutMap, Columns: []question.Column{location, mean}}
	return &job
}

func BenchmarkHandler(b *testing.B) {
	bodyOf := []byte(`{"question":"Percent of adults aged 18 years and older who have obesity"}`)
	for _, log := range []struct {
		name string
		log  *slog.Logger
	}{{"log", slog.New(slog.NewJSONHandler(struct{ io.Writer }{io.Discard}, nil))}, {"quiet", slog.New(slog.DiscardHandler)}} {
		h, err := httpapi.New(httpapi.Config{Catalog: newCatalog(), Jobs: benchJobs{newJobs(), states()}, Formats: render.Formats, Log: log.log})
		if err != nil {
			b.Fatal(err)
		}
		for _, tt := range []struct {
			name, method, target string
			body                 []byte
			status               int
			want                 string
		}{
			{"POST", "POST", "/api/states_mean", bodyOf, 202, `"job_id":"` + id1 + `"`},
			{"GET", "GET", "/api/get_results/" + id1, nil, 200, `"State 1":20.142857142857142,`},
		} {
			b.Run(tt.name+"/"+log.name, func(b *testing.B) {
				body := bytes.NewReader(tt.body)
				r := httptest.NewRequest(tt.method, tt.target, io.NopCloser(body))
				r.Header.Set("Content-Type", "application/json")
				w := &keep{header: http.Header{}}
				b.ReportAllocs()
				for b.Loop() {
					body.Reset(tt.body)
					clear(w.header)
					w.body = w.body[:0]
					h.ServeHTTP(w, r)
				}
				if w.status != tt.status || !strings.Contains(string(w.body), tt.want) {
					b.Fatalf("%d %s", w.status, w.body)
				}
			})
		}
	}
}

// An answer without a job, and that the client's copy of it is still valid, take little more
// than /healthz.
func BenchmarkGet(b *testing.B) {
	j := newJobs()
	j.answer = states()
	h, err := httpapi.New(httpapi.Config{
		Catalog: newCatalog(), Jobs: j, Formats: render.Formats, MaxKept: 1 << 20, Version: "1.2.3", Log: slog.New(slog.DiscardHandler),
		Dataset: question.DatasetInfo{Digest: datasetDigest},
		Schema:  schemaOf{{Name: "question", Type: question.String, Role: question.RoleDimension, Dict: []string{longQuestion}}},
	})
	if err != nil {
		b.Fatal(err)
	}
	target := "/api/states_mean.json?question=" + url.QueryEscape(longQuestion)
	first := httptest.NewRecorder()
	h.ServeHTTP(first, httptest.NewRequest("GET", target, nil))
	for _, tt := range []struct {
		name, target, tag string
		status            int
		want              string
	}{
		{"healthz", "/healthz", "", 200, "1.2.3"},
		{"answer", target, "", 200, `"State 1":20.142857142857142,`},
		{"304", target, first.Header().Get("ETag"), 304, ""},
	} {
		b.Run(tt.name, func(b *testing.B) {
			r := httptest.NewRequest("GET", tt.target, nil)
			if tt.tag != "" {
				r.Header.Set("If-None-Match", tt.tag)
			}
			w := &keep{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				w.body = w.body[:0]
				h.ServeHTTP(w, r)
			}
			if w.status != tt.status || !strings.Contains(string(w.body), tt.want) {
				b.Fatalf("%d %s", w.status, w.body)
			}
		})
	}
	if n := len(j.answered); n != 1 {
		b.Errorf("%d answers were computed", n)
	}
}

const longQuestion = "Percent of adults aged 18 years and older who have obesity"

// keep is a response in a buffer that is reused.
type keep struct {
	header http.Header
	status int
	body   []byte
}

func (k *keep) Header() http.Header    { return k.header }
func (k *keep) WriteHeader(status int) { k.status = status }
func (k *keep) Write(b []byte) (int, error) {
	k.body = append(k.body, b...)
	return len(b), nil
}
