package author

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/google/pprof/profile"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

// Profiled says where one job of a plugin spent its fuel. Its JSON keys are stable.
type Profiled struct {
	Plugin    string             `json:"plugin"` // the file, as given
	Question  string             `json:"question"`
	Asked     string             `json:"asked"`
	Fuel      int64              `json:"fuel"`           // units; the sum of flat
	Names     bool               `json:"names"`          // the module names all functions that were called
	Lines     bool               `json:"lines"`          // the module says which lines its code comes from
	Functions []ProfiledFunction `json:"functions"`      // most flat fuel first
	Output    string             `json:"output"`         // the file with the profile
	Note      string             `json:"note,omitempty"` // what is missing in it, and how to get it
	// Error is why the job failed, nil if it did not. The profile is what it spent up to there.
	Error   *question.Error `json:"error,omitempty"`
	Stopped []string        `json:"stopped,omitempty"` // the functions that ran then, innermost first

	pprof *profile.Profile
}

// ProfiledFunction is the part of one function.
type ProfiledFunction struct {
	Name  string `json:"function"`
	File  string `json:"file,omitempty"`
	Line  int    `json:"line,omitempty"` // where it begins
	Calls int64  `json:"calls"`          // 0 if it is inlined everywhere
	Flat  int64  `json:"flat"`           // units, without what it called
	Cum   int64  `json:"cum"`            // units, with what it called
}

// Choose builds a request for one of a plugin's questions; example is the request of a
// question's example.
type Choose func(m *question.Manifest, schema question.Schema, example func(name string) (question.Request, error)) (question.Request, error)

// Profile has a plugin file answer one request and follows it. A job that fails is no error
// of Profile.
func Profile(ctx context.Context, cfg wire.EngineConfig, file string, choose Choose) (_ *Profiled, err error) {
	wasm, err := wire.ReadPlugin(file)
	if err != nil {
		return nil, err
	}
	cfg.Cache = "off" // its code is of no use to anyone else
	w, err := wire.OpenWorkbench(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Close(context.WithoutCancel(ctx))) }()
	p, err := w.Engine.LoadTraced(ctx, wasm)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close(context.WithoutCancel(ctx))) }()
	m := p.Manifest()
	req, err := choose(m, w.Dataset, func(name string) (question.Request, error) {
		if q, _, ok := m.Find(name); ok {
			return overrides(nil).example(m, q, w.Dataset)
		}
		return question.Request{Question: name}, nil
	})
	if err != nil {
		return nil, err
	}
	return profileJob(ctx, w, p, file, wasm, req)
}

// profileJob has a plugin of LoadTraced answer a request. wasm is the plugin's file.
func profileJob(ctx context.Context, w *wire.Workbench, p *sandbox.Plugin, file string, wasm []byte, req question.Request) (*Profiled, error) {
	bound, err := p.Manifest().Bind(req, w.Dataset)
	if err != nil {
		return nil, err
	}
	seen, _, used, failed := p.Profile(ctx, bound, w.Dataset.Select(bound.Where))
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	out := &Profiled{Plugin: file, Question: req.Question, Asked: Typed(req), Fuel: used.Fuel, Error: question.AsError(failed)}
	out.describe(wasm, seen, p)
	return out, nil
}

// describe fills the profile from what was seen.
func (o *Profiled) describe(wasm []byte, seen *sandbox.Profile, p *sandbox.Plugin) {
	names, err := symbolsOf(wasm)
	o.Names, o.Lines = true, len(names.lines) > 0
	b := pprofBuilder{names: names, functions: map[source]*profile.Function{}, locations: map[sandbox.Place]*profile.Location{}, totals: map[*profile.Function]*ProfiledFunction{}}
	m := p.Manifest()
	b.begin(filepath.Base(o.Plugin), p.Digest(), len(wasm))
	b.p.Comments = []string{fmt.Sprintf("%s %s: %s", m.Name, m.Version, o.Asked), p.Digest()}
	if o.Error != nil {
		b.p.Comments = append(b.p.Comments, "the job failed: "+o.Error.Error())
	}
	for i := range seen.Paths {
		at := &seen.Paths[i]
		o.Names = o.Names && (at.Fuel+at.Calls == 0 || at.Place.Name != "")
		b.sample(seen.Paths, i)
	}
	for i := range seen.Stopped {
		for _, s := range names.at(&seen.Stopped[i]) {
			o.Stopped = append(o.Stopped, s.String())
		}
	}
	o.pprof = b.p
	for _, f := range b.p.Function {
		o.Functions = append(o.Functions, *b.totals[f])
	}
	slices.SortStableFunc(o.Functions, func(a, b ProfiledFunction) int {
		return cmp.Or(cmp.Compare(b.Flat, a.Flat), cmp.Compare(b.Cum, a.Cum), cmp.Compare(a.Name, b.Name))
	})
	switch {
	case err != nil:
		o.Note = err.Error()
	case !o.Names:
		o.Note = `the module does not name its functions; "lestats plugin build --names" keeps the names`
	}
}

