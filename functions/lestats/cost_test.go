package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/functions/api/lambdatest"
	"github.com/le-stats-sportifs/lestats/runtime/queue"
	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/s3"
	testminio "github.com/le-stats-sportifs/lestats/runtime/results/storetest/minio"
)

// Public prices in US dollars, of us-east-1, beyond the free tier, before discounts.
// Seen on 25 November 2026 in public pages about them, not in a bill: they change.
const (
	pricesSeen          = "25 Nov 2026"
	priceGBSecond       = 0.0000133334 // Lambda, arm64
	priceInvocations    = 0.20         // a million
	priceHTTPAPI        = 1.00         // a million requests
	priceWrites         = 5.00         // a million PUT or LIST of S3
	priceReads          = 0.40         // a million GET of S3
	processor           = 1769         // MB of memory that come with one processor
	memory              = 512          // MB, the template's default
	latency             = 15 * time.Millisecond
	handedAfter         = 2 * time.Second // how long a function tries a job before it goes to the queue
	million             = 1e6
	priceQueue          = 0.40  // a million requests of SQS
	priceStorage        = 0.023 // S3, a GB and month
	clockTicks          = 100   // a second, of Linux's /proc
	objectKB, keptMonth = 2.0, 7.0 / 30
)

// BenchmarkCost counts what a job needs in the cloud, asked for from one process and
// fetched from another, and prints what a million of them cost. A processor's time is measured
// here, and stretched to the share of one that the function has; each request to S3
// is taken to last latency.
func BenchmarkCost(b *testing.B) {
	server := testminio.Start(b)
	target, err := url.Parse(server.Endpoint)
	if err != nil {
		b.Fatal(err)
	}
	var mu sync.Mutex
	requests := map[string]int{}
	counting := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // it is signed
		method := r.In.Method
		if r.In.URL.Query().Has("list-type") {
			method = "LIST"
		}
		mu.Lock()
		defer mu.Unlock()
		requests[method]++
	}})
	defer counting.Close()
	store := fmt.Sprintf("LESTATS_STORE=s3://%s/cost-%d", server.Bucket, time.Now().UnixNano())
	cache := "LESTATS_CACHE=" + compiled(b)
	// The one that is asked and the one that the answer is fetched from.
	var processes [2]*lambdatest.Environment
	var clients [2]*http.Client
	for i := range processes {
		e := function(b, lambdatest.Config{Timeout: 30 * time.Second, MemoryMiB: memory}, store, cache, "LESTATS_S3_ENDPOINT="+counting.URL, "LESTATS_S3_MAKE_BUCKET=true",
			"AWS_ACCESS_KEY_ID="+server.AccessKey, "AWS_SECRET_ACCESS_KEY="+server.SecretKey)
		processes[i], clients[i] = e, client(lambdatest.Gateway{Version: "2.0", Invoke: e.Invoke})
	}
	job := func() {
		b.Helper()
		status, v := exchange(b, clients[0], "POST", "/api/states_mean", askObesity)
		id, _ := v["job_id"].(string)
		if status != http.StatusAccepted || id == "" {
			b.Fatal(status, v)
		}
		if status, v := exchange(b, clients[1], "GET", "/api/get_results/"+id, ""); !answered(status, v) {
			b.Fatal(status, v)
		}
	}
	count := func(requests map[string]int) counts {
		mu.Lock()
		defer mu.Unlock()
		return counts{float64(requests["PUT"] + requests["POST"]), float64(requests["LIST"]), float64(requests["GET"] + requests["HEAD"]), float64(requests["DELETE"])}
	}
	spent := func() (all time.Duration) {
		for _, e := range processes {
			all += cpuTime(b, e.Pid())
		}
		return all
	}
	job() // the start is no job's
	var out strings.Builder
	fmt.Fprintf(&out, "prices of %s, of a million jobs, each asked for and fetched once, US$\n", pricesSeen)
	begin, jobs, before := spent(), 0, count(requests)
	for b.Loop() {
		job()
		jobs++
	}
	short := cost{&out, (spent() - begin) / time.Duration(jobs), count(requests).per(before, jobs), 0}
	fmt.Fprintf(&out, "\nA job that ends at once: %s\n", short.needs())
	short.linef(million*short.billed().Seconds()*memory/1024*priceGBSecond, "Lambda, %d ms a job at %d MB, arm64", short.billed().Milliseconds(), memory)
	short.linef(2*priceInvocations, "Lambda, 2 invocations a job")
	short.rest()

	// Through the queue: what the worker does with ten jobs a message batch is measured,
	// the two seconds before that are the template's.
	worker := function(b, lambdatest.Config{Timeout: 60 * time.Second, MemoryMiB: memory, Env: []string{"_HANDLER=worker"}}, store, cache, "LESTATS_S3_ENDPOINT="+counting.URL,
		"AWS_ACCESS_KEY_ID="+server.AccessKey, "AWS_SECRET_ACCESS_KEY="+server.SecretKey)
	processes[0] = worker
	objects := testStore(b, counting.URL, server, store)
	queued := 0
	batch := func() {
		b.Helper()
		var bodies []string
		for range queue.MostMessages {
			job := pendingJob(b)
			if err := objects.PutPending(b.Context(), job); err != nil {
				b.Fatal(err)
			}
			bodies = append(bodies, queue.Body(job.ID))
			queued++
		}
		if answer, err := worker.Invoke(b.Context(), sqsEvent("jobs", bodies...)); err != nil || string(answer) != `{"batchItemFailures":[]}` {
			b.Fatalf("%s, %v", answer, err)
		}
		for _, body := range bodies {
			id, _ := queue.Job(body)
			if status, v := exchange(b, clients[1], "GET", "/api/get_results/"+id, ""); status != http.StatusOK || v["status"] != "done" {
				b.Fatal(status, v)
			}
		}
	}
	batch()
	begin, queued, before = spent(), 0, count(requests)
	for range 20 {
		batch()
	}
	long := cost{&out, (spent() - begin) / time.Duration(queued), count(requests).per(before, queued), 0}
	fmt.Fprintf(&out, "\nA job that goes through the queue, beside its own time in the worker: %s\n", long.needs())
	long.linef(million*(long.billed()+handedAfter).Seconds()*memory/1024*priceGBSecond, "Lambda, %d ms a job at %d MB, arm64: 2 s of them before it is handed over", (long.billed() + handedAfter).Milliseconds(), memory)
	long.linef(2.1*priceInvocations, "Lambda, 2.1 invocations a job")
	long.linef(1.2*priceQueue, "SQS, 1.2 requests a job: sent alone, received and deleted by tens")
	long.rest()
	b.Log("\n" + out.String())
	b.ReportMetric(short.total, "$/million")
}

