package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results"
)

// far returns the address of an S3 server whose answers take as long as they do
// from Amazon's: 15 ms more.
func far(t testing.TB, endpoint string) string {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Transport: &http.Transport{MaxIdleConnsPerHost: 64},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // it is signed
		},
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(latency)
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestWorkersScale has one worker, then two, end queued jobs of which some are poisoned,
// over a bucket that is 15 ms away, and prints how much faster two are. Exactly the
// poisoned ones fail. With -report there are enough jobs to tell.
func TestWorkersScale(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	total, poisoned := 300, 3
	if *report {
		total, poisoned = 10_000, 100
	}
	var took [2]time.Duration
	for i := range took {
		took[i] = drain(t, i+1, total, poisoned)
		t.Logf("%d of %d jobs poisoned, %d workers: %v, %.0f jobs/s", poisoned, total, i+1, took[i].Round(time.Millisecond), float64(total)/took[i].Seconds())
	}
	ratio := took[0].Seconds() / took[1].Seconds()
	t.Logf("two workers are %.2f times as fast as one; the target is 1.7", ratio)
	if *report && ratio < 1.7 {
		t.Error("the target is missed")
	}
}

// drain returns how long workers take for a queue of jobs.
func drain(t *testing.T, workers, total, poisoned int) time.Duration {
	t.Helper()
	var took time.Duration
	t.Run(strconv.Itoa(workers), func(t *testing.T) {
		c := newCloud(t)
		store := c.results(t)
		want := c.poison(t, poisoned)
		q := c.open(t, c.queue.Jobs)
		var wg sync.WaitGroup
		work32 := make(chan struct{}, 32)
		for range total - poisoned {
			job := pendingJob(t)
			work32 <- struct{}{}
			wg.Go(func() {
				defer func() { <-work32 }()
				if err := store.PutPending(t.Context(), job); err != nil {
					t.Error(err)
				}
				if err := q.Send(t.Context(), job.ID); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if t.Failed() {
			t.FailNow()
		}
		endpoint := far(t, c.minio.Endpoint)
		begin := time.Now()
		for range workers {
			work(t, "--s3-endpoint", endpoint, "--log-level", "error")
		}
		left := depth(t, c.queue.Jobs)
		for deadline := time.Now().Add(10 * time.Minute); left() > 0; time.Sleep(100 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d jobs are left", left())
			}
		}
		took = time.Since(begin)
		check(t, store, total, want)
	})
	return took
}

// depth returns what counts the messages that a queue holds.
func depth(t *testing.T, address string) func() int {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client := sqs.NewFromConfig(cfg, func(o *sqs.Options) { o.BaseEndpoint = aws.String(address[:strings.LastIndex(address, "/0")]) })
	const number = types.QueueAttributeNameApproximateNumberOfMessages
	return func() int {
		out, err := client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &address, AttributeNames: []types.QueueAttributeName{number}})
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(out.Attributes[string(number)])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
}

// check holds that of all jobs exactly those that were poisoned have failed, each with
// its code, and that nothing is pending.
func check(t *testing.T, store *results.Store, total int, poisoned map[string]question.Code) {
	t.Helper()
	outcomes, err := store.Outcomes(t.Context(), question.JobFilter{}, "", total+1)
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for _, job := range outcomes.Jobs {
		code, bad := poisoned[job.ID]
		switch {
		case job.Status == question.Failed && bad && job.Error.Code == code:
			failed++
		case job.Status != question.Done || bad:
			t.Errorf("job %s: %s, %v; want %s", job.ID, job.Status, job.Error, code)
		}
	}
	pending, err := store.Pending(t.Context(), question.JobFilter{}, "", 0)
	if err != nil || len(pending.Jobs) > 0 || len(outcomes.Jobs) != total || failed != len(poisoned) {
		t.Errorf("%d ended, %d of them failed, %d are pending, %v; want %d, %d, 0", len(outcomes.Jobs), failed, len(pending.Jobs), err, total, len(poisoned))
	}
}
