package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// sent is one event as a client reads it.
type sent struct{ id, name, data string }

// readEvents reads a stream to its end.
func readEvents(t testing.TB, r io.Reader) (events []sent) {
	t.Helper()
	var e sent
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data = value
		case "retry":
		case "":
			if e.name != "" {
				events = append(events, e)
			} else if e != (sent{}) {
				t.Errorf("an event without a name: %+v", e)
			}
			e = sent{}
		default:
			t.Errorf("an unknown line %q", lines.Text())
		}
	}
	return events
}

// The time that a server gives clients to send a request does not end a stream, nor a wait
// for a result.
func TestReadTimeout(t *testing.T) {
	s := serve(t)
	server := httptest.NewUnstartedServer(s)
	server.Config.ReadTimeout = 50 * time.Millisecond
	server.Start()
	defer server.Close()
	for path, want := range map[string]string{"/api/jobs/%s/events": "event: end", "/api/get_results/%s?wait=10": `"status":"done"`} {
		id := s.submit(t)
		ends := time.AfterFunc(4*server.Config.ReadTimeout, func() { s.jobs.end(id, done) })
		resp, err := server.Client().Get(server.URL + fmt.Sprintf(path, id))
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s: %s %v", path, body, err)
		}
		_ = resp.Body.Close()
		ends.Stop()
	}
}

func TestEvents(t *testing.T) {
	s := serve(t)
	server := httptest.NewServer(s)
	defer server.Close()
	running := s.submit(t)
	get := func(id string, header ...string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/jobs/"+id+"/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(header) > 0 {
			r.Header.Set("Last-Event-ID", header[0])
		}
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp
	}
	resp := get(running)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%s %v", resp.Status, resp.Header)
	}
	again := get(running, "queued-0")
	s.jobs.end(running, done) // both are being followed: their headers are there
	events := readEvents(t, resp.Body)
	if len(events) != 2 || events[0].name != "state" || events[0].id != "queued-0" || events[1].name != "end" || events[1].id != "done-0" {
		t.Fatalf("%+v", events)
	}
	var last struct {
		question.Job

		Location string
	}
	if err := json.Unmarshal([]byte(events[1].data), &last); err != nil || last.ID != running || last.Status != question.Done || last.Result != nil || last.Location != "/api/get_results/"+running {
		t.Errorf("%s (%v)", events[1].data, err)
	}
	if events := readEvents(t, again.Body); len(events) != 1 || events[0].name != "end" {
		t.Errorf("who has the first event gets %+v", events)
	}
	if resp := get(running, "done-0"); resp.StatusCode != http.StatusNoContent {
		t.Errorf("who has all events gets %s", resp.Status)
	}
	if events := readEvents(t, get(running, "running-1").Body); len(events) != 1 || events[0].name != "end" {
		t.Errorf("who has missed the end gets %+v", events)
	}
	secret := s.finished(t, question.Job{Status: question.Failed, Error: question.Errorf(question.CodeStoreUnavailable, "/secret/path\nevent: end")})
	events = readEvents(t, get(secret).Body)
	if len(events) != 1 || events[0].name != "end" || strings.Contains(events[0].data, "secret") || strings.Contains(events[0].data, "location") {
		t.Errorf("%+v", events)
	}
}

func TestEventsOfNothing(t *testing.T) {
	s := serve(t)
	wantError(t, s.do("GET", "/api/jobs/x/events", ""), 400, question.CodeBadID)
	wantError(t, s.do("GET", "/api/jobs/"+id1+"/events", ""), 404, question.CodeUnknownJob)
	wantError(t, s.do("GET", "/api/jobs/"+id1+"/events?wait=1", ""), 400, question.CodeBadRequest)
	wantError(t, s.do("POST", "/api/jobs/"+id1+"/events", ""), 405, question.CodeMethodNotAllowed)
	id := s.finished(t, done)
	if w := s.do("HEAD", "/api/jobs/"+id+"/events", ""); w.Code != 200 || w.Body.Len() > 0 || w.Header().Get("Content-Type") != "text/event-stream" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	keyed := serve(t, func(c *httpapi.Config) { c.ClientKey = "k" })
	wantError(t, keyed.do("GET", "/api/jobs/"+id1+"/events", ""), 403, question.CodeForbidden)
	under := serve(t, func(c *httpapi.Config) { c.BasePath = "/stats" })
	w := under.do("GET", "/stats/api/jobs/"+under.finished(t, done)+"/events", "")
	if events := readEvents(t, w.Body); len(events) != 1 || !strings.Contains(events[0].data, `"location":"/stats/api/get_results/`) {
		t.Errorf("%+v", events)
	}
}

