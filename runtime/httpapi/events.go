package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const eventsType = "text/event-stream"

// eventSchema describes one event.
var eventSchema = object{"type": "object", "properties": object{
	"id": text, "event": object{"enum": []string{"state", "progress", "end"}}, "data": described("The job, as JSON.", text), "retry": object{"type": "integer"},
}}

// The bounds of a stream of events.
const (
	streamBeat  = 10 * time.Second // a client that hears nothing for longer may take the connection for dead
	streamWrite = 10 * time.Second // for one event; who reads slower is cut off
	streamLife  = 15 * time.Minute // then the stream ends, and its client comes again
	streamRetry = 2 * time.Second  // after which a client is to come again
)

// streams counts the streams of events that are open.
type streams struct {
	mu  sync.Mutex
	all int
	of  map[string]int // by the name of the client's key, "" for all without one; no zeros
}

// begin counts a stream of a client, or refuses it. A client whose key has a name gets half
// of limit at most, so that it does not take the streams of all others.
func (s *streams) begin(client string, limit int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := (limit + 1) / 2
	switch {
	case s.all >= limit:
		return question.Errorf(question.CodeTooManyStreams, "%d clients follow events, which is the limit: try again in a moment, or ask for the result with ?wait=", s.all)
	case client != "" && s.of[client] >= own:
		return question.Errorf(question.CodeTooManyStreams, "the key %q follows %d jobs, which is the limit of one key: end another stream first, or ask for the result with ?wait=", client, own)
	}
	s.all++
	s.of[client]++
	return nil
}

func (s *streams) end(client string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.of[client]--; s.of[client] == 0 {
		delete(s.of, client)
	}
}

// events: GET /api/jobs/{id}/events. It sends the job as it is, then each change, and ends
// after the job, or when no more is learned about it here: of a draining server, and of a
// cloud function, which sends its response whole. A client that names the last event that it
// has, as browsers do, does not get that one again; after the end it gets 204, which tells
// browsers to stop.
func (a *api) events(w *response, r *http.Request, _ url.Values) error {
	name := question.OriginOf(r.Context()).Client.Name
	if err := a.streams.begin(name, a.cfg.MaxStreams); err != nil {
		return err
	}
	defer a.streams.end(name)
	ctx, cancel := context.WithTimeout(r.Context(), streamLife)
	defer cancel()
	states, err := a.cfg.Jobs.Watch(ctx, r.PathValue("id"))
	if err != nil {
		return err
	}
	job := <-states
	w.setJob(job)
	s := &stream{w: w, to: http.NewResponseController(w), known: r.Header.Get("Last-Event-ID"), result: a.under(r.Header) + resultPath(job.ID)}
	if job.Status.Final() && s.known == eventID(job) {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	h := w.Header()
	h.Set("Content-Type", eventsType)
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back
	w.WriteHeader(http.StatusOK)
	if w.head {
		return nil
	}
	s.text = fmt.Appendf(s.text, "retry: %d\n\n", streamRetry.Milliseconds())
	s.follow(job, states)
	return nil
}

// stream sends events to a client.
type stream struct {
	w      *response
	to     *http.ResponseController
	known  string // the last event that the client has
	result string // where the result will be
	text   []byte // to be sent
}

// follow sends the job and what comes from states, until that is closed or the client has
// left.
func (s *stream) follow(job *question.Job, states <-chan *question.Job) {
	beat := time.NewTicker(streamBeat)
	defer beat.Stop()
	for {
		if id := eventID(job); id != s.known {
			s.known = id
			s.add(job)
		}
		if !s.send() {
			return
		}
		select {
		case next, more := <-states:
			if !more {
				s.send() // nothing, but the end of the response has time, too
				return
			}
			job = next
		case <-beat.C:
			s.progress(job)
		}
	}
}

// eventID identifies the event of a job's state: the same state has the same id, whichever
// process sends it.
func eventID(job *question.Job) string { return string(job.Status) + "-" + strconv.Itoa(job.Attempts) }

// event is the data of an event: the job without its result, and with Done where that is.
type event struct {
	question.Job

	Location string `json:"location,omitempty"`
}

// add adds the event of a job's state.
func (s *stream) add(job *question.Job) {
	name, data := "state", event{Job: detail(job)}
	if job.Status.Final() {
		name = "end"
	}
	if job.Status == question.Done {
		data.Location = s.result
	}
	s.text = fmt.Appendf(s.text, "id: %s\nevent: %s\ndata: %s\n\n", eventID(job), name, marshal(data))
}

// progress adds how long a running job has run, or a comment, so that the connection is seen
// to be alive.
func (s *stream) progress(job *question.Job) {
	if job.Status != question.Running {
		s.text = append(s.text, ": waiting\n\n"...)
		return
	}
	s.text = fmt.Appendf(s.text, "event: progress\ndata: {\"status\":\"running\",\"running_ms\":%d}\n\n", max(time.Since(job.Started).Milliseconds(), 0))
}

// send sends what was added. It returns false if the client cannot be reached.
func (s *stream) send() bool {
	_ = s.to.SetWriteDeadline(time.Now().Add(streamWrite)) // a response that is kept in memory has none
	if len(s.text) > 0 {
		if _, err := s.w.Write(s.text); err != nil {
			return false
		}
		s.text = nil
	}
	_ = s.to.Flush() // the next write reports what is wrong
	return true
}
