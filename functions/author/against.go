package author

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/catalog"
)

// Pair is a figure of the older plugin and of the newer one.
type Pair[T any] struct {
	Before T `json:"before"`
	Now    T `json:"now"`
}

// Compared is the result of Against. Its JSON keys are stable; times are in nanoseconds.
type Compared struct {
	Plugin    string              `json:"plugin"`          // the file, as given
	Against   string              `json:"against"`         // the file of the older one, as given
	Size      Pair[int]           `json:"size"`            // bytes
	Compile   Pair[time.Duration] `json:"compile"`         // the faster of two
	Cached    Pair[time.Duration] `json:"load_from_cache"` // the fastest of three
	Questions []ComparedQuestion  `json:"questions"`
	Removed   []string            `json:"removed"` // questions that only the older one has
	Added     []string            `json:"added"`   // questions that only the newer one has
	Same      bool                `json:"same"`    // every sample has the same outcome, and no question was removed
	Samples   int                 `json:"samples"` // requests whose outcomes were compared
	Different []DifferentSample   `json:"different"`
}

// ComparedQuestion is the part of one question. The jobs of both ran in turn.
type ComparedQuestion struct {
	Question string              `json:"question"`
	Asked    string              `json:"asked"`
	P50      Pair[time.Duration] `json:"p50"`
	Ratio    float64             `json:"ratio"` // of the medians: below 1 the newer one is faster
	Fuel     Pair[int64]         `json:"fuel"`
	Memory   Pair[uint64]        `json:"memory"` // beyond the dataset, bytes
}

// DifferentSample is a request that has another outcome.
type DifferentSample struct {
	Asked       string       `json:"asked"`
	Differences []Difference `json:"differences"`    // the first maxDifferences
	More        int          `json:"more,omitempty"` // how many other differences there are
}

