package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/dustin/go-humanize"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/render"
)

type askCmd struct {
	wire.QuestionsConfig `group:"Questions:" set:"time_limit=30s"`

	Question string `arg:"" help:"Name of the question, such as states_mean. \"lestats plugin list\" lists all questions."`
	asking
}

// asking holds the parameters and flags of a question on the command line.
type asking struct {
	Params []string `arg:"" optional:"" sep:"none" help:"Parameters, as name=value. Repeat a name to give a list of values." placeholder:"NAME=VALUE"`
	Where  []string `sep:"none" help:"Use only rows with this value in a dimension: year=2020, or year=2015..2020 (either end may be left out). Repeat a column to allow any of several values; a comma is part of a value." placeholder:"COLUMN=VALUE"`

	output
}

// Help is what `lestats ask --help` adds.
func (askCmd) Help() string {
	return `A value may be abbreviated to any part of it that no other value of the column contains:
question=obesity. An exact match, ignoring case, takes precedence: state=virginia is not
West Virginia.

Examples:

  lestats ask states_mean question=obesity
  lestats ask state_mean question=obesity state=Ohio --where year=2015..2020
  lestats ask mean_by_category question=overweight -o means.csv
  lestats ask best5 question=obesity --where year=2020 --chart
  lestats ask best5 question=obesity --where year=2020 --json
  lestats ask states_mean question=obesity --where year=2020 --where category=Total -o map.svg
  zcat figures.csv.gz | lestats ask states_mean --data - --descriptor figures.yaml`
}

// Run asks the question and prints the answer.
func (c *askCmd) Run(ctx context.Context, s *streams) error {
	return c.ask(ctx, c.QuestionsConfig, s, func(questions *wire.Questions) (question.Request, error) {
		return c.request(questions, c.Question, s.err)
	})
}

// ask asks a question of the plugins in cfg and prints the answer.
func (c *asking) ask(ctx context.Context, cfg wire.QuestionsConfig, s *streams, request func(*wire.Questions) (question.Request, error)) error {
	if _, err := c.format(); err != nil { // before the work
		return err
	}
	cfg.Log = slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	reading := readingFile(s, cfg.Data)
	defer reading.end()
	cfg.Progress = reading.set
	return withQuestions(ctx, cfg, func(questions *wire.Questions) error {
		reading.end()
		req, err := request(questions)
		if err != nil {
			return err
		}
		answer, err := questions.Answer(ctx, req)
		if err != nil {
			return err
		}
		return c.write(s, answer.Job(req), captionOf(questions, req, answer))
	})
}

// output holds the flags of how an answer is printed.
type output struct {
	Note   string `help:"How a file marks synthetic figures: column, comment (a first line; ${noted_formats} only), or none. JSON always says it in its provenance." enum:"column,comment,none" default:"column"`
	Format string `short:"f" help:"Output format: ${format_titles}; or auto: by the extension of --output, otherwise table." enum:"${formats},auto" default:"auto"`
	JSON   bool   `name:"json" help:"The same as --format json."`
	Chart  bool   `help:"Draw the figures as bars in the terminal. The same as --format bars."`
	Theme  string `help:"Colours of a picture: light, dark, or auto, as the reader's system prefers." enum:"auto,light,dark" default:"auto"`
	Output string `short:"o" help:"File to write; - is standard output. The file is replaced at the end, in one step." default:"-" placeholder:"FILE"`
}

// format returns the format that the flags select.
func (o *output) format() (*question.Format, error) {
	name := o.Format
	for _, short := range []struct {
		given      bool
		flag, name string
	}{{o.JSON, "--json", "json"}, {o.Chart, "--chart", "bars"}} {
		if short.given && name != "auto" && name != short.name {
			return nil, fmt.Errorf("%s and the format %s contradict each other; leave one out", short.flag, name)
		}
		if short.given {
			name = short.name
		}
	}
	switch {
	case name != "auto":
	case o.Output == "-":
		name = "table"
	default:
		extension := strings.TrimPrefix(filepath.Ext(o.Output), ".")
		var known []string
		for i := range wire.Formats {
			if f := &wire.Formats[i]; strings.EqualFold(f.Extension, extension) {
				return f, nil
			}
			known = append(known, "."+wire.Formats[i].Extension)
		}
		return nil, fmt.Errorf("--output %s: its extension is none of %s; name the format with -f", o.Output, strings.Join(slices.Compact(known), ", "))
	}
	f, ok := wire.FindFormat(name)
	if !ok {
		return nil, fmt.Errorf("there is no format %q", name) // the flag is an enum
	}
	return f, nil
}

