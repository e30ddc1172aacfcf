package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeDataset has no state in its first row and no value in its second.
type fakeDataset struct {
	columns []question.Column
	counted atomic.Int32 // calls of Coverage
}

func newFakeDataset() *fakeDataset {
	return &fakeDataset{columns: []question.Column{
		{Name: "topic", Type: question.String, Role: question.RoleDimension, Dict: []string{"", "Diet", "Sport"}, Codes: []int32{0, 1, 1, 2}},
		{Name: "state", Type: question.String, Role: question.RoleDimension, Dict: []string{"Iowa", "Ohio"}, Codes: []int32{0, 0, 1, 0}, Valid: question.Bitmap{0b1110}},
		{Name: "year", Type: question.Integer, Role: question.RoleDimension, Integers: []int64{2018, 2019, 2020, 2021}},
		{Name: "value", Type: question.Number, Role: question.RoleMeasure, Numbers: []float64{1, 0, 3, 4}, Valid: question.Bitmap{0b1101}},
	}}
}

func (d *fakeDataset) Columns() []question.Column { return d.columns }
func (d *fakeDataset) Column(name string) (*question.Column, bool) {
	i := slices.IndexFunc(d.columns, func(c question.Column) bool { return c.Name == name })
	if i < 0 {
		return nil, false
	}
	return &d.columns[i], true
}

func (d *fakeDataset) Select(conds []question.Condition) []question.Range {
	if len(conds) == 0 {
		return []question.Range{{Start: 0, Count: 4}}
	}
	return []question.Range{{Start: 0, Count: 1}, {Start: 2, Count: 1}}
}

func (d *fakeDataset) Info() question.DatasetInfo {
	return question.DatasetInfo{Name: "fake", Digest: "sha256:d", Synthetic: true, Rows: 4}
}

func (d *fakeDataset) Coverage(rows []question.Range) *question.Coverage {
	d.counted.Add(1)
	c := &question.Coverage{Mixed: []question.Mixed{{Column: "year", Values: 4}, {Column: "state", Values: 2}}}
	for _, r := range rows {
		c.Rows += int(r.Count)
	}
	return c
}

// Groups says that the year alone tells rows apart.
func (d *fakeDataset) Groups(rows []question.Range, by []string) int {
	n := 0
	for _, r := range rows {
		n += int(r.Count)
	}
	if slices.Contains(by, "year") || slices.Contains(by, timeColumn) {
		return n
	}
	return 1
}

// Caveats returns one per mixed column, and another.
func (d *fakeDataset) Caveats(c *question.Coverage) (out []question.Caveat) {
	for _, m := range c.Mixed {
		out = append(out, question.Caveat{Code: "mixed_" + m.Column})
	}
	return append(out, question.Caveat{Code: "own", Text: "The dataset's own."})
}

// fakePlugin is loaded from a file that contains only its manifest.
type fakePlugin struct {
	manifest *question.Manifest
	digest   string
	answer   func(ctx context.Context) (*question.Table, error) // nil: an empty table
	bound    atomic.Pointer[question.BoundRequest]
	stopped  atomic.Bool // closed with a context that had ended

	mu      sync.Mutex
	inside  int
	retired chan struct{} // nil until it is retired; closed when it is released
	closed  atomic.Int32  // how often it was released
}

func (p *fakePlugin) Manifest() *question.Manifest { return p.manifest }
func (p *fakePlugin) Digest() string               { return p.digest }

func (p *fakePlugin) Retire() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.retired == nil {
		p.retired = make(chan struct{})
		p.release()
	}
	return p.retired
}

func (p *fakePlugin) release() {
	if p.retired != nil && p.inside == 0 {
		p.closed.Add(1)
		close(p.retired)
	}
}

func (p *fakePlugin) Close(ctx context.Context) error {
	select {
	case <-p.Retire():
		return nil
	case <-ctx.Done():
		p.stopped.Store(true)
		return ctx.Err()
	}
}

func (p *fakePlugin) Measure(ctx context.Context, b *question.BoundRequest, _ []question.Range) (*question.Table, question.Usage, error) {
	used := question.Usage{Fuel: 17}
	p.mu.Lock()
	if p.retired != nil {
		p.mu.Unlock()
		return nil, used, question.Errorf(question.CodeShuttingDown, "the plugin is retired")
	}
	p.inside++
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.inside--
		p.release()
	}()
	p.bound.Store(b)
	if p.answer != nil {
		t, err := p.answer(ctx)
		return t, used, err
	}
	return &question.Table{}, used, nil
}

