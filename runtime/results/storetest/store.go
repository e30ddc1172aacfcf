package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results"
)

// hour0 is the first of the hours that the tests use.
var hour0 = time.Date(2026, 11, 24, 22, 0, 0, 0, time.UTC)

func runStore(t *testing.T, open Open) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, open Open)
	}{
		{"Life", testLife},
		{"ReadBetween", testReadBetween},
		{"RacingOutcomes", testRacingOutcomes},
		{"Pending", testPending},
		{"Outcomes", testOutcomes},
		{"Filter", testFilter},
		{"BoundedPages", testBoundedPages},
		{"Claims", testClaims},
		{"BigResults", testBigResults},
		{"PendingTimes", testPendingTimes},
		{"Sweep", testSweep},
		{"Damage", testDamage},
		{"BadIDs", testBadIDs},
		{"Failure", testFailure},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open) })
	}
}

func testLife(t *testing.T, open Open) {
	ctx, o := t.Context(), open(t)
	s := results.New(o)
	id := ID(hour0.Add(90*time.Minute), 7)
	if _, err := s.Get(ctx, id); question.CodeOf(err) != question.CodeUnknownJob {
		t.Errorf("an unknown job: %v", err)
	}
	job := Pending(id)
	noError(t, s.PutPending(ctx, job))
	same(t, s, job)
	job.Status, job.Attempts, job.Started = question.Running, 1, job.Created.Add(time.Second)
	noError(t, s.PutPending(ctx, job))
	same(t, s, job)

	done := Done(id, 60)
	created, err := s.PutOutcome(ctx, done)
	if noError(t, err); !created {
		t.Error("the outcome was not created")
	}
	same(t, s, done) // also with the pending job still there
	other := cancelled(id)
	created, err = s.PutOutcome(ctx, other)
	if noError(t, err); created {
		t.Error("a second outcome was created")
	}
	same(t, s, done)
	noError(t, s.DeletePending(ctx, id))
	noError(t, s.DeletePending(ctx, id))
	same(t, s, done)

	// The layout is part of the contract: other programs read it.
	if names := list(t, o, "jobs/2026-11-24T23/", ""); !slices.Equal(names, []string{id + ".json"}) {
		t.Errorf("the outcome is not where it should be: %q", names)
	}
	if names := list(t, o, "pending/", ""); len(names) != 0 {
		t.Errorf("still pending: %q", names)
	}

	// A job that ends before its id is known has an outcome alone.
	failed := Pending(ID(hour0, 1))
	failed.Status, failed.Error = question.Failed, question.Errorf(question.CodeNoData, "no row has a value")
	_, err = s.PutOutcome(ctx, failed)
	noError(t, err)
	same(t, s, failed)
	noError(t, s.Ping(ctx))
}

// testReadBetween: a job that ends while it is read is never unknown.
func testReadBetween(t *testing.T, open Open) {
	faults := NewFaults(open(t), 1)
	s := results.New(faults)
	id := ID(hour0, 1)
	noError(t, s.PutPending(t.Context(), Pending(id)))
	ended := false
	faults.SetHook(func(op, key string) error {
		if op == "Get" && strings.HasPrefix(key, "pending/") && !ended {
			ended = true // after the outcome was looked for, and before the pending job is
			_, err := s.PutOutcome(t.Context(), Done(id, 1))
			return errors.Join(err, s.DeletePending(t.Context(), id))
		}
		return nil
	})
	same(t, s, Done(id, 1))
	if !ended {
		t.Error("the order of reading has changed: this test no longer tests it")
	}

	// And with no trick, many times.
	faults.SetHook(nil)
	for i := range 20 {
		id := ID(hour0, 100+i)
		noError(t, s.PutPending(t.Context(), Pending(id)))
		var stop atomic.Bool
		var readers sync.WaitGroup
		for range 2 {
			readers.Go(func() {
				for !stop.Load() {
					if _, err := s.Get(t.Context(), id); err != nil {
						t.Errorf("a reader beside the end of a job: %v", err)
						return
					}
				}
			})
		}
		_, err := s.PutOutcome(t.Context(), Done(id, 1))
		err = errors.Join(err, s.DeletePending(t.Context(), id))
		stop.Store(true)
		readers.Wait()
		noError(t, err)
	}
}

