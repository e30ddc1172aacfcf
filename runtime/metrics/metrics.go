// Package metrics counts what the service does: for Prometheus, or in a cloud function as
// CloudWatch's embedded metrics in the log. The other rooms know neither: each declares the
// few methods of an observer that it calls, and both types here have them all.
package metrics

import (
	"bytes"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Prefix is what the names of all series begin with, except those of the Go runtime and of
// the process.
const Prefix = "lestats_"

// MediaType is that of Prometheus.Write.
const MediaType = "text/plain; version=0.0.4; charset=utf-8"

// Sources are asked for the state of the process when it is scraped. They are safe for
// concurrent use, and do not wait.
type Sources struct {
	Jobs    func() (waiting, running int)
	Workers int // jobs that run at the same time, at most
	Intake  int // jobs that may wait, at most
	// Memory is the memory budget of plugins and their jobs, in bytes.
	Memory func() (used, budget uint64)
	// Plugins returns the state of each plugin that was found.
	Plugins func() []question.PluginInfo
	// Plugin returns the plugin that answers a question now, "" if none does.
	Plugin func(question string) string
}

// Prometheus counts for a server that is scraped. Its methods are safe for concurrent use.
//
// The values of labels are from closed sets: routes' patterns, methods, statuses, error
// codes, and the names of questions and plugins that are served. What else a client sends
// becomes "" or "other".
type Prometheus struct {
	registry *prometheus.Registry
	first    sync.Once // of a scrape: what the start of a process need not wait for
	sources  Sources

	requests        *prometheus.CounterVec
	requestDuration *prometheus.HistogramVec
	inFlight        prometheus.Gauge
	rateLimited     prometheus.Counter

	jobs      *prometheus.CounterVec
	answers   *prometheus.CounterVec
	refused   *prometheus.CounterVec
	recovered prometheus.Counter
	wait      prometheus.Histogram

	runDuration *prometheus.HistogramVec
	fuel        *prometheus.CounterVec
	runMemory   prometheus.Histogram
	loads       *prometheus.CounterVec

	storeRequests *prometheus.CounterVec
	storeDuration *prometheus.HistogramVec
	queueRequests *prometheus.CounterVec
}

// Buckets of histograms: seconds, and bytes.
var (
	requestBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	waitBuckets    = []float64{.001, .005, .025, .1, .5, 1, 5, 10, 30, 60, 300, 1800}
	runBuckets     = []float64{.0001, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	storeBuckets   = []float64{.0001, .0005, .001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	memoryBuckets  = prometheus.ExponentialBuckets(64<<10, 4, 8) // 64 KiB to 1 GiB
)

// NewPrometheus returns a Prometheus for a program of this version, which says nothing of
// the process's state before Connect.
func NewPrometheus(version string) *Prometheus {
	p := &Prometheus{registry: prometheus.NewRegistry()}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: Prefix + name, Help: help}, labels)
		p.registry.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: Prefix + name, Help: help, Buckets: buckets}, labels)
		p.registry.MustRegister(h)
		return h
	}
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: Prefix + "build_info", Help: "1, with the version of the program and of Go."}, []string{"version", "go_version"})
	info.WithLabelValues(version, runtime.Version()).Set(1)
	p.inFlight = prometheus.NewGauge(prometheus.GaugeOpts{Name: Prefix + "http_requests_in_flight", Help: "HTTP requests that are being answered."})
	p.wait = prometheus.NewHistogram(prometheus.HistogramOpts{Name: Prefix + "job_wait_seconds", Help: "Time from a job's acceptance to its last start.", Buckets: waitBuckets})
	p.runMemory = prometheus.NewHistogram(prometheus.HistogramOpts{Name: Prefix + "run_memory_bytes", Help: "Linear memory that a run used beyond the dataset.", Buckets: memoryBuckets})
	p.rateLimited = prometheus.NewCounter(prometheus.CounterOpts{Name: Prefix + "rate_limited_total", Help: "HTTP requests that were refused because their client sends too many."})
	p.recovered = prometheus.NewCounter(prometheus.CounterOpts{Name: Prefix + "jobs_recovered_total", Help: "Jobs of dead processes that this one took up from the store."})
	p.registry.MustRegister(info, p.inFlight, p.wait, p.runMemory, p.rateLimited, p.recovered)

	p.requests = counter("http_requests_total", "HTTP requests that were answered.", "route", "method", "status")
	p.requestDuration = histogram("http_request_duration_seconds", "Time from a request's header to the end of its response.", requestBuckets, "route")
	p.jobs = counter("jobs_total", "Jobs that ended here: done, cancelled, or the code of the error.", "question", "plugin", "code")
	p.answers = counter("answers_total", "Answers without a job: done, or the code of the error.", "question", "plugin", "code")
	p.refused = counter("jobs_refused_total", "Jobs that were not accepted, by the code of the error.", "code")
	p.runDuration = histogram("run_duration_seconds", "Time of a run in the sandbox.", runBuckets, "plugin")
	p.fuel = counter("fuel_total", "Fuel that runs used, failed ones too.", "question", "plugin")
	p.loads = counter("plugin_loads_total", "Plugins that were found or changed: loaded, refused or unfit.", "result")
	p.storeRequests = counter("store_requests_total", "Requests to the store: ok, missing, cancelled or error.", "operation", "result")
	p.storeDuration = histogram("store_request_duration_seconds", "Time of a request to the store.", storeBuckets, "operation")
	p.queueRequests = counter("queue_requests_total", "Requests to the queue: ok, cancelled or error.", "operation", "result")
	return p
}

