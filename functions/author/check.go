package author

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/plugins"
	"github.com/le-stats-sportifs/lestats/runtime/catalog"
	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

// Level says how bad a finding is.
type Level string

// The levels.
const (
	LevelError   Level = "error"   // a server refuses the plugin, or a question of it fails
	LevelWarning Level = "warning" // it works, but maybe not as its author expects
	LevelInfo    Level = "info"
)

// Finding is one result of a check. Its JSON keys are stable.
type Finding struct {
	Check   string `json:"check"` // what was checked: "exports", "manifest", "answer", ...
	Level   Level  `json:"level"`
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"` // what to change
}

// Report holds the findings for one file.
type Report struct {
	Plugin   string    `json:"plugin"` // the file, as given
	Name     string    `json:"name,omitempty"`
	Version  string    `json:"version,omitempty"`
	OK       bool      `json:"ok"` // no finding is an error
	Findings []Finding `json:"findings"`

	questions []string // names
	budget    int64    // units of fuel that a request may use; 0 is no budget
}

func (r *Report) addf(check string, level Level, fix, format string, args ...any) {
	r.Findings = append(r.Findings, Finding{check, level, fmt.Sprintf(format, args...), fix})
}

// Write writes the report as text, errors first.
func (r *Report) Write(out io.Writer) error {
	w, counts := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0), map[Level]int{}
	title := r.Plugin
	if r.Name != "" {
		title += ": " + r.Name + " " + r.Version
	}
	fmt.Fprintln(w, title)
	for _, level := range []Level{LevelError, LevelWarning, LevelInfo} {
		before := ""
		for _, f := range r.Findings {
			if f.Level != level {
				continue
			}
			counts[level]++
			fmt.Fprintf(w, "  %s\t%s\t%s\n", f.Level, f.Check, strings.ReplaceAll(f.Message, "\n", " "))
			if f.Fix != "" && f.Fix != before {
				fmt.Fprintf(w, "  \t\t-> %s\n", f.Fix)
			}
			before = f.Fix
		}
	}
	switch {
	case !r.OK:
		fmt.Fprintf(w, "BAD: %d error(s), %d warning(s)\n", counts[LevelError], counts[LevelWarning])
	case counts[LevelWarning] > 0:
		fmt.Fprintf(w, "good, with %d warning(s)\n", counts[LevelWarning])
	default:
		fmt.Fprintln(w, "good")
	}
	return w.Flush()
}

// maxFindings bounds the findings about one part of a plugin.
const maxFindings = 50

// Check checks a file. Its questions are asked with their examples, or the values given,
// among others. A request that uses more than budget units of fuel is an error; 0 is no
// budget. Check returns an error only if the check itself failed.
func Check(ctx context.Context, w *wire.Workbench, file string, given Given, budget int64) (*Report, error) {
	r := &Report{Plugin: file, Findings: []Finding{}, budget: budget}
	defer r.settle()
	wasm, err := wire.ReadPlugin(file)
	if err != nil {
		r.addf("file", LevelError, "name a readable .wasm file, such as lestats plugin build writes", "%s", err)
		return r, nil
	}
	seen, err := w.Engine.Inspect(ctx, wasm)
	if err != nil {
		return nil, err
	}
	for _, f := range seen.Faults[:min(len(seen.Faults), maxFindings)] {
		r.addf(f.Part, LevelError, faultFix(f), "%s%s", f.Err.Reason, in(f.Err))
	}
	if seen.Manifest == nil {
		return r, nil
	}
	m := r.checkManifest(seen.Manifest)
	if m == nil {
		return r, nil
	}
	const fix = "correct the example: it is the body of a request, with a value of every required parameter"
	for _, f := range question.HintFaults(seen.Manifest) {
		r.addf("example", LevelWarning, fix, "%s; it is not used", f.Reason)
	}
	r.Name, r.Version = m.Name, m.Version
	for i := range m.Questions {
		r.questions = append(r.questions, m.Questions[i].Name)
	}
	if err := r.checkNames(ctx, w, m, wasm); err != nil {
		return nil, err
	}
	for _, err := range w.Engine.CheckColumns(m.Columns) {
		r.addf("columns", LevelError, "use a column of the dataset: "+columnList(w.Dataset.Columns())+"; or check it with its own dataset: --data", "%s", question.AsError(err).Reason)
	}
	if slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Check == "columns" }) {
		return r, nil
	}
	if len(seen.Unrestorable) > 0 {
		r.addf("purity", LevelWarning, "avoid tables that change and mutable globals of reference type: with them, every job needs a new instance",
			"every job opens a new instance, which is slow, because this state cannot be reset: %s", strings.Join(seen.Unrestorable, ", "))
	}
	return r, r.checkAnswers(ctx, w, wasm, surroundingsOf(seen.Imports), given)
}

