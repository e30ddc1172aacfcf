package question

import "time"

// Request asks one question.
type Request struct {
	Question string         `json:"question"`         // the question's name
	Params   map[string]any `json:"params,omitempty"` // JSON values: string, json.Number or float64, bool, []any
	Where    map[string]any `json:"where,omitempty"`  // column -> a value, a list of values, or {"min":, "max":}
}

// Status is the state of a job.
type Status string

// The statuses; the last three are final.
const (
	Queued    Status = "queued"
	Running   Status = "running"
	Done      Status = "done"
	Failed    Status = "failed"
	Cancelled Status = "cancelled"
)

// Statuses has all statuses. It must not be modified.
var Statuses = []Status{Queued, Running, Done, Failed, Cancelled}

// Final reports whether a job with this status can no longer change.
func (s Status) Final() bool { return s == Done || s == Failed || s == Cancelled }

// Job is one request with its state and outcome. The store keeps its JSON form.
type Job struct {
	ID         string      `json:"id"` // UUIDv7
	Status     Status      `json:"status"`
	Request    Request     `json:"request"`
	Created    time.Time   `json:"created"` // UTC, as the other times
	Started    time.Time   `json:"started,omitzero"`
	Finished   time.Time   `json:"finished,omitzero"`
	Attempts   int         `json:"attempts"`           // number of starts, without interrupted ones
	RetryOf    string      `json:"retry_of,omitempty"` // the job that this one repeats
	Client     string      `json:"client,omitempty"`   // name of the key that it was sent with; "": none
	Trace      string      `json:"trace,omitempty"`    // W3C traceparent of the request that submitted it; "": none
	Provenance *Provenance `json:"provenance,omitempty"`
	Coverage   *Coverage   `json:"coverage,omitempty"`
	Caveats    []Caveat    `json:"caveats,omitempty"`
	Receipt    *Receipt    `json:"receipt,omitempty"`
	Result     *Table      `json:"result,omitempty"` // with Done
	Error      *Error      `json:"error,omitempty"`  // with Failed and Cancelled

	// Replayed: Submit or Retry returned this job because an earlier request with the same
	// Idempotency-Key made it. It is not stored.
	Replayed bool `json:"-"`

	// Lease is how long, in nanoseconds from when this record was written, whoever wrote
	// it may take: until then no other process starts the job. 0: as long as a run may
	// take. Of a job that has not ended.
	Lease time.Duration `json:"lease,omitempty"`
	// Returned counts the processes that gave the job back because they do not know its
	// question. Of a job that has not ended.
	Returned int `json:"returned,omitempty"`
}

// Answer returns the outcome of a job that is Done.
func (j *Job) Answer() *Answer {
	return &Answer{Table: j.Result, Provenance: j.Provenance, Coverage: j.Coverage, Caveats: j.Caveats, Receipt: j.Receipt}
}

// Job returns a job that is Done with this answer to a request. It has neither an id nor times.
func (a *Answer) Job(req Request) *Job {
	return &Job{
		Status: Done, Request: req, Result: a.Table, Provenance: a.Provenance,
		Coverage: a.Coverage, Caveats: a.Caveats, Receipt: a.Receipt,
	}
}

// Message is one delivery of a job's id by a queue.
type Message struct {
	ID           string // the job's; not checked
	Receipt      string // names this delivery to the queue
	ReceiveCount int    // number of deliveries, including this one
}

// Provenance identifies the inputs of an answer, which depends only on these and on the
// request.
type Provenance struct {
	Dataset       string `json:"dataset"`        // name
	DatasetDigest string `json:"dataset_digest"` // "sha256:..."
	Synthetic     bool   `json:"synthetic"`      // the dataset is generated: not real figures
	Plugin        string `json:"plugin"`         // name
	PluginVersion string `json:"plugin_version"`
	PluginDigest  string `json:"plugin_digest"` // "sha256:..." of the .wasm file
	RowsSelected  int    `json:"rows_selected"`
}
