// Package storetest holds the conformance suite of the store: Run tests a
// results.Objects, alone and under a results.Store. Memory and Faults are for tests of
// code that uses a store.
package storetest

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results"
)

// Open returns empty objects that share nothing with those of another call: a new
// folder, or another prefix of a bucket. It registers their Close with t.Cleanup.
type Open func(t *testing.T) results.Objects

// Run tests that the objects that open returns keep the contract.
func Run(t *testing.T, open Open) {
	t.Run("Objects", func(t *testing.T) { runObjects(t, open) })
	t.Run("Store", func(t *testing.T) { runStore(t, open) })
}

// ID returns the id of a job made at that instant (to the millisecond). For the same
// instant, a smaller n makes a smaller id.
func ID(at time.Time, n int) string {
	var u uuid.UUID
	ms := uint64(at.UnixMilli())
	binary.BigEndian.PutUint64(u[:8], ms<<16|0x7000)
	binary.BigEndian.PutUint64(u[8:], 1<<63|uint64(n))
	return u.String()
}

// Pending returns a queued job.
func Pending(id string) *question.Job {
	return &question.Job{
		ID:      id,
		Status:  question.Queued,
		Request: question.Request{Question: "states_mean", Params: map[string]any{"question": "Percent of adults with <obesity> & \"more\""}},
		Created: createdAt(id),
	}
}

// Done returns a job that succeeded with a result of that many rows.
func Done(id string, rows int) *question.Job {
	keys := question.Column{Name: "location", Type: question.String, Role: question.RoleKey, Dict: []string{"Ohio", "Oklahoma"}}
	means := question.Column{Name: "mean", Type: question.Number, Role: question.RoleValue, Unit: "%"}
	for i := range rows {
		keys.Codes = append(keys.Codes, int32(i&1))
		means.Numbers = append(means.Numbers, 33.25+float64(i)/7)
	}
	job := Pending(id)
	job.Status = question.Done
	job.Attempts = 1
	job.Started, job.Finished = job.Created.Add(time.Millisecond), job.Created.Add(2*time.Millisecond)
	job.Provenance = &question.Provenance{Dataset: "npao", DatasetDigest: "sha256:00", Plugin: "sportifs", RowsSelected: rows}
	job.Coverage = &question.Coverage{Rows: rows + 1, Missing: 1, Mixed: []question.Mixed{{Column: "year", Title: "Year", Values: 13}}}
	job.Caveats = []question.Caveat{{Code: question.CaveatMean, Text: "Plain means of <published> figures."}}
	job.Result = &question.Table{Layout: question.LayoutMap, Columns: []question.Column{keys, means}}
	job.Receipt = &question.Receipt{Dataset: "sha256:00", Plugin: "sha256:01", Request: "sha256:02", Result: job.Result.Digest(), Fuel: 1 << 40, Build: "1.2.3"}
	return job
}

// createdAt returns the instant in an id.
func createdAt(id string) time.Time {
	sec, nsec := uuid.MustParse(id).Time().UnixTime()
	return time.Unix(sec, nsec).UTC()
}
