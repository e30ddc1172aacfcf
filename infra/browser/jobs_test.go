package browser

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// jobs returns a server of its own with one worker, and questions that never end.
func jobs(t *testing.T) *server {
	t.Helper()
	limits := filepath.Join(t.TempDir(), "limits.yaml")
	if err := os.WriteFile(limits, []byte("default:\n  time: 5m\n  fuel: 1000000e9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, stop := start(t, "--plugins", folder(t, "faults"), "--workers", "1", "--limits", limits, "--time-limit", "5m")
	t.Cleanup(stop)
	return s
}

// submit asks a question as a job and returns the job's id.
func submit(t *testing.T, s *server, question string, params map[string]any) string {
	t.Helper()
	body, err := json.Marshal(params)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Post(s.URL+"/api/"+question, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var job struct {
		ID string `json:"job_id"`
	}
	if err := json.Unmarshal(answer, &job); err != nil || job.ID == "" {
		t.Fatalf("POST %s: %s: %s", question, resp.Status, answer)
	}
	return job.ID
}

// ended waits until a job has ended.
func ended(t *testing.T, s *server, id string) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		resp, err := client.Get(s.URL + "/api/get_results/" + id)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if !strings.Contains(string(body), `"status":"running"`) {
			return
		}
	}
	t.Fatalf("job %s does not end", id)
}

// TestJobs looks at jobs in every state, and sees them change while a page is open.
func TestJobs(t *testing.T) {
	s := jobs(t)
	done := submit(t, s, "estimates", map[string]any{"question": obesity, "year": 2023})
	ended(t, s, done)
	failed := submit(t, s, "unreachable", map[string]any{})
	ended(t, s, failed)
	running := submit(t, s, "endless_loop", map[string]any{})
	waiting := submit(t, s, "by_year", map[string]any{"question": obesity, "state": "Ohio"})
	for _, p := range []state{
		{"jobs", "/jobs", 200, []string{"done", "running", "waiting", "no result"}, true},
		{"job-done", "/jobs/" + done, 200, []string{"done", "See it drawn", "2023"}, true},
		{"job-failed", "/jobs/" + failed, 200, []string{"no result", "For programs"}, true},
		{"job-running", "/jobs/" + running, 200, []string{"running", "Cancel"}, true},
		{"job-waiting", "/jobs/" + waiting, 200, []string{"waiting", "Cancel"}, true},
	} {
		t.Run(p.name, func(t *testing.T) { inspect(t, s, p) })
	}
	t.Run("busy", func(t *testing.T) { // the only worker is taken
		b := open(t, s.URL, light)
		b.visit("/", 200)
		b.shot("busy-home")
		if text := b.text("main"); !strings.Contains(text, "no answer now") || !strings.Contains(text, "Questions") {
			t.Errorf("/ of a busy server says %.300q", text)
		}
		b.visit(q("estimates", "question", obesity, "year", "2022"), 503)
		b.shot("busy-question")
		if text := b.text("main"); !strings.Contains(text, "ask again in") {
			t.Errorf("a question of a busy server says %.300q", text)
		}
		b.accessible()
		b.quiet()
	})
	t.Run("live", func(t *testing.T) {
		list, page := open(t, s.URL, light), open(t, s.URL, light)
		list.visit("/jobs", 200)
		page.visit("/jobs/"+waiting, 200)
		const states = `[...document.querySelectorAll("[data-state]")].map(e => e.innerText.trim()).join()`
		list.until("the list shows what runs", states+`.includes("running")`)
		plainTab := open(t, s.URL, plain) // cancels, as a form
		plainTab.visit("/jobs/"+running, 200)
		plainTab.press("Cancel")
		list.until("the list shows that the job was cancelled", states+`.includes("cancelled") && !`+states+`.includes("waiting")`)
		page.until("the page shows the answer that waited", `document.body.innerText.includes("See it drawn")`)
		list.shot("jobs-live")
		if got := plainTab.text("main"); !strings.Contains(got, "cancelled") {
			plainTab.visit("/jobs/"+running, 200)
			if got = plainTab.text("main"); !strings.Contains(got, "cancelled") {
				t.Errorf("the cancelled job's page says %.200q", got)
			}
		}
		plainTab.press("Ask again")
		if plainTab.where() == s.URL+"/jobs/"+running || !strings.Contains(plainTab.where(), "/jobs/") {
			t.Errorf("asking again leads to %s", plainTab.where())
		}
		plainTab.press("Cancel") // frees the worker
		for _, b := range []*tab{list, page, plainTab} {
			b.quiet()
		}
	})
	t.Run("drawn", func(t *testing.T) {
		b := open(t, s.URL, phone)
		b.visit("/jobs/"+done, 200)
		b.press("See it drawn")
		if !strings.HasPrefix(b.where(), s.URL+"/q/estimates?") {
			t.Errorf("the job's answer is drawn at %s", b.where())
		}
		b.quiet()
	})
	t.Run("of another site", func(t *testing.T) {
		req, _ := http.NewRequest(http.MethodPost, s.URL+"/jobs/"+done+"/retry", nil)
		req.Header.Set("Origin", "https://elsewhere.example")
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode < 400 {
			t.Errorf("a form of another site may ask again: status %d", resp.StatusCode)
		}
	})
}