func testRacingOutcomes(t *testing.T, open Open) {
	s := results.New(open(t))
	for i := range 8 {
		id := ID(hour0, i)
		var winner atomic.Int64
		var group errgroup.Group
		for w := range 6 {
			group.Go(func() error {
				job := Done(id, 200+w)
				job.Attempts = w + 1
				created, err := s.PutOutcome(t.Context(), job)
				if created && !winner.CompareAndSwap(0, int64(w+1)) {
					t.Error("two outcomes were created")
				}
				return err
			})
		}
		noError(t, group.Wait())
		job, err := s.Get(t.Context(), id)
		noError(t, err)
		if int64(job.Attempts) != winner.Load() || job.Result.Rows() != 200+job.Attempts-1 {
			t.Errorf("the outcome is of %d with %d rows, the winner is %d", job.Attempts, job.Result.Rows(), winner.Load())
		}
	}
}

func testPending(t *testing.T, open Open) {
	s := results.New(open(t))
	jobs, err := s.Pending(t.Context(), question.JobFilter{}, "", 10)
	if noError(t, err); len(jobs.Jobs) != 0 {
		t.Errorf("%d jobs are pending in an empty store", len(jobs.Jobs))
	}
	var want []string
	for i := range 25 {
		id := ID(hour0.Add(time.Duration(i/5)*time.Hour), i)
		want = append(want, id)
	}
	for _, i := range []int{3, 24, 0, 17, 9, 1, 2, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23} {
		noError(t, s.PutPending(t.Context(), Pending(want[i])))
	}
	_, err = s.PutOutcome(t.Context(), Done(ID(hour0, 999), 1)) // not one of them
	noError(t, err)
	slices.Reverse(want)
	for _, limit := range []int{0, 1, 7, 24, 25, 26} {
		page := func(before string) question.JobPage {
			page, err := s.Pending(t.Context(), question.JobFilter{}, before, limit)
			noError(t, err)
			return page
		}
		if got := pages(t, page, limit); !slices.Equal(got, want) {
			t.Errorf("by %d: %d jobs\n%q\nwant\n%q", limit, len(got), got, want)
		}
	}
	if jobs, err = s.Pending(t.Context(), question.JobFilter{}, want[12], 2); err != nil || !slices.Equal(ids(jobs.Jobs), want[13:15]) {
		t.Errorf("below the thirteenth: %q, %v", ids(jobs.Jobs), err)
	}
	if job := jobs.Jobs[0]; job.Request.Question != "states_mean" || job.Status != question.Queued {
		t.Errorf("a pending job came back as %+v", job)
	}
}

func testOutcomes(t *testing.T, open Open) {
	s := results.New(open(t))
	jobs, err := s.Outcomes(t.Context(), question.JobFilter{}, "", 10)
	if noError(t, err); len(jobs.Jobs) != 0 {
		t.Errorf("%d outcomes are in an empty store", len(jobs.Jobs))
	}
	// Hours apart, with gaps between them, over midnight.
	var want []string
	for _, hour := range []int{0, 1, 2, 7, 40} {
		for i := range 6 {
			want = append(want, ID(hour0.Add(time.Duration(hour)*time.Hour+time.Duration(i)*11*time.Minute), i))
		}
	}
	var group errgroup.Group
	group.SetLimit(8)
	for _, id := range want {
		group.Go(func() error {
			_, err := s.PutOutcome(t.Context(), Done(id, 3))
			return err
		})
	}
	noError(t, group.Wait())
	noError(t, s.PutPending(t.Context(), Pending(ID(hour0, 999)))) // not one of them
	slices.Reverse(want)
	for _, limit := range []int{0, 1, 4, 6, 29, 30, 31} {
		page := func(before string) question.JobPage {
			page, err := s.Outcomes(t.Context(), question.JobFilter{}, before, limit)
			noError(t, err)
			return page
		}
		if got := pages(t, page, limit); !slices.Equal(got, want) {
			t.Errorf("by %d: %d jobs\n%q\nwant\n%q", limit, len(got), got, want)
		}
	}
	jobs, err = s.Outcomes(t.Context(), question.JobFilter{}, ID(hour0.Add(3*time.Hour), 0), 2) // no job has this id
	if noError(t, err); !slices.Equal(ids(jobs.Jobs), want[12:14]) {
		t.Errorf("before an instant: %q", ids(jobs.Jobs))
	}
	wantJob := Done(jobs.Jobs[0].ID, 3)
	wantJob.Result = nil
	equal(t, jobs.Jobs[0], wantJob)
}

