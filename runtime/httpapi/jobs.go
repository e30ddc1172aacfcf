package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// want is how a client wants to get a result.
type want struct {
	wait      time.Duration
	preferred bool // wait came from the Prefer header
	format    *format
}

// submit: POST /api/{question}.
func (a *api) submit(w *response, r *http.Request) error {
	name := r.PathValue("question")
	req, asked, err := a.readRequest(w, r, name)
	if err != nil {
		if !a.offered(name) { // then no body would have been right
			return a.unknownQuestion(name)
		}
		return err
	}
	// Whoever leaves while the job is being stored finds it in the list: acceptance
	// is never cut in half.
	job, err := a.cfg.Jobs.Submit(context.WithoutCancel(r.Context()), req)
	if err != nil {
		return err
	}
	return a.accepted(w, r, job, asked)
}

func (a *api) readRequest(w *response, r *http.Request, name string) (req question.Request, asked want, err error) {
	if asked, err = a.acceptance(r); err != nil {
		return req, asked, err
	}
	if err = checkContentType(r.Header); err != nil {
		return req, asked, err
	}
	if r.Body == nil { // not from a server, but from an adapter
		r.Body = http.NoBody
	}
	body, err := io.ReadAll(http.MaxBytesReader(w.ResponseWriter, r.Body, a.cfg.MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return req, asked, question.Errorf(question.CodeBodyTooLarge, "the body is larger than %d bytes, which is the limit", tooLarge.Limit)
	case err != nil:
		return req, asked, question.Errorf(question.CodeBadRequest, "the body broke off, or did not come in time") // err has addresses
	}
	req, err = question.ParseRequest(name, body)
	return req, asked, err
}

// acceptance reads how a client that starts a job wants its result. One that does
// not wait gets none, and may accept what it likes.
func (a *api) acceptance(r *http.Request) (asked want, err error) {
	q, err := query(r, "wait", "format", "layout", "note")
	if err != nil {
		return asked, err
	}
	if asked.wait, asked.preferred, err = a.waiting(q, r.Header); err != nil {
		return asked, err
	}
	asked.format = &formats[0]
	if asked.wait > 0 || q.Has("format") || q.Has("layout") || q.Has("note") {
		asked.format, err = chooseFormat(q, r.Header)
	}
	return asked, err
}

func (a *api) unknownQuestion(name string) error {
	offers := a.cfg.Catalog.Offers()
	names := make([]string, len(offers))
	for i := range offers {
		names[i] = offers[i].Question.Name
	}
	return question.Errorf(question.CodeUnknownQuestion, "there is no question %.100q", name).About("", question.Nearest(name, names)...)
}

// accepted answers with a job that was just accepted: its result, if the client
// waits for it and it ends in time, else where it will be.
func (a *api) accepted(w *response, r *http.Request, job *question.Job, asked want) error {
	w.about(job)
	if asked.wait > 0 && !job.Status.Final() {
		ctx, cancel := context.WithTimeout(r.Context(), asked.wait)
		defer cancel()
		if later, err := a.cfg.Jobs.Wait(ctx, job.ID); err == nil {
			job = later
		} else { // the job is accepted all the same, and its id must not be lost
			a.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "an accepted job cannot be waited for",
				slog.String("id", w.id), slog.String("job", job.ID), slog.Any("error", err))
		}
	}
	confirm(w, asked)
	at := resultPath(job.ID)
	if asked.wait > 0 && job.Status.Final() {
		w.Header().Set("Content-Location", at)
		return a.sendFinal(w, job, asked.format)
	}
	w.Header().Set("Location", at)
	w.Header().Set("Retry-After", "1")
	w.sendJSON(http.StatusAccepted, appendRunning(make([]byte, 0, 128), job))
	return nil
}

// confirm tells a client that its preference was heard (RFC 7240, section 3).
func confirm(w *response, asked want) {
	if asked.preferred {
		w.Header().Set("Preference-Applied", "wait="+strconv.Itoa(int(asked.wait/time.Second)))
	}
}

