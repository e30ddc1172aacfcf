package queue_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/queue"
	"github.com/le-stats-sportifs/lestats/runtime/queue/queuetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, url string, visibility time.Duration) *queue.SQS {
	t.Helper()
	q, err := queue.Open(queue.Config{URL: url, Visibility: visibility, Timeout: time.Second, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func receive(t *testing.T, q *queue.SQS) []question.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	messages, err := q.Receive(ctx, 10)
	if err != nil {
		t.Fatal(err)
	}
	return messages
}

func TestSQS(t *testing.T) {
	server := queuetest.Start(t)
	queuetest.Run(t, queuetest.Kind{}, func(t *testing.T, visibility time.Duration) queuetest.Queue {
		return open(t, server.New(t), visibility)
	})
}

func TestMemory(t *testing.T) {
	queuetest.Run(t, queuetest.Kind{Counts: true, Local: true}, func(_ *testing.T, visibility time.Duration) queuetest.Queue {
		return queue.NewMemory(visibility)
	})
}

// The queue in memory wakes one receiver for each message, whoever of them gives up.
func TestMemoryReceiversThatGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue.NewMemory(time.Minute)
		got := make(chan question.Message, 10)
		receiver := func(patience time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			messages, err := q.Receive(ctx, 1)
			if err != nil {
				t.Error(err)
			}
			for _, m := range messages {
				got <- m
			}
		}
		send := func(id string) {
			if err := q.Send(t.Context(), id); err != nil {
				t.Error(err)
			}
		}
		go receiver(time.Hour)
		go receiver(time.Hour)
		synctest.Wait()
		send("a")
		send("b")
		synctest.Wait()
		if len(got) != 2 {
			t.Fatalf("%d of 2 messages were received", len(got))
		}
		first := <-got
		<-got
		// One receiver learns when the message is available, and gives up; the other takes it.
		go receiver(10 * time.Second)
		synctest.Wait()
		go receiver(time.Hour)
		synctest.Wait()
		if err := q.ChangeVisibility(t.Context(), first, 20*time.Second); err != nil {
			t.Error(err)
		}
		time.Sleep(21 * time.Second)
		synctest.Wait()
		if len(got) != 1 {
			t.Fatal("a message that is available is not received")
		}
	})
}

// A message that was delivered too often moves to the dead-letter queue, and so does one
// that does not name a job: it is not received.
func TestDeadQueue(t *testing.T) {
	s := queuetest.Start(t)
	q := open(t, s.Jobs, time.Minute)
	if err := q.Send(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	for n := range queuetest.MaxReceives {
		messages := receive(t, q)
		if len(messages) != 1 {
			t.Fatalf("%d: %+v", n, messages)
		}
		if err := q.ChangeVisibility(t.Context(), messages[0], 0); err != nil {
			t.Fatal(err)
		}
	}
	if messages := receive(t, open(t, s.Dead, time.Minute)); len(messages) != 1 || messages[0].ID != "a" {
		t.Errorf("%+v", messages)
	}
}

// goaws always says 1; SQS counts the deliveries. A message that is not ours is left
// where it is.
func TestReceiveCount(t *testing.T) {
	count, body := `,"Attributes":{"ApproximateReceiveCount":"7"}`, `{\"lestats\":1,\"job\":\"a\"}`
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		asked, err := io.ReadAll(r.Body)
		if err != nil || !strings.Contains(string(asked), "ApproximateReceiveCount") || !strings.Contains(string(asked), `"VisibilityTimeout":61`) {
			t.Errorf("%s, %v", asked, err)
		}
		fmt.Fprintf(w, `{"Messages":[{"MessageId":"m0","ReceiptHandle":"r0","Body":"hello"},{"MessageId":"m","ReceiptHandle":"r","Body":"%s"%s}]}`, body, count)
	}))
	defer s.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "x")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	q := open(t, s.URL+"/1/jobs", time.Minute+1)
	if m := receive(t, q); len(m) != 1 || m[0] != (question.Message{ID: "a", Receipt: "r", ReceiveCount: 7}) {
		t.Errorf("%+v", m)
	}
	count = ""
	if m := receive(t, q); len(m) != 1 || m[0].ReceiveCount != 1 {
		t.Errorf("%+v", m)
	}
}

