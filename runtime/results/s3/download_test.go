package s3_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/s3"
)

// fullDisk takes some bytes.
type fullDisk struct{ room int }

func (d *fullDisk) Write(b []byte) (int, error) {
	if d.room -= len(b); d.room < 0 {
		return 0, errors.New("no space left")
	}
	return len(b), nil
}

// A download that breaks off continues where it was, in the same version of the object,
// and ends with an error where nothing more comes.
func TestDownload(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 300_000)
	f := newFake(t)
	ranges := []string{}
	// serve sends a part, in pieces of this size; 0 sends nothing and waits.
	serve := func(piece int) func(w http.ResponseWriter, r *http.Request, n int) bool {
		return func(w http.ResponseWriter, r *http.Request, _ int) bool {
			ranges = append(ranges, r.Header.Get("Range")+" "+r.Header.Get("If-Match"))
			from := 0
			if asked := r.Header.Get("Range"); asked != "" {
				_, _ = fmt.Sscanf(asked, "bytes=%d-", &from)
			}
			h := w.Header()
			h.Set("Last-Modified", "Wed, 25 Nov 2026 03:00:00 GMT")
			h.Set("ETag", `"v1"`)
			h.Set("Content-Length", strconv.Itoa(len(content)-from))
			if from > 0 {
				h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(content)-1, len(content)))
				w.WriteHeader(http.StatusPartialContent)
			}
			_, _ = w.Write(content[from:min(len(content), from+piece)])
			if piece == 0 {
				w.(http.Flusher).Flush()
				select {
				case <-r.Context().Done():
				case <-time.After(patience):
				}
			}
			return true
		}
	}
	for name, tt := range map[string]struct {
		hook  func(w http.ResponseWriter, r *http.Request, n int) bool
		limit int64
		w     io.Writer
		is    error
		want  string // in the error
	}{
		"whole":      {hook: serve(len(content))},
		"in pieces":  {hook: serve(1_000_000)},
		"never":      {hook: serve(0), want: "broke off 3 times in a row, at last after 0 of 3000000 bytes"},
		"too large":  {hook: serve(len(content)), limit: 2_999_999, want: "3000000 bytes, and 2999999"},
		"full disk":  {hook: serve(len(content)), w: &fullDisk{1000}, want: "no space left"},
		"missing":    {is: results.ErrNotFound},
		"denied":     {is: s3.ErrDenied, want: "s3:GetObject on s3://bucket/some/prefix/npao.arrow", hook: func(w http.ResponseWriter, _ *http.Request, _ int) bool { refuse(w, 403, "AccessDenied"); return true }},
		"no bucket":  {want: "no such bucket", hook: func(w http.ResponseWriter, _ *http.Request, _ int) bool { refuse(w, 404, "NoSuchBucket"); return true }},
		"overloaded": {want: "slow down", hook: func(w http.ResponseWriter, _ *http.Request, _ int) bool { refuse(w, 503, "SlowDown"); return true }},
		"another version": {want: "another version", hook: func(w http.ResponseWriter, r *http.Request, n int) bool {
			if r.Header.Get("Range") != "" {
				refuse(w, 412, "PreconditionFailed")
				return true
			}
			return serve(1_000_000)(w, r, n)
		}},
		"no ranges": {want: "does not send the rest", hook: func(w http.ResponseWriter, r *http.Request, n int) bool {
			r.Header.Del("Range") // the whole object again
			return serve(1_000_000)(w, r, n)
		}},
		"another version, unasked": {want: `of version "v2", asked for "v1"`, hook: func(w http.ResponseWriter, r *http.Request, n int) bool {
			if r.Header.Get("Range") == "" {
				return serve(1_000_000)(w, r, n)
			}
			h := w.Header()
			h.Set("Last-Modified", "Wed, 25 Nov 2026 03:00:00 GMT")
			h.Set("ETag", `"v2"`)
			h.Set("Content-Range", "bytes 1000000-2999999/3000000")
			h.Set("Content-Length", "2000000")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(content[1_000_000:])
			return true
		}},
		"no length": {want: "how large the object is", hook: func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			w.Header().Set("Last-Modified", "Wed, 25 Nov 2026 03:00:00 GMT")
			for range 3 {
				_, _ = w.Write(content[:1_000_000])
				w.(http.Flusher).Flush()
			}
			return true
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			f.hook, ranges = tt.hook, nil
			if tt.limit == 0 {
				tt.limit = int64(len(content))
			}
			if tt.w == nil {
				tt.w = &b
			}
			n, err := s3.Download(t.Context(), f.config(), "npao.arrow", tt.w, tt.limit)
			if tt.want == "" && tt.is == nil {
				if err != nil || n != int64(len(content)) || !bytes.Equal(b.Bytes(), content) {
					t.Errorf("%d bytes, %v", n, err)
				}
				if name == "in pieces" && (len(ranges) != 3 || ranges[2] != `bytes=2000000- "v1"`) {
					t.Errorf("ranges %q", ranges)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) || strings.Contains(err.Error(), secret) {
				t.Errorf("%d bytes, %v; want %q, %v", n, err, tt.want, tt.is)
			}
		})
	}
	if _, err := s3.Download(t.Context(), s3.Config{URL: "bucket"}, "x", io.Discard, 1); question.CodeOf(err) != question.CodeStoreUnavailable {
		t.Error(err)
	}
}