func resultPath(id string) string { return "/api/get_results/" + url.PathEscape(id) }

// results: GET /api/get_results/{id}.
func (a *api) results(w *response, r *http.Request) error {
	w.Header().Set("Vary", "Accept, Prefer")
	asked := want{}
	q, err := query(r, "wait", "format", "layout", "note")
	if err != nil {
		return err
	}
	if asked.wait, asked.preferred, err = a.waiting(q, r.Header); err != nil {
		return err
	}
	if asked.format, err = chooseFormat(q, r.Header); err != nil {
		return err
	}

	var job *question.Job
	if id := r.PathValue("id"); asked.wait > 0 {
		ctx, cancel := context.WithTimeout(r.Context(), asked.wait)
		defer cancel()
		job, err = a.cfg.Jobs.Wait(ctx, id)
	} else {
		job, err = a.cfg.Jobs.Get(r.Context(), id)
	}
	if err != nil {
		return err
	}
	w.about(job)
	confirm(w, asked)
	if !job.Status.Final() {
		status := http.StatusOK // the seed's
		if !asked.format.isJSON() {
			status = http.StatusAccepted // 200 would pass this off as the CSV
		}
		w.Header().Set("Retry-After", "1")
		w.sendJSON(status, appendRunning(make([]byte, 0, 128), job))
		return nil
	}
	if job.Status == question.Done && matches(r.Header.Values("If-None-Match"), entityTag(job, asked.format)) {
		mayBeKept(w, job, asked.format)
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return a.sendFinal(w, job, asked.format)
}

// mayBeKept lets clients keep a result, but ask each time whether it still is: it
// lives for days only.
func mayBeKept(w *response, job *question.Job, f *format) {
	w.Header().Set("ETag", entityTag(job, f))
	w.Header().Set("Cache-Control", "no-cache")
}

// entityTag is weak: an outcome never changes, but the spelling of its form may,
// with the next version of the program.
func entityTag(job *question.Job, f *format) string {
	return `W/"` + job.ID + "." + f.name + f.layout + string(f.note) + `"`
}

// matches reports whether a list of entity tags has this one, by the weak
// comparison of RFC 9110, 8.8.3.2.
func matches(lines []string, tag string) bool {
	for _, line := range lines {
		for given := range splitQuoted(line, ',') {
			if given == "*" || strings.TrimPrefix(given, "W/") == strings.TrimPrefix(tag, "W/") {
				return true
			}
		}
	}
	return false
}

// sendFinal answers with a job that has ended. The body is complete before the
// status is sent: a form that fails is an error, not half of an answer.
func (a *api) sendFinal(w *response, job *question.Job, f *format) error {
	if job.Status != question.Done {
		if job.Error == nil {
			return question.Errorf(question.CodeInternal, "job %s is %s, and nothing says why", job.ID, job.Status)
		}
		return job.Error
	}
	if job.Result == nil {
		return question.Errorf(question.CodeInternal, "job %s is done, but its result is not there", job.ID)
	}
	body, err := f.render(&a.cfg.Render, job, f.note)
	if err != nil {
		return unwritable(f, err)
	}
	if !f.isJSON() {
		fileHeaders(w.Header(), job, f)
	}
	mayBeKept(w, job, f)
	w.send(http.StatusOK, f.contentType, body)
	return nil
}

// unwritable is the error of a result that does not fit a form. What the renderer says
// of the result itself is for clients.
func unwritable(f *format, err error) error {
	e := question.Errorf(question.CodeInternal, "the result cannot be written as %s: %w", f.name, err).
		About("", "?layout=rows", "?format=csv", "?format=arrow")
	if question.CodeOf(err) == question.CodeBadResult {
		return said{e}
	}
	return e
}

// fileHeaders say what a form was computed from that has little or no room for it.
func fileHeaders(h http.Header, job *question.Job, f *format) {
	name := job.Request.Question
	if p := job.Provenance; p != nil {
		h.Set("Lestats-Dataset", p.Dataset)
		h.Set("Lestats-Synthetic", strconv.FormatBool(p.Synthetic))
		if p.Synthetic {
			name += ".synthetic" // a file keeps its name when the headers are gone
		}
	}
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name + "." + f.name}))
}

