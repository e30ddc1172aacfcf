package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/plugins"
	"github.com/le-stats-sportifs/lestats/runtime/catalog"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

type pluginCheckCmd struct {
	Files []string `arg:"" help:"Modules (*.wasm) to check." placeholder:"FILE"`

	fileFlags `group:"Questions:"`

	JSON bool `name:"json" help:"Print the findings as JSON: an array with an object a file."`
}

// Help is what `lestats plugin check --help` adds.
func (pluginCheckCmd) Help() string {
	return `It looks at everything that a server would look at, and then asks each question with sample parameters: twice, in another order, and in a sandbox that is new.

A finding is an error (a server refuses the plugin, or a question of it fails), a warning, or information. The exit code is 1 where there is an error.

A question is asked about the dataset that it is meant for: without --data the embedded sample.`
}

// workbench opens what a command about one file works on; of its log, errors are told.
func (f *fileFlags) workbench(ctx context.Context, s *streams) (*wire.Workbench, error) {
	cfg := f.config()
	cfg.Log = errorsOnly(s)
	return wire.OpenWorkbench(ctx, cfg)
}

// errorsOnly returns a log of errors, of which a plugin may write many: the first 20.
func errorsOnly(s *streams) *slog.Logger {
	return slog.New(slog.NewTextHandler(&firstLines{w: s.err, left: 20}, &slog.HandlerOptions{Level: slog.LevelError}))
}

// firstLines passes on so many writes, each a line of a log, and says that there were
// more. A slog.Handler writes to it from one goroutine at a time.
type firstLines struct {
	w    io.Writer
	left int
}

// Write implements io.Writer.
func (f *firstLines) Write(line []byte) (int, error) {
	f.left--
	switch {
	case f.left >= 0:
		return f.w.Write(line)
	case f.left == -1:
		fmt.Fprintln(f.w, "... the rest of the log is left out")
	}
	return len(line), nil
}

// The levels of a finding.
const (
	levelError   = "error"   // a server refuses the plugin, or a question of it fails
	levelWarning = "warning" // it works, but not as its author may think
	levelInfo    = "info"
)

// finding is one thing that check has to say. Its names in JSON are stable.
type finding struct {
	Check   string `json:"check"` // what was looked at: "exports", "manifest", "answer", ...
	Level   string `json:"level"`
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"` // what to change
}

// report is what check has to say of one file.
type report struct {
	Plugin   string    `json:"plugin"` // the file, as it was given
	Name     string    `json:"name,omitempty"`
	Version  string    `json:"version,omitempty"`
	OK       bool      `json:"ok"` // there is no error
	Findings []finding `json:"findings"`
}

func (r *report) addf(check, level, fix, format string, args ...any) {
	r.Findings = append(r.Findings, finding{check, level, fmt.Sprintf(format, args...), fix})
}

// Run checks each file. One that has an error makes it fail.
func (c *pluginCheckCmd) Run(ctx context.Context, s *streams) (err error) {
	w, err := c.workbench(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close(context.WithoutCancel(ctx))) }()
	reports, bad := make([]*report, 0, len(c.Files)), 0
	for _, file := range c.Files {
		r, err := checkFile(ctx, w, file)
		if err != nil {
			return err
		}
		if !r.OK {
			bad++
		}
		reports = append(reports, r)
		if !c.JSON {
			r.print(s)
		}
	}
	if c.JSON {
		if err := writeJSON(s.out, reports); err != nil {
			return err
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d plugin(s) would not work", bad, len(c.Files))
	}
	return nil
}

// print writes the report for a person: what is wrong before what is not.
func (r *report) print(s *streams) {
	fmt.Fprintf(s.out, "%s", r.Plugin)
	if r.Name != "" {
		fmt.Fprintf(s.out, ": %s %s", r.Name, r.Version)
	}
	fmt.Fprintln(s.out)
	counts := map[string]int{}
	for _, level := range []string{levelError, levelWarning, levelInfo} {
		w, before := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0), ""
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
		_ = w.Flush() // to a stream whose errors nobody can be told of
	}
	switch {
	case !r.OK:
		fmt.Fprintf(s.out, "BAD: %d error(s), %d warning(s)\n", counts[levelError], counts[levelWarning])
	case counts[levelWarning] > 0:
		fmt.Fprintf(s.out, "good, with %d warning(s)\n", counts[levelWarning])
	default:
		fmt.Fprintln(s.out, "good")
	}
}

// maxFindings bounds what is said of one part of a plugin.
const maxFindings = 50