// Requests are signed with a role's credentials, which are renewed before they expire. That
// there are none is said, with the reason.
func TestRole(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	issued, lives := 0, time.Minute
	role := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if lives == 0 {
			http.NotFound(w, r)
			return
		}
		issued++
		fmt.Fprintf(w, `{"AccessKeyId":"ROLE%d","SecretAccessKey":"x","Token":"t%d","Expiration":%q}`, issued, issued, time.Now().Add(lives).UTC().Format(time.RFC3339))
	}))
	defer role.Close()
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", role.URL)
	var seen []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
		key, _, _ := strings.Cut(credential, "/")
		seen = append(seen, key+" "+r.Header.Get("X-Amz-Security-Token"))
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		fmt.Fprint(w, `{}`)
	}))
	defer s.Close()
	q := open(t, s.URL+"/1/jobs", time.Minute)
	for _, lives = range []time.Duration{time.Minute, time.Hour, time.Hour} {
		if err := q.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"ROLE1 t1", "ROLE2 t2", "ROLE2 t2"}; !slices.Equal(seen, want) {
		t.Errorf("signed as %v, want %v", seen, want)
	}
	lives = 0
	err := open(t, s.URL+"/1/jobs", time.Minute).Ping(t.Context())
	if question.CodeOf(err) != question.CodeQueueUnavailable || !strings.Contains(err.Error(), "no credentials; the IAM role: 404") || !strings.Contains(err.Error(), "set AWS_ACCESS_KEY_ID") {
		t.Errorf("%v", err)
	}
}

// The error for a queue that is unreachable or does not exist names it.
func TestAway(t *testing.T) {
	s := queuetest.Start(t)
	if err := open(t, s.Jobs, 0).Ping(t.Context()); err != nil {
		t.Error(err)
	}
	absent := open(t, strings.TrimSuffix(s.Jobs, "jobs")+"other", 0)
	if err := absent.Ping(t.Context()); question.CodeOf(err) != question.CodeQueueUnavailable || !strings.Contains(err.Error(), "other") {
		t.Errorf("%v", err)
	}
	q := open(t, s.Jobs, 0)
	s.Kill()
	for what, err := range map[string]error{"ping": q.Ping(t.Context()), "send": q.Send(t.Context(), "a"), "receive": receiveError(t, q)} {
		if question.CodeOf(err) != question.CodeQueueUnavailable || !strings.Contains(err.Error(), "the queue jobs: nothing listens there") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func receiveError(t *testing.T, q *queue.SQS) error {
	t.Helper()
	_, err := q.Receive(t.Context(), 1)
	return err
}

func TestOpenRefuses(t *testing.T) {
	for _, url := range []string{"", "jobs", "arn:aws:sqs:eu-west-1:1:jobs", "https://sqs.eu-west-1.amazonaws.com", "https:///jobs", "ftp://host/jobs", "http://user:secret@host/jobs", "http://host/jobs?x=1"} {
		if _, err := queue.Open(queue.Config{URL: url}); question.CodeOf(err) != question.CodeQueueUnavailable {
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
		"", "x", "{}", `{"lestats":1}`, `{"lestats":2,"job":"x"}`, `{"lestats":1,"job":1}`, `{"lestats":1,"job":"x","y":1}`, `{"lestats":1,"job":"x"} {}`, `["x"]`, "null", `{"` + strings.Repeat("x", 5000) + `":1}`,
	} {
		if id, err := queue.Job(body); err == nil || len(err.Error()) > 1000 {
			t.Errorf("%.100q: %q, %v", body, id, err)
		}
	}
}

// A message either names a job, and survives a round trip, or is refused with an error
// of bounded length.
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
