package web

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Jobs are the jobs that pages show and change. It is safe for concurrent use. Its errors are
// *question.Error; the jobs that it returns are shared and must not be modified.
type Jobs interface {
	Get(ctx context.Context, id string) (*question.Job, error)
	// List returns the selected jobs without results, newest first, with ids below before; ""
	// starts at the newest.
	List(ctx context.Context, f question.JobFilter, before string, limit int) (question.JobPage, error)
	Cancel(ctx context.Context, id string) (*question.Job, error)
	// Retry submits the request of a failed or cancelled job again, as a new job.
	Retry(ctx context.Context, id string) (*question.Job, error)
}

// jobsPerPage is how many jobs /jobs shows at once.
const jobsPerPage = 50

// jobsPage is the data of the template "jobs".
type jobsPage struct {
	frame

	Jobs   []jobView
	States []state
	Query  string // of the first page
	Older  string // query of the next page; "" if there is none
	Newer  bool   // there is a page before this one
}

// state is a link to the jobs with a status.
type state struct {
	Query, Name string
	Here        bool
}

// jobPage is the data of the template "job".
type jobPage struct {
	frame
	jobView

	Asked     []fact
	Reason    *question.Error // of a job that failed or was cancelled
	Hints     []string
	RetryOf   string
	Attempts  int
	Started   time.Time
	Finished  time.Time
	Downloads []link
}

// Acts is what can be done with the job.
func (p *jobPage) Acts() acts { return acts{p.Under, p.jobView} }

// missingPage is the data of the template "nojob".
type missingPage struct {
	frame

	ID        string
	Made      time.Time // that the id says; zero if it is not the id of a job
	Reason    *question.Error
	Questions []link
}

// jobView is a job as both pages show it.
type jobView struct {
	ID, Status string
	Name       string // of the question
	What       string // its title, or its name if it is not served
	Ask        string // path and query of the same question, drawn; "" if it is not served
	Created    time.Time
	Took       string // how long it ran, or has run or waited until now
	Why        string // of a job that ended without a result, as half a sentence
	Final      bool
	Retryable  bool
	Done       bool
	Result     string // path
	Events     string // path
}

// acts is the data of the template "acts".
type acts struct {
	Under string
	jobView
}

// fact is a line of a list of facts.
type fact struct{ Name, Text string }

// words are the statuses for people.
var words = map[question.Status]string{
	question.Queued: "waiting", question.Running: "running", question.Done: "done", question.Failed: "no result", question.Cancelled: "cancelled",
}

func (s *Site) jobView(job *question.Job, now time.Time) jobView {
	v := jobView{
		ID: job.ID, Status: words[job.Status], Name: job.Request.Question, What: job.Request.Question, Created: job.Created,
		Final: job.Status.Final(), Done: job.Status == question.Done,
		Retryable: (job.Status == question.Failed || job.Status == question.Cancelled) && job.Request.Question != "",
		Result:    "/api/get_results/" + url.PathEscape(job.ID), Events: "/api/jobs/" + url.PathEscape(job.ID) + "/events",
	}
	if job.Error != nil {
		v.Why = job.Error.Code.Info().Text
	}
	if q := s.question(job.Request.Question); q != nil {
		v.What = label(q.Title, q.Name)
		v.Ask = "/q/" + url.PathEscape(q.Name)
		if query := job.Request.Query(); query != "" {
			v.Ask += "?" + query
		}
	}
	switch from, to := job.Started, job.Finished; {
	case from.IsZero() && to.IsZero():
		v.Took = duration(now.Sub(job.Created))
	case from.IsZero(): // it never ran
	case to.IsZero():
		v.Took = duration(now.Sub(from))
	default:
		v.Took = duration(to.Sub(from))
	}
	return v
}

// question returns the question of this name, or nil.
func (s *Site) question(name string) *question.Question {
	if served := question.FindServed(s.cfg.Catalog.Served(), name); served != nil {
		return served.Question
	}
	return nil
}

// duration writes a time for people, to about three digits.
func duration(d time.Duration) string {
	return strings.NewReplacer("ms", " ms", "m", " min ", "h", " h ", "s", " s").Replace(durationText(d))
}

func durationText(d time.Duration) string {
	switch {
	case d < 0: // the clocks of two machines
		return "0s"
	case d < time.Millisecond:
		return "under 1ms"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	default:
		return d.Round(time.Second).String()
	}
}

