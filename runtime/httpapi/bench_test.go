package httpapi_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
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

// states is what states_mean answers: 55 locations.
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
		h, err := httpapi.New(httpapi.Config{Catalog: newCatalog(), Jobs: benchJobs{newJobs(), states()}, Render: renderers, Log: log.log})
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

// keep is a response in a buffer that serves again.
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
