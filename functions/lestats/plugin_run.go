package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/catalog"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

type pluginRunCmd struct {
	File string `arg:"" help:"Module (*.wasm) whose question is asked." placeholder:"FILE"`
	asking

	fileFlags `group:"Questions:"`
}

// Help is what `lestats plugin run --help` adds.
func (pluginRunCmd) Help() string {
	return `It is "lestats ask" of one file, wherever that lies.

Example:

  lestats plugin run spread/spread.wasm spread question=obesity least=20 --where year=2020`
}

// Run asks, and prints the answer.
func (c *pluginRunCmd) Run(ctx context.Context, s *streams) error {
	cfg := c.config()
	cfg.File = c.File
	return c.ask(ctx, cfg, s)
}

type pluginInfoCmd struct {
	File string `arg:"" help:"Module (*.wasm) to look at." placeholder:"FILE"`

	fileFlags `group:"Questions:"`

	JSON bool `name:"json" help:"Print it as JSON."`
}

// moduleInfo is what info says. Its names in JSON are stable.
type moduleInfo struct {
	Plugin   string             `json:"plugin"` // the file, as it was given
	Digest   string             `json:"digest"` // "sha256:..."
	Size     int                `json:"size"`   // bytes
	Memory   uint64             `json:"memory"` // that it starts with, in bytes
	Imports  []string           `json:"imports"`
	Manifest *question.Manifest `json:"manifest"`
}

// Run prints what a module says of itself, without a dataset's having to suit it.
func (c *pluginInfoCmd) Run(ctx context.Context, s *streams) (err error) {
	w, err := c.workbench(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close(context.WithoutCancel(ctx))) }()
	wasm, err := wire.ReadPlugin(c.File)
	if err != nil {
		return err
	}
	seen, err := w.Engine.Inspect(ctx, wasm)
	if err != nil {
		return err
	}
	if len(seen.Faults) > 0 {
		return fmt.Errorf("%s: %w; \"lestats plugin check\" says all that is wrong with it", c.File, seen.Faults[0].Err)
	}
	m, err := question.ParseManifest(seen.Manifest)
	if err != nil {
		return fmt.Errorf("%s: %w; \"lestats plugin check\" says all that is wrong with it", c.File, err)
	}
	sum := sha256.Sum256(wasm)
	info := moduleInfo{c.File, "sha256:" + hex.EncodeToString(sum[:]), len(wasm), seen.Memory, seen.Imports, m}
	if c.JSON {
		return writeJSON(s.out, info)
	}
	fmt.Fprintf(s.out, "%s %s  %s\n  %s, %s bytes, starts with %s of memory\n  %s\n", m.Name, m.Version, m.Title, info.Plugin, humanize.Comma(int64(info.Size)), humanize.IBytes(info.Memory), info.Digest)
	for _, part := range []struct {
		what  string
		words []string
	}{{"columns", needs(m.Columns)}, {"imports", info.Imports}} {
		if len(part.words) > 0 {
			fmt.Fprintf(s.out, "  %s: %s\n", part.what, strings.Join(part.words, ", "))
		}
	}
	for i := range m.Questions {
		fmt.Fprintf(s.out, "  %s\n      %s\n", signature(&m.Questions[i]), m.Questions[i].Title)
	}
	return nil
}

func needs(columns []question.ColumnNeed) []string {
	words := make([]string, len(columns))
	for i, c := range columns {
		words[i] = fmt.Sprintf("%s (%s)", c.Name, c.Type)
	}
	return words
}

type pluginBenchCmd struct {
	File string `arg:"" help:"Module (*.wasm) to measure." placeholder:"FILE"`
	N    int    `short:"n" help:"How often each question is asked." default:"200"`

	fileFlags `group:"Questions:"`

	JSON bool `name:"json" help:"Print it as JSON; times are in nanoseconds."`
}

// Help is what `lestats plugin bench --help` adds.
func (pluginBenchCmd) Help() string {
	return `Each question is asked as its example does, in one sandbox, job after job: what a server does with it, without HTTP and the store. The fuel of a job is the same everywhere; times are this machine's.`
}

