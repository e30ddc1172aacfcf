package queue_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/queue"
	"github.com/le-stats-sportifs/lestats/runtime/queue/queuetest"
)

func open(t *testing.T, url string) *queue.Queue {
	t.Helper()
	q, err := queue.Open(t.Context(), queue.Config{URL: url, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func receive(t *testing.T, q *queue.Queue, hidden time.Duration) []queue.Message {
	t.Helper()
	messages, err := q.Receive(t.Context(), hidden)
	if err != nil {
		t.Fatal(err)
	}
	return messages
}

// What is sent comes, until it is done with.
func TestQueue(t *testing.T) {
	s := queuetest.Start(t)
	q := open(t, s.Jobs)
	var want []string
	for _, id := range []string{"a", "b", "c"} {
		want = append(want, queue.Body(id))
		if err := q.Send(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	messages := receive(t, q, time.Minute)
	var got []string
	for _, m := range messages {
		got = append(got, m.Body)
		if m.Receives != 1 || m.ID == "" {
			t.Errorf("%+v", m)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Fatalf("%q; want %q", got, want)
	}
	if err := q.Done(t.Context(), messages[:2]); err != nil {
		t.Error(err)
	}
	if err := q.Return(t.Context(), messages[2], 0); err != nil {
		t.Error(err)
	}
	again := receive(t, q, time.Minute)
	if len(again) != 1 || again[0].Body != messages[2].Body || again[0].ID != messages[2].ID {
		t.Fatalf("%+v", again)
	}
	if err := q.Done(t.Context(), again); err != nil {
		t.Error(err)
	}
	if err := q.Done(t.Context(), again); question.CodeOf(err) != question.CodeQueueUnavailable || !strings.Contains(err.Error(), "1 of 1") {
		t.Errorf("a second time: %v", err)
	}
	if err := q.Done(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// A message that comes back too often is in the dead queue.
func TestDeadQueue(t *testing.T) {
	s := queuetest.Start(t)
	q := open(t, s.Jobs)
	if err := q.Send(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	for n := range queuetest.Receives {
		messages := receive(t, q, time.Minute)
		if len(messages) != 1 {
			t.Fatalf("%d: %+v", n, messages)
		}
		if err := q.Return(t.Context(), messages[0], 0); err != nil {
			t.Fatal(err)
		}
	}
	if messages := receive(t, open(t, s.Dead), time.Minute); len(messages) != 1 || messages[0].Body != queue.Body("a") {
		t.Errorf("%+v", messages)
	}
}

// goaws says 1 always; SQS says how often a message was delivered.
func TestReceives(t *testing.T) {
	count := `,"Attributes":{"ApproximateReceiveCount":"7"}`
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		asked, err := io.ReadAll(r.Body)
		if err != nil || !strings.Contains(string(asked), "ApproximateReceiveCount") || !strings.Contains(string(asked), `"VisibilityTimeout":61`) {
			t.Errorf("%s, %v", asked, err)
		}
		fmt.Fprintf(w, `{"Messages":[{"MessageId":"m","ReceiptHandle":"r","Body":"b"%s}]}`, count)
	}))
	defer s.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "x")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	q := open(t, s.URL+"/1/jobs")
	if m := receive(t, q, 60*time.Second+1); len(m) != 1 || m[0].ID != "m" || m[0].Body != "b" || m[0].Receives != 7 {
		t.Errorf("%+v", m)
	}
	count = ""
	if m := receive(t, q, 60*time.Second+1); len(m) != 1 || m[0].Receives != 1 {
		t.Errorf("%+v", m)
	}
}

// A queue that is away, or was never there, is an error that names it; a context that
// ends is one that can be told.
func TestAway(t *testing.T) {
	s := queuetest.Start(t)
	if err := open(t, s.Jobs).Ping(t.Context()); err != nil {
		t.Error(err)
	}
	absent := open(t, strings.TrimSuffix(s.Jobs, "jobs")+"other")
	if err := absent.Ping(t.Context()); question.CodeOf(err) != question.CodeQueueUnavailable || !strings.Contains(err.Error(), "other") {
		t.Errorf("%v", err)
	}
	q := open(t, s.Jobs)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if messages, err := q.Receive(ctx, time.Minute); err == nil {
		t.Errorf("%+v", messages)
	}
	s.Kill()
	for what, err := range map[string]error{"ping": q.Ping(t.Context()), "send": q.Send(t.Context(), "a")} {
		if question.CodeOf(err) != question.CodeQueueUnavailable || !strings.Contains(err.Error(), "jobs") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, url := range []string{"", "jobs", "arn:aws:sqs:eu-west-1:1:jobs", "https://sqs.eu-west-1.amazonaws.com", "https:///jobs", "ftp://host/jobs", "http://user:secret@host/jobs", "http://host/jobs?x=1"} {
		if _, err := queue.Open(t.Context(), queue.Config{URL: url}); question.CodeOf(err) != question.CodeQueueUnavailable {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestName(t *testing.T) {
	for address, want := range map[string]string{
		"https://sqs.eu-west-1.amazonaws.com/123456789012/jobs": "jobs",
		"arn:aws:sqs:eu-west-1:123456789012:jobs-dead":          "jobs-dead",
	} {
		if got := queue.Name(address); got != want {
			t.Errorf("%s: %q; want %q", address, got, want)
		}
	}
}

func TestBody(t *testing.T) {
	if id, err := queue.Job(queue.Body("x")); err != nil || id != "x" {
		t.Errorf("%q, %v", id, err)
	}
	for _, body := range []string{
		"", "x", "{}", `{"lestats":1}`, `{"lestats":2,"job":"x"}`, `{"lestats":1,"job":1}`, `{"lestats":1,"job":"x","y":1}`, `{"lestats":1,"job":"x"} {}`, `["x"]`, "null",
	} {
		if id, err := queue.Job(body); err == nil {
			t.Errorf("%q names the job %q", body, id)
		}
	}
}

// Whatever a message says, it is a job's, which reads the same when written again, or
// an error with a reason of bounded length.
func FuzzJob(f *testing.F) {
	f.Add(queue.Body("01936ac2-5b00-7c3e-9a41-6f0de1b4a7f2"))
	f.Add(`{"lestats":1,"job":"\u0000"}`)
	f.Fuzz(func(t *testing.T, body string) {
		id, err := queue.Job(body)
		if err != nil {
			if id != "" || len(err.Error()) > 1000 {
				t.Errorf("%q, %v", id, err)
			}
			return
		}
		if again, err := queue.Job(queue.Body(id)); err != nil || again != id {
			t.Errorf("%q became %q, %v", id, again, err)
		}
	})
}