// Against measures a plugin file and an older one: their loads, and n jobs of each question
// that both have, in turn. Then it compares their outcomes for the requests that check makes.
// It uses an empty cache of its own.
func Against(ctx context.Context, cfg wire.EngineConfig, file, old string, n int, given Given) (_ *Compared, err error) {
	out := &Compared{Plugin: file, Against: old, Removed: []string{}, Added: []string{}, Different: []DifferentSample{}}
	var wasm Pair[[]byte]
	if wasm.Now, err = wire.ReadPlugin(file); err != nil {
		return nil, err
	}
	if wasm.Before, err = wire.ReadPlugin(old); err != nil {
		return nil, err
	}
	out.Size = Pair[int]{len(wasm.Before), len(wasm.Now)}
	folder, err := os.MkdirTemp("", "lestats-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	// The first of two loads may be slower, so that each is the first at times.
	for round := range 5 {
		took := &out.Cached
		if round < 2 {
			took = &out.Compile
			cfg.Cache = filepath.Join(folder, strconv.Itoa(round))
		}
		err := out.withBoth(ctx, cfg, wasm, round%2 == 0, took, func(w *wire.Workbench, both Pair[opened]) error {
			if round < 4 {
				return nil
			}
			overrides, err := given.of(both.Now.Manifest(), w.Dataset)
			if err != nil {
				return err
			}
			return out.compare(ctx, w.Dataset, both, n, overrides)
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// withBoth loads both plugins for the time of do, and sets what loading took if it was
// faster than what took says.
func (c *Compared) withBoth(ctx context.Context, cfg wire.EngineConfig, wasm Pair[[]byte], nowFirst bool, took *Pair[time.Duration], do func(*wire.Workbench, Pair[opened]) error) (err error) {
	w, err := wire.OpenWorkbench(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close(context.WithoutCancel(ctx))) }()
	var both Pair[opened]
	loads := []struct {
		file string
		wasm []byte
		took *time.Duration
		to   *opened
	}{{c.Against, wasm.Before, &took.Before, &both.Before}, {c.Plugin, wasm.Now, &took.Now, &both.Now}}
	if nowFirst {
		slices.Reverse(loads)
	}
	for _, load := range loads {
		begin := time.Now()
		p, refused := w.Engine.Load(ctx, load.wasm)
		if refused != nil {
			return fmt.Errorf("%s: %w", load.file, refused)
		}
		if t := time.Since(begin); *load.took == 0 || t < *load.took {
			*load.took = t
		}
		defer func() { err = errors.Join(err, p.Close(context.WithoutCancel(ctx))) }()
		*load.to = p
	}
	return do(w, both)
}

// compare asks both plugins the questions of both.
func (c *Compared) compare(ctx context.Context, ds catalog.Dataset, both Pair[opened], n int, given overrides) error {
	was, now := both.Before.Manifest(), both.Now.Manifest()
	for i := range was.Questions {
		if _, _, still := now.Find(was.Questions[i].Name); !still {
			c.Removed = append(c.Removed, was.Questions[i].Name)
		}
	}
	for i := range now.Questions {
		q := &now.Questions[i]
		if _, _, had := was.Find(q.Name); !had {
			c.Added = append(c.Added, q.Name)
			continue
		}
		if now.Lacks(q, ds) != nil {
			continue // the dataset does not have it
		}
		samples, err := samplesOf(now, q, ds, given)
		if err != nil {
			return fmt.Errorf("%s: %w", q.Name, err)
		}
		if err := c.measure(ctx, ds, both, q.Name, samples[0], n); err != nil {
			return fmt.Errorf("%s: %w", q.Name, err)
		}
		for _, s := range samples {
			before, after := s.ask(ctx, both.Before, ds), s.ask(ctx, both.Now, ds)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			c.Samples++
			if differences := before.compare(after); len(differences) > 0 {
				shown, more := first(differences)
				c.Different = append(c.Different, DifferentSample{s.text, shown, more})
			}
		}
	}
	if c.Questions == nil {
		return fmt.Errorf("no question of %s is one of %s that this dataset has, so there is nothing to compare", c.Plugin, c.Against)
	}
	c.Same = len(c.Different)+len(c.Removed) == 0
	return nil
}

// measure asks both plugins in turn, n times each. The one that is asked first alternates.
func (c *Compared) measure(ctx context.Context, ds catalog.Dataset, both Pair[opened], name string, s *sample, n int) error {
	out := ComparedQuestion{Question: name, Asked: s.text}
	before, now := side{plugin: both.Before, file: c.Against}, side{plugin: both.Now, file: c.Plugin}
	sides := []*side{&before, &now}
	for range n {
		for _, side := range sides {
			begin := time.Now()
			o := s.ask(ctx, side.plugin, ds)
			side.times = append(side.times, time.Since(begin))
			if o.err != nil {
				return fmt.Errorf("%s: %w", side.file, o.err)
			}
			side.fuel, side.memory = o.used.Fuel, max(side.memory, o.used.Memory)
		}
		slices.Reverse(sides)
	}
	for _, side := range sides {
		slices.Sort(side.times)
	}
	out.P50 = Pair[time.Duration]{before.times[n/2], now.times[n/2]}
	out.Fuel, out.Memory = Pair[int64]{before.fuel, now.fuel}, Pair[uint64]{before.memory, now.memory}
	out.Ratio = float64(out.P50.Now) / float64(out.P50.Before)
	c.Questions = append(c.Questions, out)
	return nil
}

// side is one of two plugins that are measured.
type side struct {
	plugin opened
	file   string
	times  []time.Duration
	fuel   int64
	memory uint64
}

// compare returns how an outcome differs from an earlier one of the same request.
func (o outcome) compare(now outcome) []Difference {
	switch {
	case o.err == nil && now.err == nil:
		return answerOf(o.table).compare(answerOf(now.table), now.table.Keys(), 0)
	case o.err != nil && now.err != nil && o.err.Code == now.err.Code && o.err.Param == now.err.Param:
		return nil // what it says may be worded better
	default:
		return []Difference{{Kind: "outcome", Expected: o.text(), Got: now.text()}}
	}
}

// Write writes the figures as tables, and what differs.
func (c *Compared) Write(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s against %s\n\n", c.Plugin, c.Against)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(what, before, now string, ratio float64) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%.2f\n", what, before, now, ratio)
	}
	fmt.Fprintln(w, "\tbefore\tnow\tratio")
	row("size", humanize.Comma(int64(c.Size.Before)), humanize.Comma(int64(c.Size.Now)), float64(c.Size.Now)/float64(c.Size.Before))
	for _, load := range []struct {
		what string
		took Pair[time.Duration]
	}{{"compile and open", c.Compile}, {"open from the cache", c.Cached}} {
		row(load.what, brief(load.took.Before), brief(load.took.Now), float64(load.took.Now)/float64(load.took.Before))
	}
	for _, q := range c.Questions {
		row(q.Question+": p50", brief(q.P50.Before), brief(q.P50.Now), q.Ratio)
		row(q.Question+": fuel", humanize.Comma(q.Fuel.Before), humanize.Comma(q.Fuel.Now), float64(q.Fuel.Now)/float64(max(1, q.Fuel.Before)))
		row(q.Question+": memory", humanize.IBytes(q.Memory.Before), humanize.IBytes(q.Memory.Now), float64(q.Memory.Now)/float64(max(1, q.Memory.Before)))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	b.WriteString("\n")
	for _, s := range c.Different {
		fmt.Fprintf(&b, "differs  %s\n", s.Asked)
		writeDifferences(&b, s.Differences, s.More, "before", "now")
	}
	for _, name := range c.Removed {
		fmt.Fprintf(&b, "removed  %s\n", name)
	}
	for _, name := range c.Added {
		fmt.Fprintf(&b, "added    %s\n", name)
	}
	if c.Same {
		fmt.Fprintf(&b, "the answers are the same: %d request(s)\n", c.Samples)
	} else {
		fmt.Fprintf(&b, "the answers DIFFER: %d of %d request(s), %d question(s) removed\n", len(c.Different), c.Samples, len(c.Removed))
	}
	_, err := io.WriteString(out, b.String())
	return err
}
