package jobs

import (
	"context"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const (
	lookEvery = 500 * time.Millisecond // how often the store is asked about a watched job that does not run here
	lookPause = 20 * time.Millisecond  // between two such calls, for all jobs together
)

// topic is a job that somebody watches. Pool.mu guards it, and only its holder sends.
type topic struct {
	last     *question.Job                      // what the watchers know
	watchers map[chan *question.Job]func() bool // to what stops waiting for the end of its context
}

// Watch returns a channel with the job as it is now, and then as it is after each change of
// its status or its start. A reader that is slower than the changes gets the last of them.
// The channel is closed after a job that is final, when ctx ends, and when this process
// learns no more about the job because the pool drains or stops. Errors are those of Get.
//
// Changes in this process are passed on at once. The store is asked about jobs that wait, or
// that other processes run: once for all who watch a job, each job at most every half second,
// and all jobs together at most 50 times a second. A watcher has no goroutine.
func (p *Pool) Watch(ctx context.Context, id string) (<-chan *question.Job, error) {
	job, err := p.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if final := p.recent.get(id); final != nil {
		job = final // it ended meanwhile
	} else if e := p.live[id]; e != nil && e.stored != nil && !job.Status.Final() {
		job = e.job
	}
	t := p.topics[id]
	if t != nil {
		if job.Status.Final() {
			p.changed(job)
		}
		job = t.last
	}
	w := make(chan *question.Job, 1)
	w <- job
	if job.Status.Final() || ctx.Err() != nil || p.running.Err() != nil || p.draining && p.live[id] == nil {
		close(w)
		return w, nil
	}
	if t == nil {
		t = &topic{last: job, watchers: map[chan *question.Job]func() bool{}}
		p.topics[id] = t
	}
	t.watchers[w] = context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if t.watchers[w] != nil {
			t.leave(w)
		}
		if len(t.watchers) == 0 && p.topics[id] == t {
			delete(p.topics, id)
		}
	})
	if !p.looking && !p.draining { // Close waits for the goroutines of a pool that drains
		p.looking = true
		p.wg.Go(p.look)
	}
	return w, nil
}

// leave closes the channel of a watcher. Pool.mu is held.
func (t *topic) leave(w chan *question.Job) {
	t.watchers[w]()
	delete(t.watchers, w)
	close(w)
}

// changed tells those who watch a job what it is now. p.mu is held.
func (p *Pool) changed(job *question.Job) {
	t := p.topics[job.ID]
	if t == nil || t.last.Status == job.Status && t.last.Attempts == job.Attempts && t.last.Started.Equal(job.Started) {
		return
	}
	t.last = job
	for w := range t.watchers {
		select {
		case <-w: // it has not been read
		default:
		}
		w <- job
	}
	if job.Status.Final() {
		p.unwatch(job.ID)
	}
}

// unwatch closes the channels of those who watch a job. p.mu is held.
func (p *Pool) unwatch(id string) {
	t := p.topics[id]
	if t == nil {
		return
	}
	for w := range t.watchers {
		t.leave(w)
	}
	delete(p.topics, id)
}

// unwatchAll is unwatch for all jobs, or for those that this process does not hold. p.mu is
// held.
func (p *Pool) unwatchAll(held bool) {
	for id := range p.topics {
		if held || p.live[id] == nil {
			p.unwatch(id)
		}
	}
}

// look asks the store about watched jobs until none is watched, or the pool drains.
func (p *Pool) look() {
	for sleep(p.taking, lookEvery) {
		ids, more := p.elsewhere()
		if !more {
			return
		}
		for _, id := range ids {
			ctx, cancel := p.call()
			job, err := p.Get(ctx, id)
			cancel()
			p.mu.Lock()
			switch {
			case err == nil && (job.Status.Final() || p.live[id] == nil):
				p.changed(job)
			case err != nil && !transient(err): // it is gone, and its watchers learn that when they ask again
				p.unwatch(id)
			}
			p.mu.Unlock()
			if !sleep(p.taking, lookPause) {
				break
			}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.looking = false
}

// elsewhere returns the watched jobs that do not run here, and whether any is watched.
// If none is, look has ended.
func (p *Pool) elsewhere() (ids []string, more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.topics) == 0 || p.draining {
		p.looking = false
		return nil, false
	}
	for id := range p.topics {
		if e := p.live[id]; e == nil || e.phase == waiting && time.Since(e.looked) > watchEvery {
			ids = append(ids, id)
		}
	}
	return ids, true
}
