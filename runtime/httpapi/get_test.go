package httpapi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// withPicture adds a format that shows what it gets, in the dataset of testSchema.
func withPicture(c *httpapi.Config) {
	c.Schema, c.MaxKept = testSchema(), 1<<20
	c.Formats = append(slices.Clone(c.Formats), question.Format{
		Name: "svg", Title: "a picture", MediaType: "image/svg+xml", Extension: "svg", Seen: true, Policy: "default-src 'none'",
		Write: func(w io.Writer, t *question.Table, o question.WriteOptions) error {
			if t.Rows() == 1 {
				return question.Errorf(question.CodeNotAcceptable, "there is no picture of one row")
			}
			_, err := fmt.Fprintf(w, "<svg>%s %q %s</svg>", o.Caption.URL, o.Caption.Theme, o.Caption.Title)
			return err
		},
	})
}

const obesityAt = "/api/states_mean.json?question=Obesity"

// Each request has one format, and says who may keep its answer.
func TestGet(t *testing.T) {
	pins := "&_dataset=" + datasetDigest + "&_plugin=" + pluginDigest
	s := serve(t, withPicture)
	keyed := serve(t, withPicture, func(c *httpapi.Config) { c.ClientKey = "k" })
	for _, tt := range []struct {
		*service
		target, accept, contentType, body, control, vary string
	}{
		{s, obesityAt, "text/csv", "application/json", `{"status":"done","data":{"Utah":24.1`, "no-cache", ""},
		{s, obesityAt + "&_layout=rows", "", "application/json; layout=rows", `{"status":"done","data":[{`, "no-cache", ""},
		{s, obesityAt + "&_layout=seed&_theme=", "", "application/json", `{"status":"done","data":{`, "no-cache", ""},
		{s, "/api/states_mean.csv?question=Obesity&_layout=rows&_theme=dark", "", "text/csv; charset=utf-8; header=present", "location,mean,synthetic", "no-cache", ""},
		{s, "/api/states_mean?question=Obesity", "", "application/json", `{"status":"done","data":{`, "private, no-cache", "Accept"},
		{s, "/api/states_mean?question=Obesity", "text/csv", "text/csv; charset=utf-8; header=present", "location,", "private, no-cache", "Accept"},
		{s, "/api/states_mean?question=Obesity&_layout=rows", "text/csv", "application/json; layout=rows", `{"status"`, "private, no-cache", "Accept"},
		{s, "/api/states_mean.svg?question=Obesity&where.year=2020.0", "", "image/svg+xml", `<svg>http://example.com/api/states_mean?question=Obesity&where.year=2020 "" Mean by state</svg>`, "no-cache", "X-Forwarded-Prefix, X-Forwarded-Proto"},
		{s, "/api/states_mean.svg?question=Obesity&_theme=dark", "", "image/svg+xml", `<svg>http://example.com/api/states_mean?question=Obesity "dark" Mean`, "no-cache", "X-Forwarded-Prefix, X-Forwarded-Proto"},
		{s, obesityAt + pins, "", "application/json", `{"status":"done"`, "max-age=86400", ""},
		{s, obesityAt + "&_dataset=" + datasetDigest, "", "application/json", `{"status":"done"`, "no-cache", ""},
		{keyed, obesityAt + pins, "", "application/json", `{"status":"done"`, "private, max-age=86400", ""},
		{keyed, obesityAt, "", "application/json", `{"status":"done"`, "private, no-cache", ""},
	} {
		headers := []string{"X-Api-Key: k"}
		if tt.accept != "" {
			headers = append(headers, "Accept: "+tt.accept)
		}
		for range 2 { // computed, and kept
			w := tt.do("GET", tt.target, "", headers...)
			h := w.Header()
			if w.Code != http.StatusOK || h.Get("Content-Type") != tt.contentType || !strings.HasPrefix(w.Body.String(), tt.body) ||
				h.Get("Cache-Control") != tt.control || h.Get("Vary") != tt.vary || h.Get("Content-Length") != fmt.Sprint(w.Body.Len()) {
				t.Errorf("%s (%s): %d %v %s", tt.target, tt.accept, w.Code, h, w.Body)
			}
			if seen := strings.HasPrefix(tt.contentType, "image"); h.Get("Content-Security-Policy") != "default-src 'none'; frame-ancestors 'none'" || seen != strings.HasPrefix(h.Get("Content-Disposition"), "inline") {
				t.Errorf("%s: %v", tt.target, h)
			}
			head := tt.do("HEAD", tt.target, "", headers...)
			if head.Code != w.Code || head.Body.Len() > 0 || head.Header().Get("Content-Length") != h.Get("Content-Length") || head.Header().Get("ETag") != h.Get("ETag") {
				t.Errorf("HEAD %s: %d %v", tt.target, head.Code, head.Header())
			}
		}
	}
	if n := len(s.jobs.answered); n > 12 {
		t.Errorf("%d answers were computed: none was kept", n)
	}
}