// write writes the job's result as the flags say. JSON is the object that HTTP answers.
// Standard error says that the figures are synthetic, unless the table for a terminal does,
// and at the end from which rows they come and what to read them with care for, unless the
// JSON does.
func (o *output) write(s *streams, job *question.Job, caption *question.Caption) error {
	f, err := o.format()
	if err != nil {
		return err
	}
	p, note := job.Provenance, question.Note(o.Note)
	if p != nil && p.Synthetic && (f.MediaType != "" || note == question.NoteNone) {
		fmt.Fprintln(s.err, render.Synthetic(p))
	}
	var b bytes.Buffer
	if f.Value != nil {
		body, err := httpapi.DoneBody(f.Value, job)
		if err != nil {
			return err
		}
		b.Write(body)
	} else {
		caption.Theme = question.Theme(strings.TrimPrefix(o.Theme, "auto"))
		options := question.WriteOptions{Provenance: p, Note: note, People: true, Caption: caption}
		if o.Output == "-" {
			options.Width = columns(s.out)
		}
		if err := f.Write(&b, job.Result, options); err != nil {
			return err
		}
	}
	if err := o.send(s, f, &b); err != nil {
		return err
	}
	if f.Value == nil {
		writeCare(s.err, job)
	}
	return nil
}

// send writes an answer in the format f to where --output says.
func (o *output) send(s *streams, f *question.Format, b *bytes.Buffer) (err error) {
	switch {
	case o.Output != "-":
		if err := replaceFile(o.Output, all(b)); err != nil {
			return fmt.Errorf("--output %s: %w", o.Output, err)
		}
	case f.Name == "arrow":
		out, err := binary(s.out, "Arrow")
		if err != nil {
			return err
		}
		_, err = out.Write(b.Bytes())
		return err
	case f.MediaType != "": // a file, not text for a terminal
		_, err = unchanged(s.out).Write(b.Bytes())
	default:
		_, err = s.out.Write(b.Bytes())
	}
	return err
}

// writeCare says in a line what is missing in the rows that an answer comes from, and of
// which dimensions, besides those that it shows, its figures mix values, and then what speaks against the figures. That
// they are synthetic has been said. It says nothing where there is nothing to say.
func writeCare(w io.Writer, job *question.Job) {
	if c := job.Coverage; c != nil {
		line := "Rows: " + humanize.Comma(int64(c.Rows))
		if c.Missing > 0 {
			line += fmt.Sprintf(", %s without a value", humanize.Comma(int64(c.Missing)))
		}
		var mixed []string
		for _, m := range c.Mixed {
			if !slices.ContainsFunc(job.Result.Columns, func(c question.Column) bool { return c.Name == m.Column }) {
				mixed = append(mixed, fmt.Sprintf("%s (%s)", cmp.Or(m.Title, m.Column), humanize.Comma(int64(m.Values))))
			}
		}
		if len(mixed) > 0 {
			line += "; mixed: " + strings.Join(mixed, ", ")
		}
		if c.Missing > 0 || len(mixed) > 0 {
			fmt.Fprintln(w, line+".")
		}
	}
	for _, c := range job.Caveats {
		if c.Code != question.CaveatSynthetic {
			fmt.Fprintln(w, "Caveat: "+c.Text)
		}
	}
}

// formatVars are the names and titles of the formats, for the help of flags.
func formatVars() kong.Vars {
	var names, titles, noted []string
	for _, f := range wire.Formats {
		names, titles = append(names, f.Name), append(titles, f.Name+" ("+f.Title+")")
		if f.Notes {
			noted = append(noted, f.Name)
		}
	}
	return kong.Vars{"formats": strings.Join(names, ","), "format_titles": strings.Join(titles, ", "), "noted_formats": strings.Join(noted, " and ")}
}

