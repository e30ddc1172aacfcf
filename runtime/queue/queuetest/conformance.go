package queuetest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Queue is what Run tests, the same as jobs.Queue.
type Queue interface {
	// Send adds a message for a job. After an error it may have been added nevertheless.
	Send(ctx context.Context, id string) error
	// Receive waits until there are messages and returns at most limit of them, or until
	// ctx ends and returns none, without an error. Other receivers get a message again
	// when its visibility timeout has ended, unless it was deleted.
	Receive(ctx context.Context, limit int) ([]question.Message, error)
	// Delete removes a message. One that was removed already is not an error.
	Delete(ctx context.Context, m question.Message) error
	// ChangeVisibility makes a message that was received available again after d, in
	// place of its visibility timeout. One that was removed is not an error.
	ChangeVisibility(ctx context.Context, m question.Message, d time.Duration) error
}

// Open returns an empty queue with this visibility timeout, in whole seconds.
type Open func(t *testing.T, visibility time.Duration) Queue

const (
	long     = time.Minute
	slack    = 4 * time.Second        // how late a message may be: goaws looks once a second, and machines are busy
	patience = 20 * time.Second       // for what has to happen
	quiet    = 500 * time.Millisecond // for what must not happen
)

// Kind says what of a queue Run can rely on.
type Kind struct {
	Counts bool // it counts deliveries, which goaws does not
	Local  bool // it is in this process alone: tests take no real time
}

// Run tests that the queue that open returns keeps the contract.
func Run(t *testing.T, kind Kind, open Open) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, counts bool, open Open)
	}{
		{"Life", testLife},
		{"Max", testMax},
		{"Wait", testWait},
		{"Context", testContext},
		{"Visibility", testVisibility},
		{"ChangeVisibility", testChangeVisibility},
		{"Duplicates", testDuplicates},
		{"Receivers", testReceivers},
	} {
		t.Run(test.name, func(t *testing.T) {
			if kind.Local {
				synctest.Test(t, func(t *testing.T) { test.run(t, kind.Counts, open) })
				return
			}
			t.Parallel() // they mostly wait
			test.run(t, kind.Counts, open)
		})
	}
}

// receive returns n messages, or fewer after the limit.
func receive(t *testing.T, q Queue, n int, limit time.Duration) []question.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var all []question.Message
	for len(all) < n {
		messages, err := q.Receive(ctx, n-len(all))
		if err != nil {
			t.Fatal(err)
		}
		if len(messages) == 0 {
			break
		}
		if len(messages) > n-len(all) {
			t.Errorf("%d messages, more than %d", len(messages), n-len(all))
		}
		all = append(all, messages...)
	}
	return all
}

func ids(messages []question.Message) (out []string) {
	for _, m := range messages {
		out = append(out, m.ID)
	}
	slices.Sort(out)
	return out
}