// loader loads fake plugins and remembers them by name.
type loader struct {
	mu      sync.Mutex
	plugins map[string]*fakePlugin
	loads   int
}

func (l *loader) load(_ context.Context, wasm []byte) (Plugin, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loads++
	m, err := question.ParseManifest(wasm)
	if err != nil {
		return nil, err
	}
	if l.plugins == nil {
		l.plugins = map[string]*fakePlugin{}
	}
	if bytes.Contains(wasm, []byte("unobtainable")) { // as the sandbox refuses it
		u := &question.UnfitError{Manifest: m, Lacks: []string{"unobtainable"}, Reason: "no column"}
		return nil, question.Errorf(question.CodeBadPlugin, "it does not fit this dataset: %w", u)
	}
	p := &fakePlugin{manifest: m, digest: digestOf(wasm)}
	l.plugins[m.Name] = p
	return p, nil
}

// manifest returns the file of a plugin with these questions, without parameters.
func manifest(name string, questions ...string) []byte {
	m := question.Manifest{Name: name, Version: "1.2.3", Title: "T " + name}
	for _, q := range questions {
		m.Questions = append(m.Questions, question.Question{Name: q, Result: question.Result{
			Values: []question.ResultColumn{{Name: "n", Type: question.Integer}},
		}})
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

func folder(files map[string][]byte) fstest.MapFS {
	out := fstest.MapFS{}
	for name, b := range files {
		out[name] = &fstest.MapFile{Data: b}
	}
	return out
}

func open(t *testing.T, l *loader, sources ...Source) *Catalog {
	t.Helper()
	c, err := Open(t.Context(), Config{Dataset: newFakeDataset(), Load: l.load, Sources: sources, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestFinds(t *testing.T) {
	same := manifest("b", "b_one")
	l := &loader{}
	c := open(t, l,
		Source{Name: BuiltIn, FS: folder(map[string][]byte{
			"a.wasm": manifest("a", "a_two", "a_one"), "b.wasm": same, ".gitkeep": nil, "notes.txt": []byte("x"),
			"sub/c.wasm": manifest("c", "c_one"),
		})},
		Source{Name: "/more", FS: folder(map[string][]byte{"again.wasm": same, "z.wasm": manifest("z", "z_one")})})
	infos := c.Plugins()
	if len(infos) != 3 || l.loads != 3 {
		t.Fatalf("%d loads, %+v", l.loads, infos)
	}
	for i, want := range []struct {
		name, source string
		questions    []string
	}{
		{"a", "built-in", []string{"a_two", "a_one"}},
		{"b", "built-in", []string{"b_one"}},
		{"z", filepath.Join("/more", "z.wasm"), []string{"z_one"}},
	} {
		got := infos[i]
		if got.Name != want.name || got.Source != want.source || !slices.Equal(got.Questions, want.questions) ||
			!got.Serving || got.Error != nil || got.Version != "1.2.3" || got.Title != "T "+want.name ||
			got.Size == 0 || len(got.Digest) != len("sha256:")+64 {
			t.Errorf("%+v; want %+v", got, want)
		}
	}
	var offered []string
	for _, o := range c.Served() {
		offered = append(offered, o.Plugin+"."+o.Question.Name)
		if err := c.Check(o.Example); err != nil {
			t.Error(err)
		}
	}
	if want := []string{"a.a_two", "a.a_one", "b.b_one", "z.z_one"}; !slices.Equal(offered, want) {
		t.Errorf("offers %q; want %q", offered, want)
	}
}

// lockedFS fails to open one file.
type lockedFS struct {
	fstest.MapFS
	locked string
}

func (f lockedFS) Open(name string) (fs.File, error) {
	if name == f.locked {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return f.MapFS.Open(name)
}

func TestRefuses(t *testing.T) {
	dir := t.TempDir()
	big, err := os.Create(filepath.Join(dir, "big.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(big.Truncate(MaxFile+1), big.Close(), os.Mkdir(filepath.Join(dir, "dir.wasm"), 0o700)); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	l := &loader{}
	c, err := Open(t.Context(), Config{
		Dataset: newFakeDataset(), Load: l.load, Reserved: apiRoute, Log: slog.New(slog.NewTextHandler(&log, nil)),
		Sources: []Source{
			{Name: "/gone", FS: os.DirFS(filepath.Join(dir, "nothing"))},
			{Name: "/p", FS: folder(map[string][]byte{
				"1.wasm": manifest("first", "one"),
				"2.wasm": manifest("first", "two"),
				"3.wasm": manifest("second", "three", "one"),
				"4.wasm": manifest("third", "num_jobs"),
				"5.wasm": []byte("not a manifest"),
				"9.wasm": manifest("last", "three"),
			})},
			{Name: dir, FS: os.DirFS(dir)},
			{Name: "/locked", FS: lockedFS{folder(map[string][]byte{"l.wasm": manifest("l", "l_one")}), "l.wasm"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var serving []string
	refused := map[string]*question.Error{}
	for _, p := range c.Plugins() {
		if p.Serving {
			serving = append(serving, p.Name)
			continue
		}
		if p.Error == nil || p.Error.Code != question.CodeBadPlugin {
			t.Errorf("%+v has no error with the code", p)
			continue
		}
		refused[p.Source] = p.Error
		if !strings.Contains(log.String(), "source="+p.Source) {
			t.Errorf("the log does not tell of %s", p.Source)
		}
	}
	if want := []string{"first", "last"}; !slices.Equal(serving, want) {
		t.Errorf("serving %q; want %q", serving, want)
	}
	for source, parts := range map[string][]string{
		"/gone":                        {"folder"},
		"/p/2.wasm":                    {`"first"`, "1.wasm", "1.2.3"},
		"/p/3.wasm":                    {"second", `"one"`, "first", "1.wasm"},
		"/p/4.wasm":                    {"third", `"num_jobs"`, "/api/num_jobs"},
		"/p/5.wasm":                    {"manifest"},
		"/locked/l.wasm":               {"permission"},
		filepath.Join(dir, "big.wasm"): {"64 MiB"},
		filepath.Join(dir, "dir.wasm"): {"not a regular file"},
	} {
		for _, part := range parts {
			if refused[source] == nil || !strings.Contains(refused[source].Reason, part) {
				t.Errorf("%s: %v does not mention %q", source, refused[source], part)
			}
		}
		delete(refused, source)
	}
	if len(refused) > 0 {
		t.Errorf("refused as well: %v", refused)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"last", "second"} { // served, and refused
		if n := l.plugins[name].closed.Load(); n != 1 {
			t.Errorf("the plugin %s was closed %d times", name, n)
		}
	}
}

// apiRoute reserves two names.
func apiRoute(name string) bool { return name == "jobs" || name == "num_jobs" }

func TestReservedIsConfigurable(t *testing.T) {
	c, err := Open(t.Context(), Config{
		Dataset: newFakeDataset(), Load: (&loader{}).load, Reserved: func(name string) bool { return name == "mine" }, Log: slog.New(slog.DiscardHandler),
		Sources: []Source{{Name: "/p", FS: folder(map[string][]byte{"a.wasm": manifest("a", "jobs"), "b.wasm": manifest("b", "mine")})}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if infos := c.Plugins(); !infos[0].Serving || infos[1].Serving {
		t.Errorf("%+v", infos)
	}
}

func TestCheckAndAnswer(t *testing.T) {
	with := `{"name":"b","version":"2","columns":[{"name":"topic","type":"string"}],"questions":[{"name":"mean",
		"params":[{"name":"topic","type":"column","column":"topic","required":true,"select":true}],
		"result":{"values":[{"name":"n","type":"integer"}]}}]}`
	l := &loader{}
	c := open(t, l, Source{Name: "/p", FS: folder(map[string][]byte{"a.wasm": manifest("a", "best5", "worst5"), "b.wasm": []byte(with)})})
	for _, test := range []struct {
		req  question.Request
		code question.Code
		hint string
	}{
		{question.Request{Question: "best6"}, question.CodeUnknownQuestion, "best5"},
		{question.Request{Question: "meen"}, question.CodeUnknownQuestion, "mean"},
		{question.Request{Question: "mean"}, question.CodeMissingParameter, ""},
		{question.Request{Question: "mean", Params: map[string]any{"topic": "Sprt"}}, question.CodeUnknownValue, "Sport"},
		{question.Request{Question: "best5", Params: map[string]any{"topic": "Sport"}}, question.CodeUnknownParameter, ""},
	} {
		_, answerErr := c.Answer(t.Context(), test.req)
		for _, err := range []error{c.Check(test.req), answerErr} {
			if question.CodeOf(err) != test.code {
				t.Errorf("%+v: %v", test.req, err)
			}
			if hint := question.AsError(err).Hint; test.hint != "" && (len(hint) == 0 || hint[0] != test.hint) {
				t.Errorf("%+v: hint %q", test.req, hint)
			}
		}
	}
	got, err := c.Answer(t.Context(), question.Request{Question: "mean", Params: map[string]any{"topic": "Sport"}})
	if err != nil {
		t.Fatal(err)
	}
	want := &question.Provenance{
		Dataset: "fake", DatasetDigest: "sha256:d", Synthetic: true,
		Plugin: "b", PluginVersion: "2", PluginDigest: l.plugins["b"].digest, RowsSelected: 2,
	}
	if got.Table == nil || !reflect.DeepEqual(got.Provenance, want) {
		t.Errorf("%+v; want %+v", got.Provenance, want)
	}
	if b := l.plugins["b"].bound.Load(); b.Index != 0 || b.Args[0].Values[0] != 2 {
		t.Errorf("bound %+v", b)
	}
	l.plugins["a"].answer = func(context.Context) (*question.Table, error) {
		return nil, question.Errorf(question.CodeNoData, "nothing")
	}
	if _, err := c.Answer(t.Context(), question.Request{Question: "best5"}); question.CodeOf(err) != question.CodeNoData {
		t.Error(err)
	}
}

func TestExamples(t *testing.T) {
	m := `{"name":"e","version":"1","columns":[{"name":"topic","type":"string"},{"name":"state","type":"string"},{"name":"year","type":"integer"},{"name":"value","type":"number"}],
	"questions":[
	{"name":"none","params":[{"name":"n","type":"number"}],"result":{"values":[{"name":"n","type":"integer"}]}},
	{"name":"all","params":[
		{"name":"topic","type":"column","column":"topic","required":true,"select":true},
		{"name":"state","type":"column","column":"state","required":true,"list":true},
		{"name":"year","type":"column","column":"year","required":true},
		{"name":"low","type":"integer","required":true,"min":2.5},
		{"name":"high","type":"integer","required":true,"max":-2.5},
		{"name":"x","type":"number","required":true,"max":9},
		{"name":"kind","type":"choice","choices":["p","q"],"required":true},
		{"name":"on","type":"boolean","required":true}],
		"result":{"values":[{"name":"n","type":"integer"}]}},
	{"name":"defaulted","params":[{"name":"state","type":"column","column":"state","default":"Utah"}],"result":{"values":[{"name":"n","type":"integer"}]}}
	]}`
	c := open(t, &loader{}, Source{Name: "/p", FS: folder(map[string][]byte{"e.wasm": []byte(m)})})
	want := []question.Request{
		{Question: "none"},
		{Question: "all", Params: map[string]any{ // row 2: the first with topic, state, year and a value
			"topic": "Diet", "state": "Ohio", "year": json.Number("2020"), "low": json.Number("3"), "high": json.Number("-3"), "x": 0.0, "kind": "p", "on": false,
		}},
		{Question: "defaulted", Params: map[string]any{"state": "Ohio"}},
	}
	for i, o := range c.Served() {
		if !reflect.DeepEqual(o.Example, want[i]) {
			t.Errorf("%s: %#v; want %#v", o.Question.Name, o.Example, want[i])
		}
		if err := c.Check(o.Example); err != nil {
			t.Error(err)
		}
	}
}

// Two parameters of one column get different values, which occur beside the same values of
// the other columns.
func TestExampleOfTwoStates(t *testing.T) {
	m := `{"name":"e","version":"1","columns":[{"name":"topic","type":"string"},{"name":"state","type":"string"},{"name":"value","type":"number"}],
	"questions":[{"name":"pair","params":[
		{"name":"topic","type":"column","column":"topic","required":true,"select":true},
		{"name":"left","type":"column","column":"state","required":true},
		{"name":"right","type":"column","column":"state","required":true}],
		"result":{"values":[{"name":"n","type":"integer"}]}}]}`
	for name, tt := range map[string]struct {
		states []int32 // "Ohio", "Utah"
		right  string
	}{"another": {[]int32{0, 0, 0, 1}, "Utah"}, "of another topic only": {[]int32{0, 1, 0, 0}, "Ohio"}} {
		ds := &fakeDataset{columns: []question.Column{
			{Name: "topic", Type: question.String, Role: question.RoleDimension, Dict: []string{"Diet", "Sleep"}, Codes: []int32{0, 1, 0, 0}},
			{Name: "state", Type: question.String, Role: question.RoleDimension, Dict: []string{"Ohio", "Utah"}, Codes: tt.states},
			{Name: "value", Type: question.Number, Role: question.RoleMeasure, Numbers: []float64{1, 2, 3, 4}},
		}}
		parsed, err := question.ParseManifest([]byte(m))
		if err != nil {
			t.Fatal(err)
		}
		req, err := Example(parsed, &parsed.Questions[0], ds)
		if want := map[string]any{"topic": "Diet", "left": "Ohio", "right": tt.right}; err != nil || !reflect.DeepEqual(req.Params, want) {
			t.Errorf("%s: %v, %v; want %v", name, req.Params, err, want)
		}
	}
}

// emptyTopic is a dataset without rows of the second topic.
type emptyTopic struct{ *fakeDataset }

func (d emptyTopic) Select(conds []question.Condition) []question.Range {
	for _, c := range conds {
		if c.Column == "topic" && slices.Equal(c.Codes, []int32{1}) {
			return nil
		}
	}
	return d.fakeDataset.Select(conds)
}

// The manifest's own example is used if the dataset has its values, and rows for it.
func TestDeclaredExample(t *testing.T) {
	for example, want := range map[string]question.Request{
		`{"state":"Utah","least":3,"where":{"topic":"Diet"}}`: {Question: "q", Params: map[string]any{"state": "Utah", "least": json.Number("3")}, Where: map[string]any{"topic": "Diet"}},
		`{"state":"Guam"}`: {Question: "q", Params: map[string]any{"state": "Ohio"}}, // not in this dataset
		`{"state":"Utah","where":{"county":"Davis"}}`:    {Question: "q", Params: map[string]any{"state": "Ohio"}},
		`{"state":"Utah","where":{"topic":["Nothing"]}}`: {Question: "q", Params: map[string]any{"state": "Ohio"}}, // no row has both
		`{"state":3}`: {Question: "q", Params: map[string]any{"state": "Ohio"}},
		`17`:          {Question: "q", Params: map[string]any{"state": "Ohio"}},
	} {
		m, err := question.ParseManifest([]byte(`{"name":"e","version":"1","columns":[{"name":"state","type":"string"}],"questions":[{"name":"q","params":[
			{"name":"state","type":"column","column":"state","required":true},{"name":"least","type":"integer"}],"result":{"values":[{"name":"n","type":"integer"}]},"example":` + example + `}]}`))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Example(m, &m.Questions[0], emptyTopic{&fakeDataset{columns: []question.Column{
			{Name: "state", Type: question.String, Role: question.RoleDimension, Dict: []string{"Ohio", "Utah"}, Codes: []int32{0, 1}},
			{Name: "topic", Type: question.String, Role: question.RoleDimension, Dict: []string{"Diet", "Nothing"}, Codes: []int32{0, 0}},
		}}})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", example, got, err, want)
		}
	}
}

func TestExampleWithoutRows(t *testing.T) {
	m := `{"name":"e","version":"1","columns":[{"name":"topic","type":"string"}],"questions":[{"name":"q",
		"params":[{"name":"topic","type":"column","column":"topic","required":true}],"result":{"values":[{"name":"n","type":"integer"}]}}]}`
	ds := &fakeDataset{columns: []question.Column{{Name: "topic", Type: question.String}}}
	var log bytes.Buffer
	c, err := Open(t.Context(), Config{Dataset: ds, Load: (&loader{}).load, Log: slog.New(slog.NewTextHandler(&log, nil)),
		Sources: []Source{{Name: "/p", FS: folder(map[string][]byte{"e.wasm": []byte(m)})}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if o := c.Served(); len(o) != 1 || len(o[0].Example.Params) != 0 || !strings.Contains(log.String(), "question=q") {
		t.Errorf("%+v, log %q", o, log.String())
	}
}

func TestCloseWaitsForAnswers(t *testing.T) {
	l := &loader{}
	c := open(t, l, Source{Name: "/p", FS: folder(map[string][]byte{"a.wasm": manifest("a", "one")})})
	p := l.plugins["a"]
	begun, finish := make(chan struct{}), make(chan struct{})
	p.answer = func(context.Context) (*question.Table, error) {
		close(begun)
		<-finish
		return &question.Table{}, nil
	}
	answered := make(chan error, 1)
	go func() {
		_, err := c.Answer(context.Background(), question.Request{Question: "one"})
		answered <- err
	}()
	<-begun
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := c.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || !p.stopped.Load() || p.closed.Load() != 0 {
		t.Errorf("Close: %v; stopped %t, closed %d", err, p.stopped.Load(), p.closed.Load())
	}
	for _, err := range []error{c.Check(question.Request{Question: "one"}), func() error {
		_, err := c.Answer(t.Context(), question.Request{Question: "one"})
		return err
	}()} {
		if question.CodeOf(err) != question.CodeShuttingDown {
			t.Error(err)
		}
	}
	close(finish)
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if n := p.closed.Load(); n != 1 {
		t.Errorf("closed %d times", n)
	}
}

func TestOpenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l := &loader{}
	_, err := Open(ctx, Config{Dataset: newFakeDataset(), Load: l.load, Sources: []Source{{Name: "/p", FS: folder(map[string][]byte{"a.wasm": manifest("a", "one")})}}})
	if !errors.Is(err, context.Canceled) || l.loads != 0 {
		t.Errorf("%v after %d loads", err, l.loads)
	}
	if _, err := Open(t.Context(), Config{}); err == nil {
		t.Error("an empty Config was accepted")
	}
}

// TestUnfit: a question that needs a column which the dataset lacks is not served, and the
// others of its plugin are. It is not refused.
func TestUnfit(t *testing.T) {
	text := `{"name":"a","version":"2","columns":[{"name":"topic","type":"string"},{"name":"low","type":"number","optional":true},{"name":"high","type":"number","optional":true}],
		"questions":[{"name":"plain","result":{"values":[{"name":"n","type":"integer"}]}},
		{"name":"sure","needs":["low","high"],"result":{"values":[{"name":"n","type":"integer"}]}}]}`
	c := open(t, &loader{}, Source{Name: "/p", FS: folder(map[string][]byte{"a.wasm": []byte(text)})})
	if got := c.Served(); len(got) != 1 || got[0].Question.Name != "plain" {
		t.Errorf("served %+v", got)
	}
	want := []question.UnfitQuestion{{Name: "sure", Lacks: []string{"low", "high"}}}
	if got := c.Plugins()[0]; !got.Serving || got.Error != nil || !reflect.DeepEqual(got.Unfit, want) || !reflect.DeepEqual(got.Questions, []string{"plain"}) {
		t.Errorf("%+v", got)
	}
	err := c.Check(question.Request{Question: "sure"})
	if question.CodeOf(err) != question.CodeUnknownQuestion || !strings.Contains(err.Error(), "sure does not fit this dataset: it needs the columns low, high") {
		t.Error(err)
	}
}

// TestUnfitPlugin: a plugin that does not fit the dataset as a whole is told from one that is
// refused, and a question that does not fit leaves its name to others.
func TestUnfitPlugin(t *testing.T) {
	needy := `{"name":"needy","version":"2","columns":[{"name":"low","type":"number","optional":true}],
		"questions":[{"name":"sure","needs":["low"],"result":{"values":[{"name":"n","type":"integer"}]}}]}`
	unfit := `{"name":"unfit","version":"3","columns":[{"name":"unobtainable","type":"number"}],
		"questions":[{"name":"rare","result":{"values":[{"name":"n","type":"integer"}]}}]}`
	var log bytes.Buffer
	l := &loader{}
	c, err := Open(t.Context(), Config{Dataset: newFakeDataset(), Load: l.load, Log: slog.New(slog.NewTextHandler(&log, nil)), Sources: []Source{{Name: "/p", FS: folder(map[string][]byte{
		"1.wasm": manifest("plain", "sure"), "2.wasm": []byte(needy), "3.wasm": []byte(unfit),
	})}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	if got := c.Served(); len(got) != 1 || got[0].Plugin != "plain" {
		t.Errorf("served %+v", got)
	}
	if err := c.Check(question.Request{Question: "sure"}); err != nil {
		t.Error(err)
	}
	all := c.Plugins()
	if len(all) != 3 || !all[1].Serving || len(all[1].Unfit) != 1 || all[1].Questions != nil {
		t.Fatalf("%+v", all)
	}
	got := all[2]
	if got.Serving || got.Name != "unfit" || got.Version != "3" || !slices.Equal(got.Lacks, []string{"unobtainable"}) ||
		got.Error.Code != question.CodeBadPlugin || got.Error.Reason != "it does not fit this dataset: no column" {
		t.Errorf("%+v", got)
	}
	if err := c.Check(question.Request{Question: "rare"}); err == nil || !strings.Contains(err.Error(), "rare does not fit this dataset: it needs the column unobtainable") {
		t.Error(err)
	}
	if text := log.String(); !strings.Contains(text, `"a plugin does not fit the dataset"`) || strings.Contains(text, "refused") {
		t.Errorf("the log has %q", text)
	}
}