// follow asks for the events of a job with a client's key, if it is not "". The caller closes
// the body.
func follow(ctx context.Context, t *testing.T, server *httptest.Server, id, key string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/api/jobs/"+id+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		r.Header.Set("X-Api-Key", key)
	}
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func TestEventsAreBounded(t *testing.T) {
	s := serve(t, func(c *httpapi.Config) { c.MaxStreams = 2 })
	server := httptest.NewServer(s)
	defer server.Close()
	id := s.submit(t)
	open := func(ctx context.Context) *http.Response { return follow(ctx, t, server, id, "") }
	first, leave := context.WithCancel(t.Context())
	one := open(first)
	defer func() { _ = one.Body.Close() }()
	two := open(t.Context())
	defer func() { _ = two.Body.Close() }()
	three := open(t.Context())
	body, err := io.ReadAll(three.Body)
	_ = three.Body.Close()
	if err != nil || three.StatusCode != 503 || three.Header.Get("Retry-After") == "" || !strings.Contains(string(body), `"code":"too_many_streams"`) {
		t.Fatalf("%s %s (%v)", three.Status, body, err)
	}
	leave() // makes room
	for range 100 {
		again := open(t.Context())
		_ = again.Body.Close()
		if again.StatusCode == 200 {
			s.jobs.end(id, done)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("a client that has left still takes a place")
}

// One named key does not take the streams of others.
func TestEventsOfOneKey(t *testing.T) {
	s := serve(t, withKeys, func(c *httpapi.Config) { c.MaxStreams = 3 })
	server := httptest.NewServer(s)
	defer server.Close()
	id := s.submit(t, "X-Api-Key: a")
	open := func(key string) *http.Response {
		resp := follow(t.Context(), t, server, id, key)
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp
	}
	for i, tt := range []struct {
		key, says string // "": it follows
	}{{"a", ""}, {"a", ""}, {"a", `the key \"alice\" follows 2 jobs`}, {"o", ""}, {"o", "3 clients follow events"}} {
		resp := open(tt.key)
		if tt.says == "" {
			if resp.StatusCode != 200 {
				t.Fatalf("%d: %s", i, resp.Status)
			}
			continue
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 503 || !strings.Contains(string(body), tt.says) {
			t.Fatalf("%d: %s %s (%v)", i, resp.Status, body, err)
		}
	}
	s.jobs.end(id, done) // all streams
	for range 100 {
		if resp := open("a"); resp.StatusCode == 200 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("streams that ended are still counted")
}

// A stream of a job that takes long says so, and ends after a while.
func TestEventsBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		id := s.submit(t)
		begin := time.Now()
		w := s.do("GET", "/api/jobs/"+id+"/events", "")
		if took := time.Since(begin); took != 15*time.Minute {
			t.Errorf("the stream ended after %v", took)
		}
		if n := strings.Count(w.Body.String(), ": waiting\n\n"); n < 85 || n > 90 {
			t.Errorf("%d heartbeats in 15 minutes", n)
		}
		s.jobs.jobs[0].Status, s.jobs.jobs[0].Started = question.Running, time.Now().Add(-3*time.Second)
		w = s.do("GET", "/api/jobs/"+id+"/events", "")
		events := readEvents(t, w.Body)
		if len(events) < 80 || events[0].name != "state" || events[1].name != "progress" || events[1].id != "" || events[1].data != `{"status":"running","running_ms":13000}` {
			t.Errorf("%+v", events)
		}
		s.jobs.end(id, done)
		synctest.Wait()
	})
}
