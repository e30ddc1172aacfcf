package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results"
)

type jobsCmd struct {
	List jobsListCmd `cmd:"" default:"withargs" help:"List jobs, newest first."`
	Show jobsShowCmd `cmd:"" help:"Show the status and the result of one job."`
}

type jobsListCmd struct {
	wire.StoreConfig `group:"Store:"`

	Limit    int    `short:"n" help:"The most jobs to list." default:"20"`
	Before   string `help:"List only jobs older than this one, for the next page." placeholder:"ID"`
	Status   string `help:"List only jobs with this status: queued, running, done, failed or cancelled." placeholder:"STATUS"`
	Question string `help:"List only jobs that ask this question." placeholder:"NAME"`
	Since    string `help:"List only jobs accepted at this time or later, such as 2026-11-29T13:00:00Z." placeholder:"TIME"`
	JSON     bool   `name:"json" help:"Print JSON, as GET /api/jobs?detail=1 returns it; next is the value of --before for the next page."`
}

// Help is what `lestats jobs list --help` adds.
func (jobsListCmd) Help() string {
	return `It reads the store and writes nothing to it; a server may be using it.

Example:

  lestats jobs list --store ./results -n 5
  lestats jobs list --store ./results --status failed --since 2026-11-29T00:00:00Z`
}

// Run lists the jobs, whether they have ended or not.
func (c *jobsListCmd) Run(ctx context.Context, s *streams) error {
	if c.Limit < 1 || c.Limit > 1000 {
		return fmt.Errorf("--limit %d: it takes 1 to 1000", c.Limit)
	}
	f, err := httpapi.ParseJobFilter(c.Status, c.Question, c.Since)
	if err != nil {
		return err
	}
	return withStore(ctx, c.StoreConfig, s, func(store *results.Store) error {
		page, err := store.List(ctx, f, c.Before, c.Limit)
		if err != nil {
			return err
		}
		if c.JSON {
			_, err := unchanged(s.out).Write(append(httpapi.ListBody(page.Jobs, true, page.Next), '\n'))
			return err
		}
		if len(page.Jobs) == 0 {
			if f == (question.JobFilter{}) {
				fmt.Fprintf(s.err, "%s holds no jobs.\n", c.Location)
			} else {
				fmt.Fprintf(s.err, "no such jobs were found in %s.\n", c.Location)
			}
			c.further(s, page.Next)
			return nil
		}
		err = aligned(s.out, func(w io.Writer) {
			fmt.Fprintln(w, "ID\tSTATUS\tQUESTION\tCREATED (UTC)\tTOOK")
			for _, j := range page.Jobs {
				took := "-"
				if !j.Finished.IsZero() && !j.Started.IsZero() {
					took = j.Finished.Sub(j.Started).Round(10 * time.Microsecond).String()
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", j.ID, j.Status, j.Request.Question, j.Created.UTC().Format(time.DateTime), took)
			}
		})
		if len(page.Jobs) < c.Limit {
			c.further(s, page.Next)
		}
		return err
	})
}

// further says how to go on after a page that is short although there may be more jobs.
func (c *jobsListCmd) further(s *streams, next string) {
	if next != "" {
		fmt.Fprintf(s.err, "older jobs were not looked at; go on with --before %s\n", next)
	}
}

type jobsShowCmd struct {
	wire.StoreConfig `group:"Store:"`

	ID string `arg:"" help:"The job's id."`

	output
}

// Help is what `lestats jobs show --help` adds.
func (jobsShowCmd) Help() string {
	return `It reads the store and writes nothing to it; a server may be using it. With --json it prints what GET /api/get_results/ID answers.

Example:

  lestats jobs show 0190b0a2-8c5e-7abc-8def-0123456789ab --store ./results -f csv`
}

// Run prints the job's status to the error stream and its result, if it has one, to the
// output. If the job failed, so does this command, with the job's error.
func (c *jobsShowCmd) Run(ctx context.Context, s *streams) error {
	if _, err := question.ParseID(c.ID); err != nil {
		return err
	}
	return withStore(ctx, c.StoreConfig, s, func(store *results.Store) error {
		j, err := store.Get(ctx, c.ID)
		if err != nil {
			return err
		}
		f, err := c.format()
		if err != nil {
			return err
		}
		fmt.Fprintf(s.err, "%s: %s, asked %s UTC\n", j.Request.Question, j.Status, j.Created.UTC().Format(time.DateTime))
		switch {
		case j.Result != nil:
			return c.write(s, j, j.Answer().Caption(nil, j.Request, question.DatasetInfo{}))
		case j.Error != nil && f.Value != nil:
			fmt.Fprintf(unchanged(s.out), "%s\n", httpapi.ErrorBody(j.Error, j.ID))
			return j.Error
		case j.Error != nil:
			return j.Error
		case f.Value != nil:
			_, err := fmt.Fprintf(unchanged(s.out), "%s\n", httpapi.RunningBody(j))
			return err
		default:
			return nil
		}
	})
}

// withStore opens a store for reading, for the time of do.
func withStore(ctx context.Context, cfg wire.StoreConfig, s *streams, do func(*results.Store) error) (err error) {
	cfg.ReadOnly = true
	store, err := wire.OpenStore(ctx, cfg, slog.New(slog.NewTextHandler(s.err, nil)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return do(store)
}
