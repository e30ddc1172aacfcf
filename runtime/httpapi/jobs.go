package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// preferences say how a client wants its result.
type preferences struct {
	wait      time.Duration
	preferred bool // wait is from the Prefer header
	async     bool // the Prefer header has respond-async
	format    *question.Format
	note      question.Note
}

// submit: POST /api/{question}.
func (a *api) submit(w *response, r *http.Request, q url.Values) error {
	asked, err := a.acceptance(r, q)
	if err != nil {
		return err
	}
	req, err := a.readRequest(w, r)
	if err != nil {
		return err
	}
	ctx, err := submission(r, func() string { return a.requestDigest(req) })
	if err != nil {
		return err
	}
	job, err := a.cfg.Jobs.Submit(ctx, req)
	if err != nil {
		return err
	}
	return a.accepted(w, r, job, asked)
}

func (a *api) readRequest(w *response, r *http.Request) (question.Request, error) {
	if err := checkContentType(r.Header); err != nil {
		return question.Request{}, err
	}
	if w.body == nil {
		w.body = http.NoBody
	}
	body, err := io.ReadAll(w.body)
	switch {
	case errors.As(err, new(*http.MaxBytesError)):
		return question.Request{}, tooLarge(a.cfg.MaxBody)
	case err != nil:
		return question.Request{}, question.Errorf(question.CodeBadRequest, "the body ended early or did not arrive in time") // err has addresses
	}
	return question.ParseRequest(r.PathValue("question"), body)
}

func tooLarge(limit int64) error {
	return question.Errorf(question.CodeBodyTooLarge, "the body is larger than the limit of %d bytes", limit)
}

// acceptance reads the preferences of a client that submits a job. Without a wait it gets
// no result, so that its Accept header does not matter.
func (a *api) acceptance(r *http.Request, q url.Values) (asked preferences, err error) {
	if err = a.waiting(&asked, q, r.Header); err == nil && (asked.wait > 0 || q.Has("format") || q.Has("layout") || q.Has("note")) {
		err = a.chooseFormat(&asked, q, r.Header)
	}
	return asked, err
}

// accepted responds to the submission of a job: with its result if the client waits and
// the job ends in time, else with the location of the result.
func (a *api) accepted(w *response, r *http.Request, job *question.Job, asked preferences) error {
	w.setJob(job)
	if job.Replayed {
		w.Header().Set(replayHeader, "true")
	}
	if asked.wait > 0 && !job.Status.Final() {
		ctx, cancel := context.WithTimeout(r.Context(), asked.wait)
		defer cancel()
		if later, err := a.cfg.Jobs.Wait(ctx, job.ID); err == nil {
			job = later
		} else { // the job is accepted nevertheless, and the client needs its id
			a.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "cannot wait for an accepted job",
				slog.String("id", w.id), slog.String("job", job.ID), slog.Any("error", err))
		}
	}
	at := a.link(resultPath(job.ID))
	if asked.wait > 0 && job.Status.Final() {
		asked.async = false // the response did not have to be
	}
	confirm(w, asked)
	if asked.wait > 0 && job.Status.Final() {
		w.Header().Set("Content-Location", at)
		return a.sendFinal(w, job, asked)
	}
	w.Header().Set("Location", at)
	w.Header().Set("Retry-After", "1")
	w.sendJSON(http.StatusAccepted, RunningBody(job))
	return nil
}

// confirm tells a client which of its preferences were applied (RFC 7240, section 3).
func confirm(w *response, asked preferences) {
	var applied []string
	if asked.async {
		applied = append(applied, "respond-async")
	}
	if asked.preferred {
		applied = append(applied, "wait="+strconv.Itoa(int(asked.wait/time.Second)))
	}
	if len(applied) > 0 {
		w.Header().Set("Preference-Applied", strings.Join(applied, ", "))
	}
}

func resultPath(id string) string { return "/api/get_results/" + url.PathEscape(id) }

