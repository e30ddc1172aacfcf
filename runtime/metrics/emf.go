package metrics

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Namespace is that of the metrics in CloudWatch.
const Namespace = "lestats"

// maxValues is how many values of one metric a line may have, by CloudWatch's specification.
const maxValues = 100

// figure is one metric of a line.
type figure struct {
	Name string `json:"Name"`
	Unit string `json:"Unit"`

	sum bool // the line has the sum of the values, not each
}

// The metrics of a function. Their only dimension is the function, because CloudWatch
// charges for each combination of a metric with values of dimensions.
var (
	emfRequests      = &figure{"Requests", "Count", true}
	emfRequestTime   = &figure{"RequestTime", "Milliseconds", false}
	emfServerErrors  = &figure{"ServerErrors", "Count", true}
	emfRateLimited   = &figure{"RateLimited", "Count", true}
	emfJobs          = &figure{"Jobs", "Count", true}
	emfJobsFailed    = &figure{"JobsFailed", "Count", true}
	emfJobsRefused   = &figure{"JobsRefused", "Count", true}
	emfJobsRecovered = &figure{"JobsRecovered", "Count", true}
	emfJobWait       = &figure{"JobWait", "Milliseconds", false}
	emfAnswers       = &figure{"Answers", "Count", true}
	emfRunTime       = &figure{"RunTime", "Milliseconds", false}
	emfRunMemory     = &figure{"RunMemory", "Bytes", false}
	emfFuel          = &figure{"Fuel", "Count", true}
	emfStore         = &figure{"StoreRequests", "Count", true}
	emfStoreTime     = &figure{"StoreTime", "Milliseconds", false}
	emfStoreErrors   = &figure{"StoreErrors", "Count", true}
	emfQueueErrors   = &figure{"QueueErrors", "Count", true}
	emfPluginsBad    = &figure{"PluginsRefused", "Count", true}
)

// EMF writes what a cloud function did as lines in CloudWatch's embedded metric format, from
// which CloudWatch makes metrics without a request of the function. Its methods are safe for
// concurrent use.
type EMF struct {
	function string
	to       io.Writer
	now      func() time.Time

	mu     sync.Mutex
	order  []*figure
	values map[*figure][]float64
}

// NewEMF returns an EMF that writes to w. function is the value of the dimension "function".
func NewEMF(w io.Writer, function string) *EMF {
	return &EMF{function: function, to: w, now: time.Now, values: map[*figure][]float64{}}
}

// Flush writes one line with what was counted since the last one, if anything was. It is
// called at the end of each event.
func (e *EMF) Flush() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.flush()
}

// flush is Flush; e.mu is held.
func (e *EMF) flush() error {
	if len(e.order) == 0 {
		return nil
	}
	type directive struct {
		Namespace  string     `json:"Namespace"`
		Dimensions [][]string `json:"Dimensions"`
		Metrics    []*figure  `json:"Metrics"`
	}
	type metadata struct {
		Timestamp         int64       `json:"Timestamp"` // milliseconds since 1970
		CloudWatchMetrics []directive `json:"CloudWatchMetrics"`
	}
	line := map[string]any{
		"_aws":     metadata{e.now().UnixMilli(), []directive{{Namespace, [][]string{{"function"}}, e.order}}},
		"function": e.function,
	}
	for f, values := range e.values {
		if f.sum {
			line[f.Name] = values[0]
		} else {
			line[f.Name] = values
		}
	}
	e.order = nil
	clear(e.values)
	b, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	if _, err := e.to.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

// add counts a value. A line that is full is written at once: a lost one is not worth an
// event.
func (e *EMF) add(f *figure, value float64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	values := e.values[f]
	switch {
	case len(values) == 0:
		e.order = append(e.order, f)
		values = []float64{value}
	case f.sum:
		values[0] += value
	default:
		values = append(values, value)
	}
	e.values[f] = values
	if len(values) == maxValues {
		_ = e.flush()
	}
}

// RequestBegan is called when an HTTP request has come in.
func (e *EMF) RequestBegan() {}

// RequestEnded is called when an HTTP request was answered.
func (e *EMF) RequestEnded(_, _ string, status int, code question.Code, took time.Duration) {
	e.add(emfRequests, 1)
	e.add(emfRequestTime, milliseconds(took))
	if status >= 500 {
		e.add(emfServerErrors, 1)
	}
	if code == question.CodeRateLimited {
		e.add(emfRateLimited, 1)
	}
}

// JobEnded is called once for each job, in the process that stored its outcome.
func (e *EMF) JobEnded(job *question.Job) {
	e.add(emfJobs, 1)
	if job.Status == question.Failed {
		e.add(emfJobsFailed, 1)
	}
	if !job.Started.IsZero() {
		e.add(emfJobWait, milliseconds(max(0, job.Started.Sub(job.Created))))
	}
}

// JobRefused is called for each job that is not accepted although its request is right.
func (e *EMF) JobRefused(question.Code) { e.add(emfJobsRefused, 1) }

// JobRecovered is called for each job that is taken up from the store.
func (e *EMF) JobRecovered() { e.add(emfJobsRecovered, 1) }

// Answered is called for each run that was asked for without a job.
func (e *EMF) Answered(string, *question.Answer, error) { e.add(emfAnswers, 1) }

// Ran is called for each run of a plugin that is served.
func (e *EMF) Ran(_, _ string, used question.Usage) {
	e.add(emfRunTime, milliseconds(used.Time))
	e.add(emfRunMemory, float64(used.Memory))
	e.add(emfFuel, float64(max(0, used.Fuel)))
}

// PluginLoaded is called for each plugin that was found or changed.
func (e *EMF) PluginLoaded(info *question.PluginInfo) {
	if !info.Serving {
		e.add(emfPluginsBad, 1)
	}
}

// Stored is called for each request to the store.
func (e *EMF) Stored(_, result string, took time.Duration) {
	e.add(emfStore, 1)
	e.add(emfStoreTime, milliseconds(took))
	if result == "error" {
		e.add(emfStoreErrors, 1)
	}
}

// Queued is called for each request to the queue.
func (e *EMF) Queued(_, result string) {
	if result == "error" {
		e.add(emfQueueErrors, 1)
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