// cancel: DELETE /api/jobs/{id}.
func (a *api) cancel(w *response, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	job, err := a.cfg.Jobs.Cancel(context.WithoutCancel(r.Context()), r.PathValue("id"))
	if err != nil {
		return err
	}
	w.about(job)
	b := appendString([]byte(`{"status":"done","data":`), string(job.Status))
	b = appendString(append(b, `,"job_id":`...), job.ID)
	w.sendJSON(http.StatusOK, append(b, '}'))
	return nil
}

// retry: POST /api/jobs/{id}/retry. It has no body.
func (a *api) retry(w *response, r *http.Request) error {
	asked, err := a.acceptance(r)
	if err != nil {
		return err
	}
	job, err := a.cfg.Jobs.Retry(context.WithoutCancel(r.Context()), r.PathValue("id"))
	if err != nil {
		return err
	}
	return a.accepted(w, r, job, asked)
}

const (
	listDefault = 100
	listMost    = 1000
)

// list: GET /api/jobs.
func (a *api) list(w *response, r *http.Request) error {
	q, err := query(r, "limit", "before", "detail")
	if err != nil {
		return err
	}
	limit := listDefault
	if q.Has("limit") {
		limit, err = strconv.Atoi(q.Get("limit"))
		if err != nil || limit < 1 || limit > listMost {
			return question.Errorf(question.CodeBadRequest, `"limit" is %.60q; it takes a number from 1 to %d`, q.Get("limit"), listMost).About("limit")
		}
	}
	detail := q.Get("detail") == "1"
	if q.Has("detail") && !detail && q.Get("detail") != "0" {
		return question.Errorf(question.CodeBadRequest, `"detail" is %.60q; 1 or 0`, q.Get("detail")).About("detail", "1", "0")
	}
	jobs, err := a.cfg.Jobs.List(r.Context(), q.Get("before"), limit+1) // one more tells whether there is a next page
	if err != nil {
		return err
	}
	next := ""
	if len(jobs) > limit {
		jobs = jobs[:limit]
		page := url.Values{"before": {jobs[limit-1].ID}, "limit": {strconv.Itoa(limit)}}
		if detail {
			page.Set("detail", "1")
		}
		next = "/api/jobs?" + page.Encode()
		w.Header().Set("Link", "<"+next+`>; rel="next"`)
	}

	b := make([]byte, 0, 64+64*len(jobs))
	b = append(b, `{"status":"done","data":[`...)
	for i, job := range jobs {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(append(b, '{'), job.ID), ':')
		b = append(appendString(b, listedAs(job.Status)), '}')
	}
	b = append(b, ']')
	if detail {
		b = append(append(b, `,"jobs":`...), marshal(details(jobs))...)
	}
	if next != "" {
		b = appendString(append(b, `,"next":`...), next)
	}
	w.sendJSON(http.StatusOK, append(b, '}'))
	return nil
}

// listedAs is a status in the seed's words, "running" and "done", and the two that
// the seed has not. A job that waits is running to it.
func listedAs(s question.Status) string {
	if s == question.Queued {
		s = question.Running
	}
	return string(s)
}

// details are the jobs as they are stored, less what belongs to the result and what is
// not public.
func details(jobs []*question.Job) []question.Job {
	out := make([]question.Job, len(jobs))
	for i, job := range jobs {
		out[i] = *job
		out[i].Result = nil
		if job.Error != nil {
			out[i].Error = public(job.Error, "")
		}
	}
	return out
}

// count: GET /api/num_jobs.
func (a *api) count(w *response, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	n, err := a.cfg.Jobs.Unfinished(r.Context())
	if err != nil {
		return err
	}
	w.sendJSON(http.StatusOK, fmt.Appendf(nil, `{"status":"done","data":%d}`, n))
	return nil
}
