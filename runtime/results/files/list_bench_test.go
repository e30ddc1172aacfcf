package files_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/files"
	"github.com/le-stats-sportifs/lestats/runtime/results/storetest"
)

// BenchmarkList lists a page of 100 among 100,000 jobs (2,000 with -short) of one hour: half
// of them a busy client's, the others of 500 clients. One in a hundred has failed. pages is
// how many pages it takes to find all that the page's filter selects, or a hundred.
func BenchmarkList(b *testing.B) {
	total := 100_000
	if testing.Short() {
		total = 2000
	}
	o, err := files.Open(files.Config{Folder: b.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	s := results.New(o)
	defer s.Close()
	hour := time.Now().Add(-2 * time.Hour).Truncate(time.Hour)
	at := func(i int) time.Time { return hour.Add(time.Duration(i) * time.Hour / time.Duration(total)) }
	var group errgroup.Group
	group.SetLimit(16)
	for i := range total {
		group.Go(func() error {
			client := "busy"
			if i%2 == 1 {
				client = fmt.Sprint("client-", i/2%500)
			}
			// What is random in an id is spread over all bits, as in a real one.
			job := storetest.Done(question.TagID(storetest.ID(at(i), i*0x9e3779b1%(1<<40)), client), 1)
			if job.Client = client; i%100 == 50 {
				job.Status, job.Result, job.Error = question.Failed, nil, question.Errorf(question.CodeNoData, "no row has a value")
			}
			_, err := s.PutOutcome(b.Context(), job)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		filter question.JobFilter
		want   int // in all
	}{
		{"all", question.JobFilter{}, total},
		{"a client with half", question.JobFilter{Client: "busy"}, total / 2},
		{"a client with one in a thousand", question.JobFilter{Client: "client-77"}, total / 1000},
		{"a client with none", question.JobFilter{Client: "nobody"}, 0},
		{"failed", question.JobFilter{Status: question.Failed}, total / 100},
		{"a question that nobody asked", question.JobFilter{Question: "best5"}, 0},
		{"the last minute", question.JobFilter{Since: hour.Add(59 * time.Minute)}, total / 60},
	} {
		b.Run(tt.name, func(b *testing.B) {
			var page question.JobPage
			for b.Loop() {
				if page, err = s.List(b.Context(), tt.filter, "", 100); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			pages, found := 1, len(page.Jobs)
			for want := min(tt.want, 100); found < want || want == 0 && page.Next != "" && pages < 5; pages++ {
				if page, err = s.List(b.Context(), tt.filter, page.Next, 100); err != nil || page.Next == "" && found+len(page.Jobs) < want {
					b.Fatalf("%d jobs in %d pages, want %d: %v", found+len(page.Jobs), pages+1, want, err)
				}
				found += len(page.Jobs)
			}
			b.ReportMetric(float64(pages), "pages")
		})
	}
}
