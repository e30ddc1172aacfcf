package author

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a plugin whose answers a test provides.
type fake struct {
	manifest *question.Manifest
	answer   func(n int) (*question.Table, question.Usage, error)
	calls    int
}

func (f *fake) Manifest() *question.Manifest { return f.manifest }
func (f *fake) Limits() sandbox.Limits {
	return sandbox.Limits{Fuel: 100, Time: time.Second, Memory: 100, Result: 100}
}

func (f *fake) Measure(context.Context, *question.BoundRequest, []question.Range) (*question.Table, question.Usage, error) {
	f.calls++
	return f.answer(f.calls)
}

// A plugin that keeps state, comes close to a limit or fails is reported.
func TestCheckJudges(t *testing.T) {
	m, err := question.ParseManifest([]byte(`{"name":"p","version":"1","columns":[{"name":"value","type":"number"}],"questions":[{"name":"q","result":{"values":[{"name":"n","type":"number"}],"layout":"record"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	w, err := wire.OpenWorkbench(t.Context(), wire.EngineConfig{Cache: "off"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close(context.Background())
	table := func(v float64) *question.Table {
		return &question.Table{Columns: []question.Column{{Name: "n", Type: question.Number, Numbers: []float64{v}}}}
	}
	fails := func(code question.Code) func(int) (*question.Table, question.Usage, error) {
		return func(int) (*question.Table, question.Usage, error) {
			return nil, question.Usage{}, question.Errorf(code, "so it is")
		}
	}
	for name, tt := range map[string]struct {
		answer func(n int) (*question.Table, question.Usage, error)
		check  string
		level  Level
		want   string
	}{
		"good": {func(int) (*question.Table, question.Usage, error) { return table(1), question.Usage{Fuel: 10}, nil }, "limits", LevelInfo, "fuel 10 %"},
		"counts its jobs": {func(n int) (*question.Table, question.Usage, error) {
			return table(float64(n)), question.Usage{}, nil
		}, "purity", LevelError, "two different answers"},
		"works more each time": {func(n int) (*question.Table, question.Usage, error) {
			return table(1), question.Usage{Fuel: int64(n)}, nil
		}, "purity", LevelError, "units of fuel"},
		"fails the second time": {func(n int) (*question.Table, question.Usage, error) {
			if n > 2 {
				return nil, question.Usage{}, question.Errorf(question.CodePluginError, "again?")
			}
			return table(1), question.Usage{}, nil
		}, "purity", LevelError, "failed another time"},
		"close to a limit": {func(int) (*question.Table, question.Usage, error) { return table(1), question.Usage{Memory: 90}, nil }, "limits", LevelWarning, "90 % of the memory"},
		"no data":          {fails(question.CodeNoData), "answer", LevelWarning, "no_data"},
		"no answer":        {fails(question.CodePluginError), "answer", LevelError, "plugin_error"},
		"bad result":       {fails(question.CodeBadResult), "answer", LevelError, "bad_result"},
		"too large":        {fails(question.CodeResultTooLarge), "answer", LevelError, "result_too_large"},
		"memory":           {fails(question.CodeMemoryLimit), "answer", LevelError, "memory_limit"},
		"depth":            {fails(question.CodeDepthLimit), "answer", LevelError, "depth_limit"},
		"log":              {fails(question.CodeLogLimit), "answer", LevelError, "log_limit"},
		"a defect of ours": {fails(question.CodeInternal), "answer", LevelError, "internal"},
	} {
		r := &Report{}
		one := &fake{manifest: m, answer: tt.answer}
		if err := r.ask(t.Context(), w.Dataset, nil, one, one, nil); err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(r.Findings, func(f Finding) bool {
			return f.Check == tt.check && f.Level == tt.level && strings.Contains(f.Message, tt.want)
		}) {
			t.Errorf("%s: %+v", name, r.Findings)
		}
	}
}

// Two parameters of one column are also asked with one value: a plugin may refuse it with
// bad_parameter, which no declaration can do for it, but not fail.
func TestCheckAsksEqualParameters(t *testing.T) {
	m, err := question.ParseManifest([]byte(`{"name":"p","version":"1","columns":[{"name":"location","type":"string"}],"questions":[{"name":"q","params":[{"name":"one","type":"column","column":"location","required":true},{"name":"other","type":"column","column":"location","required":true}],"result":{"values":[{"name":"n","type":"number"}],"layout":"record"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	w, err := wire.OpenWorkbench(t.Context(), wire.EngineConfig{Cache: "off"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close(context.Background())
	samples, err := samplesOf(m, &m.Questions[0], w.Dataset, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range samples {
		if equal := s.req.Params["one"] == s.req.Params["other"]; equal != s.same {
			t.Errorf("%s: same is %v", s.text, s.same)
		}
	}
	for code, level := range map[question.Code]Level{question.CodeBadParameter: LevelInfo, question.CodeBadResult: LevelError} {
		r := &Report{}
		for _, s := range samples {
			if s.same {
				s.first = outcome{err: question.Errorf(code, "rows 0 and 1 have the same key")}
			} else {
				s.first = outcome{table: &question.Table{}}
			}
		}
		r.judge(&m.Questions[0], (&fake{}).Limits(), samples, nil)
		if r.Findings[0].Level != level || strings.Contains(r.Findings[0].Fix, "append each key once") != (level == LevelError) {
			t.Errorf("%s: %+v", code, r.Findings)
		}
	}
}

// Names of the server's routes and of the built-in plugin are reported.
func TestCheckNames(t *testing.T) {
	w, err := wire.OpenWorkbench(t.Context(), wire.EngineConfig{Cache: "off"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close(context.Background())
	r := &Report{}
	m := &question.Manifest{Name: "sportifs", Questions: []question.Question{{Name: "jobs"}, {Name: "best5"}, {Name: "mine"}}}
	if err := r.checkNames(t.Context(), w, m, nil); err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, f := range r.Findings {
		said = append(said, f.Message)
	}
	if all := strings.Join(said, "\n"); len(said) != 3 || !strings.Contains(all, "/api/jobs itself") || !strings.Contains(all, `already answers the question "best5"`) || !strings.Contains(all, `"sportifs" belongs to a built-in`) {
		t.Errorf("%q", said)
	}
}

// What is printed to be typed asks the same.
func TestTyped(t *testing.T) {
	req := question.Request{Question: "q", Params: map[string]any{"a": "B&B; <5>", "b": "plain"}, Where: map[string]any{"c": map[string]any{"min": 1.5}, "d": []any{"it's", "*"}}}
	if got, want := Typed(req), `q 'a=B&B; <5>' b=plain --where c=1.5.. --where 'd=it'\''s' --where 'd=*'`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Every value of a wrong JSON type is reported with its key and the type that it takes.
func TestTypeFaults(t *testing.T) {
	for text, want := range map[string]string{
		`{`:  "",
		`[]`: "manifest: it is an array; it takes an object",
		`{"name":null,"questions":[{"params":[{"min":1.5,"default":[1]}],"result":{}}],"later":1}`: "",
		`{"name":1,"columns":{},"questions":[{"name":"a"},{"params":[{"min":"0","required":1}]}]}`: `manifest: name is a number; it takes a string
manifest: columns is an object; it takes an array
manifest: questions[1].params[0].min is a string; it takes a number
manifest: questions[1].params[0].required is a number; it takes a boolean`,
	} {
		if got := strings.Join(typeFaults([]byte(text)), "\n"); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", text, got, want)
		}
	}
}

// Two plugins whose answers differ are told apart, request by request; one that lost a
// question is not the same either.
func TestAgainst(t *testing.T) {
	manifest := func(names ...string) *question.Manifest {
		var questions []string
		for _, name := range names {
			questions = append(questions, `{"name":"`+name+`","result":{"values":[{"name":"n","type":"number"}],"layout":"record"}}`)
		}
		m, err := question.ParseManifest([]byte(`{"name":"p","version":"1","columns":[{"name":"value","type":"number"}],"questions":[` + strings.Join(questions, ",") + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	w, err := wire.OpenWorkbench(t.Context(), wire.EngineConfig{Cache: "off"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close(context.Background())
	gives := func(m *question.Manifest, v float64, fuel int64, code question.Code) *fake {
		return &fake{manifest: m, answer: func(n int) (*question.Table, question.Usage, error) {
			if code != "" && n > 2 { // after the measurement
				return nil, question.Usage{}, question.Errorf(code, "no. %d", n)
			}
			return &question.Table{Columns: []question.Column{{Name: "n", Type: question.Number, Numbers: []float64{v}}}}, question.Usage{Fuel: fuel}, nil
		}}
	}
	for name, tt := range map[string]struct {
		before, now *fake
		same        bool
		want        []string
	}{
		"same":             {gives(manifest("a"), 1, 10, ""), gives(manifest("a", "b"), 1, 20, ""), true, []string{"a: fuel", "10", "20", "2.00", "added    b\n", "the answers are the same"}},
		"another answer":   {gives(manifest("a"), 1, 10, ""), gives(manifest("a"), 2, 10, ""), false, []string{"differs  a\n         row 1, column n: before 1, now 2\n", "DIFFER"}},
		"an error":         {gives(manifest("a"), 1, 10, ""), gives(manifest("a"), 1, 10, question.CodeNoData), false, []string{"before an answer with 1 row(s), now the error no_data: no. 3"}},
		"another reason":   {gives(manifest("a"), 1, 10, question.CodeNoData), gives(manifest("a"), 1, 10, question.CodeNoData), true, []string{"the answers are the same"}},
		"another error":    {gives(manifest("a"), 1, 10, question.CodeNoData), gives(manifest("a"), 1, 10, question.CodePluginError), false, []string{"before the error no_data: no. 3, now the error plugin_error: no. 3"}},
		"a question fewer": {gives(manifest("a", "b"), 1, 10, ""), gives(manifest("a"), 1, 10, ""), false, []string{"removed  b\n", "1 question(s) removed"}},
	} {
		c := &Compared{Plugin: "new.wasm", Against: "old.wasm"}
		if err := c.compare(t.Context(), w.Dataset, Pair[opened]{tt.before, tt.now}, 2, nil); err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := c.Write(&b); err != nil || c.Same != tt.same {
			t.Errorf("%s: %v, same: %v", name, err, c.Same)
		}
		for _, want := range tt.want {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s: %q is missing in\n%s", name, want, &b)
			}
		}
	}
}