// A tag names everything that a response depends on, and is the same for the same question
// asked in other words.
func TestAnswerTags(t *testing.T) {
	tag := func(s *service, target string, headers ...string) string {
		t.Helper()
		w := s.do("GET", target, "", headers...)
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("ETag"), `W/"`) {
			t.Fatalf("%s: %d %v %s", target, w.Code, w.Header(), w.Body)
		}
		return w.Header().Get("ETag")
	}
	s := serve(t, withPicture)
	usual := tag(s, obesityAt)
	for _, same := range []string{
		"/api/states_mean?question=Obesity", obesityAt + "&_theme=light", obesityAt + "&where.year=", obesityAt + "&_dataset=" + datasetDigest,
	} {
		if got := tag(s, same); got != usual {
			t.Errorf("%s has the tag %s, and %s has %s", same, got, obesityAt, usual)
		}
	}
	if a, b := tag(s, obesityAt+"&where.year=2021&where.year=2020&where.year=2021"), tag(s, obesityAt+"&where.year=2020.0&where.year=2021"); a != b {
		t.Errorf("%s, %s", a, b)
	}
	build := func(version string) *service {
		return serve(t, withPicture, func(c *httpapi.Config) { c.Version = version })
	}
	data := serve(t, withPicture, func(c *httpapi.Config) { c.Dataset.Digest = strings.Replace(datasetDigest, "da", "db", 1) })
	moved := provenance
	moved.DatasetDigest = strings.Replace(datasetDigest, "da", "db", 1)
	data.jobs.answer = &question.Job{Result: statesMean(), Provenance: &moved}
	svg := strings.Replace(obesityAt, "json", "svg", 1)
	all := []string{
		usual, tag(s, obesityAt+"&_layout=rows"), tag(s, strings.Replace(obesityAt, "json", "csv", 1)), tag(s, svg), tag(s, svg+"&_theme=dark"), tag(s, svg, "Host: stats.example.org"),
		tag(s, obesityAt+"&where.year=2020"), tag(s, obesityAt+"&where.year.min=2020"), tag(build("1.2.4"), obesityAt), tag(data, obesityAt),
		tag(build(""), obesityAt), tag(build(""), obesityAt), // may be two programs
	}
	if slices.Sort(all); len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Errorf("two of these are the same: %q", all)
	}
	if tag(s, obesityAt, "Host: stats.example.org") != usual {
		t.Error("JSON does not show where it is")
	}

	fresh := serve(t, withPicture) // which has computed nothing
	for given, status := range map[string]int{usual: 304, strings.TrimPrefix(usual, "W/"): 304, `"x", ` + usual: 304, "*": 200, `"*"`: 200, `"x"`: 200} {
		before := len(fresh.jobs.answered)
		w := fresh.do("GET", obesityAt, "", "If-None-Match: "+given)
		if w.Code != status || w.Header().Get("ETag") != usual || w.Header().Get("Cache-Control") != "no-cache" {
			t.Errorf("If-None-Match: %s: %d %v", given, w.Code, w.Header())
		}
		if status == 304 && (len(fresh.jobs.answered) != before || w.Body.Len() > 0) {
			t.Errorf("If-None-Match: %s: computed, or a body: %s", given, w.Body)
		}
	}
}

