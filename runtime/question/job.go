package question

import "time"

// Request asks one question.
type Request struct {
	Question string         `json:"question"`         // the question's name
	Params   map[string]any `json:"params,omitempty"` // JSON values: string, json.Number or float64, bool, []any
	Where    map[string]any `json:"where,omitempty"`  // column -> a value, a list of values, or {"min":, "max":}
}

// Status is where a job is in its life.
type Status string

// The statuses; the last three are final.
const (
	Queued    Status = "queued"
	Running   Status = "running"
	Done      Status = "done"
	Failed    Status = "failed"
	Cancelled Status = "cancelled"
)

// Final reports whether a job with this status will never change again.
func (s Status) Final() bool { return s == Done || s == Failed || s == Cancelled }

// Job is one asking of one question. Its JSON form is what the store keeps.
type Job struct {
	ID         string      `json:"id"` // UUIDv7
	Status     Status      `json:"status"`
	Request    Request     `json:"request"`
	Created    time.Time   `json:"created"` // UTC, as the other times
	Started    time.Time   `json:"started,omitzero"`
	Finished   time.Time   `json:"finished,omitzero"`
	Attempts   int         `json:"attempts"`           // times that it was started
	RetryOf    string      `json:"retry_of,omitempty"` // the job that this one asks again
	Provenance *Provenance `json:"provenance,omitempty"`
	Result     *Table      `json:"result,omitempty"` // with Done
	Error      *Error      `json:"error,omitempty"`  // with Failed and Cancelled
}

// Provenance says what an answer was computed from: an answer depends on
// nothing else than these and the request.
type Provenance struct {
	Dataset       string `json:"dataset"`        // name
	DatasetDigest string `json:"dataset_digest"` // "sha256:..."
	Synthetic     bool   `json:"synthetic"`      // the dataset is generated: not real figures
	Plugin        string `json:"plugin"`         // name
	PluginVersion string `json:"plugin_version"`
	PluginDigest  string `json:"plugin_digest"` // "sha256:..." of the .wasm file
	RowsSelected  int    `json:"rows_selected"`
}

// Answer is what running a request yields.
type Answer struct {
	Table      *Table
	Provenance *Provenance
}
