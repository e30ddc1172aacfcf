package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// fakeDataset: the first row has no state, the second no value.
type fakeDataset struct{ columns []question.Column }

func newFakeDataset() *fakeDataset {
	return &fakeDataset{[]question.Column{
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

// fakePlugin is made of a file that holds its manifest.
type fakePlugin struct {
	manifest *question.Manifest
	digest   string
	answer   func(ctx context.Context) (*question.Table, error) // nil: an empty table
	bound    atomic.Pointer[question.Bound]
	closed   atomic.Int32
	stopped  atomic.Bool // closed with a context that had ended
}

func (p *fakePlugin) Manifest() *question.Manifest { return p.manifest }
func (p *fakePlugin) Digest() string               { return p.digest }
func (p *fakePlugin) Close(ctx context.Context) error {
	if ctx.Err() != nil {
		p.stopped.Store(true)
		return ctx.Err()
	}
	p.closed.Add(1)
	return nil
}

func (p *fakePlugin) Answer(ctx context.Context, b *question.Bound, _ []question.Range) (*question.Table, error) {
	if p.closed.Load() > 0 {
		return nil, errors.New("a closed plugin was asked")
	}
	p.bound.Store(b)
	if p.answer != nil {
		return p.answer(ctx)
	}
	return &question.Table{}, nil
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
	p := &fakePlugin{manifest: m, digest: fmt.Sprintf("sha256:%d", len(wasm))}
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
	for _, o := range c.Offers() {
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
		Dataset: newFakeDataset(), Load: l.load, Log: slog.New(slog.NewTextHandler(&log, nil)),
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

func TestReservedIsConfigurable(t *testing.T) {
	c, err := Open(t.Context(), Config{
		Dataset: newFakeDataset(), Load: (&loader{}).load, Reserved: []string{"mine"}, Log: slog.New(slog.DiscardHandler),
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
	for i, o := range c.Offers() {
		if !reflect.DeepEqual(o.Example, want[i]) {
			t.Errorf("%s: %#v; want %#v", o.Question.Name, o.Example, want[i])
		}
		if err := c.Check(o.Example); err != nil {
			t.Error(err)
		}
	}
}

func TestExampleWithoutRows(t *testing.T) {
	m := `{"name":"e","version":"1","columns":[{"name":"topic","type":"string"}],"questions":[{"name":"q",
		"params":[{"name":"topic","type":"column","column":"topic","required":true}],"result":{"values":[{"name":"n","type":"integer"}]}}]}`
	ds := &fakeDataset{[]question.Column{{Name: "topic", Type: question.String}}}
	var log bytes.Buffer
	c, err := Open(t.Context(), Config{Dataset: ds, Load: (&loader{}).load, Log: slog.New(slog.NewTextHandler(&log, nil)),
		Sources: []Source{{Name: "/p", FS: folder(map[string][]byte{"e.wasm": []byte(m)})}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if o := c.Offers(); len(o) != 1 || len(o[0].Example.Params) != 0 || !strings.Contains(log.String(), "question=q") {
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