// An answer that a replaced plugin gave is not passed off as that of the pinned one, nor
// found under the tag of another.
func TestGetWhilePluginChanges(t *testing.T) {
	s := serve(t, withPicture)
	other := provenance
	other.PluginDigest = strings.Replace(pluginDigest, "b1", "b2", 1)
	s.jobs.answer = &question.Job{Result: statesMean(), Provenance: &other}
	wantError(t, s.do("GET", obesityAt+"&_plugin="+pluginDigest, ""), 404, question.CodeUnknownDigest)
	stale := s.do("GET", obesityAt, "").Header().Get("ETag")
	s.jobs.answer = nil
	if w := s.do("GET", obesityAt, "", "If-None-Match: "+stale); w.Code != http.StatusOK || w.Header().Get("ETag") == stale {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

// A picture that was computed while a plugin was replaced has figures of the new one under
// the title of the old one. It is not kept for others.
func TestGetWhileTitleChanges(t *testing.T) {
	s := serve(t, withPicture)
	const digest = "sha256:b2"
	moved := provenance
	moved.PluginDigest = digest
	s.jobs.answer = &question.Job{Result: statesMean(), Provenance: &moved}
	s.jobs.answering = func() {
		renamed := *s.catalog.offers[0].Question
		renamed.Title = "Another mean"
		s.catalog.offers = slices.Clone(s.catalog.offers)
		s.catalog.offers[0].Question, s.catalog.digest, s.jobs.answering = &renamed, digest, nil
	}
	const at = "/api/states_mean.svg?question=Obesity"
	s.do("GET", at, "")
	for range 2 { // computed, and kept
		if w := s.do("GET", at, ""); !strings.Contains(w.Body.String(), "Another mean") {
			t.Errorf("the title of a plugin that is no longer served: %s", w.Body)
		}
	}
	if n := len(s.jobs.answered); n != 2 {
		t.Errorf("computed %d times", n)
	}
}

// A format that shows the day is another answer on the next day, and others are not.
func TestDatedAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, withPicture, func(c *httpapi.Config) {
			c.Formats[len(c.Formats)-1].Dated = true
		})
		svg, csv := "/api/states_mean.svg?question=Obesity", "/api/states_mean.csv?question=Obesity"
		tagged := map[string]string{}
		for _, at := range []string{svg, csv} {
			tagged[at] = s.do("GET", at, "").Header().Get("ETag")
		}
		time.Sleep(24 * time.Hour)
		for at, status := range map[string]int{svg: http.StatusOK, csv: http.StatusNotModified} {
			if w := s.do("GET", at, "", "If-None-Match: "+tagged[at]); w.Code != status {
				t.Errorf("%s on the next day: %d %v", at, w.Code, w.Header())
			}
		}
	})
}

