package metrics_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.uber.org/goleak"

	"github.com/le-stats-sportifs/lestats/runtime/metrics"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// observer is what both kinds of metrics have.
type observer interface {
	RequestBegan()
	RequestEnded(route, method string, status int, code question.Code, took time.Duration)
	JobEnded(job *question.Job)
	JobRefused(code question.Code)
	JobRecovered()
	Answered(name string, answer *question.Answer, err error)
	Ran(name, plugin string, used question.Usage)
	PluginLoaded(info *question.PluginInfo)
	Stored(operation, result string, took time.Duration)
	Queued(operation, result string)
}

var (
	_ observer = (*metrics.Prometheus)(nil)
	_ observer = (*metrics.EMF)(nil)
)

// happen tells an observer something of everything: of two jobs, of which one failed, and
// of a third whose question is not served.
func happen(o observer) {
	created := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	o.RequestBegan()
	o.RequestEnded("/api/{question}", "POST", 202, "", 3*time.Millisecond)
	o.RequestBegan()
	o.RequestEnded("", "BREW", 429, question.CodeRateLimited, time.Millisecond)
	o.RequestBegan()
	o.RequestEnded("/readyz", "GET", 503, question.CodeNotReady, time.Millisecond)
	o.JobEnded(&question.Job{
		Status: question.Done, Request: question.Request{Question: "mean"}, Created: created, Started: created.Add(2 * time.Second),
		Provenance: &question.Provenance{Plugin: "stats"},
	})
	o.JobEnded(&question.Job{Status: question.Failed, Request: question.Request{Question: "mean"}, Created: created, Error: &question.Error{Code: question.CodeTimeLimit}})
	o.JobEnded(&question.Job{Status: question.Cancelled, Request: question.Request{Question: "of a stranger"}, Error: &question.Error{Code: question.CodeCancelled}})
	o.JobRefused(question.CodeQueueFull)
	o.JobRecovered()
	o.Answered("mean", &question.Answer{Provenance: &question.Provenance{Plugin: "stats"}}, nil)
	o.Answered("mean", nil, question.Errorf(question.CodeTimeLimit, "late"))
	o.Ran("mean", "stats", question.Usage{Fuel: 1000, Time: 4 * time.Millisecond, Memory: 1 << 20})
	o.PluginLoaded(&question.PluginInfo{Serving: true})
	o.PluginLoaded(&question.PluginInfo{Error: &question.Error{}})
	o.Stored("create", "ok", time.Millisecond)
	o.Stored("get", "error", time.Millisecond)
	o.Queued("send", "error")
}

// connected returns metrics of a process with this many plugins of three questions each.
func connected(plugins int) *metrics.Prometheus {
	p := metrics.NewPrometheus("1.2.3")
	infos := []question.PluginInfo{{Serving: true}, {Error: &question.Error{}}, {Error: &question.Error{}, Lacks: []string{"a column"}}}
	for range plugins - len(infos) {
		infos = append(infos, question.PluginInfo{Serving: true})
	}
	p.Connect(metrics.Sources{
		Jobs: func() (int, int) { return 3, 2 }, Workers: 4, Intake: 1024,
		Memory:  func() (uint64, uint64) { return 1 << 20, 1 << 30 },
		Plugins: func() []question.PluginInfo { return infos },
		Plugin: func(name string) string {
			if name == "mean" {
				return "stats"
			}
			return ""
		},
	})
	return p
}

