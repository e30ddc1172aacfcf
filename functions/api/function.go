package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/jobs"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const (
	// EnvRuntimeAPI is host:port of what sends the events of a function; it is set in
	// every function of AWS Lambda, and nowhere else.
	EnvRuntimeAPI = "AWS_LAMBDA_RUNTIME_API"
	envMemory     = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE" // MiB

	// margin is what is kept of an invocation's time for storing, handing over and
	// sending; of a short one it is a quarter.
	margin = time.Second
	// functionClose leaves the 500 ms from SIGTERM to SIGKILL something for the rest.
	functionClose = 300 * time.Millisecond
	// handAfter is how long a job may take before it goes to the queue, where there
	// is one: its client polls, and a function costs by the millisecond.
	handAfter = 2 * time.Second
	// lostMost is how many jobs that were left behind are run in one request.
	lostMost = 16
)

// small fits a Config to a function: one job at a time, in the function's memory.
func (c *Config) small() error {
	if c.Store.Location == "" || c.Store.Location == wire.DefaultStore {
		return errors.New("LESTATS_STORE is not set: each request may meet another process of a function, so its results go into a bucket: LESTATS_STORE=s3://bucket/prefix")
	}
	if c.MemoryMiB == 0 {
		given := os.Getenv(envMemory)
		n, err := strconv.Atoi(cmp.Or(given, "512"))
		if err != nil || n < 1 {
			return fmt.Errorf("%s is %q; it takes MiB, such as 512", envMemory, given)
		}
		c.MemoryMiB = n
	}
	c.Workers = 1
	// A quarter is for Go: its heap, the dataset's pages that are read, the answer.
	c.Questions.Budget = uint64(c.MemoryMiB) << 20 / 4 * 3
	c.Questions.MemoryMiB = min(cmp.Or(c.Questions.MemoryMiB, 64), max(1, c.MemoryMiB/4))
	debug.SetMemoryLimit(int64(c.MemoryMiB) << 20 / 2)
	return nil
}

// freeze fits a pool to a process that stands still between requests. Nobody gives
// it time to end a job but those who wait for it.
func freeze(c *jobs.Config, hand func(context.Context, *question.Job) error) {
	c.Sole, c.Frozen = false, true
	c.Grace, c.Hand = handAfter, hand
	if hand == nil {
		c.Grace = time.Hour // as long as the invocation has
		c.Hand = func(context.Context, *question.Job) error { return nil }
	}
}

// dueKey is the key of the instant by which an invocation has to have done its work.
type dueKey struct{}

// inTime returns a context that ends when the invocation has to have done its work,
// also where the request's own, which ends with the client, was left behind.
func inTime(ctx context.Context) (context.Context, context.CancelFunc) {
	if due, ok := ctx.Value(dueKey{}).(time.Time); ok {
		return context.WithDeadline(ctx, due)
	}
	return context.WithCancel(ctx)
}

// finisher is a pool in a function: what it is asked is done when it returns, or
// given away. A job that is nobody's is run when somebody asks for it.
type finisher struct {
	*jobs.Pool

	alone bool          // nobody is handed what does not end in time
	lost  time.Duration // a run that began so long ago has died
}

// Submit runs a job, if it ends in time.
func (f finisher) Submit(ctx context.Context, req question.Request) (*question.Job, error) {
	ctx, cancel := inTime(ctx)
	defer cancel()
	return f.Pool.Submit(ctx, req)
}

// Retry runs a job again.
func (f finisher) Retry(ctx context.Context, id string) (*question.Job, error) {
	ctx, cancel := inTime(ctx)
	defer cancel()
	return f.Pool.Retry(ctx, id)
}

// Get returns a job, and runs it first if it is nobody's.
func (f finisher) Get(ctx context.Context, id string) (*question.Job, error) {
	job, err := f.Pool.Get(ctx, id)
	if err != nil || job.Status.Final() || !f.alone || time.Since(job.Started) <= f.lost {
		return job, err
	}
	ctx, cancel := inTime(context.WithoutCancel(ctx)) // a short wait would interrupt it again and again
	defer cancel()
	return f.Run(ctx, id)
}

// Wait is Get, and waits for who has the job.
func (f finisher) Wait(ctx context.Context, id string) (*question.Job, error) {
	job, err := f.Get(ctx, id)
	if err != nil || job.Status.Final() {
		return job, err
	}
	return f.Pool.Wait(ctx, id)
}

// List lists jobs. One that an invocation left behind when it was killed, before it
// gave the id out, is run first: nobody will ask for it.
func (f finisher) List(ctx context.Context, before string, limit int) ([]*question.Job, error) {
	if err := f.runLost(ctx); err != nil {
		return nil, err
	}
	return f.Pool.List(ctx, before, limit)
}

// Unfinished counts jobs, after what List does first.
func (f finisher) Unfinished(ctx context.Context) (int, error) {
	if err := f.runLost(ctx); err != nil {
		return 0, err
	}
	return f.Pool.Unfinished(ctx)
}

func (f finisher) runLost(ctx context.Context) error {
	if !f.alone {
		return nil // it is the queue's
	}
	return f.RunLost(ctx, lostMost)
}

// runFunction takes events until ctx ends, which SIGTERM does, and releases what
// is held. Lambda ends a process that has not ended 500 ms later.
func (m *Main) runFunction(ctx context.Context) error {
	// It does not return; that its service went away ends the process. SIGTERM is sent
	// only to those who ask for it.
	go lambda.StartWithOptions(m.function, lambda.WithEnableSIGTERM())
	<-ctx.Done()
	err := m.Close()
	m.pool, m.questions, m.store = nil, nil, nil
	return err
}

// reportInit tells Lambda why there will be no function.
func reportInit(ctx context.Context, why error) error {
	at := os.Getenv(EnvRuntimeAPI)
	if at == "" {
		return nil
	}
	kind := "lestats." + string(question.CodeOf(why))
	body, err := json.Marshal(map[string]any{"errorMessage": wire.Explain(why), "errorType": kind, "stackTrace": []string{}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), functionClose)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+at+"/2018-06-01/runtime/init/error", bytes.NewReader(body)) //nolint:gosec // Lambda says where
	if err != nil {
		return err
	}
	req.Header.Set("Lambda-Runtime-Function-Error-Type", kind)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req) //nolint:gosec // see above
	if err != nil {
		return fmt.Errorf("the Lambda Runtime API cannot be told: %w", err)
	}
	return resp.Body.Close()
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