// jobs: GET /jobs. Its query may have "before", the id of a job, and "status", as its links do.
func (s *Site) jobs(w http.ResponseWriter, r *http.Request, v View) error {
	before, f := r.URL.Query().Get("before"), question.JobFilter{Status: question.Status(r.URL.Query().Get("status"))}
	if f.Status != "" && !slices.Contains(question.Statuses, f.Status) {
		return question.Errorf(question.CodeBadRequest, `"status" is %.60q; it is one of %v`, f.Status, question.Statuses).WithParam("status")
	}
	page, err := s.cfg.Jobs.List(r.Context(), f, before, jobsPerPage)
	if err != nil {
		return err
	}
	p := &jobsPage{frame: s.frame(v, "/jobs", "Jobs"), Newer: before != "", States: []state{{Name: "all", Here: f.Status == ""}}}
	for _, status := range question.Statuses {
		p.States = append(p.States, state{url.Values{"status": {string(status)}}.Encode(), words[status], f.Status == status})
	}
	query := url.Values{}
	if f.Status != "" {
		query.Set("status", string(f.Status))
	}
	p.Query = query.Encode()
	if page.Next != "" {
		query.Set("before", page.Next)
		p.Older = query.Encode()
	}
	now := time.Now()
	for _, job := range page.Jobs {
		p.Jobs = append(p.Jobs, s.jobView(job, now))
	}
	return s.send(w, http.StatusOK, "jobs", p)
}

// job: GET /jobs/{id}.
func (s *Site) job(w http.ResponseWriter, r *http.Request, v View) error {
	job, err := s.cfg.Jobs.Get(r.Context(), r.PathValue("id"))
	switch question.CodeOf(err) {
	case "":
	case question.CodeUnknownJob, question.CodeBadID:
		return s.noJob(w, r, v, err)
	default:
		return err
	}
	p := &jobPage{
		frame: s.frame(v, "/jobs", "Job"), jobView: s.jobView(job, time.Now()), RetryOf: job.RetryOf,
		Attempts: job.Attempts, Started: job.Started, Finished: job.Finished, Asked: factsOf(job.Request),
	}
	if job.Error != nil {
		p.Reason = v.Fail(job.Error)
		p.Hints = p.Reason.Hint
	}
	if p.Done {
		for i := range s.cfg.Formats {
			if f := &s.cfg.Formats[i]; f.MediaType != "" && (f.Layout == "" || f.Layout == "original") {
				p.Downloads = append(p.Downloads, link{v.Under + p.Result + "?format=" + url.QueryEscape(f.Extension), f.Title})
			}
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	return s.send(w, http.StatusOK, "job", p)
}

// factsOf lists what a request asks, in canonical order.
func factsOf(req question.Request) (facts []fact) {
	values, err := url.ParseQuery(req.Query())
	if err != nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		for _, value := range values[name] {
			facts = append(facts, fact{name, value})
		}
	}
	return facts
}

// noJob says that there is no such job, or no longer, and offers the questions.
func (s *Site) noJob(w http.ResponseWriter, r *http.Request, v View, err error) error {
	e := v.Fail(err)
	p := &missingPage{frame: s.frame(v, "/jobs", "No such job"), ID: r.PathValue("id"), Reason: e}
	if at, err := question.ParseID(p.ID); err == nil {
		p.Made = at
	}
	for _, served := range s.cfg.Catalog.Served() {
		p.Questions = append(p.Questions, link{v.Under + "/q/" + url.PathEscape(served.Question.Name), label(served.Question.Title, served.Question.Name)})
	}
	w.Header().Set("Cache-Control", "no-store")
	return s.send(w, e.Code.Info().Status, "nojob", p)
}

// cancelJob: POST /jobs/{id}/cancel.
func (s *Site) cancelJob(w http.ResponseWriter, r *http.Request, v View) error {
	id := r.PathValue("id")
	// A client that leaves does not interrupt it.
	if _, err := s.cfg.Jobs.Cancel(context.WithoutCancel(r.Context()), id); err != nil && question.CodeOf(err) != question.CodeAlreadyFinal {
		return err
	}
	seeOther(w, v.Under+"/jobs/"+url.PathEscape(id)) // which says how it ended
	return nil
}

// retryJob: POST /jobs/{id}/retry.
func (s *Site) retryJob(w http.ResponseWriter, r *http.Request, v View) error {
	job, err := s.cfg.Jobs.Retry(context.WithoutCancel(r.Context()), r.PathValue("id"))
	if err != nil {
		return err
	}
	seeOther(w, v.Under+"/jobs/"+url.PathEscape(job.ID))
	return nil
}

// seeOther sends the client to another page of the site after it has changed something.
func seeOther(w http.ResponseWriter, path string) {
	w.Header().Set("Location", path)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusSeeOther)
}