// testFilter: List returns the selected jobs, whether they have ended or not, page by page.
func testFilter(t *testing.T, open Open) {
	s := results.New(open(t))
	clients, questions := []string{"", "ada", "bob"}, []string{"states_mean", "best5"}
	statuses := []question.Status{question.Queued, question.Running, question.Done, question.Failed, question.Cancelled}
	var all []*question.Job // newest first
	var group errgroup.Group
	group.SetLimit(8)
	for i := range 60 {
		client := clients[i%3]
		id := question.TagID(ID(hour0.Add(time.Duration(i)*7*time.Minute), i), client)
		job := Pending(id)
		job.Client, job.Status, job.Request.Question = client, statuses[i/3%5], questions[i/2%2]
		if i == 58 { // the tag says less than the record
			job.Client = "other"
		}
		all = append([]*question.Job{job}, all...)
		group.Go(func() error {
			if !job.Status.Final() {
				return s.PutPending(t.Context(), job)
			}
			_, err := s.PutOutcome(t.Context(), job)
			return err
		})
	}
	noError(t, group.Wait())
	for _, f := range []question.JobFilter{
		{}, {Client: "ada"}, {Client: "bob"}, {Client: "nobody"}, {Status: question.Queued}, {Status: question.Failed},
		{Question: "best5"}, {Client: "bob", Status: question.Done, Question: "best5"},
		{Since: hour0.Add(3 * time.Hour)}, {Since: hour0.Add(21 * time.Minute), Status: question.Done}, {Client: "ada", Since: hour0.Add(100 * time.Minute)},
		{Since: hour0.Add(48 * time.Hour)},
	} {
		var want []string
		for i, job := range all {
			if f.Selects(job) && !hour0.Add(time.Duration(len(all)-1-i)*7*time.Minute).Before(f.Since) {
				want = append(want, job.ID)
			}
		}
		for _, limit := range []int{0, 1, 3, len(want), 100} {
			page := func(before string) question.JobPage {
				page, err := s.List(t.Context(), f, before, limit)
				if noError(t, err); limit == len(want) && limit > 0 && page.Next != "" {
					t.Errorf("%+v by %d: a page that has all has a next", f, limit)
				}
				return page
			}
			if got := pages(t, page, limit); !slices.Equal(got, want) {
				t.Errorf("%+v by %d: %d jobs\n%q\nwant %d\n%q", f, limit, len(got), got, len(want), want)
			}
		}
	}
	for _, job := range all { // they have just ended
		old := *job
		old.Status = question.Running
		noError(t, s.PutPending(t.Context(), &old))
	}
	page, err := s.List(t.Context(), question.JobFilter{}, "", 0)
	for i, job := range page.Jobs {
		if all[i].Status.Final() && job.Status != all[i].Status {
			t.Errorf("%s is %s, and listed as %s", job.ID, all[i].Status, job.Status)
		}
	}
	if noError(t, err); len(page.Jobs) != len(all) {
		t.Errorf("%d jobs are listed, want %d", len(page.Jobs), len(all))
	}
}

// testBoundedPages: a page reads a bounded number of jobs that are not selected, then says
// where to go on.
func testBoundedPages(t *testing.T, open Open) {
	o := open(t)
	const jobs = 2500
	var group errgroup.Group
	group.SetLimit(16)
	for i := range jobs {
		group.Go(func() error {
			id := ID(hour0.Add(time.Duration(i)*time.Second), i)
			job := cancelled(id)
			if i == 3 || i == 2000 {
				job.Request.Question = "best5"
			}
			_, err := results.New(o).PutOutcome(t.Context(), job)
			return err
		})
	}
	noError(t, group.Wait())
	count := &counting{Objects: o}
	s := results.New(count)
	var found []string
	steps := 0
	for before, more := "", true; more; more = before != "" {
		count.reads.Store(0)
		page, err := s.List(t.Context(), question.JobFilter{Question: "best5"}, before, 10)
		if noError(t, err); count.reads.Load() > 1100 {
			t.Errorf("%d jobs were read for a page of %d", count.reads.Load(), len(page.Jobs))
		}
		found, before = append(found, ids(page.Jobs)...), page.Next
		steps++
	}
	if want := []string{ID(hour0.Add(2000*time.Second), 2000), ID(hour0.Add(3*time.Second), 3)}; !slices.Equal(found, want) || steps != 3 {
		t.Errorf("%q in %d pages, want %q in 3", found, steps, want)
	}
	count.reads.Store(0)
	page, err := s.List(t.Context(), question.JobFilter{Client: "ada"}, "", 10)
	if noError(t, err); len(page.Jobs) > 0 || page.Next != "" || count.reads.Load() > 10 {
		t.Errorf("a client without jobs: %d, next %q, after %d reads", len(page.Jobs), page.Next, count.reads.Load())
	}
}

