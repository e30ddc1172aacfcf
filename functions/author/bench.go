package author

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

// Measured is the result of Bench. Its JSON keys are stable; times are in nanoseconds.
type Measured struct {
	Plugin    string             `json:"plugin"` // the file, as given
	Size      int                `json:"size"`   // of the module, bytes
	Compile   time.Duration      `json:"compile"`
	Cached    time.Duration      `json:"load_from_cache"`
	Questions []MeasuredQuestion `json:"questions"`
}

// MeasuredQuestion is the part of one question: the time of a job, and the most that a job
// used.
type MeasuredQuestion struct {
	Question string        `json:"question"`
	Asked    string        `json:"asked"`
	Rows     int           `json:"rows"` // selected
	P50      time.Duration `json:"p50"`
	P99      time.Duration `json:"p99"`
	Fuel     int64         `json:"fuel"`
	Memory   uint64        `json:"memory"` // beyond the dataset, bytes
	Result   uint64        `json:"result"` // bytes
}

// Bench measures a plugin file: its load, and n jobs of each question with its example
// values, or those given. It uses an empty cache of its own.
func Bench(ctx context.Context, cfg wire.EngineConfig, file string, n int, given Given) (_ *Measured, err error) {
	wasm, err := wire.ReadPlugin(file)
	if err != nil {
		return nil, err
	}
	if cfg.Cache, err = os.MkdirTemp("", "lestats-bench-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(cfg.Cache)) }()
	out := &Measured{Plugin: file, Size: len(wasm)}
	for _, load := range []*time.Duration{&out.Compile, &out.Cached} { // the second load comes from the cache
		if *load, out.Questions, err = measure(ctx, cfg, wasm, n, given); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Write writes the figures as a table.
func (m *Measured) Write(out io.Writer) error {
	fmt.Fprintf(out, "%s: %s bytes; loaded in %s, from the cache in %s\n\n", m.Plugin, humanize.Comma(int64(m.Size)), brief(m.Compile), brief(m.Cached))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "question\trows\tp50\tp99\tfuel\tmemory\tresult")
	for _, q := range m.Questions {
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

// measure loads the plugin and asks its questions.
func measure(ctx context.Context, cfg wire.EngineConfig, wasm []byte, n int, given Given) (load time.Duration, out []MeasuredQuestion, err error) {
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
	overrides, err := given.of(m, w.Dataset)
	if err != nil {
		return 0, nil, err
	}
	for i := range m.Questions {
		if m.Lacks(&m.Questions[i], w.Dataset) != nil {
			continue // the dataset does not have it
		}
		q, err := measureQuestion(ctx, w, p, &m.Questions[i], n, overrides)
		if err != nil {
			return 0, nil, fmt.Errorf("%s: %w", m.Questions[i].Name, err)
		}
		out = append(out, q)
	}
	return load, out, nil
}

func measureQuestion(ctx context.Context, w *wire.Workbench, p *sandbox.Plugin, q *question.Question, n int, given overrides) (out MeasuredQuestion, err error) {
	req, err := given.example(p.Manifest(), q, w.Dataset)
	if err != nil {
		return out, err
	}
	bound, err := p.Manifest().Bind(req, w.Dataset)
	if err != nil {
		return out, err
	}
	rows := w.Dataset.Select(bound.Where)
	out = MeasuredQuestion{Question: q.Name, Asked: Typed(req)}
	for _, r := range rows {
		out.Rows += int(r.Count)
	}
	times := make([]time.Duration, n)
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