// surroundings is what a plugin sees besides the dataset and that differs in a sandbox.
type surroundings struct {
	imported string // the function by which a plugin sees it
	name     string
	other    sandbox.Other
}

// elsewhere is a plugin in a sandbox whose surroundings differ.
type elsewhere struct {
	surroundings
	opened
}

// allSurroundings are the same for all jobs of a server.
var allSurroundings = []surroundings{
	{"wasi_snapshot_preview1.random_get", "random numbers", sandbox.OtherRandom},
	{"wasi_snapshot_preview1.clock_time_get", "the clock", sandbox.OtherClock},
}

// surroundingsOf returns those that a module with these imports can see.
func surroundingsOf(imports []string) (out []surroundings) {
	for _, s := range allSurroundings {
		if slices.Contains(imports, s.imported) {
			out = append(out, s)
		}
	}
	return out
}

// cause returns what makes an answer depend on the surroundings, and how to mend it.
func (s *surroundings) cause(differs string) string {
	switch {
	case s.other == sandbox.OtherClock:
		return "it reads the clock (time.Now in Go), which stands still for a server's jobs: take the time from the dataset or from a parameter"
	case strings.HasPrefix(differs, differentAnswers+otherOrder):
		return "most likely it ranges over a map: collect the keys and sort them, or use a slice by code"
	case strings.HasPrefix(differs, differentAnswers+rounding):
		return "most likely it adds up while it ranges over a map, so that the rounding differs: sort the keys first, or use a slice by code"
	default:
		return "it uses random numbers, or ranges over a map: seed your own generator with a constant, and sort a map's keys"
	}
}

func columnList(columns []question.Column) string {
	words := make([]string, len(columns))
	for i := range columns {
		words[i] = fmt.Sprintf("%s (%s)", columns[i].Name, columns[i].Type)
	}
	return strings.Join(words, ", ")
}

// faultFix returns how to fix a fault of a module.
func faultFix(f sandbox.Fault) string {
	if len(f.Err.Hint) > 0 {
		return fmt.Sprintf("did you mean %q?", f.Err.Hint[0])
	}
	switch f.Part {
	case "format":
		return "build a core WebAssembly 2.0 module for wasm32, as lestats plugin build does: without vector instructions, threads, exceptions, tail calls and garbage collection"
	case "imports":
		return "remove the code that needs it: a plugin may import the host's log and progress, and WASI's functions, which see no files, network or clock"
	case "exports":
		words := Each(func(l *Language) string { return l.serve + " (" + l.Name + ")" })
		return "the SDKs export the required functions: " + strings.Join(words, ", ")
	case "memory":
		return "define one unshared memory with 32-bit addresses and an initial size below the limit, and export it as \"memory\""
	case "compile":
		return "build for WebAssembly 2.0, without threads, exceptions, tail calls and garbage collection"
	default: // describe
		if strings.Contains(f.Err.Reason, "empty manifest") {
			return "hand the plugin to the SDK: " + strings.Join(Each(func(l *Language) string { return l.declare + " (" + l.Name + ")" }), ", ")
		}
		return "the start function, _initialize and lestats_v1_describe must end quickly and without a trap, and return at most 1 MiB of JSON"
	}
}

// checkManifest returns the manifest, nil if it is invalid.
func (r *Report) checkManifest(text []byte) *question.Manifest {
	const fix = "correct what the plugin declares; plugins/ABI.md describes the manifest, plugins/manifest.schema.json is its JSON Schema"
	m, err := question.ParseManifest(text)
	var said []string
	if err != nil {
		for _, f := range question.ManifestFaults(text) {
			said = append(said, f.Reason)
		}
		if syntax, ok := errors.AsType[*json.SyntaxError](json.Unmarshal(text, new(any))); ok { // the SDKs copy an example into it as it is
			at := int(syntax.Offset)
			said[0] += "; it stands at the end of this: " + question.Visible(strings.ToValidUTF8(string(text[max(0, at-60):at]), ""))
		}
	}
	// The host reports only the first value of a wrong JSON type.
	if types := typeFaults(text); len(types) > 1 {
		said = types
	}
	for _, reason := range said[:min(len(said), maxFindings)] {
		r.addf("manifest", LevelError, fix, "%s", strings.ToValidUTF8(reason, "\uFFFD"))
	}
	return m
}