// testClaims: of racing claims to a key one is recorded, and all learn which. Old ones can be
// removed, and nothing else.
func testClaims(t *testing.T, open Open) {
	ctx, o := t.Context(), open(t)
	s := results.New(o)
	if _, found, err := s.Claimed(ctx, "ada", "k"); found || err != nil {
		t.Errorf("a key that nobody claimed: %v, %v", found, err)
	}
	won := make([]question.Claim, 8)
	var group errgroup.Group
	for i := range won {
		group.Go(func() (err error) {
			won[i], err = s.Claim(ctx, "ada", "k", question.Claim{Job: ID(hour0, i), Request: fmt.Sprint("sha256:", i)})
			return err
		})
	}
	noError(t, group.Wait())
	for _, c := range won {
		if c != won[0] {
			t.Errorf("two claims: %+v and %+v", c, won[0])
		}
	}
	if c, found, err := s.Claimed(ctx, "ada", "k"); c != won[0] || !found || err != nil {
		t.Errorf("%+v, %v, %v; want %+v", c, found, err, won[0])
	}
	// Clients do not share keys, however names and keys are cut.
	for i, other := range [][2]string{{"", "adak"}, {"adak", ""}, {"ad", "ak"}, {"bob", "k"}, {"", "k"}} {
		mine := question.Claim{Job: ID(hour0, 100+i), Request: "sha256:"}
		if c, err := s.Claim(ctx, other[0], other[1], mine); c != mine || err != nil {
			t.Errorf("the key %q: %+v, %v", other, c, err)
		}
	}
	noError(t, o.Put(ctx, "keys/README", []byte("foreign")))
	noError(t, s.PutPending(ctx, Pending(ID(hour0, 1))))
	if n, err := s.SweepClaims(ctx, time.Hour); n != 0 || err != nil {
		t.Errorf("%d young claims were removed, %v", n, err)
	}
	late := results.New(at{o, time.Now().Add(24 * time.Hour)})
	if n, err := late.SweepClaims(ctx, time.Hour); n != 6 || err != nil {
		t.Errorf("%d old claims were removed, %v; want 6", n, err)
	}
	if _, found, err := s.Claimed(ctx, "ada", "k"); found || err != nil {
		t.Errorf("a claim that was removed: %v, %v", found, err)
	}
	if got := string(get(t, o, "keys/README")); got != "foreign" {
		t.Errorf("what is no claim is %q after a sweep", got)
	}
	same(t, s, Pending(ID(hour0, 1)))

	// Damage, and a store that fails.
	_, err := s.Claim(ctx, "ada", "k", question.Claim{Job: ID(hour0, 1)})
	noError(t, err)
	for _, name := range list(t, o, "keys/", "") {
		if name != "README" {
			noError(t, o.Put(ctx, "keys/"+name, []byte(`{"job":"../x"}`)))
			if _, _, err := s.Claimed(ctx, "ada", "k"); question.CodeOf(err) != question.CodeInternal || !strings.Contains(err.Error(), name) {
				t.Errorf("a damaged claim: %v", err)
			}
		}
	}
	faults := NewFaults(o, 1)
	faults.SetRate(1)
	s = results.New(faults)
	_, claim := s.Claim(ctx, "ada", "k", question.Claim{Job: ID(hour0, 1)})
	_, _, claimed := s.Claimed(ctx, "ada", "k")
	_, swept := s.SweepClaims(ctx, time.Hour)
	for _, err := range []error{claim, claimed, swept} {
		if question.CodeOf(err) != question.CodeStoreUnavailable || !errors.Is(err, ErrFault) {
			t.Errorf("while everything fails: %v", err)
		}
	}
}

