package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results"
)

type jobsCmd struct {
	List jobsListCmd `cmd:"" default:"withargs" help:"List jobs, newest first."`
	Show jobsShowCmd `cmd:"" help:"Show one job: its state, and its result."`
}

type jobsListCmd struct {
	storeFlags `group:"Store:"`

	Limit  int    `short:"n" help:"How many at the most." default:"20"`
	Before string `help:"Only jobs older than this one, to page on." placeholder:"ID"`
}

// Run lists finished jobs and, on the first page, those that are not yet final.
func (c *jobsListCmd) Run(ctx context.Context, s *streams) error {
	if c.Limit < 1 || c.Limit > 1000 {
		return fmt.Errorf("--limit %d: 1 to 1000", c.Limit)
	}
	return withStore(ctx, &c.storeFlags, s, func(store *results.Store) error {
		var list []*question.Job
		if c.Before == "" {
			pending, err := store.Pending(ctx, "", c.Limit)
			if err != nil {
				return err
			}
			slices.Reverse(pending)
			list = pending
		}
		done, err := store.Outcomes(ctx, c.Before, c.Limit)
		if err != nil {
			return err
		}
		list = append(list, done...)
		if len(list) == 0 {
			fmt.Fprintf(s.err, "%s holds no jobs.\n", c.Store)
			return nil
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tSTATUS\tQUESTION\tCREATED (UTC)\tTOOK")
		for _, j := range list[:min(len(list), c.Limit)] {
			took := "-"
			if !j.Finished.IsZero() && !j.Started.IsZero() {
				took = j.Finished.Sub(j.Started).Round(10 * time.Microsecond).String()
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", j.ID, j.Status, j.Request.Question, j.Created.UTC().Format(time.DateTime), took)
		}
		return w.Flush()
	})
}

type jobsShowCmd struct {
	storeFlags `group:"Store:"`

	ID     string `arg:"" help:"The job's id."`
	Note   string `help:"How what is printed says that figures are synthetic, where they are: a column (in JSON, a key), a comment before the header of CSV, or none." enum:"column,comment,none" default:"column"`
	Format string `short:"f" help:"table, json (as over HTTP), rows (JSON, an object a row) or csv." enum:"table,json,rows,csv" default:"table"`
}

// Run prints the job's state to the error stream and its result, if it has one,
// to the other. A job that failed is this command's error.
func (c *jobsShowCmd) Run(ctx context.Context, s *streams) error {
	return withStore(ctx, &c.storeFlags, s, func(store *results.Store) error {
		j, err := store.Get(ctx, c.ID)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.err, "%s: %s, asked %s UTC\n", j.Request.Question, j.Status, j.Created.UTC().Format(time.DateTime))
		switch {
		case j.Result != nil:
			return write(s, c.Format, question.Note(c.Note), j.Result, j.Provenance)
		case j.Error != nil:
			return j.Error
		default:
			return nil
		}
	})
}

func withStore(ctx context.Context, f *storeFlags, s *streams, do func(*results.Store) error) (err error) {
	store, _, err := wire.OpenStore(ctx, f.config(slog.New(slog.NewTextHandler(s.err, nil))))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return do(store)
}
