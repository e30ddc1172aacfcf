package httpapi_test

import (
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/render"
)

// honest is a job as the catalog answers it.
func honest() question.Job {
	job := done
	digest := "sha256:" + strings.Repeat("0f", 32)
	job.Request = question.Request{Question: "states_mean", Params: map[string]any{"question": "obesity"}, Where: map[string]any{"year": json.Number("2020")}}
	job.Coverage = &question.Coverage{Rows: 3, Missing: 1, Mixed: []question.Mixed{{Column: "location", Title: "Location", Values: 2}}}
	job.Caveats = []question.Caveat{{Code: "synthetic", Text: `SYNTHETIC: the figures of "npao" are generated, not real.`}}
	job.Receipt = &question.Receipt{Dataset: digest, Plugin: digest, Request: digest, Result: digest, Fuel: 12345, Build: "1.2.3"}
	return job
}

func withID(job question.Job) *question.Job {
	job.ID = id1
	return &job
}

// What is said about an answer stands beside its data and changes nothing before it.
func TestHonestEnvelope(t *testing.T) {
	s := serve(t)
	s.jobs.jobs = []*question.Job{withID(honest())}
	w := s.do("GET", "/api/get_results/"+id1, "")
	digest := "sha256:" + strings.Repeat("0f", 32)
	wantBody(t, w, http.StatusOK, strings.TrimSuffix(original, "}\n")+
		`,"request":{"question":"states_mean","params":{"question":"obesity"},"where":{"year":2020}}`+
		`,"coverage":{"rows":3,"missing":1,"mixed":[{"column":"location","title":"Location","values":2}]}`+
		`,"caveats":[{"code":"synthetic","text":"SYNTHETIC: the figures of \"npao\" are generated, not real."}]`+
		`,"receipt":{"dataset":"`+digest+`","plugin":"`+digest+`","request":"`+digest+`","result":"`+digest+`","fuel":12345,"build":"1.2.3"}`+"}\n")
}

// The hand-written JSON is that of encoding/json, whatever the texts.
func TestEnvelopeIsJSON(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", `"`, "</script>", "\u2028", "\x00", "a\\b", "é"}))
	var value *rapid.Generator[any]
	leaf := rapid.OneOf(
		rapid.Map(text, func(s string) any { return s }), rapid.Just[any](true), rapid.Just[any](nil),
		rapid.Map(rapid.Float64Range(-1e300, 1e300), func(f float64) any { return f }),
		rapid.Map(rapid.Int64(), func(n int64) any { b, _ := json.Marshal(n); return json.Number(b) }),
	)
	value = rapid.OneOf(leaf, rapid.Map(rapid.SliceOfN(leaf, 0, 3), func(l []any) any { return l }),
		rapid.Map(rapid.MapOfN(text, leaf, 0, 3), func(m map[string]any) any { return m }))
	rapid.Check(t, func(t *rapid.T) {
		job := honest()
		job.Request = question.Request{Question: text.Draw(t, "question"), Params: rapid.MapOfN(text, value, 0, 3).Draw(t, "params"), Where: rapid.MapOfN(text, value, 0, 3).Draw(t, "where")}
		job.Coverage = &question.Coverage{Rows: rapid.Int().Draw(t, "rows"), Mixed: []question.Mixed{{Column: text.Draw(t, "column"), Title: text.Draw(t, "title"), Values: 2}, {}}}
		job.Caveats = []question.Caveat{{Code: text.Draw(t, "code"), Text: text.Draw(t, "text")}, {}}
		job.Receipt.Build = text.Draw(t, "build")
		body, err := httpapi.DoneBody(render.Formats[0].Value, &job)
		if err != nil {
			t.Fatal(err)
		}
		var got, want map[string]any
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		stored, err := json.Marshal(&job)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(stored, &want); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"request", "coverage", "caveats", "receipt", "provenance"} {
			if !reflect.DeepEqual(got[key], want[key]) {
				t.Fatalf("%s: %v; want %v", key, got[key], want[key])
			}
		}
	})
}

// A picture gets what it has to say about the answer, also if the question is gone.
func TestFormatsGetTheCaption(t *testing.T) {
	var got *question.Caption
	picture := question.Format{Name: "svg", Title: "a picture", MediaType: "image/svg+xml", Extension: "svg",
		Write: func(_ io.Writer, _ *question.Table, o question.WriteOptions) error { got = o.Caption; return nil }}
	digest := datasetDigest
	s := serve(t, func(c *httpapi.Config) {
		c.Formats = append(append([]question.Format{}, c.Formats...), picture)
		c.Dataset.Digest = digest
	})
	for name, title := range map[string]string{"states_mean": s.catalog.Served()[0].Question.Title, "gone": "gone"} {
		job := honest()
		job.Request.Question = name
		s.jobs.jobs = []*question.Job{withID(job)}
		w := s.do("GET", "/api/get_results/"+id1+"?format=svg", "")
		if w.Code != http.StatusOK || got == nil || got.Title != title || got.Coverage != job.Coverage || got.Receipt != job.Receipt ||
			len(got.Caveats) != 1 || got.Dataset.Title == "" || (got.Question == nil) != (name == "gone") {
			t.Errorf("%s: %d, %+v; want the title %q", name, w.Code, got, title)
		}
	}
}
