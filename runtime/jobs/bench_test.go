package jobs

import (
	"fmt"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/files"
	"github.com/le-stats-sportifs/lestats/runtime/results/storetest"
)

// BenchmarkJob is a job from Submit to done, by callers at the same time.
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
		for _, grace := range []time.Duration{0, 2 * time.Millisecond, DefaultGrace} {
			for _, callers := range []int{1, 16} {
				b.Run(fmt.Sprintf("%s/grace=%v/callers=%d", name, grace, 2*callers), func(b *testing.B) {
					s := results.New(open())
					p, err := New(Config{Sole: true, Grace: grace, Log: quiet}, s, newRunner())
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
