package main

import (
	"flag"
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
	handedAfter         = 250 * time.Millisecond // how long a function tries a job before it goes to the queue
	million             = 1e6
	priceQueue          = 0.40  // a million requests of SQS
	priceStorage        = 0.023 // S3, a GB and month
	clockTicks          = 100   // a second, of Linux's /proc
	objectKB, keptMonth = 2.0, 7.0 / 30
)

// report makes TestCost and TestWorkersScale reports, with their targets: make cost, make
// bench-worker.
var report = flag.Bool("report", false, "measure long enough to judge, and fail where a target is missed")

// The targets of a million jobs, in dollars.
const (
	maxShort  = 9
	maxQueued = 25
)

// TestCost counts what a job needs in the cloud, asked for from one process and fetched
// from another, and prints what a million of them cost. A processor's time is measured
// here, and stretched to the share of one that the function has; each request to S3
// is taken to last latency.
func TestCost(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	short, batches := 20, 2
	if *report {
		short, batches = 1000, 20
	}
	server := testminio.Start(t)
	target, err := url.Parse(server.Endpoint)
	if err != nil {
		t.Fatal(err)
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
	cache := "LESTATS_CACHE=" + compiled(t)
	seldom := "LESTATS_PLUGINS_POLL=1h" // one listing in 30 s of a process is no job's
	// The one that is asked and the one that the answer is fetched from.
	var processes [2]*lambdatest.Environment
	var clients [2]*http.Client
	for i := range processes {
		e := function(t, lambdatest.Config{Timeout: 30 * time.Second, MemoryMiB: memory}, store, cache, seldom, "LESTATS_S3_ENDPOINT="+counting.URL, "LESTATS_S3_MAKE_BUCKET=true",
			"AWS_ACCESS_KEY_ID="+server.AccessKey, "AWS_SECRET_ACCESS_KEY="+server.SecretKey)
		processes[i], clients[i] = e, client(lambdatest.Gateway{Version: "2.0", Invoke: e.Invoke})
	}
	job := func() {
		t.Helper()
		status, v := exchange(t, clients[0], "POST", "/api/states_mean", askObesity)
		id, _ := v["job_id"].(string)
		if status != http.StatusAccepted || id == "" {
			t.Fatal(status, v)
		}
		if status, v := exchange(t, clients[1], "GET", "/api/get_results/"+id, ""); !answered(status, v) {
			t.Fatal(status, v)
		}
	}
	count := func(requests map[string]int) counts {
		mu.Lock()
		defer mu.Unlock()
		return counts{float64(requests["PUT"] + requests["POST"]), float64(requests["LIST"]), float64(requests["GET"] + requests["HEAD"]), float64(requests["DELETE"])}
	}
	spent := func() (all time.Duration) {
		for _, e := range processes {
			all += cpuTime(t, e.Pid())
		}
		return all
	}
	job() // the start is no job's
	var out strings.Builder
	fmt.Fprintf(&out, "prices of %s, of a million jobs, each asked for and fetched once, US$\n", pricesSeen)
	begin, before := spent(), count(requests)
	for range short {
		job()
	}
	direct := cost{&out, (spent() - begin) / time.Duration(short), count(requests).per(before, short), 0}
	fmt.Fprintf(&out, "\nA job that ends at once: %s\n", direct.needs())
	direct.linef(million*direct.billed().Seconds()*memory/1024*priceGBSecond, "Lambda, %d ms per job at %d MB, arm64", direct.billed().Milliseconds(), memory)
	direct.linef(2*priceInvocations, "Lambda, 2 invocations per job")
	direct.rest()

	// Through the queue: what the worker does with batches of ten jobs is measured, and
	// the time before that is what a function gives a job.
	worker := function(t, lambdatest.Config{Timeout: 60 * time.Second, MemoryMiB: memory, Env: []string{"_HANDLER=worker"}}, store, cache, seldom, "LESTATS_S3_ENDPOINT="+counting.URL,
		"AWS_ACCESS_KEY_ID="+server.AccessKey, "AWS_SECRET_ACCESS_KEY="+server.SecretKey)
	processes[0] = worker
	objects := testStore(t, counting.URL, server, store)
	queued := 0
	batch := func() {
		t.Helper()
		var bodies []string
		for range queue.MaxMessages {
			job := pendingJob(t)
			if err := objects.PutPending(t.Context(), job); err != nil {
				t.Fatal(err)
			}
			bodies = append(bodies, queue.Body(job.ID))
			queued++
		}
		if answer, err := worker.Invoke(t.Context(), sqsEvent("jobs", bodies...)); err != nil || string(answer) != `{"batchItemFailures":[]}` {
			t.Fatalf("%s, %v", answer, err)
		}
		for _, body := range bodies {
			id, _ := queue.Job(body)
			if status, v := exchange(t, clients[1], "GET", "/api/get_results/"+id, ""); status != http.StatusOK || v["status"] != "done" {
				t.Fatal(status, v)
			}
		}
	}
	batch()
	begin, queued, before = spent(), 0, count(requests)
	for range batches {
		batch()
	}
	long := cost{&out, (spent() - begin) / time.Duration(queued), count(requests).per(before, queued), 0}
	fmt.Fprintf(&out, "\nA job that goes through the queue, beside its own time in the worker: %s\n", long.needs())
	long.linef(million*(long.billed()+handedAfter).Seconds()*memory/1024*priceGBSecond, "Lambda, %d ms per job at %d MB, arm64: %d of them before it is queued", (long.billed() + handedAfter).Milliseconds(), memory, handedAfter.Milliseconds())
	long.linef(2.1*priceInvocations, "Lambda, 2.1 invocations per job")
	long.linef(1.2*priceQueue, "SQS, 1.2 requests per job: sent alone, received and deleted by tens")
	long.rest()
	hourly(&out, &direct, &long)
	t.Log("\n" + out.String())
	if n := direct.s3; n != (counts{writes: 1, reads: 1}) {
		t.Errorf("a job that ends at once needs %+v", n)
	}
	if *report && (direct.total > maxShort || long.total > maxQueued) {
		t.Errorf("the targets are %d and %d dollars", maxShort, maxQueued)
	}
}

// The public quotas of AWS that a million jobs an hour come near to, or pass.
const (
	quotaHTTPAPI     = 10_000 // requests a second, of an account in a region
	quotaConcurrency = 1000   // processes of all functions at the same time; 10 in a new account
	quotaPerProcess  = 10     // requests a second for each process that the account may have
	quotaWrites      = 3500   // a second, under one prefix of a bucket
	quotaReads       = 5500
	ownTime          = 100 * time.Millisecond // of a queued job in its worker: an example
)

// hourly prints what a million jobs an hour use of each quota, for jobs that end at once and
// for queued ones, most used first as it is at the template's size.
func hourly(out *strings.Builder, direct, long *cost) {
	second := million / time.Hour.Seconds()
	fmt.Fprintf(out, "\nA million jobs an hour, %.0f a second: at once, and queued with %d ms of their own in the worker\n", second, ownTime.Milliseconds())
	line := func(what string, direct, long, quota float64) {
		fmt.Fprintf(out, "  %-58s %6.0f %6.0f of %6.0f\n", what, direct*second, long*second, quota)
	}
	line("HTTP API, requests per second", 2, 2, quotaHTTPAPI)
	line("Lambda, requests per second at 1,000 processes", 2, 2.1, quotaConcurrency*quotaPerProcess)
	get := direct.billed().Seconds() / 2
	line("Lambda, processes of the API", direct.billed().Seconds(), get+handedAfter.Seconds(), quotaConcurrency)
	line("Lambda, processes of the worker", 0, (long.billed() + ownTime).Seconds(), quotaConcurrency)
	line("S3, writes, listings and deletions per second", direct.s3.writes+direct.s3.lists+direct.s3.deletes, long.s3.writes+long.s3.lists+long.s3.deletes, quotaWrites)
	line("S3, reads per second", direct.s3.reads, long.s3.reads, quotaReads)
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
	c.linef(objectKB*keptMonth*priceStorage, "S3, 2 KB per job for 7 days")
	c.linef(2*priceHTTPAPI, "HTTP API, 2 requests per job (the function URL: 0)")
	fmt.Fprintf(c.out, "  %-72s %7.2f\n", "all", c.total)
}

// testStore opens the store of a location, through this endpoint.
func testStore(t *testing.T, endpoint string, server *testminio.Server, location string) *results.Store {
	t.Helper()
	objects, err := s3.Open(t.Context(), s3.Config{URL: strings.TrimPrefix(location, "LESTATS_STORE="), Endpoint: endpoint, AccessKey: server.AccessKey, SecretKey: server.SecretKey})
	if err != nil {
		t.Fatal(err)
	}
	store := results.New(objects)
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// cpuTime is the processor's time that a process has had, in steps of 10 ms.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ") // the program's name may hold anything
	fields := strings.Fields(after)
	ticks := 0
	for _, i := range []int{11, 12} { // of the user, of the system
		n, err := strconv.Atoi(fields[i])
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / clockTicks
}