// counts are requests to S3, by method.
type counts struct{ writes, lists, reads, deletes float64 }

// per returns what was counted since before, a job.
func (c counts) per(before counts, jobs int) counts {
	n := float64(jobs)
	return counts{(c.writes - before.writes) / n, (c.lists - before.lists) / n, (c.reads - before.reads) / n, (c.deletes - before.deletes) / n}
}

// cost adds up what a million jobs cost.
type cost struct {
	out   *strings.Builder
	used  time.Duration // of a processor, a job
	s3    counts        // a job
	total float64
}

func (c *cost) needs() string {
	return fmt.Sprintf("%.1f ms of a processor here, and %.2f PUT, %.2f LIST, %.2f GET, %.2f DELETE", float64(c.used.Microseconds())/1000, c.s3.writes, c.s3.lists, c.s3.reads, c.s3.deletes)
}

// billed is how long Lambda counts: the processor's time, stretched to the function's
// share of one, and what the requests to S3 take.
func (c *cost) billed() time.Duration {
	return c.used*processor/memory + time.Duration((c.s3.writes+c.s3.lists+c.s3.reads+c.s3.deletes)*float64(latency))
}

func (c *cost) linef(dollars float64, format string, args ...any) {
	c.total += dollars
	fmt.Fprintf(c.out, "  %-72s %7.2f\n", fmt.Sprintf(format, args...), dollars)
}

// rest adds what does not depend on how the job was run.
func (c *cost) rest() {
	c.linef((c.s3.writes+c.s3.lists)*priceWrites, "S3, writes and listings")
	c.linef(c.s3.reads*priceReads, "S3, reads")
	c.linef(objectKB*keptMonth*priceStorage, "S3, 2 KB a job for 7 days")
	c.linef(2*priceHTTPAPI, "HTTP API, 2 requests a job (the function URL: 0)")
	fmt.Fprintf(c.out, "  %-72s %7.2f\n", "all", c.total)
}

// testStore opens the store of a location, through this endpoint.
func testStore(b *testing.B, endpoint string, server *testminio.Server, location string) *results.Store {
	b.Helper()
	objects, err := s3.Open(b.Context(), s3.Config{URL: strings.TrimPrefix(location, "LESTATS_STORE="), Endpoint: endpoint, AccessKey: server.AccessKey, SecretKey: server.SecretKey})
	if err != nil {
		b.Fatal(err)
	}
	store := results.New(objects)
	b.Cleanup(func() { _ = store.Close() })
	return store
}

// cpuTime is the processor's time that a process has had, in steps of 10 ms.
func cpuTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ") // the program's name may hold anything
	fields := strings.Fields(after)
	ticks := 0
	for _, i := range []int{11, 12} { // of the user, of the system
		n, err := strconv.Atoi(fields[i])
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / clockTicks
}
