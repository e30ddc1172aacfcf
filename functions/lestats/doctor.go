package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/le-stats-sportifs/lestats/functions/api"
	"github.com/le-stats-sportifs/lestats/functions/doctor"
)

type doctorCmd struct {
	api.Config

	DeadURL string `name:"dead-queue-url" help:"Dead-letter queue that a worker would read, as its flag." placeholder:"URL" env:"LESTATS_DEAD_QUEUE_URL"`

	logFlags `group:"Log:"`

	JSON bool `name:"json" help:"Print JSON."`
}

// Help is what `lestats doctor --help` adds.
func (doctorCmd) Help() string {
	return `It takes the flags and variables of serve, and the dead-letter queue of worker: put doctor in place of serve or worker in the command that does not work, as the same user, in the same folder, on the same machine or in the same container. It starts no server.

Each line says "good" and what was seen, or "TO DO" and what to do. It checks the configuration; the dataset; each plugin; memory; the store, with objects that it writes, creates at the same time, lists and removes; the store's clock; the queue, its visibility timeout and its dead-letter queue; the folder for compiled plugins; the limit of open files; and the address. Nothing else is written: no bucket or folder is made, and plugins are compiled without the cache. It takes 26 s at most.

Exit codes: 0 if everything is good, 1 if there is something to do.

Examples:

  lestats doctor
  lestats doctor --data cdc.csv --plugins ./my-plugins --store ./results
  lestats doctor --store s3://results/lestats --s3-endpoint http://127.0.0.1:9000 --json`
}

// diagnosis is what `doctor --json` prints.
type diagnosis struct {
	Good     bool             `json:"good"`
	Version  string           `json:"version"`
	Findings []doctor.Finding `json:"findings"`
}

// Run checks everything and prints what was found.
func (c *doctorCmd) Run(ctx context.Context, s *streams) (err error) {
	if c.Listen, err = listenAddress(c.Listen); err != nil {
		return err
	}
	c.Version = version
	d := diagnosis{Good: true, Version: version, Findings: doctor.Run(ctx, doctor.Config{Server: c.Config, DeadURL: c.DeadURL, LogFile: c.LogFile})}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	todo := 0
	for _, f := range d.Findings {
		if !f.Good {
			todo++
		}
	}
	d.Good = todo == 0
	if c.JSON {
		err = writeJSON(s.out, d)
	} else {
		err = d.print(s, todo)
	}
	if err == nil && !d.Good {
		return statusError(exitFailed)
	}
	return err
}

// print writes one line a finding. The lines of an explanation after its first are indented.
func (d diagnosis) print(s *streams, todo int) error {
	width := 0
	for _, f := range d.Findings {
		width = max(width, len(f.Check))
	}
	for _, f := range d.Findings {
		mark, text := "good ", f.Seen
		if !f.Good {
			mark, text = "TO DO", f.Do
			if f.Seen != "" {
				text = f.Seen + ": " + f.Do
			}
		}
		text = strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", len(mark)+width+4))
		if _, err := fmt.Fprintf(s.out, "%s  %-*s  %s\n", mark, width, f.Check, text); err != nil {
			return err
		}
	}
	if todo == 0 {
		return nil
	}
	_, err := fmt.Fprintf(s.out, "\n%d of %d to do.\n", todo, len(d.Findings))
	return err
}