// checkNames finds names that are taken by the server's routes or by the built-in
// plugins.
func (r *Report) checkNames(ctx context.Context, w *wire.Workbench, m *question.Manifest, wasm []byte) error {
	const fix = "choose another name"
	for i := range m.Questions {
		if name := m.Questions[i].Name; httpapi.Reserved(name) {
			r.addf("names", LevelError, fix, "the question name %q is reserved: the server uses the route /api/%s itself", name, name)
		}
	}
	for _, builtIn := range plugins.Modules() {
		if bytes.Equal(builtIn, wasm) {
			continue
		}
		seen, err := w.Engine.Inspect(ctx, builtIn)
		if err != nil {
			return err
		}
		other, err := question.ParseManifest(seen.Manifest)
		if err != nil {
			return err
		}
		if other.Name == m.Name {
			r.addf("names", LevelError, fix, "the name %q belongs to a built-in plugin", m.Name)
		}
		for i := range m.Questions {
			if _, _, taken := other.Find(m.Questions[i].Name); taken {
				r.addf("names", LevelError, fix, "the built-in plugin %s already answers the question %q", other.Name, m.Questions[i].Name)
			}
		}
	}
	return nil
}

// CompareNames reports the names that plugins checked before have, too: a server serves the
// first of them only.
func (r *Report) CompareNames(before []*Report) {
	const fix = "choose another name, or serve only one of them"
	for _, other := range before {
		if r.Name != "" && r.Name == other.Name {
			r.addf("names", LevelError, fix, "the name %q also belongs to %s", r.Name, other.Plugin)
		}
		for _, name := range r.questions {
			if slices.Contains(other.questions, name) {
				r.addf("names", LevelError, fix, "the question %q is also answered by %s", name, other.Plugin)
			}
		}
	}
	r.settle()
}

// settle says whether a finding is an error.
func (r *Report) settle() {
	r.OK = !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Level == LevelError })
}

// opened is a plugin that has opened the dataset.
type opened interface {
	Manifest() *question.Manifest
	Limits() sandbox.Limits
	Measure(ctx context.Context, b *question.BoundRequest, rows []question.Range) (*question.Table, question.Usage, error)
}

// checkAnswers opens the plugin and asks its questions.
func (r *Report) checkAnswers(ctx context.Context, w *wire.Workbench, wasm []byte, seen []surroundings, given Given) (err error) {
	loads := []func() (*sandbox.Plugin, error){
		func() (*sandbox.Plugin, error) { return w.Engine.Load(ctx, wasm) },
		func() (*sandbox.Plugin, error) { return w.Engine.Load(ctx, wasm) },
	}
	for _, s := range seen {
		loads = append(loads, func() (*sandbox.Plugin, error) { return w.Engine.LoadOther(ctx, wasm, s.other) })
	}
	sandboxes := make([]opened, len(loads))
	for i, load := range loads {
		p, err := load()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			r.addf("open", LevelError, "lestats_v1_alloc must return memory that the plugin does not touch again, and lestats_v1_open must return 0 within the limits for a dataset that fits", "%s%s", question.AsError(err).Reason, in(err))
			return nil
		}
		defer func() { err = errors.Join(err, p.Close(context.WithoutCancel(ctx))) }()
		sandboxes[i] = p
	}
	overrides, err := given.of(sandboxes[0].Manifest(), w.Dataset)
	if err != nil {
		return err
	}
	others := make([]elsewhere, len(seen))
	for i := range others {
		others[i] = elsewhere{seen[i], sandboxes[2+i]}
	}
	return r.ask(ctx, w.Dataset, overrides, sandboxes[0], sandboxes[1], others)
}