func TestGetErrors(t *testing.T) {
	s := serve(t, withPicture)
	wrong := strings.Repeat("0", 64)
	for _, tt := range []struct {
		target string
		status int
		code   question.Code
		param  string
		hint   string
	}{
		{"/api/states_mean.json", 400, question.CodeMissingParameter, "question", "obesity"},
		{"/api/states_mean.xml?question=Obesity", 404, question.CodeUnknownRoute, "", "/api/states_mean.json"},
		{"/api/states_mean.?question=Obesity", 404, question.CodeUnknownRoute, "", "/api/states_mean.json"},
		{"/api/states_mean.json.csv?question=Obesity", 404, question.CodeUnknownRoute, "", "/api/states_mean.json"},
		{"/api/states_men.csv?question=Obesity", 404, question.CodeUnknownQuestion, "", "states_mean"},
		{"/api/num_job", 404, question.CodeUnknownRoute, "", "/api/num_jobs"},
		{obesityAt + "&colour=red", 400, question.CodeUnknownParameter, "colour", ""},
		{obesityAt + "&question=Obesity", 400, question.CodeBadParameter, "question", ""},
		{obesityAt + "&_colour=red", 400, question.CodeBadRequest, "_colour", ""},
		{obesityAt + "&_layot=rows", 400, question.CodeBadRequest, "_layot", "_layout"},
		{obesityAt + "&_layout=columns", 400, question.CodeBadRequest, "_layout", "original"},
		{obesityAt + "&_theme=pink", 400, question.CodeBadRequest, "_theme", "light"},
		{obesityAt + "&_theme=dark&_theme=light", 400, question.CodeBadRequest, "_theme", ""},
		{obesityAt + "&x=%zz", 400, question.CodeBadRequest, "", ""},
		{obesityAt + "&_dataset=sha256:" + wrong, 404, question.CodeUnknownDigest, "_dataset", datasetDigest},
		{obesityAt + "&_plugin=sha256:" + wrong, 404, question.CodeUnknownDigest, "_plugin", pluginDigest},
		{obesityAt + "&_plugin=latest", 400, question.CodeBadRequest, "_plugin", pluginDigest},
		{obesityAt + "&x=" + strings.Repeat("x", 8000), 414, question.CodeURLTooLong, "", ""},
	} {
		w := s.do("GET", tt.target, "")
		e := wantError(t, w, tt.status, tt.code)
		if e.Param != tt.param || tt.hint != "" && !slices.Contains(e.Hint, tt.hint) {
			t.Errorf("%s: %+v", tt.target, e)
		}
		if w.Header().Get("ETag") != "" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: an error that can be kept: %v", tt.target, w.Header())
		}
	}
	if len(s.jobs.answered) != 1 {
		t.Errorf("%d were asked for, but only the first can be", len(s.jobs.answered))
	}
	w := s.do("GET", obesityAt+"&_theme=pink", "", "Accept: application/problem+json")
	if w.Code != 400 || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	one := statesMean()
	for i := range one.Columns {
		one.Columns[i].Codes, one.Columns[i].Numbers = one.Columns[i].Codes[:min(1, len(one.Columns[i].Codes))], one.Columns[i].Numbers[:min(1, len(one.Columns[i].Numbers))]
	}
	s.jobs.answer = &question.Job{Result: one, Provenance: &provenance}
	e := wantError(t, s.do("GET", "/api/states_mean.svg?question=Obesity", ""), 406, question.CodeNotAcceptable)
	if !slices.Equal(e.Hint, []string{"/api/states_mean.json", "/api/states_mean.csv", "/api/states_mean.arrow"}) {
		t.Errorf("%q", e.Hint)
	}
	s.jobs.answer = &question.Job{Error: failed.Error}
	w = s.do("GET", obesityAt, "")
	if wantError(t, w, 422, question.CodeNoData); w.Header().Get("ETag") != "" {
		t.Errorf("%v", w.Header())
	}
	s.jobs.err = question.Errorf(question.CodeQueueFull, "no worker was free")
	wantError(t, s.do("GET", obesityAt, "", "Accept: */*"), 503, question.CodeQueueFull)
}

// The least recently used go first, and one that is too large is not kept.
func TestKeptAnswers(t *testing.T) {
	s := serve(t, withPicture, func(c *httpapi.Config) { c.MaxKept = 40_000 })
	get := func(year int) (computed bool) {
		t.Helper()
		before := len(s.jobs.answered)
		if w := s.do("GET", fmt.Sprint(obesityAt, "&where.year=", year), ""); w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return len(s.jobs.answered) > before
	}
	for year := 2000; year < 2100; year++ {
		if !get(year) {
			t.Errorf("%d was not asked for before", year)
		}
		if year > 2000 && get(2000) {
			t.Errorf("%d: the most used answer was dropped", year)
		}
	}
	if !get(2001) || get(2001) || get(2099) {
		t.Error("the bound or the order is wrong")
	}
	none := serve(t, withPicture, func(c *httpapi.Config) { c.MaxKept = 0 })
	for range 2 {
		none.do("GET", obesityAt, "")
	}
	if n := len(none.jobs.answered); n != 2 {
		t.Errorf("%d answers were computed", n)
	}
}

