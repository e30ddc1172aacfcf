package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/functions/worker"
)

type workerCmd struct {
	worker.Config

	logFlags `group:"Log:"`
}

// Help is what `lestats worker --help` adds.
func (workerCmd) Help() string {
	return `A server with --queue-url runs as many jobs as it has workers, and puts those that would have to wait into the queue. Any number of workers take jobs from it; give them the same store, data and plugins as the server. A message that is delivered twice does no harm. A job whose runs never end, because their workers die, is started three times; then it is marked as failed, and can be retried.

In AWS Lambda (AWS_LAMBDA_RUNTIME_API is set) it handles the events of a queue instead of polling one.

Examples:

  lestats serve  --store s3://results/lestats --queue-url https://sqs.eu-west-1.amazonaws.com/123456789012/jobs
  lestats worker --store s3://results/lestats --queue-url https://sqs.eu-west-1.amazonaws.com/123456789012/jobs`
}

// Run takes jobs until a signal arrives.
func (c *workerCmd) Run(ctx context.Context, s *streams) (err error) {
	log, err := c.open(exact(s.err))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	c.Log, c.Version, c.Function = log.Logger, version, wire.InFunction()
	end := c.reading(s, &c.EngineConfig)
	w, err := worker.Open(ctx, c.Config)
	end()
	if err != nil {
		return err
	}
	if !c.Function {
		fmt.Fprintf(s.out, "Le Stats Sportifs %s takes jobs from %s; Ctrl-C stops it.\n", version, c.QueueURL)
	}
	return errors.Join(w.Run(ctx), w.Close())
}