// ask asks each question of a plugin: used answers all samples, then all in reverse
// order; fresh, a second instance of the plugin, and those in other surroundings answer
// them in reverse order.
func (r *Report) ask(ctx context.Context, ds catalog.Dataset, given overrides, used, fresh opened, others []elsewhere) error {
	var all []*sample
	m := used.Manifest()
	var fitting []*question.Question
	for i := range m.Questions {
		q := &m.Questions[i]
		if lacks := m.Lacks(q, ds); lacks != nil {
			r.addf("answer", LevelInfo, "check it with a dataset that has them: --data; the key roles of a descriptor can name them",
				"it is not asked: %s", (&question.UnfitQuestion{Name: q.Name, Lacks: lacks}).Reason())
			continue
		}
		fitting = append(fitting, q)
		if _, err := catalog.Declared(m, q, ds); err != nil && !errors.Is(err, catalog.ErrNoExample) {
			r.addf("example", LevelWarning, "correct the example, or check it with the dataset that it is for: --data", "%s: its example does not suit this dataset, so values of the dataset are used: %s", q.Name, question.AsError(err).Reason)
		}
		samples, err := samplesOf(m, q, ds, given)
		if err != nil && given != nil {
			return fmt.Errorf("%s: %w", q.Name, err)
		}
		if err != nil {
			r.addf("answer", LevelWarning, "check that the columns of its required parameters have values in this dataset", "%s: no request could be constructed: %s", q.Name, question.AsError(err).Reason)
			continue
		}
		all = append(all, samples...)
	}
	endless := map[string]bool{} // questions that a limit ended
	all = slices.DeleteFunc(all, func(s *sample) bool {
		if endless[s.req.Question] {
			return true // the next one would take as long
		}
		s.first = s.ask(ctx, used, ds)
		endless[s.req.Question] = s.first.stopped()
		return false
	})
	back := slices.Clone(all)
	slices.Reverse(back)
	for _, s := range back {
		if s.first.stopped() {
			continue // by a limit: a second run would take as long
		}
		for _, again := range []outcome{s.ask(ctx, used, ds), s.ask(ctx, fresh, ds)} {
			if s.differs == "" {
				s.differs = s.first.differs(again)
			}
		}
		for _, p := range others {
			again := s.ask(ctx, p, ds)
			again.used.Fuel = s.first.used.Fuel // a map's order costs more or less
			s.depends = append(s.depends, s.first.differs(again))
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, q := range fitting {
		r.judge(q, used.Limits(), all, others)
	}
	return nil
}

// judge reports on one question.
func (r *Report) judge(q *question.Question, limits sandbox.Limits, all []*sample, others []elsewhere) {
	said, depends := map[question.Code]bool{}, map[string]bool{}
	var most question.Usage
	dearest := "" // the request that used most fuel
	rows, asked := 0, 0
	for _, s := range all {
		if s.req.Question != q.Name {
			continue
		}
		asked++
		if asked == 1 || s.first.used.Fuel > most.Fuel {
			dearest = s.text
		}
		most = question.Usage{
			Fuel: max(most.Fuel, s.first.used.Fuel), Time: max(most.Time, s.first.used.Time),
			Memory: max(most.Memory, s.first.used.Memory), Result: max(most.Result, s.first.used.Result),
		}
		if s.differs != "" {
			r.addf("purity", LevelError, "an answer may depend only on dataset, plugin and parameters: keep no state from one job to the next", "%s: %s", s.text, s.differs)
		}
		for i, differs := range s.depends {
			if what := &others[i].surroundings; differs != "" && s.differs == "" && !depends[what.name] {
				depends[what.name] = true
				r.addf("purity", LevelWarning, what.cause(differs), "%s: the answer depends on %s; with others, %s", s.text, what.name, differs)
			}
		}
		if s.first.err != nil {
			level, fix := judgeError(s.first.err, s.example)
			if s.same && s.first.err.Code == question.CodeBadParameter {
				level = "" // no declaration can refuse it
			}
			if level != "" && !said[s.first.err.Code] {
				said[s.first.err.Code] = true
				r.addf("answer", level, fix, "%s: %s: %s%s", s.text, s.first.err.Code, s.first.err.Reason, in(s.first.err))
			}
		} else {
			rows = max(rows, s.first.table.Rows())
		}
	}
	if asked == 0 {
		return
	}
	if r.budget > 0 && most.Fuel > r.budget {
		r.addf("fuel", LevelError, fmt.Sprintf("see where it goes: lestats plugin profile %s %s", question.ShellWord(r.Plugin), strings.TrimSuffix(dearest, noRows)),
			"%s used %s units of fuel; the budget is %s: %s", q.Name, humanize.Comma(most.Fuel), humanize.Comma(r.budget), dearest)
	}
	use := []struct {
		what string
		part float64
	}{
		{"fuel", float64(most.Fuel) / float64(limits.Fuel)}, {"time", float64(most.Time) / float64(limits.Time)},
		{"memory", float64(most.Memory) / float64(limits.Memory)}, {"result", float64(most.Result) / float64(limits.Result)},
	}
	words := make([]string, len(use))
	for i, u := range use {
		words[i] = fmt.Sprintf("%s %s %%", u.what, percent(u.part))
		if u.part > 0.8 && u.part <= 1 {
			r.addf("limits", LevelWarning, "a server may have a larger dataset or lower limits: use less, or ask its operator to raise the limit", "%s used %s %% of the %s limit", q.Name, percent(u.part), u.what)
		}
	}
	r.addf("limits", LevelInfo, "", "%s: asked with %d requests; up to %s row(s) in %s; share of the limits: %s",
		q.Name, asked, humanize.Comma(int64(rows)), most.Time.Round(10*time.Microsecond), strings.Join(words, ", "))
}

// percent formats a fraction as a percentage with two significant digits.
func percent(part float64) string {
	p := 100 * part
	if p >= 10 {
		return strconv.FormatFloat(math.Round(p), 'f', 0, 64)
	}
	return strconv.FormatFloat(p, 'g', 2, 64)
}

// trapFix returns how to find out why a plugin trapped.
func trapFix(reason string) string {
	switch {
	case strings.Contains(reason, "is not listed; add "):
		return ""
	case strings.Contains(reason, "it wrote"):
		return "the quoted text is the last thing that the plugin logged before it ended"
	case strings.Contains(reason, "divide by zero"):
		return "test an integer divisor before you divide by it"
	case strings.Contains(reason, "out of bounds"):
		return "an index or a pointer is outside the memory: compare each index with the length, and each code with the size of its column's dictionary"
	default:
		return "it said nothing before it ended: log a line at the steps before, or run the same code natively in a test, where a debugger works"
	}
}

// judgeError returns the level of an error that a sample ended with, and how to fix it.
// The level is "" if the error is expected.
func judgeError(err *question.Error, base bool) (level Level, fix string) {
	reason := err.Reason
	switch err.Code {
	case question.CodeNoData:
		if base {
			return LevelWarning, "check that it finds values in this dataset, or check it with its own dataset: --data"
		}
		return "", ""
	case question.CodeBadParameter:
		return LevelWarning, "declare what a parameter accepts (min, max, choices), so that the server can refuse other values"
	case question.CodePluginError:
		switch {
		case strings.HasPrefix(reason, "panic: "):
			return LevelError, "correct the line that it names; plugin run logs the whole stack"
		case strings.HasSuffix(reason, "append to every column"):
			return LevelError, ""
		case base:
			return LevelError, "it must answer requests that the manifest allows; where there is nothing to answer, return the error no_data"
		}
		return LevelWarning, "declare what its parameters accept, or return bad_parameter or no_data, which tell the user more"
	case question.CodePluginTrap:
		return LevelError, trapFix(reason)
	case question.CodeBadResult:
		if strings.Contains(reason, "have the same key") {
			return LevelError, "append each key once; if two parameters have one value, return one row or the error bad_parameter"
		}
		return LevelError, "return what the manifest declares; for a row without a value call " + strings.Join(Each(func(l *Language) string { return l.missing + " (" + l.Name + ")" }), ", ")
	case question.CodeFuelLimit, question.CodeTimeLimit:
		return LevelError, "do less work per row, or do shared work once when the dataset is opened; or ask the server's operator to raise the limit"
	case question.CodeMemoryLimit:
		return LevelError, "use less memory beyond the dataset, or ask the server's operator to raise the limit"
	case question.CodeDepthLimit:
		return LevelError, "nest calls less deeply: use a loop instead of recursion"
	case question.CodeLogLimit:
		return LevelError, "log less, not one line per row"
	case question.CodeResultTooLarge:
		return LevelError, "return fewer rows or columns, or share the dataset's dictionaries"
	default:
		return LevelError, "this is a defect of lestats itself: please report it"
	}
}