// testBigResults: listing does not read results.
func testBigResults(t *testing.T, open Open) {
	count := &counting{Objects: open(t)}
	s := results.New(count)
	var want []string
	for i := range 8 {
		id := ID(hour0, i)
		want = append(want, id)
		_, err := s.PutOutcome(t.Context(), Done(id, 40_000))
		noError(t, err)
	}
	slices.Reverse(want)
	count.bytes.Store(0)
	jobs, err := s.Outcomes(t.Context(), question.JobFilter{}, "", 0)
	if noError(t, err); !slices.Equal(ids(jobs.Jobs), want) {
		t.Errorf("listed %q", ids(jobs.Jobs))
	}
	if n := count.bytes.Load(); n > 8*8<<10 {
		t.Errorf("listing 8 jobs read %d bytes", n)
	}
	// A request that is longer than what a listing reads at first.
	long := Done(ID(hour0, 100), 40_000)
	long.Request.Params["question"] = strings.Repeat(`"result":{`, 5000)
	long.Request.Where = map[string]any{"result": map[string]any{"min": "x"}}
	_, err = s.PutOutcome(t.Context(), long)
	noError(t, err)
	jobs, err = s.Outcomes(t.Context(), question.JobFilter{}, "", 1)
	noError(t, err)
	same(t, s, long)
	long.Result = nil
	equal(t, jobs.Jobs[0], long)
}

// counting counts the bytes that are read.
type counting struct {
	results.Objects

	bytes, reads atomic.Int64
}

// Get implements results.Objects.
func (c *counting) Get(ctx context.Context, key string, limit int) ([]byte, error) {
	data, err := c.Objects.Get(ctx, key, limit)
	c.bytes.Add(int64(len(data)))
	c.reads.Add(1)
	return data, err
}

// testPendingTimes: the times of pending records are known without reading them.
func testPendingTimes(t *testing.T, open Open) {
	faults := NewFaults(open(t), 1)
	s := results.New(faults)
	times := func() (map[string]time.Time, time.Time) {
		t.Helper()
		written, now, err := s.PendingTimes(t.Context())
		noError(t, err)
		return written, now
	}
	begin, err := faults.Now(t.Context())
	noError(t, err)
	if written, now := times(); len(written) != 0 || now.Before(begin.Add(-time.Second)) {
		t.Errorf("of nothing: %v at %s", written, now)
	}
	ids := []string{ID(hour0, 1), ID(hour0, 2), ID(hour0.Add(time.Hour), 3)} // made long ago, or yet to be made
	for _, id := range ids {
		noError(t, s.PutPending(t.Context(), Pending(id)))
	}
	_, err = s.PutOutcome(t.Context(), Done(ID(hour0, 4), 1))
	noError(t, err)
	noError(t, faults.Put(t.Context(), "pending/README", nil))
	noError(t, faults.Put(t.Context(), "pending/"+ID(hour0, 5)+"/x", nil))
	faults.SetHook(func(op, key string) error {
		if op == "Get" {
			t.Errorf("%s was read", key)
		}
		return nil
	})
	written, now := times()
	for _, id := range ids {
		if at := written[id]; at.Before(begin.Add(-time.Second)) || at.After(now.Add(time.Second)) {
			t.Errorf("%s was written at %s, not between %s and %s", id, at, begin, now)
		}
	}
	if len(written) != len(ids) {
		t.Errorf("pending: %v", written)
	}
	noError(t, s.DeletePending(t.Context(), ids[0]))
	if left, _ := times(); len(left) != 2 {
		t.Errorf("pending: %v", left)
	}
}

// at is objects at a standstill of their clock.
type at struct {
	results.Objects

	now time.Time
}

// Now implements results.Objects.
func (a at) Now(ctx context.Context) (time.Time, error) { return a.now, ctx.Err() }

