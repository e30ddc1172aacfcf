package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/le-stats-sportifs/lestats/functions/author"
	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

type pluginProfileCmd struct {
	File     string   `arg:"" help:"Plugin file (*.wasm) that answers; - is standard input." placeholder:"FILE"`
	Question string   `arg:"" optional:"" help:"Name of the question. It may be left out if the plugin has one question."`
	Params   []string `arg:"" optional:"" sep:"none" help:"Parameters, as name=value. Repeat a name to give a list of values." placeholder:"NAME=VALUE"`
	Where    []string `sep:"none" help:"Use only rows with this value in a dimension, as in lestats ask." placeholder:"COLUMN=VALUE"`
	Output   string   `short:"o" help:"File to write; it is replaced at the end, in one step. Default: QUESTION.pb.gz in the current folder." placeholder:"FILE"`
	JSON     bool     `name:"json" help:"Print all functions as JSON."`

	wire.EngineConfig `group:"Questions:" set:"time_limit=5m"`
}

// Help is what `lestats plugin profile --help` adds.
func (pluginProfileCmd) Help() string {
	return `It asks the question once and writes a profile of where the fuel went, by function and by call path, which "go tool pprof" and speedscope open. It prints the ten functions that took the most: flat is without, cum with the functions that they called.

Fuel is counted, not sampled, so the same question always gives the same profile, and the sum is the fuel of the answer. The job takes 10 to 400 times as long as without a profile. The profile of a job that fails is written up to there.

Functions have names if the module keeps them, and lines if it has DWARF: see "lestats plugin build --names".

Examples:

  lestats plugin profile spread/spread.wasm
  lestats plugin profile spread/spread.wasm spread question=obesity least=20 -o spread.pb.gz
  go tool pprof -http=: spread.pb.gz`
}

// Run profiles one job, writes the profile and prints the functions that took the most.
func (c *pluginProfileCmd) Run(ctx context.Context, s *streams) error {
	if strings.Contains(c.Question, "=") { // a parameter of the only question
		c.Question, c.Params = "", append([]string{c.Question}, c.Params...)
	}
	c.Log = errorsOnly(s)
	profiled, err := author.Profile(ctx, c.EngineConfig, c.File, func(m *question.Manifest, schema question.Schema, example func(string) (question.Request, error)) (question.Request, error) {
		q, err := c.question(m)
		if err != nil {
			return question.Request{}, err
		}
		if len(c.Params)+len(c.Where) == 0 {
			return example(q.Name)
		}
		w := words{schema: schema, notes: s.err}
		return w.request(q, c.Params, c.Where)
	})
	if err != nil {
		return err
	}
	profiled.Output = c.Output
	if profiled.Output == "" {
		profiled.Output = profiled.Question + ".pb.gz"
	}
	if err := replaceFile(profiled.Output, profiled.WriteProfile); err != nil {
		return fmt.Errorf("--output %s: %w", profiled.Output, err)
	}
	if c.JSON {
		err = writeJSON(s.out, profiled)
	} else {
		err = profiled.Write(s.out)
	}
	if err != nil {
		return err
	}
	if profiled.Error != nil {
		return fmt.Errorf("the profile ends where the job failed: %w", profiled.Error)
	}
	return nil
}

// question returns the question that is named, or the only one.
func (c *pluginProfileCmd) question(m *question.Manifest) (*question.Question, error) {
	names := m.Names()
	name, err := questionNamed(c.File, c.Question, names)
	if err != nil {
		return nil, err
	}
	if q, _, ok := m.Find(name); ok {
		return q, nil
	}
	return nil, question.Errorf(question.CodeUnknownQuestion, "%s does not answer the question %q; it answers %s", c.File, c.Question, strings.Join(names, ", ")).
		WithParam("question", question.Nearest(c.Question, names)...)
}
