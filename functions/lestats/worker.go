package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/functions/worker"
)

type workerCmd struct {
	questionFlags `group:"Questions:"`
	storeFlags    `group:"Store:"`
	logFlags      `group:"Log:"`

	QueueURL    string        `name:"queue-url" help:"Queue that the jobs come from, as SQS tells it." placeholder:"URL" env:"LESTATS_QUEUE_URL"`
	DeadURL     string        `name:"dead-queue-url" help:"Its dead-letter queue: jobs whose messages get there are ended as failed. Without it nobody looks there." placeholder:"URL" env:"LESTATS_DEAD_QUEUE_URL"`
	Workers     int           `help:"Jobs that run at once; 0: one a core." default:"0" env:"LESTATS_WORKERS,TP_NUM_OF_THREADS"`
	PollPlugins time.Duration `name:"plugins-poll" help:"How often plugins/ of a store in a bucket is looked at, with a request each time; a negative time never." default:"1s" env:"LESTATS_PLUGINS_POLL"`
	TimeLimit   time.Duration `help:"Wall clock that a job may take." default:"5s" env:"LESTATS_TIME_LIMIT"`
}

// Help is what `lestats worker --help` adds.
func (workerCmd) Help() string {
	return `A server with --queue-url answers what takes a moment itself, and puts the rest into the queue. As many workers as there is work for take it from there: give them the same store, data and plugins as the server. A message that comes twice does no harm. A job is started three times at the most; one whose record is damaged, or whose message came too often, has failed, visibly, and can be retried.

In AWS Lambda (AWS_LAMBDA_RUNTIME_API is set) it is the function that a queue is the source of events for.

Examples:

  lestats serve  --store s3://results/lestats --queue-url https://sqs.eu-west-1.amazonaws.com/123456789012/jobs
  lestats worker --store s3://results/lestats --queue-url https://sqs.eu-west-1.amazonaws.com/123456789012/jobs`
}

// Run takes jobs until a signal comes.
func (c *workerCmd) Run(ctx context.Context, s *streams) (err error) {
	log, err := c.open(exact(s.err))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	w, err := worker.Open(ctx, worker.Config{
		Questions:   c.questionFlags.config(),
		Store:       c.storeFlags.config(log.Logger),
		PollPlugins: c.PollPlugins,
		Queue:       wire.QueueURL(c.QueueURL),
		Dead:        wire.QueueURL(c.DeadURL),
		Workers:     c.Workers,
		TimeLimit:   c.TimeLimit,
		Version:     version,
		Log:         log.Logger,
		Function:    wire.InFunction(),
	})
	if err != nil {
		return err
	}
	if !wire.InFunction() {
		fmt.Fprintf(s.out, "Le Stats Sportifs %s takes jobs from %s; Ctrl-C stops it.\n", version, c.QueueURL)
	}
	return errors.Join(w.Run(ctx), w.Close())
}
