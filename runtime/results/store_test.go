package results_test

import (
	"context"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// names counts the names that are listed.
type names struct {
	results.Objects

	n int
}

func (c *names) List(ctx context.Context, folder, after string) iter.Seq2[results.Entry, error] {
	return func(yield func(results.Entry, error) bool) {
		for entry, err := range c.Objects.List(ctx, folder, after) {
			c.n++
			if !yield(entry, err) {
				return
			}
		}
	}
}

// TestFullHour: newest first does not list all of an hour that has many jobs,
// however they are spread over it, and misses none.
func TestFullHour(t *testing.T) {
	const jobs = 8000
	hour := time.Now().Add(-72 * time.Hour).Truncate(time.Hour)
	for name, at := range map[string]func(i int) time.Duration{
		"even":        func(i int) time.Duration { return time.Duration(i) * time.Hour / jobs },
		"early burst": func(i int) time.Duration { return time.Duration(i) * time.Millisecond },
		"late burst":  func(i int) time.Duration { return time.Hour - 1 - time.Duration(jobs-i)*time.Millisecond },
		"one instant": func(int) time.Duration { return 20 * time.Minute },
		"two bursts": func(i int) time.Duration {
			return time.Duration(i/(jobs/2))*50*time.Minute + time.Duration(i)*time.Millisecond
		},
	} {
		t.Run(name, func(t *testing.T) {
			memory := new(storetest.Memory)
			count := &names{Objects: memory}
			s := results.New(count)
			var want []string
			for i := range jobs {
				id := storetest.ID(hour.Add(at(i)), i)
				job := storetest.Done(id, 1)
				if _, err := s.PutOutcome(t.Context(), job); err != nil {
					t.Fatal(err)
				}
				want = append(want, id)
			}
			slices.Reverse(want)
			var got []string
			for before := ""; len(got) < 500; before = got[len(got)-1] {
				count.n = 0
				page, err := s.Outcomes(t.Context(), question.JobFilter{}, before, 100)
				if err != nil || len(page.Jobs) != 100 {
					t.Fatal(len(page.Jobs), err)
				}
				for _, job := range page.Jobs {
					got = append(got, job.ID)
				}
				if name != "one instant" && before != "" && count.n > 5000 {
					t.Errorf("%d of %d names were listed for a page of 100", count.n, jobs)
				}
			}
			if !slices.Equal(got, want[:500]) {
				t.Error("the newest are not those, or not in order")
			}
			all, err := s.Outcomes(t.Context(), question.JobFilter{}, "", 0)
			if err != nil || len(all.Jobs) != jobs || all.Jobs[0].ID != want[0] || all.Jobs[jobs-1].ID != want[jobs-1] {
				t.Errorf("%d of %d outcomes, %v", len(all.Jobs), jobs, err)
			}
			older, err := s.Outcomes(t.Context(), question.JobFilter{}, want[jobs-8], 100)
			if err != nil || len(older.Jobs) != 7 {
				t.Errorf("%d of the last 7 outcomes, %v", len(older.Jobs), err)
			}
		})
	}
}

// TestThisHour: ids of the future (another machine's clock) are listed too.
func TestThisHour(t *testing.T) {
	s := results.New(new(storetest.Memory))
	var want []string
	start := time.Now().Truncate(time.Hour)
	for i := range 4000 {
		id := storetest.ID(start.Add(time.Duration(i)*850*time.Millisecond), i) // most of the hour
		want = append(want, id)
		job := storetest.Pending(id)
		job.Status, job.Error = question.Failed, question.Errorf(question.CodeTimeLimit, "too slow")
		if _, err := s.PutOutcome(t.Context(), job); err != nil {
			t.Fatal(err)
		}
	}
	slices.Reverse(want)
	jobs, err := s.Outcomes(t.Context(), question.JobFilter{}, "", 10)
	if err != nil || len(jobs.Jobs) != 10 {
		t.Fatal(len(jobs.Jobs), err)
	}
	for i, job := range jobs.Jobs {
		if job.ID != want[i] || job.Error.Code != question.CodeTimeLimit {
			t.Errorf("%d: %s, want %s", i, job.ID, want[i])
		}
	}
}

// Where a page ends that cost too much, the cursor does not tell whose the next job is: the
// list is one client's.
func TestCursorTellsNobodysTag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faults := storetest.NewFaults(new(storetest.Memory), 1)
		s := results.New(faults)
		hour := time.Now().Truncate(time.Hour)
		id := func(seconds int, client string) string {
			return question.TagID(storetest.ID(hour.Add(time.Duration(seconds)*time.Second), seconds<<16), client)
		}
		bobs := []string{id(3, "bob"), id(1, "bob")}
		for _, job := range []*question.Job{storetest.Done(bobs[0], 1), storetest.Done(id(2, "alice"), 1), storetest.Done(bobs[1], 1), storetest.Done(id(0, "alice"), 1)} {
			job.Client = "alice"
			if slices.Contains(bobs, job.ID) {
				job.Client = "bob"
			}
			if _, err := s.PutOutcome(t.Context(), job); err != nil {
				t.Fatal(err)
			}
		}
		faults.SetHook(func(op, _ string) error {
			if op == "Get" {
				time.Sleep(3 * time.Second)
			}
			return nil
		})
		alices := id(0, "alice")[32:]
		var got []string
		f, before := question.JobFilter{Client: "bob"}, ""
		for range 10 {
			page, err := s.List(t.Context(), f, before, 5)
			if err != nil {
				t.Fatal(err)
			}
			for _, job := range page.Jobs {
				got = append(got, job.ID)
			}
			if before = page.Next; before == "" {
				break
			}
			if strings.HasSuffix(before, alices) {
				t.Errorf("the cursor %s has alice's tag", before)
			}
		}
		if before != "" || !slices.Equal(got, bobs) {
			t.Errorf("%v, then from %q; want %v", got, before, bobs)
		}
	})
}
