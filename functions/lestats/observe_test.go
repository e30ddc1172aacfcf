package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// lifeOf returns the lines of a log in JSON that name a job.
func lifeOf(t *testing.T, log, id string) (lines []map[string]any) {
	t.Helper()
	for line := range strings.Lines(log) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if v["job"] == id {
			lines = append(lines, v)
		}
	}
	return lines
}

// A job's life can be read from the logs of the server that accepted it and of the worker
// that ran it: by its id, the client's trace and the id of the request.
func TestLifeOfAJobInTheLog(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it starts a bucket, a queue, a server and a worker")
	}
	newCloud(t)
	plugins := faultsFolder(t)
	logged := []string{"--log-format", "json", "--log-level", "debug", "--plugins", plugins}
	server := serve(t, nil, append(logged, "--workers", "1", "--time-limit", "5s")...)

	for range 2 { // one keeps the server's only worker busy, the other waits in the queue
		server.call("POST", "/api/endless_loop", "{}")
	}
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.url+"/api/states_mean",
		strings.NewReader(`{"question":"Percent of adults aged 18 years and older who have obesity"}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Content-Type": "application/json", "X-Request-Id": "my-request", "Traceparent": "00-" + trace + "-00f067aa0ba902b7-01"} {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var accepted struct {
		ID string `json:"job_id"`
	}
	if err := json.NewDecoder(response.Body).Decode(&accepted); err != nil || response.StatusCode != http.StatusAccepted {
		t.Fatal(response.Status, err)
	}
	worker := work(t, append(logged, "--time-limit", "1s")...)
	waited := time.Now()
	for {
		status, v := server.call("GET", "/api/get_results/"+accepted.ID+"?wait=30", "")
		if status == http.StatusOK && v["status"] == string(question.Done) {
			break
		}
		if time.Since(waited) > time.Minute {
			t.Fatal(status, v)
		}
	}
	var life []map[string]any
	for _, p := range []*process{server, worker} {
		p.stop()
		life = append(life, lifeOf(t, p.log.String(), accepted.ID)...)
	}
	slices.SortStableFunc(life, func(a, b map[string]any) int {
		return strings.Compare(a["time"].(string), b["time"].(string))
	})
	var b bytes.Buffer
	var order []string
	for _, line := range life {
		order = append(order, line["msg"].(string))
		if err := json.NewEncoder(&b).Encode(line); err != nil {
			t.Fatal(err)
		}
		switch message := line["msg"]; message {
		case "job accepted", "request":
			if line["request"] != "my-request" && line["method"] != "GET" {
				t.Errorf("%s: request %v", message, line["request"])
			}
			if line["method"] == "GET" { // a poll has no trace
				continue
			}
		case "job started", "job ended":
		default:
			continue
		}
		if line["trace"] != trace || line["question"] != "states_mean" {
			t.Errorf("%s: trace %v, question %v", line["msg"], line["trace"], line["question"])
		}
		if line["msg"] == "job ended" {
			for _, name := range []string{"status", "attempts", "waited_ms", "ran_ms", "fuel", "plugin", "digest"} {
				if line[name] == nil {
					t.Errorf("the end has no %s", name)
				}
			}
			if w, _ := line["waited_ms"].(float64); w <= 0 {
				t.Errorf("it waited %v ms", line["waited_ms"])
			}
		}
	}
	for _, want := range []string{"job accepted", "job started", "job ended"} {
		if n := slices.Index(order, want); n < 0 || slices.Contains(order[n+1:], want) {
			t.Errorf("%q is not there once", want)
		}
	}
	a, s, e := slices.Index(order, "job accepted"), slices.Index(order, "job started"), slices.Index(order, "job ended")
	if a > s || s > e || t.Failed() {
		t.Errorf("its life:\n%s", b.String())
	}
}
