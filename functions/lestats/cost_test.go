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
	million             = 1e6
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
		if status, v := exchange(b, clients[1], "GET", "/api/get_results/"+id, ""); status != http.StatusOK || v["status"] != "done" {
			b.Fatal(status, v)
		}
	}
	spent := func() (all time.Duration) {
		for _, e := range processes {
			all += cpuTime(b, e.Pid())
		}
		return all
	}
	job() // the start is no job's
	mu.Lock()
	clear(requests)
	mu.Unlock()
	begin, jobs := spent(), 0
	for b.Loop() {
		job()
		jobs++
	}
	used := (spent() - begin) / time.Duration(jobs)

	mu.Lock()
	defer mu.Unlock()
	each := func(methods ...string) (n float64) {
		for _, m := range methods {
			n += float64(requests[m])
		}
		return n / float64(jobs)
	}
	all := each("PUT", "POST", "LIST", "GET", "HEAD", "DELETE")
	billed := used*processor/memory + time.Duration(all*float64(latency))
	var out strings.Builder
	var total float64
	line := func(what string, dollars float64) {
		total += dollars
		fmt.Fprintf(&out, "%-62s %7.2f\n", what, dollars)
	}
	fmt.Fprintf(&out, "%d jobs: each has %.1f ms of a processor here, and %.2f PUT, %.2f LIST, %.2f GET, %.2f DELETE\n\n", jobs, float64(used.Microseconds())/1000, each("PUT", "POST"), each("LIST"), each("GET", "HEAD"), each("DELETE"))
	fmt.Fprintf(&out, "a million jobs, each asked for and fetched once; prices of %s    US$\n", pricesSeen)
	line(fmt.Sprintf("Lambda, %d ms a job at %d MB, arm64", billed.Milliseconds(), memory), million*billed.Seconds()*memory/1024*priceGBSecond)
	line("Lambda, 2 invocations a job", 2*priceInvocations)
	line("S3, writes and listings", each("PUT", "POST", "LIST")*priceWrites)
	line("S3, reads", each("GET", "HEAD")*priceReads)
	line("S3, 2 KB a job for 7 days", objectKB*keptMonth*priceStorage)
	line("HTTP API, 2 requests a job (the function URL: 0)", 2*priceHTTPAPI)
	fmt.Fprintf(&out, "%-62s %7.2f\n", "all", total)
	b.Log("\n" + out.String())
	b.ReportMetric(total, "$/million")
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
