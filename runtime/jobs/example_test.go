package jobs_test

import (
	"context"
	"fmt"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/jobs"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/queue"
	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/storetest"
)

type oracle struct{}

func (oracle) Check(question.Request) error { return nil }

func (oracle) Refresh(context.Context) error { return nil }

func (oracle) Answer(context.Context, question.Request) (*question.Answer, error) {
	return &question.Answer{Table: &question.Table{Columns: []question.Column{
		{Name: "answer", Type: question.Integer, Role: question.RoleValue, Integers: []int64{42}},
	}}}, nil
}

// Submit and Wait together are the synchronous way that a cloud function needs.
func Example() {
	store := results.New(&storetest.Memory{})
	pool, err := jobs.New(jobs.Config{Workers: 2, TimeLimit: 5 * time.Second, Queue: queue.NewMemory(time.Hour), Receive: true}, store, oracle{})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	if err := pool.Start(ctx); err != nil {
		panic(err)
	}
	job, err := pool.Submit(ctx, question.Request{Question: "everything"})
	if err != nil {
		panic(err)
	}
	patience, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	job, err = pool.Wait(patience, job.ID)
	if err != nil {
		panic(err)
	}
	fmt.Println(job.Status, job.Result.Columns[0].Value(0))
	fmt.Println(pool.Close(ctx))
	// Output:
	// done 42
	// <nil>
}
