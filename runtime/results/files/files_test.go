package files_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/files"
	"github.com/le-stats-sportifs/lestats/runtime/results/storetest"
)

func open(t testing.TB, cfg files.Config) *files.Objects {
	t.Helper()
	if cfg.Folder == "" {
		cfg.Folder = t.TempDir()
	}
	o, err := files.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

func BenchmarkJob(b *testing.B) {
	for _, d := range []files.Durability{files.Process, files.Disk} {
		b.Run(string(d), func(b *testing.B) {
			s := results.New(open(b, files.Config{Durability: d}))
			table := &question.Table{Layout: "flat"}
			keys := question.Column{Name: "location", Type: question.String, Role: question.RoleKey}
			means := question.Column{Name: "mean", Type: question.Number, Role: question.RoleValue}
			for i := range 55 {
				keys.Dict = append(keys.Dict, uuid.NewString())
				keys.Codes = append(keys.Codes, int32(i))
				means.Numbers = append(means.Numbers, 30+float64(i)/7)
			}
			table.Columns = []question.Column{keys, means}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					id := uuid.Must(uuid.NewV7()).String()
					job := &question.Job{ID: id, Status: question.Queued, Created: time.Now(), Request: question.Request{Question: "states_mean", Params: map[string]any{"question": "x"}}}
					if err := s.PutPending(b.Context(), job); err != nil {
						b.Error(err)
					}
					job.Status, job.Result = question.Done, table
					if created, err := s.PutOutcome(b.Context(), job); err != nil || !created {
						b.Error(created, err)
					}
					if err := s.DeletePending(b.Context(), id); err != nil {
						b.Error(err)
					}
					if _, err := s.Get(b.Context(), id); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

func TestConformance(t *testing.T) {
	for _, d := range []files.Durability{files.Process, files.Disk} {
		t.Run(string(d), func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) results.Objects { return open(t, files.Config{Durability: d}) })
		})
	}
}
