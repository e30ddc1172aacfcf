package jobs

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/queue"
	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/files"
	"github.com/le-stats-sportifs/lestats/runtime/results/storetest"
)

// benchRunner's jobs take a while, without using a processor.
type benchRunner struct {
	*fakeRunner

	length time.Duration
}

func (r benchRunner) Answer(ctx context.Context, req question.Request) (*question.Answer, error) {
	if r.length > 0 {
		time.Sleep(r.length)
	}
	return r.fakeRunner.Answer(ctx, req)
}

// BenchmarkJob is a job from Submit to done, by callers at the same time: jobs that end
// at once, and jobs that take longer than the grace of 10 ms.
func BenchmarkJob(b *testing.B) {
	for name, open := range map[string]func() results.Objects{
		"memory": func() results.Objects { return &storetest.Memory{} },
		"files": func() results.Objects {
			o, err := files.Open(files.Config{Folder: b.TempDir(), Log: quiet})
			if err != nil {
				b.Fatal(err)
			}
			return o
		},
	} {
		for _, length := range []time.Duration{0, 12 * time.Millisecond, 25 * time.Millisecond} {
			for _, callers := range []int{1, 16} {
				b.Run(fmt.Sprintf("%s/job=%v/callers=%d", name, length, 2*callers), func(b *testing.B) {
					s := results.New(open())
					p, err := New(Config{TimeLimit: 5 * time.Second, Queue: queue.NewMemory(time.Hour), Receive: true, Log: quiet}, s, benchRunner{newRunner(), length})
					if err != nil {
						b.Fatal(err)
					}
					if err := p.Start(b.Context()); err != nil {
						b.Fatal(err)
					}
					b.SetParallelism(callers)
					b.RunParallel(func(pb *testing.PB) {
						for pb.Next() {
							job, err := p.Submit(b.Context(), ask("ok", ""))
							if err == nil && !job.Status.Final() {
								job, err = p.Wait(b.Context(), job.ID)
							}
							if err != nil || job.Status != question.Done {
								b.Error(job, err)
							}
						}
					})
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
					if err := p.Close(b.Context()); err != nil {
						b.Error(err)
					}
					if err := s.Close(); err != nil {
						b.Error(err)
					}
				})
			}
		}
	}
}
