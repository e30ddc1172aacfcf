package sandbox

import (
	"sync"
	"time"
)

const (
	// maxGap is the longest time without an observation that counts. While jobs run the
	// clock is observed every clockTick and by each guest every turn, so a longer gap means
	// that the whole process stood still: SIGSTOP, a frozen container, a suspended machine.
	maxGap    = time.Second
	clockTick = 100 * time.Millisecond
)

// clock measures how long jobs take. Pauses of the process do not count. It is safe for
// concurrent use.
type clock struct {
	now func() time.Time

	mu      sync.Mutex
	jobs    int
	counted time.Duration // time while there were jobs, without pauses
	last    time.Time     // of the last observation, if there are jobs
	ticking bool
	timer   *time.Timer                  // nil until the first job
	waiting map[*stopwatch]chan struct{} // closed when the time is up
}

// stopwatch is the time of one job, or of loading a plugin. nil has no limit.
type stopwatch struct {
	clock        *clock
	start, limit time.Duration
}

// begin starts a stopwatch. The caller ends it.
func (c *clock) begin(limit time.Duration) *stopwatch {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.jobs == 0 {
		c.last = c.now()
	}
	c.jobs++
	if !c.ticking {
		c.ticking = true
		if c.timer == nil {
			c.timer = time.AfterFunc(clockTick, c.tick)
		} else {
			c.timer.Reset(clockTick)
		}
	}
	return &stopwatch{c, c.observe(), limit}
}

// observe returns the counted time. c.mu is held, and there are jobs.
func (c *clock) observe() time.Duration {
	now := c.now()
	if gap := now.Sub(c.last); gap <= maxGap {
		c.counted += gap
	}
	c.last = now
	return c.counted
}

// tick observes the clock while nothing else may, and wakes jobs that wait.
func (c *clock) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.jobs == 0 {
		c.ticking = false
		return
	}
	counted := c.observe()
	for t, expired := range c.waiting {
		if counted-t.start > t.limit {
			close(expired)
			delete(c.waiting, t)
		}
	}
	c.timer.Reset(clockTick)
}

// close stops the timer. There are no jobs.
func (c *clock) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
}

// elapsed returns how long the job has taken so far.
func (t *stopwatch) elapsed() time.Duration {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	return t.clock.observe() - t.start
}

// exceeded reports whether the time is up.
func (t *stopwatch) exceeded() bool { return t != nil && t.elapsed() > t.limit }

// expired returns a channel that is closed within about clockTick after the time is up.
func (t *stopwatch) expired() <-chan struct{} {
	if t == nil {
		return nil
	}
	c := t.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	expired, ok := c.waiting[t]
	if !ok {
		expired = make(chan struct{})
		if c.waiting == nil {
			c.waiting = map[*stopwatch]chan struct{}{}
		}
		c.waiting[t] = expired
	}
	return expired
}

// end ends the stopwatch.
func (t *stopwatch) end() {
	c := t.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	c.observe()
	c.jobs--
	delete(c.waiting, t)
}