// testSweep: outcomes are removed by the time at which they were stored, whatever their
// ids say, and a clock that must be wrong removes nothing.
func testSweep(t *testing.T, open Open) {
	const week = 7 * 24 * time.Hour
	o := open(t)
	s := results.New(o)
	asked := time.Now().UTC().Add(-10 * 24 * time.Hour).Truncate(time.Hour)
	put := func(from, to int) []string {
		t.Helper()
		var jobs []string
		for i := from; i < to; i++ {
			jobs = append(jobs, ID(asked.Add(time.Duration(i)*25*time.Minute), i))
			_, err := s.PutOutcome(t.Context(), Done(jobs[len(jobs)-1], 1))
			noError(t, err)
		}
		return jobs
	}
	// stored returns the earliest and the latest time of outcomes.
	stored := func() (first, last time.Time) {
		t.Helper()
		for _, hour := range list(t, o, "jobs/", "") {
			for entry, err := range o.List(t.Context(), "jobs/"+hour, "") {
				if noError(t, err); first.IsZero() || entry.Modified.Before(first) {
					first = entry.Modified
				}
				if entry.Modified.After(last) {
					last = entry.Modified
				}
			}
		}
		return first, last
	}
	jobs := put(0, 9)
	noError(t, s.PutPending(t.Context(), Pending(jobs[0])))
	_, early := stored()
	gap := 100 * time.Millisecond
	if early.Nanosecond() == 0 { // a service that tells seconds
		gap = 3 * time.Second
	}
	time.Sleep(gap)
	put(9, 12)
	_, late := stored()
	between := early.Add(late.Sub(early) / 2)

	for _, test := range []struct {
		name       string
		now, since time.Time
		removed    int
		err        error
	}{
		{"asked for ten days ago, answered now", late.Add(time.Second), time.Time{}, 0, nil},
		{"so too by a process that starts", late.Add(time.Second), late.Add(time.Second), 0, nil},
		{"a week after the first", between.Add(week), between, 0, results.ErrSweepsAll},
		{"the clock is eight days ahead", late.Add(8 * 24 * time.Hour), late.Add(8 * 24 * time.Hour), 0, results.ErrSweepsAll},
		{"a week after the first, and others were there", between.Add(week), late.Add(time.Hour), 9, nil},
		{"again", between.Add(week), late.Add(time.Hour), 0, nil},
		{"nothing is older than the process", late.Add(8 * 24 * time.Hour), early, 3, nil},
	} {
		removed, err := results.New(at{o, test.now}).Sweep(t.Context(), week, test.since)
		if removed != test.removed || !errors.Is(err, test.err) {
			t.Errorf("%s: %d, %v; want %d, %v", test.name, removed, err, test.removed, test.err)
		}
	}
	if got := list(t, o, "jobs/", ""); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
	same(t, s, Pending(jobs[0])) // its outcome was removed; it was not
	// An old hour can be written to again.
	created, err := s.PutOutcome(t.Context(), Done(jobs[0], 1))
	if noError(t, err); !created {
		t.Error("not created after Sweep")
	}
	same(t, s, Done(jobs[0], 1))
}

