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
	return `A part of just one of a column's values stands for it: question=obesity. A value as it
is written, or but for case, comes first: state=virginia is not West Virginia.

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
		return render.CSV(exact(w), t, p, note)
	case "rows", "json":
		form := render.SeedJSON
		if format == "rows" {
			form = render.RowsJSON
		}
		if err := form(exact(w), t, p, note); err != nil {
			return err
		}
		_, err := fmt.Fprintln(w)
		return err
	default:
		return render.Text(w, t)
	}
}

// request makes the words of the command line a request. A part of just one value
// becomes that value, and notes say which.
func (c *asking) request(questions *wire.Questions, notes io.Writer) (question.Request, error) {
	req := question.Request{Question: c.Question}
	var declared []question.Param
	for _, o := range questions.Offers() {
		if o.Question.Name == c.Question {
			declared = o.Question.Params
		}
	}
	w := words{schema: questions.Dataset, notes: notes}
	var err error
	if req.Params, err = assignments(c.Params, func(name, text string) (any, error) {
		for i := range declared {
			if p := &declared[i]; p.Name == name {
				return w.param(p, text)
			}
		}
		return text, nil
	}); err != nil {
		return req, err
	}
	req.Where, err = assignments(c.Where, w.where)
	return req, err
}

// assignments parses name=value words; a name that comes again makes a list.
func assignments(given []string, value func(name, text string) (any, error)) (map[string]any, error) {
	out := make(map[string]any, len(given))
	for _, word := range given {
		name, text, ok := strings.Cut(word, "=")
		if !ok || name == "" {
			return nil, question.Errorf(question.CodeBadParameter, "%q is no name=value, such as year=2020", word)
		}
		v, err := value(name, text)
		if err != nil {
			return nil, err
		}
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

// words makes values of the command line's words.
type words struct {
	schema question.Schema
	notes  io.Writer
}

// param makes text a JSON value of the parameter's type, or leaves it a string, which
// the check then refuses by name.
func (w *words) param(p *question.Param, text string) (any, error) {
	switch p.Type {
	case question.ParamBoolean:
		if b, err := strconv.ParseBool(text); err == nil {
			return b, nil
		}
	case question.ParamNumber, question.ParamInteger:
		return number(text), nil
	case question.ParamChoice:
		return w.part(p.Name, text, p.Choices)
	case question.ParamColumn:
		switch c, ok := w.schema.Column(p.Column); {
		case !ok:
		case c.Type == question.String:
			return w.part(p.Name, text, c.Dict)
		default:
			return number(text), nil
		}
	}
	return text, nil
}

// where makes text what a condition on the column takes.
func (w *words) where(column, text string) (any, error) {
	c, ok := w.schema.Column(column)
	if !ok {
		return text, nil
	}
	if c.Type == question.String {
		return w.part(question.WhereParam+"."+column, text, c.Dict)
	}
	from, to, isRange := strings.Cut(text, "..")
	if !isRange {
		return number(text), nil
	}
	ends := map[string]any{}
	if from != "" {
		ends["min"] = number(from)
	}
	if to != "" {
		ends["max"] = number(to)
	}
	return ends, nil
}

// part returns the value among known that text is, or is a part of. What is a part of
// none stays as it is: the check refuses it, and says what is near.
func (w *words) part(field, text string, known []string) (any, error) {
	value, candidates := question.Part(text, known)
	if len(candidates) > 0 {
		const most = 12
		return nil, question.Errorf(question.CodeUnknownValue, "%q is %.100q, which is part of %d values; say which", field, text, len(candidates)).
			About(field, candidates[:min(len(candidates), most)]...)
	}
	if value == "" {
		return text, nil
	}
	if value != text {
		fmt.Fprintf(w.notes, "%s: %s\n", strings.TrimPrefix(field, question.WhereParam+"."), value)
	}
	return value, nil
}

func number(text string) any {
	if _, err := strconv.ParseFloat(text, 64); err == nil && json.Valid([]byte(text)) {
		return json.Number(text)
	}
	return text
}