// measured is what bench says. Its names in JSON are stable; times are nanoseconds.
type measured struct {
	Plugin    string             `json:"plugin"` // the file, as it was given
	Size      int                `json:"size"`   // of the module, bytes
	Compile   time.Duration      `json:"compile"`
	Cached    time.Duration      `json:"load_from_cache"`
	Questions []measuredQuestion `json:"questions"`
}

type measuredQuestion struct {
	Question string        `json:"question"`
	Asked    string        `json:"asked"`
	Rows     int           `json:"rows"` // selected
	P50      time.Duration `json:"p50"`
	P99      time.Duration `json:"p99"`
	Fuel     int64         `json:"fuel"`
	Memory   uint64        `json:"memory"` // beyond the dataset, bytes
	Result   uint64        `json:"result"` // bytes
}

// Run measures, and prints.
func (c *pluginBenchCmd) Run(ctx context.Context, s *streams) (err error) {
	if c.N < 1 {
		return fmt.Errorf("-n %d: at least 1", c.N)
	}
	wasm, err := wire.ReadPlugin(c.File)
	if err != nil {
		return err
	}
	cache, err := os.MkdirTemp("", "lestats-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(cache)) }()
	cfg := c.config()
	cfg.Cache, cfg.Log = cache, errorsOnly(s)
	out := measured{Plugin: c.File, Size: len(wasm)}
	for _, load := range []*time.Duration{&out.Compile, &out.Cached} { // the second time from the cache
		var rest []measuredQuestion
		if *load, rest, err = c.measure(ctx, cfg, wasm); err != nil {
			return err
		}
		out.Questions = rest
	}
	if c.JSON {
		return writeJSON(s.out, out)
	}
	fmt.Fprintf(s.out, "%s: %s bytes; loaded in %s, from the cache in %s\n\n", out.Plugin, humanize.Comma(int64(out.Size)), brief(out.Compile), brief(out.Cached))
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "question\trows\tp50\tp99\tfuel\tmemory\tresult")
	for _, q := range out.Questions {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", q.Question, humanize.Comma(int64(q.Rows)), brief(q.P50), brief(q.P99), humanize.Comma(q.Fuel), humanize.IBytes(q.Memory), humanize.IBytes(q.Result))
	}
	return w.Flush()
}

func brief(d time.Duration) string {
	if d < time.Millisecond {
		return d.Round(time.Microsecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}

// measure loads the module and asks its questions.
func (c *pluginBenchCmd) measure(ctx context.Context, cfg wire.QuestionsConfig, wasm []byte) (load time.Duration, out []measuredQuestion, err error) {
	w, err := wire.OpenWorkbench(ctx, cfg)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, w.Close(context.WithoutCancel(ctx))) }()
	begin := time.Now()
	p, err := w.Engine.Load(ctx, wasm)
	if err != nil {
		return 0, nil, err
	}
	load = time.Since(begin)
	defer func() { err = errors.Join(err, p.Close(context.WithoutCancel(ctx))) }()
	m := p.Manifest()
	for i := range m.Questions {
		q, err := c.question(ctx, w, p, &m.Questions[i])
		if err != nil {
			return 0, nil, fmt.Errorf("%s: %w", m.Questions[i].Name, err)
		}
		out = append(out, q)
	}
	return load, out, nil
}

func (c *pluginBenchCmd) question(ctx context.Context, w *wire.Workbench, p *sandbox.Plugin, q *question.Question) (out measuredQuestion, err error) {
	req, err := catalog.Example(p.Manifest(), q, w.Dataset)
	if err != nil {
		return out, err
	}
	bound, err := p.Manifest().Bind(req, w.Dataset)
	if err != nil {
		return out, err
	}
	rows := w.Dataset.Select(bound.Where)
	out = measuredQuestion{Question: q.Name, Asked: asked(req)}
	for _, r := range rows {
		out.Rows += int(r.Count)
	}
	times := make([]time.Duration, c.N)
	for i := range times {
		begin := time.Now()
		_, used, err := p.Measure(ctx, bound, rows)
		if err != nil {
			return out, err
		}
		times[i] = time.Since(begin)
		out.Fuel, out.Memory, out.Result = used.Fuel, max(out.Memory, used.Memory), used.Result
	}
	slices.Sort(times)
	out.P50, out.P99 = times[len(times)/2], times[len(times)*99/100]
	return out, nil
}