// testDamage: what is not a job does not hide those that are, and is not touched.
func testDamage(t *testing.T, open Open) {
	ctx, o := t.Context(), open(t)
	var log logged
	s := results.New(o)
	s.Log = slog.New(slog.NewTextHandler(&log, nil))
	good, id := ID(hour0, 1), func(n int) string { return ID(hour0, n) }
	_, err := s.PutOutcome(ctx, Done(good, 1))
	noError(t, err)
	noError(t, s.PutPending(ctx, Pending(good)))

	text := func(job *question.Job) string {
		b, err := json.Marshal(job)
		noError(t, err)
		return string(b)
	}
	damaged := map[string]string{ // by what is wrong, the content of an object of the job n
		"not JSON":         "hello",
		"empty":            "",
		"cut":              text(Done(id(12), 1))[:150],
		"another job":      text(Done(id(99), 1)),
		"something behind": text(cancelled(id(14))) + "{}",
		"no status":        fmt.Sprintf(`{"id":%q}`, id(15)),
		"a list":           "[]",
		"null":             "null",
	}
	keys := map[string]string{} // key -> id
	n := 10
	for _, why := range []string{"not JSON", "empty", "cut", "another job", "something behind", "no status", "a list", "null"} {
		for _, key := range []string{"pending/" + id(n), "jobs/2026-11-24T22/" + id(n+50) + ".json"} {
			noError(t, o.Put(ctx, key, []byte(strings.ReplaceAll(damaged[why], id(n), strings.TrimSuffix(key[strings.LastIndex(key, "/")+1:], ".json")))))
			keys[key] = strings.TrimSuffix(key[strings.LastIndex(key, "/")+1:], ".json")
		}
		n++
	}
	// A job of the wrong kind.
	noError(t, o.Put(ctx, "pending/"+id(30), []byte(text(Done(id(30), 1)))))
	noError(t, o.Put(ctx, "jobs/2026-11-24T22/"+id(31)+".json", []byte(text(Pending(id(31))))))
	keys["pending/"+id(30)], keys["jobs/2026-11-24T22/"+id(31)+".json"] = id(30), id(31)
	foreign := []string{
		"pending/README", "pending/" + good + ".json", "pending/sub/" + id(2), "jobs/README", "jobs/not-an-hour/" + id(2) + ".json",
		"jobs/2026-11-24T22/" + id(3), "jobs/2026-11-24T22/notes.json", "jobs/2026-11-24T22/deeper/x.json",
		"jobs/2026-11-24T22/" + id(4) + ".json/x", "pending/" + id(5) + "/x", "jobs/" + id(6) + ".json/x", // folders named like jobs
		"jobs/2026-11-24T22/" + ID(hour0.Add(time.Hour), 0) + ".json", // the wrong hour
	}
	for _, key := range foreign {
		noError(t, o.Put(ctx, key, []byte("foreign")))
	}

	for limit := range 3 {
		jobs, err := s.Outcomes(ctx, question.JobFilter{}, "", limit)
		if noError(t, err); !slices.Equal(ids(jobs.Jobs), []string{good}) {
			t.Errorf("Outcomes by %d among damage: %q", limit, ids(jobs.Jobs))
		}
		if !log.clear("jobs/2026-11-24T22/") {
			t.Error("Outcomes logged nothing of what it skipped")
		}
		jobs, err = s.Pending(ctx, question.JobFilter{}, "", limit)
		if noError(t, err); !slices.Equal(ids(jobs.Jobs), []string{good}) {
			t.Errorf("Pending by %d among damage: %q", limit, ids(jobs.Jobs))
		}
		if limit != 1 && !log.clear("pending/") {
			t.Error("Pending logged nothing of what it skipped")
		}
	}
	for key, id := range keys {
		if _, err := s.Get(ctx, id); question.CodeOf(err) != question.CodeInternal || !strings.Contains(err.Error(), key) {
			t.Errorf("Get of the damaged %s: %v", key, err)
		}
	}
	removed, err := results.New(at{o, time.Now().Add(24 * time.Hour)}).Sweep(ctx, time.Hour, time.Time{})
	if noError(t, err); removed == 0 {
		t.Error("Sweep removed nothing")
	}
	for _, key := range foreign {
		if got := string(get(t, o, key)); got != "foreign" {
			t.Errorf("%s is %q after Sweep", key, got)
		}
	}
}

func testBadIDs(t *testing.T, open Open) {
	ctx, s := t.Context(), results.New(open(t))
	id := ID(hour0, 1)
	for _, bad := range []string{
		"", "1", "../../etc/passwd", id + "x", id[:35], strings.ToUpper(id), "{" + id + "}", "urn:uuid:" + id, strings.ReplaceAll(id, "-", ""),
		"3f0c2a52-6f0e-4f7e-8d1c-2f3b7b7f7a11", "0193" + id[4:14] + "4" + id[15:], id[:19] + "0" + id[20:], strings.Repeat("x", 100_000),
	} {
		job, done := Pending(id), Done(id, 1)
		job.ID, done.ID = bad, bad
		_, get := s.Get(ctx, bad)
		_, put := s.PutOutcome(ctx, done)
		errs := map[string]error{"Get": get, "PutOutcome": put, "PutPending": s.PutPending(ctx, job), "DeletePending": s.DeletePending(ctx, bad)}
		if bad != "" {
			_, errs["Pending"] = s.Pending(ctx, question.JobFilter{}, bad, 1)
			_, errs["Outcomes"] = s.Outcomes(ctx, question.JobFilter{}, bad, 1)
		}
		for method, err := range errs {
			if question.CodeOf(err) != question.CodeBadID || len(err.Error()) > 300 {
				t.Errorf("%s of %.50q: %.500v", method, bad, err)
			}
		}
	}
	if err := s.PutPending(ctx, Done(id, 1)); question.CodeOf(err) != question.CodeInternal {
		t.Errorf("a final job as pending: %v", err)
	}
	if _, err := s.PutOutcome(ctx, Pending(id)); question.CodeOf(err) != question.CodeInternal {
		t.Errorf("a job without an outcome as an outcome: %v", err)
	}
}