// String returns the function and the line: "sum (kernel.c:12)".
func (s source) String() string {
	if s.File == "" {
		return s.Name
	}
	return fmt.Sprintf("%s (%s:%d)", s.Name, filepath.Base(s.File), s.Line)
}

// WriteProfile writes the profile in the format of pprof.
func (o *Profiled) WriteProfile(w io.Writer) error { return o.pprof.Write(w) }

// Write writes the functions that took the most fuel, as a table.
func (o *Profiled) Write(out io.Writer) error {
	fmt.Fprintf(out, "%s: %s: %s units of fuel\n\n", o.Plugin, o.Asked, humanize.Comma(o.Fuel))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "flat\tflat%\tcum\tcum%\tcalls\t  function")
	const most = 10
	percent := func(n int64) string { return fmt.Sprintf("%.1f%%", 100*float64(n)/float64(max(o.Fuel, 1))) }
	for i := range o.Functions[:min(len(o.Functions), most)] {
		f := &o.Functions[i]
		calls := "-"
		if f.Calls > 0 {
			calls = humanize.Comma(f.Calls)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t  %s\n", humanize.Comma(f.Flat), percent(f.Flat), humanize.Comma(f.Cum), percent(f.Cum), calls, source{f.Name, f.File, f.Line})
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if more := len(o.Functions) - most; more > 0 {
		fmt.Fprintf(out, "and %d more functions\n", more)
	}
	if o.Note != "" {
		fmt.Fprintf(out, "\n%s\n", o.Note)
	}
	if len(o.Stopped) > 0 {
		fmt.Fprintf(out, "\nit was stopped in\n  %s\n", strings.Join(o.Stopped, "\n  "))
	}
	_, err := fmt.Fprintf(out, "\nwritten to %s; to look at it: go tool pprof -http=: %s\n", o.Output, question.ShellWord(o.Output))
	return err
}

// pprofBuilder builds a profile in the format of pprof. It has no times, so that the same
// job always gives the same bytes.
type pprofBuilder struct {
	names     *symbols
	p         *profile.Profile
	functions map[source]*profile.Function // by name and the line where they begin
	locations map[sandbox.Place]*profile.Location
	totals    map[*profile.Function]*ProfiledFunction
}

func (b *pprofBuilder) begin(file, digest string, size int) {
	lines := len(b.names.lines) > 0
	b.p = &profile.Profile{
		SampleType:        []*profile.ValueType{{Type: "calls", Unit: "count"}, {Type: "fuel", Unit: "units"}},
		DefaultSampleType: "fuel",
		PeriodType:        &profile.ValueType{Type: "fuel", Unit: "units"},
		Period:            1,
		Mapping: []*profile.Mapping{{
			ID: 1, Limit: uint64(size), File: file, BuildID: strings.TrimPrefix(digest, "sha256:"),
			HasFunctions: true, HasFilenames: lines, HasLineNumbers: lines, HasInlineFrames: lines,
		}},
	}
}

// sample adds the path of this index.
func (b *pprofBuilder) sample(paths []sandbox.Path, i int) {
	at := &paths[i]
	sample := &profile.Sample{Value: []int64{at.Calls, at.Fuel}}
	var on []*profile.Function // each once, however often a function is on the path
	for n := i; n >= 0; n = paths[n].Parent {
		l := b.location(&paths[n].Place)
		sample.Location = append(sample.Location, l)
		for _, line := range l.Line {
			if !slices.Contains(on, line.Function) {
				on = append(on, line.Function)
			}
		}
	}
	leaf := sample.Location[0].Line
	b.totals[leaf[0].Function].Flat += at.Fuel
	b.totals[leaf[len(leaf)-1].Function].Calls += at.Calls
	for _, f := range on {
		b.totals[f].Cum += at.Fuel
	}
	if at.Fuel > 0 || at.Calls > 0 {
		b.p.Sample = append(b.p.Sample, sample)
	}
}

func (b *pprofBuilder) location(at *sandbox.Place) *profile.Location {
	if l, ok := b.locations[*at]; ok {
		return l
	}
	l := &profile.Location{ID: uint64(len(b.p.Location) + 1), Mapping: b.p.Mapping[0], Address: uint64(at.Offset)}
	for _, s := range b.names.at(at) {
		l.Line = append(l.Line, profile.Line{Function: b.function(s), Line: int64(s.Line)})
	}
	b.p.Location = append(b.p.Location, l)
	b.locations[*at] = l
	return l
}

func (b *pprofBuilder) function(s source) *profile.Function {
	key := source{Name: s.Name, File: s.File}
	if f, ok := b.functions[key]; ok {
		return f
	}
	f := &profile.Function{ID: uint64(len(b.p.Function) + 1), Name: s.Name, SystemName: s.Name, Filename: s.File, StartLine: int64(s.Line)}
	b.p.Function = append(b.p.Function, f)
	b.functions[key] = f
	b.totals[f] = &ProfiledFunction{Name: s.Name, File: s.File, Line: s.Line}
	return f
}