func send(t *testing.T, q Queue, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := q.Send(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
}

func remove(t *testing.T, q Queue, messages ...question.Message) {
	t.Helper()
	for _, m := range messages {
		if err := q.Delete(t.Context(), m); err != nil {
			t.Error(err)
		}
	}
}

func nothing(t *testing.T, q Queue, limit time.Duration) {
	t.Helper()
	if messages := receive(t, q, 1, limit); len(messages) > 0 {
		t.Errorf("received %+v", messages)
	}
}

// testLife: what is sent is received once, and is gone when it is deleted.
func testLife(t *testing.T, _ bool, open Open) {
	q := open(t, long)
	want := []string{"01936ac2-5b00-7c3e-9a41-6f0de1b4a7f2", "b", "\u00e9 \"<&>\\"}
	send(t, q, want...)
	got := receive(t, q, 3, patience)
	slices.Sort(want)
	if !slices.Equal(ids(got), want) {
		t.Fatalf("received %q; want %q", ids(got), want)
	}
	receipts := map[string]bool{}
	for _, m := range got {
		receipts[m.Receipt] = true
		if m.ReceiveCount != 1 || m.Receipt == "" {
			t.Errorf("%+v", m)
		}
	}
	if len(receipts) != 3 {
		t.Errorf("receipts: %v", receipts)
	}
	nothing(t, q, quiet)
	remove(t, q, got...)
	remove(t, q, got...)
	if err := q.ChangeVisibility(t.Context(), got[0], 0); err != nil {
		t.Errorf("of a message that was removed: %v", err)
	}
	nothing(t, q, quiet)
}

func testMax(t *testing.T, _ bool, open Open) {
	q := open(t, long)
	var want []string
	for i := range 23 {
		want = append(want, fmt.Sprintf("%02d", i))
	}
	send(t, q, want...)
	if first := receive(t, q, 3, patience); len(first) != 3 {
		t.Errorf("%d messages of 3", len(first))
	} else {
		want = slices.DeleteFunc(want, func(id string) bool { return slices.Contains(ids(first), id) })
	}
	if rest := receive(t, q, 100, 2*time.Second); !slices.Equal(ids(rest), want) {
		t.Errorf("received %q; want %q", ids(rest), want)
	}
}

// testWait: whoever waits gets what comes.
func testWait(t *testing.T, _ bool, open Open) {
	q := open(t, long)
	sent := make(chan error)
	go func() {
		time.Sleep(quiet)
		sent <- q.Send(t.Context(), "a")
	}()
	begin := time.Now()
	if got := receive(t, q, 1, patience); len(got) != 1 {
		t.Errorf("received %v", got)
	}
	if took := time.Since(begin); took < quiet || took > quiet+slack {
		t.Errorf("after %s", took)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// testContext: a receiver whose context ends gets nothing, and that is not an error.
func testContext(t *testing.T, _ bool, open Open) {
	q := open(t, long)
	begin := time.Now()
	nothing(t, q, quiet)
	if took := time.Since(begin); took < quiet || took > quiet+slack {
		t.Errorf("it waited %s", took)
	}
	send(t, q, "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if messages, err := q.Receive(ctx, 1); err != nil || len(messages) > 0 {
		t.Errorf("received %v, %v", messages, err)
	}
	if err := q.Send(ctx, "b"); err == nil {
		t.Error("sent in spite of the context")
	}
	got := receive(t, q, 1, patience)
	if len(got) != 1 || got[0].ID != "a" {
		t.Fatalf("received %v", got)
	}
	if err := q.Delete(ctx, got[0]); err == nil {
		t.Error("deleted in spite of the context")
	}
	if err := q.ChangeVisibility(ctx, got[0], 0); err == nil {
		t.Error("changed in spite of the context")
	}
	nothing(t, q, quiet)
}

// testVisibility: a message that nobody deletes is received again.
func testVisibility(t *testing.T, counts bool, open Open) {
	const visibility = time.Second
	q := open(t, visibility)
	send(t, q, "a")
	first := receive(t, q, 1, patience)
	begin := time.Now()
	second := receive(t, q, 1, patience)
	if took := time.Since(begin); took < visibility-quiet || took > visibility+slack {
		t.Errorf("it came again after %s", took)
	}
	if len(first) != 1 || len(second) != 1 || second[0].ID != "a" || second[0].Receipt == first[0].Receipt {
		t.Fatalf("%+v, %+v", first, second)
	}
	if counts && (first[0].ReceiveCount != 1 || second[0].ReceiveCount != 2) {
		t.Errorf("%+v, %+v", first, second)
	}
	remove(t, q, second...)
	remove(t, q, first...) // too late
	nothing(t, q, visibility+2*time.Second)
}

// testChangeVisibility: a message can come again sooner than its visibility timeout
// says, and later.
func testChangeVisibility(t *testing.T, counts bool, open Open) {
	for _, test := range []struct{ visibility, after time.Duration }{{long, 0}, {long, time.Second}, {time.Second, 4 * time.Second}} {
		q := open(t, test.visibility)
		send(t, q, "a")
		got := receive(t, q, 1, patience)
		if len(got) != 1 {
			t.Fatal("nothing was received")
		}
		if err := q.ChangeVisibility(t.Context(), got[0], test.after); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		again := receive(t, q, 1, patience)
		if took := time.Since(begin); len(again) != 1 || took < test.after-quiet || took > test.after+slack {
			t.Errorf("%+v: it came after %s: %v", test, took, again)
		} else if counts && again[0].ReceiveCount != 2 {
			t.Errorf("%+v: %+v", test, again)
		}
	}
}

// testDuplicates: a job that was sent twice is two messages.
func testDuplicates(t *testing.T, _ bool, open Open) {
	q := open(t, long)
	send(t, q, "a", "a")
	got := receive(t, q, 2, patience)
	if !slices.Equal(ids(got), []string{"a", "a"}) {
		t.Fatalf("received %v", got)
	}
	remove(t, q, got[0])
	if err := q.ChangeVisibility(t.Context(), got[1], 0); err != nil {
		t.Error(err)
	}
	if got := receive(t, q, 2, 2*time.Second); !slices.Equal(ids(got), []string{"a"}) {
		t.Errorf("received %v", got)
	}
}

// testReceivers: of many receivers each message has one.
func testReceivers(t *testing.T, _ bool, open Open) {
	q := open(t, long)
	const jobs, receivers = 200, 8
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var mu sync.Mutex
	got := map[string]int{}
	var group sync.WaitGroup
	for range receivers {
		group.Go(func() {
			for {
				messages, err := q.Receive(ctx, 3)
				if err != nil {
					t.Error(err)
				}
				if len(messages) == 0 {
					return
				}
				for _, m := range messages {
					if err := q.Delete(t.Context(), m); err != nil { //nolint:contextcheck // what was received is deleted in any case
						t.Error(err)
					}
					mu.Lock()
					got[m.ID]++
					if len(got) == jobs {
						cancel()
					}
					mu.Unlock()
				}
			}
		})
	}
	for i := range jobs {
		send(t, q, strconv.Itoa(i))
	}
	group.Wait()
	for id, n := range got {
		if n != 1 {
			t.Errorf("%s was received %d times", id, n)
		}
	}
	if len(got) != jobs {
		t.Errorf("%d of %d were received", len(got), jobs)
	}
}