// checkFile finds what is wrong with a file. The error is no fault of the file's.
func checkFile(ctx context.Context, w *wire.Workbench, file string) (*report, error) {
	r := &report{Plugin: file, Findings: []finding{}}
	defer func() { r.OK = !slices.ContainsFunc(r.Findings, func(f finding) bool { return f.Level == levelError }) }()
	wasm, err := wire.ReadPlugin(file)
	if err != nil {
		r.addf("file", levelError, "name a .wasm file that can be read, such as lestats plugin build makes", "%s", err)
		return r, nil
	}
	seen, err := w.Engine.Inspect(ctx, wasm)
	if err != nil {
		return nil, err
	}
	for _, f := range seen.Faults[:min(len(seen.Faults), maxFindings)] {
		r.addf(f.Part, levelError, faultFix(f), "%s", f.Err.Reason)
	}
	if seen.Manifest == nil {
		return r, nil
	}
	m := r.checkManifest(seen.Manifest)
	if m == nil {
		return r, nil
	}
	r.Name, r.Version = m.Name, m.Version
	if err := r.checkNames(ctx, w, m, wasm); err != nil {
		return nil, err
	}
	for _, err := range w.Engine.CheckColumns(m.Columns) {
		r.addf("columns", levelError, "take a column of the dataset: "+columnList(w.Dataset.Columns())+"; or check it with the dataset that it is for: --data", "%s", question.AsError(err).Reason)
	}
	if slices.ContainsFunc(r.Findings, func(f finding) bool { return f.Check == "columns" }) {
		return r, nil
	}
	if len(seen.Unrestorable) > 0 {
		r.addf("purity", levelWarning, "do without them where speed matters: tables that change, and mutable globals of reference type, take a new instance a job",
			"each job opens it anew, which is slow: what it remembers cannot be put back (%s)", strings.Join(seen.Unrestorable, ", "))
	}
	return r, r.checkAnswers(ctx, w, wasm)
}

func columnList(columns []question.Column) string {
	words := make([]string, len(columns))
	for i := range columns {
		words[i] = fmt.Sprintf("%s (%s)", columns[i].Name, columns[i].Type)
	}
	return strings.Join(words, ", ")
}

// faultFix says what to change where a module has a fault.
func faultFix(f sandbox.Fault) string {
	if len(f.Err.Hint) > 0 {
		return fmt.Sprintf("did you mean %q?", f.Err.Hint[0])
	}
	switch f.Part {
	case "format":
		return "build a core WebAssembly module for wasm32: lestats plugin build does"
	case "imports":
		return "leave out what needs it: a plugin has the host's log and progress, and WASI's functions in an empty world"
	case "exports":
		return "the SDKs export what the contract asks for: sdk.Serve in init (Go), serve! (Rust), LESTATS_SERVE (C), export { lestats_v1_... } from \"lestats\" (AssemblyScript)"
	case "memory":
		return "define one memory with 32-bit addresses, not shared, that starts below the limit, and export it as \"memory\""
	case "compile":
		return "build for WebAssembly 2.0: no threads, exceptions, tail calls, garbage collection"
	default: // describe
		return "what runs before the manifest is returned (start function, _initialize, lestats_v1_describe) ends soon and without a trap, and returns JSON of at most 1 MiB"
	}
}

// checkManifest returns the manifest, or nil where it is bad.
func (r *report) checkManifest(text []byte) *question.Manifest {
	const fix = "change what the plugin declares; plugins/manifest.schema.json is the manifest's JSON Schema, ABI.md tells of it"
	m, err := question.ParseManifest(text)
	level := levelError
	if err == nil {
		level = levelWarning // a server takes it
	}
	var said []string
	if err != nil {
		for _, f := range question.ManifestFaults(text) {
			said = append(said, f.Reason)
		}
	}
	// Of a value of a wrong JSON type the host says the first alone, the schema each.
	if schema := schemaFaults(text); len(said) == 0 || len(said) == 1 && len(schema) > 1 {
		said = append(said, schema...)
	}
	for _, reason := range said[:min(len(said), maxFindings)] {
		r.addf("manifest", level, fix, "%s", strings.ToValidUTF8(reason, "\uFFFD"))
	}
	return m
}

// manifestSchema is plugins.ManifestSchema, compiled.
func manifestSchema() (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(plugins.ManifestSchema))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("urn:lestats:manifest", doc); err != nil {
		return nil, err
	}
	return c.Compile("urn:lestats:manifest")
}

