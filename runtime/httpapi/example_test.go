package httpapi_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/render"
)

// memoryService returns a handler whose jobs end at once, in memory.
func memoryService() http.Handler {
	jobs := newJobs()
	jobs.answer = &done
	h, err := httpapi.New(httpapi.Config{Catalog: newCatalog(), Jobs: jobs, Formats: render.Formats, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	return h
}

func show(h http.Handler, r *http.Request) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body, _ := io.ReadAll(w.Body)
	fmt.Printf("%d %s\n", w.Code, strings.ReplaceAll(strings.TrimSpace(string(body)), "\r\n", "\n"))
}

// Ask, then fetch, as the original's clients do.
func Example() {
	h := memoryService()
	show(h, httptest.NewRequest("POST", "/api/states_mean", strings.NewReader(`{"question":"obesity"}`)))
	show(h, httptest.NewRequest("GET", "/api/get_results/01936ac2-5b00-7c3e-9a41-000000000001?format=csv", nil))
	// Output:
	// 202 {"status":"running","job_id":"01936ac2-5b00-7c3e-9a41-000000000001"}
	// 200 location,mean,synthetic
	// Utah,24.1,true
	// Ohio,33.2,true
}

// Ask and wait for the answer in one request.
func Example_wait() {
	r := httptest.NewRequest("POST", "/api/states_mean?layout=rows", strings.NewReader(`{"question":"obesity"}`))
	r.Header.Set("Prefer", "wait=10")
	show(memoryService(), r)
	// Output:
	// 200 {"status":"done","data":[{"location":"Utah","mean":24.1},{"location":"Ohio","mean":33.2}],"job_id":"01936ac2-5b00-7c3e-9a41-000000000001","question":"states_mean","units":{"mean":"%"},"provenance":{"dataset":"npao","dataset_digest":"sha256:00000000000000000000000000000000000000000000000000000000000000da","synthetic":true,"plugin":"sportifs","plugin_version":"1.0.0","plugin_digest":"sha256:00000000000000000000000000000000000000000000000000000000000000b1","rows_selected":3}}
}

// An error has suggestions.
func Example_error() {
	show(memoryService(), httptest.NewRequest("GET", "/api/num_job", nil))
	// Output:
	// 404 {"status":"error","code":"unknown_route","reason":"there is nothing at \"/api/num_job\"; / lists the routes","hint":["/api/num_jobs"]}
}