// Connect names what is asked at each scrape. It must be called once, before the first
// scrape and before the first job.
func (p *Prometheus) Connect(s Sources) {
	p.sources = s
	p.registry.MustRegister(newState(s))
}

// Write writes all series in Prometheus' text format.
func (p *Prometheus) Write(w io.Writer) error {
	p.first.Do(func() {
		p.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	})
	families, err := p.registry.Gather()
	if err != nil {
		return question.Errorf(question.CodeInternal, "the metrics cannot be gathered: %w", err)
	}
	out := expfmt.NewEncoder(w, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, f := range families {
		if err := out.Encode(f); err != nil {
			return question.Errorf(question.CodeInternal, "the metrics cannot be written: %w", err)
		}
	}
	return nil
}

// Serve answers a scrape. If it returns an error it has written nothing.
func (p *Prometheus) Serve(w http.ResponseWriter, _ *http.Request) error {
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		return err
	}
	w.Header().Set("Content-Type", MediaType)
	_, _ = w.Write(b.Bytes()) // the client may have left
	return nil
}

// RequestBegan is called when the header of an HTTP request has been read.
func (p *Prometheus) RequestBegan() { p.inFlight.Inc() }

// RequestEnded is called when an HTTP request was answered, once per RequestBegan. route is
// the pattern of its path, "" if there is none. code is that of the error, "" without one.
func (p *Prometheus) RequestEnded(route, method string, status int, code question.Code, took time.Duration) {
	p.inFlight.Dec()
	p.requests.WithLabelValues(route, known(method), strconv.Itoa(status)).Inc()
	p.requestDuration.WithLabelValues(route).Observe(took.Seconds())
	if code == question.CodeRateLimited {
		p.rateLimited.Inc()
	}
}

// known returns an HTTP method, "other" if it is not one of those that clients use.
func known(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

// JobEnded is called once for each job, in the process that stored its outcome.
func (p *Prometheus) JobEnded(job *question.Job) {
	q, plugin := p.labels(job.Request.Question, job.Provenance)
	p.jobs.WithLabelValues(q, plugin, outcome(job.Status, job.Error)).Inc()
	if !job.Started.IsZero() {
		p.wait.Observe(max(0, job.Started.Sub(job.Created).Seconds()))
	}
}

// Answered is called for each run that was asked for without a job, with the answer or the
// error, which is a *question.Error.
func (p *Prometheus) Answered(name string, answer *question.Answer, err error) {
	var from *question.Provenance
	if answer != nil {
		from = answer.Provenance
	}
	q, plugin := p.labels(name, from)
	code := done
	if err != nil {
		code = string(question.CodeOf(err))
	}
	p.answers.WithLabelValues(q, plugin, code).Inc()
}

// JobRefused is called for each job that is not accepted although its request is right.
func (p *Prometheus) JobRefused(code question.Code) { p.refused.WithLabelValues(string(code)).Inc() }

// JobRecovered is called for each job that is taken up from the store.
func (p *Prometheus) JobRecovered() { p.recovered.Inc() }

// Ran is called for each run of a plugin that is served.
func (p *Prometheus) Ran(name, plugin string, used question.Usage) {
	p.runDuration.WithLabelValues(plugin).Observe(used.Time.Seconds())
	p.fuel.WithLabelValues(name, plugin).Add(float64(max(0, used.Fuel)))
	p.runMemory.Observe(float64(used.Memory))
}

// PluginLoaded is called for each plugin that was found or changed.
func (p *Prometheus) PluginLoaded(info *question.PluginInfo) {
	result := string(stateOf(info))
	if info.Serving {
		result = "loaded"
	}
	p.loads.WithLabelValues(result).Inc()
}

// Stored is called for each request to the store. operation and result are of closed sets.
func (p *Prometheus) Stored(operation, result string, took time.Duration) {
	p.storeRequests.WithLabelValues(operation, result).Inc()
	p.storeDuration.WithLabelValues(operation).Observe(took.Seconds())
}

// Queued is called for each request to the queue. operation and result are of closed sets.
func (p *Prometheus) Queued(operation, result string) {
	p.queueRequests.WithLabelValues(operation, result).Inc()
}

// labels returns the labels of a question and of the plugin that answered it, or would: ""
// if the question is not served, whose name may be anything.
func (p *Prometheus) labels(name string, from *question.Provenance) (q, plugin string) {
	if from != nil {
		return name, from.Plugin
	}
	if plugin = p.sources.Plugin(name); plugin == "" {
		return "", ""
	}
	return name, plugin
}

const done = string(question.Done)

// outcome is how a job ended: done, cancelled, or the code of its error.
func outcome(status question.Status, err *question.Error) string {
	if status == question.Failed && err != nil {
		return string(err.Code)
	}
	return string(status)
}