// schemaFaults returns where a manifest is not what its schema says. What is no JSON
// has no fault here.
func schemaFaults(text []byte) []string {
	schema, err := manifestSchema()
	if err != nil {
		panic(err) // a test compiles it
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil
	}
	var invalid *jsonschema.ValidationError
	if !errors.As(schema.Validate(v), &invalid) {
		return nil
	}
	var out []string
	words := message.NewPrinter(language.English)
	var walk func(e *jsonschema.ValidationError)
	walk = func(e *jsonschema.ValidationError) {
		if len(e.Causes) == 0 {
			out = append(out, fmt.Sprintf("manifest, by its schema: %s: %s", place(e.InstanceLocation), e.ErrorKind.LocalizedString(words)))
		}
		for _, c := range e.Causes {
			walk(c)
		}
	}
	walk(invalid)
	return out
}

// place writes a location in JSON as in the messages of the host: "questions[0].name".
func place(location []string) string {
	var b strings.Builder
	for _, part := range location {
		if _, err := strconv.Atoi(part); err == nil {
			b.WriteString("[" + part + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(part)
	}
	if b.Len() == 0 {
		return "all of it"
	}
	return b.String()
}

// checkNames finds names that a server has given away: to its routes and to the
// built-in plugins.
func (r *report) checkNames(ctx context.Context, w *wire.Workbench, m *question.Manifest, wasm []byte) error {
	const fix = "take another name"
	for i := range m.Questions {
		if name := m.Questions[i].Name; catalog.Reserved(name) {
			r.addf("names", levelError, fix, "the question %q cannot be had: /api/%s is a route of the server's own", name, name)
		}
	}
	return eachBuiltIn(func(builtIn []byte) error {
		if bytes.Equal(builtIn, wasm) {
			return nil
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
			r.addf("names", levelError, fix, "the name %q is a built-in plugin's", m.Name)
		}
		for i := range m.Questions {
			if _, _, taken := other.Find(m.Questions[i].Name); taken {
				r.addf("names", levelError, fix, "the question %q is answered already, by the built-in plugin %s", m.Questions[i].Name, other.Name)
			}
		}
		return nil
	})
}

// opened is a plugin that was opened on the dataset.
type opened interface {
	Manifest() *question.Manifest
	Limits() sandbox.Limits
	Measure(ctx context.Context, b *question.Bound, rows []question.Range) (*question.Table, sandbox.Usage, error)
}

// checkAnswers opens the plugin and asks its questions.
func (r *report) checkAnswers(ctx context.Context, w *wire.Workbench, wasm []byte) (err error) {
	var sandboxes [2]opened
	for i := range sandboxes {
		p, err := w.Engine.Load(ctx, wasm)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			r.addf("open", levelError, "lestats_v1_alloc hands out memory that is the host's from then on, and lestats_v1_open returns 0 within the limits for a dataset that suits it", "%s", question.AsError(err).Reason)
			return nil
		}
		defer func() { err = errors.Join(err, p.Close(context.WithoutCancel(ctx))) }()
		sandboxes[i] = p
	}
	return r.ask(ctx, w.Dataset, sandboxes[0], sandboxes[1])
}

// ask asks each question of a plugin: of used the whole lot, and again in reverse;
// of fresh, the same plugin opened once more, in reverse.
func (r *report) ask(ctx context.Context, ds catalog.Dataset, used, fresh opened) error {
	var all []*sample
	m := used.Manifest()
	for i := range m.Questions {
		q := &m.Questions[i]
		samples, err := samplesOf(m, q, ds)
		if err != nil {
			r.addf("answer", levelWarning, "see that the columns of its required parameters have values in this dataset", "%s: no request was found that it answers: %s", q.Name, question.AsError(err).Reason)
			continue
		}
		all = append(all, samples...)
	}
	for _, s := range all {
		s.first = s.ask(ctx, used, ds)
	}
	back := slices.Clone(all)
	slices.Reverse(back)
	for _, s := range back {
		if s.first.stopped() {
			continue // by a limit: asking it again would take as long
		}
		for _, again := range []outcome{s.ask(ctx, used, ds), s.ask(ctx, fresh, ds)} {
			if s.differs == "" {
				s.differs = s.first.differs(again)
			}
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for i := range m.Questions {
		r.judge(&m.Questions[i], used.Limits(), all)
	}
	return nil
}

// sample is a question as check asks it.
type sample struct {
	what string // "state_mean question=... state=..."
	req  question.Request
	none bool // of no row
	base bool // the request that shows how the question is asked

	first   outcome
	differs string // from the first outcome did a later one; "" for none
}

// outcome is what became of a sample.
type outcome struct {
	table *question.Table
	used  sandbox.Usage
	err   *question.Error
}

func (s *sample) ask(ctx context.Context, p opened, ds catalog.Dataset) (o outcome) {
	b, err := p.Manifest().Bind(s.req, ds)
	if err == nil {
		var rows []question.Range
		if !s.none {
			rows = ds.Select(b.Where)
		}
		o.table, o.used, err = p.Measure(ctx, b, rows)
	}
	o.err = question.AsError(err)
	return o
}

// stopped reports whether a limit ended it.
func (o outcome) stopped() bool {
	return o.err != nil && slices.Contains([]question.Code{question.CodeTimeLimit, question.CodeFuelLimit, question.CodeCancelled}, o.err.Code)
}

// differs says in what another asking differs; "" for nothing.
func (o outcome) differs(again outcome) string {
	switch {
	case again.stopped() && again.err.Code != question.CodeFuelLimit:
		return "" // the machine was busy
	case (o.err == nil) != (again.err == nil):
		return "it answered once and once it did not"
	case o.err != nil && (o.err.Code != again.err.Code || o.err.Reason != again.err.Reason):
		return fmt.Sprintf("once it failed with %q, once with %q", o.err.Reason, again.err.Reason)
	case !reflect.DeepEqual(o.table, again.table):
		return "it gave two different answers"
	case o.used.Fuel != again.used.Fuel:
		return fmt.Sprintf("it spent %d units of fuel once, and %d units once", o.used.Fuel, again.used.Fuel)
	}
	return ""
}

// judge says how a question did.
func (r *report) judge(q *question.Question, limits sandbox.Limits, all []*sample) {
	said := map[question.Code]bool{}
	var most sandbox.Usage
	rows, asked := 0, 0
	for _, s := range all {
		if s.req.Question != q.Name {
			continue
		}
		asked++
		most = sandbox.Usage{
			Fuel: max(most.Fuel, s.first.used.Fuel), Time: max(most.Time, s.first.used.Time),
			Memory: max(most.Memory, s.first.used.Memory), Result: max(most.Result, s.first.used.Result),
		}
		if s.differs != "" {
			r.addf("purity", levelError, "an answer depends on dataset, plugin and parameters alone: do not keep anything from one job to the next", "%s: %s", s.what, s.differs)
		}
		if s.first.err != nil {
			if level, fix := judgeError(s.first.err.Code, s.base); level != "" && !said[s.first.err.Code] {
				said[s.first.err.Code] = true
				r.addf("answer", level, fix, "%s: %s: %s", s.what, s.first.err.Code, s.first.err.Reason)
			}
		} else {
			rows = max(rows, s.first.table.Rows())
		}
	}
	if asked == 0 {
		return
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
			r.addf("limits", levelWarning, "a server's dataset may be larger and its limits lower: use less, or have its operator raise the limit", "%s used %s %% of the %s that a job may use", q.Name, percent(u.part), u.what)
		}
	}
	r.addf("limits", levelInfo, "", "%s: asked in %d ways, with up to %s row(s) in %s; of the limits: %s",
		q.Name, asked, humanize.Comma(int64(rows)), most.Time.Round(10*time.Microsecond), strings.Join(words, ", "))
}

// percent writes a part of 1 with two significant digits.
func percent(part float64) string {
	p := 100 * part
	if p >= 10 {
		return strconv.FormatFloat(math.Round(p), 'f', 0, 64)
	}
	return strconv.FormatFloat(p, 'g', 2, 64)
}

// judgeError says how bad it is that a sample ended so, and what to change. The
// level is "" where it is as it should be.
func judgeError(code question.Code, base bool) (level, fix string) {
	switch code {
	case question.CodeNoData:
		if base {
			return levelWarning, "see that it finds values in this dataset, or check it with the one that it is for: --data"
		}
		return "", ""
	case question.CodeBadParameter:
		return levelWarning, "say in the manifest what a parameter takes (min, max, choices), so that the server refuses the rest by name"
	case question.CodePluginError:
		if base {
			return levelError, "it has to answer when it is asked as the manifest says; where there is nothing to answer, return the error no data"
		}
		return levelWarning, "say in the manifest what its parameters take, or return the error bad parameter or no data, which say more"
	case question.CodePluginTrap:
		return levelError, "the reason says where it trapped; a test that runs natively, as the SDKs have them, finds out why"
	case question.CodeBadResult:
		return levelError, "return what the manifest declares: ABI.md, Response"
	case question.CodeFuelLimit, question.CodeTimeLimit:
		return levelError, "do less work a row, or once in open what each job needs; or have the server's operator raise the limit"
	case question.CodeMemoryLimit:
		return levelError, "use less memory beyond the dataset, or have the server's operator raise the limit"
	case question.CodeDepthLimit:
		return levelError, "nest calls less deep: a loop in place of a recursion"
	case question.CodeLogLimit:
		return levelError, "log less: not a line a row"
	case question.CodeResultTooLarge:
		return levelError, "return fewer rows or columns, or share the dataset's dictionaries"
	default:
		return levelError, "this is a defect of the host's: please report it"
	}
}

// maxSamples bounds in how many ways a question is asked.
const maxSamples = 48

// samplesOf returns ways to ask a question: as its example does, then with one
// parameter at a time at the ends of what it takes, with a condition, and of no row.
func samplesOf(m *question.Manifest, q *question.Question, ds catalog.Dataset) ([]*sample, error) {
	base, err := catalog.Example(m, q, ds)
	if err != nil {
		return nil, err
	}
	requests := []question.Request{base}
	for i := range q.Params {
		p := &q.Params[i]
		for _, v := range values(p, ds) {
			req := question.Request{Question: q.Name, Params: map[string]any{p.Name: v}}
			for name, given := range base.Params {
				if name != p.Name {
					req.Params[name] = given
				}
			}
			requests = append(requests, req)
		}
	}
	columns := ds.Columns()
	for i := range columns {
		if c := &columns[i]; c.Role == question.RoleDimension && len(c.Dict) > 0 {
			requests = append(requests, question.Request{Question: q.Name, Params: base.Params, Where: map[string]any{c.Name: c.Dict[len(c.Dict)-1]}})
			break
		}
	}
	var out []*sample
	seen := map[string]bool{}
	for i, req := range requests {
		if what := asked(req); !seen[what] && len(out) < maxSamples {
			seen[what] = true
			out = append(out, &sample{what: what, req: req, base: i == 0})
		}
	}
	return append(out, &sample{what: asked(base) + ", of no row", req: base, none: true}), nil
}

// values returns what a parameter takes at its ends.
func values(p *question.Param, ds question.Schema) (out []any) {
	switch p.Type {
	case question.ParamBoolean:
		out = []any{false, true}
	case question.ParamChoice:
		for _, c := range p.Choices[:min(len(p.Choices), 8)] {
			out = append(out, c)
		}
	case question.ParamColumn:
		c, _ := ds.Column(p.Column)
		for _, row := range ends(c) {
			out = append(out, jsonNumber(c.Value(row)))
		}
	default:
		for _, end := range []*float64{p.Min, p.Max} {
			if end != nil && (p.Type == question.ParamNumber || *end == math.Trunc(*end)) {
				out = append(out, *end)
			}
		}
	}
	if p.List && len(out) > 1 {
		out = append(out, []any{out[0], out[len(out)-1]})
	}
	return out
}

// ends returns the rows with the least and the greatest value of a column, of a
// string column in the order of its dictionary.
func ends(c *question.Column) []int {
	least, greatest := -1, -1
	before := func(a, b int) bool {
		switch c.Type {
		case question.Number:
			return c.Numbers[a] < c.Numbers[b]
		case question.Integer:
			return c.Integers[a] < c.Integers[b]
		default:
			return c.Codes[a] < c.Codes[b]
		}
	}
	for row := range c.Len() {
		if v := c.Value(row); v == nil || v == "" {
			continue
		}
		if least < 0 || before(row, least) {
			least = row
		}
		if greatest < 0 || before(greatest, row) {
			greatest = row
		}
	}
	if least < 0 {
		return nil
	}
	return []int{least, greatest}
}

// jsonNumber returns a value of the dataset as a request holds it.
func jsonNumber(v any) any {
	if n, ok := v.(int64); ok {
		return json.Number(strconv.FormatInt(n, 10))
	}
	return v
}

// asked writes a request as one would type it.
func asked(req question.Request) string {
	words := []string{req.Question}
	for _, part := range []struct {
		flag   string
		values map[string]any
	}{{"", req.Params}, {"--where ", req.Where}} {
		for _, name := range slices.Sorted(maps.Keys(part.values)) {
			list, ok := part.values[name].([]any)
			if !ok {
				list = []any{part.values[name]}
			}
			for _, v := range list {
				word := fmt.Sprintf("%s=%v", name, v)
				if strings.ContainsAny(word, " '\"$()") {
					word = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
				}
				words = append(words, part.flag+word)
			}
		}
	}
	return strings.Join(words, " ")
}
