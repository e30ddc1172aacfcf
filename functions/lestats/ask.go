package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/render"
)

type askCmd struct {
	questionFlags `group:"Questions:"`
	asking
}

// asking is a question as the command line asks it.
type asking struct {
	Question string   `arg:"" help:"Name of the question, such as states_mean; \"lestats plugin list\" has them all."`
	Params   []string `arg:"" optional:"" sep:"none" help:"Parameters, as name=value; a name again makes a list." placeholder:"NAME=VALUE"`
	Where    []string `sep:"none" help:"Only rows with this value in a dimension: year=2020, year=2015..2020 (an end may be left out); the same column again: any of the values." placeholder:"COLUMN=VALUE"`

	Note      string        `help:"How what is printed says that figures are synthetic, where they are: a column (in JSON, a key), a comment before the header of CSV, or none." enum:"column,comment,none" default:"column"`
	Format    string        `short:"f" help:"table, json (as over HTTP), rows (JSON, an object a row) or csv." enum:"table,json,rows,csv" default:"table"`
	TimeLimit time.Duration `help:"Wall clock that the question may take." default:"30s"`
}

// Help is what `lestats ask --help` adds.
func (askCmd) Help() string {
	return `A value that is part of just one of a column's values stands for it: question=obesity.

Examples:

  lestats ask states_mean question=obesity
  lestats ask state_mean question=obesity state=Ohio --where year=2015..2020
  lestats ask mean_by_category question=overweight --format csv > means.csv`
}

// Run asks, and prints the answer.
func (c *askCmd) Run(ctx context.Context, s *streams) error { return c.ask(ctx, c.config(), s) }

// ask asks what cfg offers, and prints the answer.
func (c *asking) ask(ctx context.Context, cfg wire.QuestionsConfig, s *streams) (err error) {
	cfg.TimeLimit = c.TimeLimit
	cfg.Log = slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	questions, err := wire.OpenQuestions(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, questions.Close(context.WithoutCancel(ctx))) }()
	req, err := c.request(questions, s.err)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.TimeLimit)
	defer cancel()
	answer, err := questions.Answer(ctx, req)
	if err != nil {
		return err
	}
	return write(s, c.Format, question.Note(c.Note), answer.Table, answer.Provenance)
}

// write writes the table in one of the formats of --format. That figures are synthetic
// stands in what is written, and is told to whoever does not see that.
func write(s *streams, format string, note question.Note, t *question.Table, p *question.Provenance) error {
	w := s.out
	if p != nil && p.Synthetic {
		to := s.err
		if format == "table" && note != question.NoteNone {
			to = w
		}
		fmt.Fprintln(to, render.Synthetic(p))
	}
	switch format {
	case "csv":
		return render.CSV(w, t, p, note)
	case "rows", "json":
		form := render.SeedJSON
		if format == "rows" {
			form = render.RowsJSON
		}
		if err := form(w, t, p, note); err != nil {
			return err
		}
		_, err := fmt.Fprintln(w)
		return err
	default:
		return render.Text(w, t)
	}
}

// request makes the words of the command line a request, and completes values
// that can mean only one thing.
func (c *asking) request(questions *wire.Questions, notes io.Writer) (question.Request, error) {
	req := question.Request{Question: c.Question}
	var declared []question.Param
	for _, o := range questions.Offers() {
		if o.Question.Name == c.Question {
			declared = o.Question.Params
		}
	}
	var err error
	if req.Params, err = assignments(c.Params, func(name, text string) any {
		for i := range declared {
			if p := &declared[i]; p.Name == name {
				return paramValue(p, text, questions.Dataset)
			}
		}
		return text
	}); err != nil {
		return req, err
	}
	if req.Where, err = assignments(c.Where, func(name, text string) any {
		return whereValue(name, text, questions.Dataset)
	}); err != nil {
		return req, err
	}
	// Each round completes one value; as many rounds as there are values.
	for range len(c.Params) + len(c.Where) {
		var e *question.Error
		if !errors.As(questions.Check(req), &e) || e.Code != question.CodeUnknownValue || len(e.Hint) != 1 {
			break
		}
		values, name := req.Params, e.Param
		if column, ok := strings.CutPrefix(e.Param, question.WhereParam+"."); ok {
			values, name = req.Where, column
		}
		if _, single := values[name].(string); !single {
			break
		}
		fmt.Fprintf(notes, "%s: %s\n", name, e.Hint[0])
		values[name] = e.Hint[0]
	}
	return req, nil
}

// assignments parses name=value words; a name that comes again makes a list.
func assignments(words []string, value func(name, text string) any) (map[string]any, error) {
	out := make(map[string]any, len(words))
	for _, word := range words {
		name, text, ok := strings.Cut(word, "=")
		if !ok || name == "" {
			return nil, question.Errorf(question.CodeBadParameter, "%q is no name=value, such as year=2020", word)
		}
		v := value(name, text)
		switch before := out[name].(type) {
		case nil:
			out[name] = v
		case []any:
			out[name] = append(before, v)
		default:
			out[name] = []any{before, v}
		}
	}
	return out, nil
}

// paramValue makes text a JSON value of the parameter's type, or leaves it a
// string, which the check then refuses by name.
func paramValue(p *question.Param, text string, s question.Schema) any {
	switch p.Type {
	case question.ParamBoolean:
		if b, err := strconv.ParseBool(text); err == nil {
			return b
		}
	case question.ParamNumber, question.ParamInteger:
		return number(text)
	case question.ParamColumn:
		if c, ok := s.Column(p.Column); ok && c.Type != question.String {
			return number(text)
		}
	}
	return text
}

func whereValue(column, text string, s question.Schema) any {
	c, ok := s.Column(column)
	if !ok || c.Type == question.String {
		return text
	}
	from, to, isRange := strings.Cut(text, "..")
	if !isRange {
		return number(text)
	}
	ends := map[string]any{}
	if from != "" {
		ends["min"] = number(from)
	}
	if to != "" {
		ends["max"] = number(to)
	}
	return ends
}

func number(text string) any {
	if _, err := strconv.ParseFloat(text, 64); err == nil && json.Valid([]byte(text)) {
		return json.Number(text)
	}
	return text
}
