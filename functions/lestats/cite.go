package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

type citeCmd struct {
	wire.QuestionsConfig `group:"Questions:" set:"time_limit=30s"`

	Answer string   `arg:"" help:"An answer in JSON, as ask --json and the API give it, - for standard input; or the name of a question, which is asked." placeholder:"FILE|QUESTION"`
	Params []string `arg:"" optional:"" sep:"none" help:"Parameters of the question, as name=value." placeholder:"NAME=VALUE"`
	Where  []string `sep:"none" help:"Conditions of the question, as for ask." placeholder:"COLUMN=VALUE"`

	Format string `short:"f" help:"Form of the citation: ${enum}." enum:"text,bibtex,csl-json" default:"text"`
	JSON   bool   `name:"json" help:"The same as --format csl-json."`
}

// Help is what `lestats cite --help` adds.
func (citeCmd) Help() string {
	return `A citation names the question, the dataset with its source and licence, the date, and digests with which "lestats verify" finds out whether an answer is the one cited. If the figures are generated, it says so first.

The title and the source of the dataset are those of the dataset that the flags name, if it is the one that the answer is from.

Examples:

  lestats cite answer.json
  lestats cite states_mean question=obesity --where year=2020 -f bibtex`
}

// Run prints the citation.
func (c *citeCmd) Run(ctx context.Context, s *streams) error {
	found, err := c.find(ctx, s)
	if err != nil {
		return err
	}
	form := c.Format
	if c.JSON {
		form = "csl-json"
	}
	switch form {
	case "bibtex":
		_, err = io.WriteString(s.out, found.BibTeX())
		return err
	case "csl-json":
		return writeJSON(s.out, []question.CSLItem{found.CSL()})
	default:
		_, err = io.WriteString(s.out, found.Text())
		return err
	}
}

func (c *citeCmd) find(ctx context.Context, s *streams) (*question.Citation, error) {
	if question.ValidName(c.Answer) {
		return c.ask(ctx, s)
	}
	if len(c.Params)+len(c.Where) > 0 {
		return nil, fmt.Errorf("%q is not the name of a question, and the answer in a file takes no parameters", c.Answer)
	}
	saved, err := readAnswer(ctx, c.Answer)
	if err != nil {
		if _, ok := errors.AsType[unclearError](err); ok {
			return nil, fmt.Errorf("%s cannot be cited: %w", c.Answer, err)
		}
		return nil, err
	}
	if saved.Provenance == nil {
		return nil, fmt.Errorf("%s cannot be cited: it has no provenance", c.Answer)
	}
	job := &question.Job{ID: saved.JobID, Request: *saved.Request, Provenance: saved.Provenance, Receipt: saved.Receipt}
	asked := time.Now().UTC()
	if at, err := question.ParseID(saved.JobID); err == nil {
		asked = at
	} else if info, err := os.Stat(c.Answer); err == nil {
		asked = info.ModTime().UTC()
	}
	cfg := c.QuestionsConfig
	cfg.Log = slog.New(slog.DiscardHandler)
	var out *question.Citation
	err = withQuestions(ctx, cfg, func(questions *wire.Questions) error {
		q := served(questions, job.Request.Question)
		job.Result = saved.keys(q)
		out = question.Cite(job.Answer().Caption(q, job.Request, questions.Dataset.Info()), saved.Provenance, asked)
		return nil
	})
	return out, err
}

// ask asks the question and cites its answer.
func (c *citeCmd) ask(ctx context.Context, s *streams) (out *question.Citation, err error) {
	asked := asking{Params: c.Params, Where: c.Where}
	cfg := c.QuestionsConfig
	cfg.Log = slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	err = withQuestions(ctx, cfg, func(questions *wire.Questions) error {
		req, err := asked.request(questions, c.Answer, s.err)
		if err != nil {
			return err
		}
		answer, err := questions.Answer(ctx, req)
		if err != nil {
			return err
		}
		out = question.Cite(captionOf(questions, req, answer), answer.Provenance, time.Now().UTC())
		return nil
	})
	return out, err
}

// served returns the question with this name, nil if there is none.
func served(questions *wire.Questions, name string) *question.Question {
	if o := question.FindServed(questions.Served(), name); o != nil {
		return o.Question
	}
	return nil
}

// captionOf returns the caption of an answer that was computed now.
func captionOf(questions *wire.Questions, req question.Request, answer *question.Answer) *question.Caption {
	q := served(questions, req.Question)
	if q != nil {
		req = q.Canonical(req, questions.Dataset)
	}
	return answer.Caption(q, req, questions.Dataset.Info())
}