// Responses over 1 KB are compressed for those who ask.
func TestCompress(t *testing.T) {
	long := strings.Repeat("the same again, ", 1000)
	h := httpapi.Compress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		contentType, body := "image/svg+xml", long
		switch r.URL.Path {
		case "/short":
			body = "short"
		case "/events":
			contentType = "text/event-stream"
		case "/304":
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.Header().Set("ETag", `W/"x"`)
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusOK)
			return
		}
		_, _ = io.WriteString(w, body)
	}))
	s := &service{Handler: h}
	for _, tt := range []struct{ target, accepts, encoding string }{
		{"/", "", ""},
		{"/", "identity", ""},
		{"/", "br", ""},
		{"/", "gzip;q=0", ""},
		{"/", "gzip", "gzip"},
		{"/", "gzip, deflate, br, zstd", "zstd"},
		{"/", "gzip;q=1, zstd;q=0.5", "gzip"},
		{"/short", "gzip", ""},
		{"/events", "gzip", ""},
		{"/304", "gzip", ""},
	} {
		w := s.do("GET", tt.target, "", "Accept-Encoding: "+tt.accepts)
		if got := w.Header().Get("Content-Encoding"); got != tt.encoding {
			t.Errorf("%s for %q is encoded as %q, want %q", tt.target, tt.accepts, got, tt.encoding)
		}
		if tt.target == "/304" {
			continue
		}
		var body io.Reader = w.Body
		var err error
		switch tt.encoding {
		case "gzip":
			body, err = gzip.NewReader(w.Body)
		case "zstd":
			body, err = zstd.NewReader(w.Body)
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if err != nil || !bytes.Equal(got, []byte(long)) && tt.target != "/short" || w.Header().Get("ETag") != `W/"x"` || !strings.Contains(w.Header().Get("Vary"), "Accept-Encoding") {
			t.Errorf("%s for %q: %d bytes, %v, %v", tt.target, tt.accepts, len(got), w.Header(), err)
		}
		head := s.do("HEAD", tt.target, "", "Accept-Encoding: "+tt.accepts)
		want := w.Header().Get("Content-Length")
		if tt.encoding != "" {
			want = ""
		}
		if n := head.Header().Get("Content-Length"); n != want || head.Body.Len() > 0 {
			t.Errorf("HEAD %s for %q: length %q, want %q", tt.target, tt.accepts, n, want)
		}
	}
}

// Browsers are asked for the key where a person looks, and send it as a password.
func TestKeyAsPassword(t *testing.T) {
	s := serve(t, withPicture, func(c *httpapi.Config) { c.ClientKey = "k" })
	basic := func(user, password string) string {
		r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "/", http.NoBody)
		if err != nil {
			t.Fatal(errors.Unwrap(err))
		}
		r.SetBasicAuth(user, password)
		return "Authorization: " + r.Header.Get("Authorization")
	}
	for _, user := range []string{"", "anybody"} {
		if w := s.do("GET", obesityAt, "", basic(user, "k")); w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Cache-Control"), "private") {
			t.Errorf("%d %v", w.Code, w.Header())
		}
	}
	page := "Accept: text/html,application/xhtml+xml,*/*;q=0.8"
	for _, tt := range []struct {
		method, target string
		headers        []string
		asks           bool
	}{
		{"GET", "/", []string{page}, true},
		{"GET", "/docs", []string{page}, true},
		{"GET", "/", []string{page, basic("", "wrong")}, true},
		{"GET", "/api/states_mean.svg", []string{"Accept: image/*", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Dest: image"}, true},
		{"GET", "/api/jobs/x/events", []string{"Accept: text/event-stream", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Dest: empty"}, true},
		{"GET", "/api/states_mean.svg", []string{"Accept: image/*", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: image"}, false},
		{"GET", "/api/jobs", []string{"Accept: */*", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Dest: empty"}, false},
		{"GET", "/", nil, false},
		{"GET", obesityAt, []string{basic("k", "")}, false},
		{"POST", "/api/states_mean", []string{page}, false},
	} {
		w := s.do(tt.method, tt.target, "", tt.headers...)
		status, code := 403, question.CodeForbidden
		if tt.asks {
			status, code = 401, question.CodeKeyRequired
		}
		if wantError(t, w, status, code); tt.asks != strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Basic realm=") {
			t.Errorf("%s %s %q: %v", tt.method, tt.target, tt.headers, w.Header())
		}
	}
}