// testFailure: an error of the objects reaches the caller as one that a user can
// be shown, and as what it was.
func testFailure(t *testing.T, open Open) {
	faults := NewFaults(open(t), 1)
	s := results.New(faults)
	id := ID(hour0, 1)
	_, err := s.PutOutcome(t.Context(), Done(id, 1))
	noError(t, err)
	noError(t, s.PutPending(t.Context(), Pending(id)))
	all := func(ctx context.Context) map[string]error {
		errs := map[string]error{}
		_, errs["Get"] = s.Get(ctx, id)
		_, errs["PutOutcome"] = s.PutOutcome(ctx, Done(id, 1))
		_, errs["Pending"] = s.Pending(ctx, question.JobFilter{}, "", 1)
		_, errs["Outcomes"] = s.Outcomes(ctx, question.JobFilter{}, "", 1)
		_, errs["Sweep"] = s.Sweep(ctx, time.Hour, time.Time{})
		_, _, errs["PendingTimes"] = s.PendingTimes(ctx)
		_, errs["PendingIDs"] = s.PendingIDs(ctx)
		errs["PutPending"] = s.PutPending(ctx, Pending(id))
		errs["DeletePending"] = s.DeletePending(ctx, id)
		errs["Ping"] = s.Ping(ctx)
		return errs
	}
	faults.SetRate(1)
	for method, err := range all(t.Context()) {
		if question.CodeOf(err) != question.CodeStoreUnavailable || !errors.Is(err, ErrFault) {
			t.Errorf("%s while everything fails: %v", method, err)
		}
	}
	faults.SetRate(0)
	faults.SetHook(func(op, _ string) error { // the names can be listed, the objects not read
		if op == "Get" {
			return ErrFault
		}
		return nil
	})
	noError(t, s.PutPending(t.Context(), Pending(id)))
	_, err = s.PutOutcome(t.Context(), Done(id, 1))
	noError(t, err)
	_, pending := s.Pending(t.Context(), question.JobFilter{}, "", 1)
	_, outcomes := s.Outcomes(t.Context(), question.JobFilter{}, "", 1)
	if !errors.Is(pending, ErrFault) || !errors.Is(outcomes, ErrFault) {
		t.Errorf("a job that cannot be read was left out: %v, %v", pending, outcomes)
	}
	faults.SetHook(nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for method, err := range all(ctx) {
		if question.CodeOf(err) != question.CodeStoreUnavailable || !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v", method, err)
		}
	}
}

// cancelled returns a job that has ended without a result.
func cancelled(id string) *question.Job {
	job := Pending(id)
	job.Status, job.Error = question.Cancelled, question.Errorf(question.CodeCancelled, "by a user").WithParam("id", "a", "b")
	return job
}

// logged keeps what is logged.
type logged struct{ text strings.Builder }

func (l *logged) Write(b []byte) (int, error) { return l.text.Write(b) }

// clear reports whether the text was logged, and forgets everything.
func (l *logged) clear(text string) bool {
	defer l.text.Reset()
	return strings.Contains(l.text.String(), text)
}

// pages reads page by page and puts them together.
// pages returns the ids of a listing that is read page by page.
func pages(t *testing.T, page func(before string) question.JobPage, limit int) (all []string) {
	t.Helper()
	for before, more := "", true; more; more = before != "" {
		p := page(before)
		if before = p.Next; limit > 0 && len(p.Jobs) > limit || limit == 0 && before != "" {
			t.Fatalf("a page by %d has %d jobs, and then %q", limit, len(p.Jobs), before)
		}
		all = append(all, ids(p.Jobs)...)
	}
	return all
}

func ids(jobs []*question.Job) []string {
	var ids []string
	for _, job := range jobs {
		ids = append(ids, job.ID)
	}
	return ids
}

// same checks that the store has the job.
func same(t *testing.T, s *results.Store, want *question.Job) {
	t.Helper()
	got, err := s.Get(t.Context(), want.ID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, got, want)
}

// equal compares what a job is to others: its JSON.
func equal(t *testing.T, got, want *question.Job) {
	t.Helper()
	g, err := json.Marshal(got)
	noError(t, err)
	w, err := json.Marshal(want)
	noError(t, err)
	if string(g) != string(w) {
		t.Errorf("the store has\n%.2000s\nwant\n%.2000s", g, w)
	}
	if want.Result != nil && !reflect.DeepEqual(got.Result, want.Result) {
		t.Error("the result differs from the one that was stored")
	}
}