// results: GET /api/get_results/{id}.
func (a *api) results(w *response, r *http.Request, q url.Values) (err error) {
	w.Header().Add("Vary", "Accept, Prefer")
	var asked preferences
	if err := a.waiting(&asked, q, r.Header); err != nil {
		return err
	}
	if err := a.chooseFormat(&asked, q, r.Header); err != nil {
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
	w.setJob(job)
	asked.async = false // for a request that makes a job
	confirm(w, asked)
	if !job.Status.Final() {
		status := http.StatusOK // as in the original
		if asked.format.Value == nil {
			status = http.StatusAccepted // 200 would pass this off as CSV
		}
		w.Header().Set("Retry-After", "1")
		w.sendJSON(status, RunningBody(job))
		return nil
	}
	if job.Status == question.Done && matches(r.Header.Values("If-None-Match"), entityTag(job, asked)) {
		setCacheHeaders(w, job, asked)
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return a.sendFinal(w, job, asked)
}

// setCacheHeaders lets clients cache a result but requires them to revalidate, because
// results are deleted after some days.
func setCacheHeaders(w *response, job *question.Job, asked preferences) {
	w.Header().Set("ETag", entityTag(job, asked))
	w.Header().Set("Cache-Control", "no-cache")
}

// entityTag is weak: an outcome never changes, but its bytes may with the next version
// of the program.
func entityTag(job *question.Job, asked preferences) string {
	return `W/"` + job.ID + "." + asked.format.Name + string(asked.note) + `"`
}

// matches reports whether an If-None-Match names tag, or everything.
func matches(lines []string, tag string) bool {
	return hasTag(lines, tag) || slices.Contains(lines, "*")
}

// sendFinal responds with a job that has ended. It renders the whole body before it sends
// the status, so that a failure is an error response, not half of a result.
func (a *api) sendFinal(w *response, job *question.Job, asked preferences) error {
	if job.Status != question.Done {
		if job.Error == nil {
			return question.Errorf(question.CodeInternal, "job %s is %s without an error", job.ID, job.Status)
		}
		return job.Error
	}
	if job.Result == nil {
		return question.Errorf(question.CodeInternal, "job %s is done without a result", job.ID)
	}
	f := asked.format
	body, err := a.encode(f, job, asked.note)
	if err != nil {
		return a.unwritable(f, err, formatQuery)
	}
	if f.Value == nil {
		fileHeaders(w.Header(), job, f)
	}
	setCacheHeaders(w, job, asked)
	w.send(http.StatusOK, f.MediaType, body)
	return nil
}

// encode returns the body of a result: JSON in an envelope, other formats as a file.
func (a *api) encode(f *question.Format, job *question.Job, note question.Note) ([]byte, error) {
	if f.Value != nil {
		return DoneBody(f.Value, job)
	}
	var b bytes.Buffer
	err := f.Write(&b, job.Result, question.WriteOptions{Provenance: job.Provenance, Note: note, Caption: a.caption(job)})
	return b.Bytes(), err
}

// caption returns what a picture says about a job's answer.
func (a *api) caption(job *question.Job) *question.Caption {
	q, req := a.canonical(job.Request)
	return job.Answer().Caption(q, req, a.cfg.Dataset)
}

// canonical returns the question that a request asks and the request's canonical form; nil and
// the request as it is if the question is not served.
func (a *api) canonical(req question.Request) (*question.Question, question.Request) {
	served := question.FindServed(a.cfg.Catalog.Served(), req.Question)
	if served == nil {
		return nil, req
	}
	return served.Question, served.Question.Canonical(req, a.cfg.Schema)
}

// unwritable is the error of a result that a format cannot represent. The format's
// CodeBadResult is about the result itself, and its CodeNotAcceptable about what the format
// is for. Both are safe to show.
func (a *api) unwritable(f *question.Format, err error, other func(*question.Format) string) error {
	var others []string
	for i := range a.formats {
		if a.formats[i].Name != f.Name {
			others = append(others, other(&a.formats[i]))
		}
	}
	others = slices.Compact(others)
	if e := new(question.Error); errors.As(err, &e) && e.Code == question.CodeNotAcceptable {
		return question.Errorf(e.Code, "%s", e.Reason).WithParam("", others...)
	}
	e := question.Errorf(question.CodeInternal, "the result cannot be written as %s: %w", f.Extension, err).
		WithParam("", others...)
	if question.CodeOf(err) == question.CodeBadResult {
		return publicError{e}
	}
	return e
}

// fileHeaders sets the provenance of formats that have little or no room for it.
func fileHeaders(h http.Header, job *question.Job, f *question.Format) {
	name := job.Request.Question
	if p := job.Provenance; p != nil {
		h.Set("Lestats-Dataset", p.Dataset)
		h.Set("Lestats-Synthetic", strconv.FormatBool(p.Synthetic))
		if p.Synthetic {
			name += ".synthetic" // a saved file keeps its name, but not the headers
		}
	}
	how := "attachment"
	if f.Seen {
		how = "inline"
		h.Set("Content-Security-Policy", f.Policy+"; frame-ancestors 'none'")
	}
	h.Set("Content-Disposition", mime.FormatMediaType(how, map[string]string{"filename": name + "." + f.Extension}))
}

// cancel: DELETE /api/jobs/{id}.
func (a *api) cancel(w *response, r *http.Request, _ url.Values) error {
	job, err := a.cfg.Jobs.Cancel(context.WithoutCancel(r.Context()), r.PathValue("id"))
	if err != nil {
		return err
	}
	w.setJob(job)
	b := appendString([]byte(`{"status":"done","data":`), string(job.Status))
	b = appendString(append(b, `,"job_id":`...), job.ID)
	w.sendJSON(http.StatusOK, append(b, '}'))
	return nil
}

// retry: POST /api/jobs/{id}/retry. It has no body.
func (a *api) retry(w *response, r *http.Request, q url.Values) error {
	asked, err := a.acceptance(r, q)
	if err != nil {
		return err
	}
	ctx, err := submission(r, func() string { return "retry " + r.PathValue("id") })
	if err != nil {
		return err
	}
	job, err := a.cfg.Jobs.Retry(ctx, r.PathValue("id"))
	if err != nil {
		return err
	}
	return a.accepted(w, r, job, asked)
}

const (
	listDefault  = 100
	maxListLimit = 1000
)

// list: GET /api/jobs.
func (a *api) list(w *response, r *http.Request, q url.Values) error {
	limit := listDefault
	if q.Has("limit") {
		var err error
		limit, err = strconv.Atoi(q.Get("limit"))
		if err != nil || limit < 1 || limit > maxListLimit {
			return question.Errorf(question.CodeBadRequest, `"limit" is %.60q; it takes a number from 1 to %d`, q.Get("limit"), maxListLimit).WithParam("limit")
		}
	}
	detail := q.Get("detail") == "1"
	if q.Has("detail") && !detail && q.Get("detail") != "0" {
		return question.Errorf(question.CodeBadRequest, `"detail" is %.60q; it is 1 or 0`, q.Get("detail")).WithParam("detail", "1", "0")
	}
	before := q.Get("before")
	if q.Has("before") {
		if _, err := question.ParseID(before); err != nil {
			return err
		}
	}
	for _, name := range []string{"status", "question", "since"} {
		if q.Has(name) && q.Get(name) == "" {
			return question.Errorf(question.CodeBadRequest, "%q is empty; leave it out for all jobs", name).WithParam(name)
		}
	}
	f, err := ParseJobFilter(q.Get("status"), q.Get("question"), q.Get("since"))
	if err != nil {
		return err
	}
	page, err := a.cfg.Jobs.List(r.Context(), f, before, limit)
	if err != nil {
		return err
	}
	next := ""
	if page.Next != "" {
		older := url.Values{"before": {page.Next}, "limit": {strconv.Itoa(limit)}}
		for _, name := range []string{"status", "question", "since", "detail"} {
			if q.Has(name) {
				older[name] = q[name]
			}
		}
		next = "/api/jobs?" + older.Encode()
		w.Header().Set("Link", "<"+a.link(next)+`>; rel="next"`)
	}
	w.sendJSON(http.StatusOK, ListBody(page.Jobs, detail, next))
	return nil
}

// ParseJobFilter returns the filter of a listing with these values, of which "" selects all.
func ParseJobFilter(status, name, since string) (f question.JobFilter, err error) {
	f.Status, f.Question = question.Status(status), name
	if f.Status != "" && !slices.Contains(question.Statuses, f.Status) {
		return f, question.Errorf(question.CodeBadRequest, `"status" is %.60q; it is one of %s`, status, strings.Join(texts(question.Statuses), ", ")).
			WithParam("status", texts(question.Statuses)...)
	}
	if name != "" && !question.ValidName(name) {
		return f, question.Errorf(question.CodeBadRequest, `"question" is %.60q; it takes the name of a question, such as states_mean`, name).WithParam("question")
	}
	if since == "" {
		return f, nil
	}
	// A + that is not written %2B arrives as a space.
	if f.Since, err = time.Parse(time.RFC3339, strings.Replace(since, " ", "+", 1)); err != nil {
		return f, question.Errorf(question.CodeBadRequest, `"since" is %.60q; it takes a time as in RFC 3339, such as 2026-11-29T13:00:00Z`, since).WithParam("since")
	}
	return f, nil
}

// ListBody returns {"status":"done","data":[{"<id>":"done"}, ...]}. With detail, "jobs" has
// the jobs without their results, and "next", if it is not "", says where the next page is.
func ListBody(jobs []*question.Job, detail bool, next string) []byte {
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
	return append(b, '}')
}

// listedAs returns a status in the words of the original, for which a queued job is
// running.
func listedAs(s question.Status) string {
	if s == question.Queued {
		s = question.Running
	}
	return string(s)
}

// details returns the stored jobs without results and with public errors.
func details(jobs []*question.Job) []question.Job {
	out := make([]question.Job, len(jobs))
	for i, job := range jobs {
		out[i] = detail(job)
	}
	return out
}

// detail returns a stored job without its result and with a public error.
func detail(job *question.Job) question.Job {
	out := *job
	out.Result = nil
	if job.Error != nil {
		out.Error = public(job.Error, "")
	}
	return out
}

// count: GET /api/num_jobs.
func (a *api) count(w *response, r *http.Request, _ url.Values) error {
	n, err := a.cfg.Jobs.Unfinished(r.Context())
	if err != nil {
		return err
	}
	w.sendJSON(http.StatusOK, fmt.Appendf(nil, `{"status":"done","data":%d}`, n))
	return nil
}
