package results

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const id0 = "01a20f92-ab00-7000-8000-000000000001"

// done returns a job with everything in it, names that look like fields included.
func done() *question.Job {
	at := time.Date(2026, 11, 25, 3, 0, 0, 123_000_000, time.UTC)
	return &question.Job{
		ID: id0, Status: question.Done, Created: at, Started: at.Add(time.Second), Finished: at.Add(2 * time.Second), Attempts: 2, RetryOf: id0,
		Request: question.Request{
			Question: `"result":{`,
			Params:   map[string]any{"result": "\\\"result\":[}", "n": json.Number("12345678901234567890")},
			Where:    map[string]any{"result": map[string]any{"min": json.Number("1"), "result": nil}, "é\n": []any{true, "x"}},
		},
		Provenance: &question.Provenance{Dataset: "npao"},
		Coverage:   &question.Coverage{Mixed: []question.Mixed{{Column: `"result":{`}}},
		Caveats:    []question.Caveat{{Code: "result", Text: `,"result":{`}},
		Receipt:    &question.Receipt{Result: `,"result":{`},
		Result: &question.Table{Layout: question.LayoutRecord, Columns: []question.Column{
			{Name: "mean", Type: question.Number, Role: question.RoleValue, Numbers: []float64{34.4}},
		}},
		Error: question.Errorf(question.CodeNoData, "both cannot be, and if they are the order holds"),
	}
}

// TestEncode: the result comes last; a listing depends on it.
func TestEncode(t *testing.T) {
	job := done()
	data, err := encode(job)
	if err != nil {
		t.Fatal(err)
	}
	if job.Result == nil {
		t.Fatal("encode changed the job")
	}
	if i := bytes.LastIndex(data, []byte(`,"result":{`)); i < 0 || bytes.Contains(data[i:], []byte(`"error"`)) || bytes.Index(data, []byte(`"provenance"`)) > i {
		t.Errorf("the result is not last: %s", data)
	}
	got, err := decode(id0, data)
	if err != nil {
		t.Fatal(err)
	}
	back, err := encode(got)
	if err != nil || !bytes.Equal(back, data) {
		t.Errorf("%v\n%s\n%s", err, back, data)
	}
	if _, err := json.Marshal(got); err != nil {
		t.Error(err)
	}
}

// TestCutHead: wherever the beginning of an outcome ends, what is read of it is
// right or nothing.
func TestCutHead(t *testing.T) {
	job := done()
	data, err := encode(job)
	if err != nil {
		t.Fatal(err)
	}
	job.Result = nil
	want, err := encode(job)
	if err != nil {
		t.Fatal(err)
	}
	begins := len(want) - 1 + len(`,"result"`)
	for n := range len(data) + 1 {
		head, ok := cutHead(data[:n])
		if ok != (n >= begins) && n != begins { // at `begins` the name may or may not be known
			t.Fatalf("%d bytes of %d: %v; the result begins at %d", n, len(data), ok, begins)
		}
		if ok && !bytes.Equal(head, want) {
			t.Fatalf("%d bytes of %d: %s", n, len(data), head)
		}
	}
	if head, ok := cutHead(want); ok {
		t.Errorf("a job without a result was cut: %s", head)
	}
}

func FuzzDecode(f *testing.F) {
	data, err := encode(done())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"id":"` + id0 + `","result":{}}`))
	f.Add([]byte(`{"result":`))
	f.Add([]byte(`[{`))
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		head, ok := cutHead(data)
		if !bytes.Equal(data, before) {
			t.Fatal("cutHead wrote to what it read")
		}
		if ok {
			_, _ = decode(id0, head)
		}
		job, err := decode(id0, data)
		if err != nil {
			return
		}
		if job.ID != id0 {
			t.Fatalf("the job %q", job.ID)
		}
		back, err := encode(job)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if _, err := decode(id0, back); err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, back)
		}
	})
}

func TestParseID(t *testing.T) {
	at, err := question.ParseID(id0)
	if want := time.Date(2026, 11, 24, 22, 0, 0, 0, time.UTC); err != nil || !at.Equal(want) {
		t.Errorf("%s, %v; want %s", at, err, want)
	}
	if got := outcomeKey(id0, at); got != "jobs/2026-11-24T22/"+id0+".json" {
		t.Error(got)
	}
	if low, next := bound(at), bound(at.Add(time.Millisecond)); low >= id0 || next <= id0 || low <= bound(at.Add(-time.Millisecond)) {
		t.Errorf("%s and %s are no bounds of %s", low, next, id0)
	}
	for _, name := range []string{"2026-11-24T22", "2026-11-24T2/", "2026-11-24T24/", "x/", "/", ""} {
		if hour, ok := parseHour(name); ok {
			t.Errorf("%q is the hour %s", name, hour)
		}
	}
}