func scrape(t testing.TB, p *metrics.Prometheus) string {
	t.Helper()
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPrometheus(t *testing.T) {
	p := connected(3)
	happen(p)
	text := scrape(t, p)
	for _, want := range []string{
		`lestats_build_info{go_version="go`,
		`version="1.2.3"} 1`,
		`lestats_http_requests_total{method="POST",route="/api/{question}",status="202"} 1`,
		`lestats_http_requests_total{method="other",route="",status="429"} 1`,
		`lestats_http_request_duration_seconds_count{route="/api/{question}"} 1`,
		`lestats_http_requests_in_flight 0`,
		`lestats_rate_limited_total 1`,
		`lestats_jobs_total{code="done",plugin="stats",question="mean"} 1`,
		`lestats_jobs_total{code="time_limit",plugin="stats",question="mean"} 1`,
		`lestats_jobs_total{code="cancelled",plugin="",question=""} 1`,
		`lestats_job_wait_seconds_sum 2`,
		`lestats_answers_total{code="done",plugin="stats",question="mean"} 1`,
		`lestats_answers_total{code="time_limit",plugin="stats",question="mean"} 1`,
		`lestats_jobs_refused_total{code="queue_full"} 1`,
		`lestats_jobs_recovered_total 1`,
		`lestats_jobs_waiting 3`,
		`lestats_jobs_running 2`,
		`lestats_workers 4`,
		`lestats_intake_limit 1024`,
		`lestats_run_duration_seconds_sum{plugin="stats"} 0.004`,
		`lestats_fuel_total{plugin="stats",question="mean"} 1000`,
		`lestats_run_memory_bytes_sum 1.048576e+06`,
		`lestats_memory_used_bytes 1.048576e+06`,
		`lestats_memory_budget_bytes 1.073741824e+09`,
		`lestats_plugins{state="serving"} 1`,
		`lestats_plugins{state="refused"} 1`,
		`lestats_plugins{state="unfit"} 1`,
		`lestats_plugin_loads_total{result="loaded"} 1`,
		`lestats_plugin_loads_total{result="refused"} 1`,
		`lestats_store_requests_total{operation="create",result="ok"} 1`,
		`lestats_store_requests_total{operation="get",result="error"} 1`,
		`lestats_store_request_duration_seconds_count{operation="get"} 1`,
		`lestats_queue_requests_total{operation="send",result="error"} 1`,
		`go_goroutines `,
		`process_resident_memory_bytes `,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(text, "BREW") || strings.Contains(text, "stranger") {
		t.Errorf("a stranger's text is a label:\n%s", text)
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
}

// TestHammer counts from many goroutines while others scrape.
func TestHammer(t *testing.T) {
	p := connected(3)
	var out bytes.Buffer
	emf := metrics.NewEMF(&out, "api")
	var wg sync.WaitGroup
	const each, goroutines = 100, 8
	for range goroutines {
		wg.Go(func() {
			for i := range each {
				happen(p)
				happen(emf)
				if i%20 == 0 {
					if err := errors.Join(p.Write(new(bytes.Buffer)), emf.Flush()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if err := emf.Flush(); err != nil {
		t.Fatal(err)
	}
	if text, want := scrape(t, p), fmt.Sprintf("lestats_jobs_recovered_total %d\n", each*goroutines); !strings.Contains(text, want) {
		t.Errorf("no %s", want)
	}
	jobs := 0.0
	for line := range strings.Lines(out.String()) {
		var v struct{ Jobs float64 }
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatal(err)
		}
		jobs += v.Jobs
	}
	if jobs != 3*each*goroutines {
		t.Errorf("%v jobs in the lines", jobs)
	}
}

// TestEMF checks the lines of a function against the schema of CloudWatch's specification,
// and that each metric that a line declares has its values.
func TestEMF(t *testing.T) {
	file, err := os.ReadFile("testdata/emf.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("emf.json", doc); err != nil {
		t.Fatal(err)
	}
	schema := c.MustCompile("emf.json")

	var out bytes.Buffer
	emf := metrics.NewEMF(&out, "lestats-Api-1A2B")
	if err := emf.Flush(); err != nil || out.Len() > 0 {
		t.Fatalf("an event without anything: %q, %v", out.String(), err)
	}
	happen(emf)
	for range 250 {
		emf.Ran("mean", "stats", question.Usage{Fuel: 1, Time: time.Millisecond})
	}
	if err := emf.Flush(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != 3 { // 251 runs, 100 of them a line
		t.Errorf("%d lines", len(lines))
	}
	total := map[string]float64{}
	for _, line := range lines {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		var aws struct {
			AWS struct {
				Timestamp         int64
				CloudWatchMetrics []struct {
					Namespace  string
					Dimensions [][]string
					Metrics    []struct{ Name, Unit string }
				}
			} `json:"_aws"`
		}
		var members map[string]any
		if err := errors.Join(json.Unmarshal([]byte(line), &aws), json.Unmarshal([]byte(line), &members)); err != nil {
			t.Fatal(err)
		}
		d := aws.AWS.CloudWatchMetrics[0]
		if age := time.Since(time.UnixMilli(aws.AWS.Timestamp)); age < 0 || age > time.Minute {
			t.Errorf("a time stamp %v ago", age)
		}
		if d.Namespace != metrics.Namespace || fmt.Sprint(d.Dimensions) != "[[function]]" || members["function"] != "lestats-Api-1A2B" {
			t.Errorf("%+v, function %v", d, members["function"])
		}
		if len(members) != len(d.Metrics)+2 {
			t.Errorf("%d members, of which %d are metrics", len(members), len(d.Metrics))
		}
		for _, m := range d.Metrics {
			switch value := members[m.Name].(type) {
			case float64:
				total[m.Name] += value
			case []any:
				if len(value) == 0 || len(value) > 100 {
					t.Errorf("%s has %d values", m.Name, len(value))
				}
				total[m.Name+"s"] += float64(len(value))
			default:
				t.Errorf("%s is %v", m.Name, value)
			}
		}
	}
	for name, want := range map[string]float64{
		"Requests": 3, "RequestTimes": 3, "ServerErrors": 1, "RateLimited": 1, "Jobs": 3, "JobsFailed": 1, "JobsRefused": 1,
		"JobsRecovered": 1, "JobWaits": 1, "Answers": 2, "RunTimes": 251, "RunMemorys": 251, "Fuel": 1250, "StoreRequests": 2,
		"StoreTimes": 2, "StoreErrors": 1, "QueueErrors": 1, "PluginsRefused": 1,
	} {
		if total[name] != want {
			t.Errorf("%s: %v, want %v", name, total[name], want)
		}
	}
}

// BenchmarkScrape scrapes a process with 50 plugins of three questions, which all have been
// asked, with two outcomes each, and with 30 routes.
func BenchmarkScrape(b *testing.B) {
	const plugins, questions, routes = 50, 3, 30
	p := connected(plugins)
	for i := range plugins {
		plugin := fmt.Sprint("plugin", i)
		for n := range questions {
			name := fmt.Sprint(plugin, "_", n)
			from := &question.Provenance{Plugin: plugin}
			p.Ran(name, plugin, question.Usage{Fuel: 1000, Time: time.Millisecond})
			p.JobEnded(&question.Job{Status: question.Done, Request: question.Request{Question: name}, Provenance: from})
			p.JobEnded(&question.Job{Status: question.Failed, Request: question.Request{Question: name}, Provenance: from, Error: &question.Error{Code: question.CodeTimeLimit}})
			p.Answered(name, &question.Answer{Provenance: from}, nil)
		}
	}
	for i := range routes {
		for _, status := range []int{200, 404, 503} {
			p.RequestBegan()
			p.RequestEnded(fmt.Sprint("/route", i), "GET", status, "", time.Millisecond)
		}
	}
	happen(p)
	var out bytes.Buffer
	b.ReportAllocs()
	before := processorTime(b)
	for b.Loop() {
		out.Reset()
		if err := p.Write(&out); err != nil {
			b.Fatal(err)
		}
	}
	series := 0
	for line := range strings.Lines(out.String()) {
		if !strings.HasPrefix(line, "#") {
			series++
		}
	}
	if series < plugins*questions*4 {
		b.Fatalf("%d series", series)
	}
	b.ReportMetric(float64(series), "series")
	b.ReportMetric(float64(out.Len()), "bytes")
	each := (processorTime(b) - before) / time.Duration(b.N) // others may use the machine
	b.ReportMetric(milliseconds(each), "cpu-ms/op")
	if os.Getenv("LESTATS_TEST_TARGETS") != "" && each > 5*time.Millisecond {
		b.Errorf("a scrape takes %v of a processor, more than 5 ms", each)
	}
}

// processorTime is what this process has used of processors.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