// request builds a request from the command line. An abbreviated value is replaced by the
// full value, and a line in notes says so.
func (c *asking) request(questions *wire.Questions, name string, notes io.Writer) (question.Request, error) {
	q := served(questions, name)
	if q == nil {
		q = &question.Question{Name: name}
	}
	w := words{schema: questions.Dataset, notes: notes}
	return w.request(q, c.Params, c.Where)
}

// assignments parses name=value words. A repeated name makes a list.
func assignments(given []string, value func(name, text string) (any, error)) (map[string]any, error) {
	out := make(map[string]any, len(given))
	for _, word := range given {
		name, text, ok := strings.Cut(word, "=")
		if !ok || name == "" {
			return nil, question.Errorf(question.CodeBadParameter, "%q is not of the form name=value, such as year=2020", word)
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

// words converts words of the command line to values.
type words struct {
	schema question.Schema
	notes  io.Writer
}

// request builds a request for a question from words of the form name=value.
func (w *words) request(q *question.Question, params, where []string) (question.Request, error) {
	req := question.Request{Question: q.Name}
	var err error
	if req.Params, err = assignments(params, func(name, text string) (any, error) {
		for i := range q.Params {
			if p := &q.Params[i]; p.Name == name {
				return w.param(p, text)
			}
		}
		return text, nil
	}); err != nil {
		return req, err
	}
	req.Where, err = assignments(where, w.where)
	return req, err
}

// param converts text to a JSON value of the parameter's type. Text that does not fit
// stays a string, and validation later rejects it with the parameter's name.
func (w *words) param(p *question.Param, text string) (any, error) {
	known := p.Known(w.schema)
	if known == nil {
		return p.Parse(text, w.schema), nil
	}
	repeat := ""
	if p.List {
		repeat = p.Name + "="
	}
	return w.part(p.Name, text, known, repeat)
}

// where converts text to a condition on the column.
func (w *words) where(column, text string) (any, error) {
	c, ok := w.schema.Column(column)
	if !ok {
		return text, nil
	}
	if c.Type == question.String {
		return w.part(question.WhereParam+"."+column, text, c.Dict, "--where "+column+"=")
	}
	from, to, isRange := strings.Cut(text, "..")
	if !isRange {
		return question.ParseNumber(text), nil
	}
	ends := map[string]any{}
	if from != "" {
		ends["min"] = question.ParseNumber(from)
	}
	if to != "" {
		ends["max"] = question.ParseNumber(to)
	}
	return ends, nil
}

// part returns the known value that text equals or abbreviates. Text that matches no
// value is returned unchanged: validation later rejects it and suggests similar values.
// repeat is what to write before each of several values, "" if only one is taken.
func (w *words) part(field, text string, known []string, repeat string) (any, error) {
	value, candidates := question.Part(text, known)
	if len(candidates) > 0 {
		const most = 12
		some := ""
		if len(candidates) > most {
			some = fmt.Sprintf("; the first %d are listed", most)
		}
		return nil, question.Errorf(question.CodeUnknownValue, "%q is %.100q, which matches %d values; give a longer part%s", field, text, len(candidates), some).
			WithParam(field, candidates[:min(len(candidates), most)]...)
	}
	if value == "" {
		listed := question.Listed(text, func(one string) string {
			value, _ := question.Part(one, known)
			return value
		})
		if repeat != "" && listed != nil {
			again := make([]string, len(listed))
			for i, v := range listed {
				flag, name, isFlag := strings.Cut(repeat, " ")
				if again[i] = question.ShellWord(repeat + v); isFlag {
					again[i] = flag + " " + question.ShellWord(name+v)
				}
			}
			return nil, question.Errorf(question.CodeUnknownValue, "%q is %.100q, which is %d values; repeat the name for each: %s",
				field, text, len(listed), strings.Join(again, " ")).WithParam(field, listed...)
		}
		return text, nil
	}
	if value != text {
		fmt.Fprintf(w.notes, "%s: %s\n", strings.TrimPrefix(field, question.WhereParam+"."), value)
	}
	return value, nil
}
