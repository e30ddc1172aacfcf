package sandbox

import (
	"fmt"
	"sync"
)

// budget is the memory of the process that plugins may use, in bytes. What is
// kept for good (code, images, columns) comes off first; jobs share the rest:
// each gets all that it may ever use before it begins, in the order in which they
// came.
type budget struct {
	total   uint64
	reclaim func() // frees what idle slots hold

	mu      sync.Mutex
	used    uint64
	kept    uint64 // part of used
	waiting []*waiter
}

type waiter struct {
	n     uint64
	ready chan struct{} // closed when n is the waiter's
}

// keep takes n bytes for good, until they are given back by unkeep. It fails
// where a job of the size job would not fit beside what is kept.
func (b *budget) keep(n, job uint64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kept+n+job > b.total {
		return fmt.Errorf("it needs %s, and a job of it %s; %s of the sandbox's budget of %s are left",
			humanBytes(n), humanBytes(job), humanBytes(b.total-min(b.total, b.kept)), humanBytes(b.total))
	}
	b.kept += n
	b.used += n // jobs that run may be above the budget for as long as they last
	return nil
}

func (b *budget) unkeep(n uint64) {
	b.mu.Lock()
	b.kept -= n
	b.mu.Unlock()
	b.give(n)
}

// take takes n bytes for a job, and waits until they are there or done is closed
// or stop is; then it returns false. The caller gives them back.
func (b *budget) take(n uint64, done, stop <-chan struct{}) bool {
	if b.try(n) {
		return true
	}
	b.reclaim()
	b.mu.Lock()
	w := &waiter{n, make(chan struct{})}
	b.waiting = append(b.waiting, w)
	b.serve()
	b.mu.Unlock()
	select {
	case <-w.ready:
		return true
	case <-done:
	case <-stop:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, other := range b.waiting {
		if other == w {
			b.waiting = append(b.waiting[:i], b.waiting[i+1:]...)
			b.serve() // the next may be smaller
			return false
		}
	}
	b.used -= n // it was served in the same instant
	b.serve()
	return false
}

// try takes n bytes if they are there and nobody waits.
func (b *budget) try(n uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) > 0 || b.used+n > b.total {
		return false
	}
	b.used += n
	return true
}

func (b *budget) give(n uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= n
	b.serve()
}

// serve gives those that wait their bytes, the first one first.
func (b *budget) serve() {
	for len(b.waiting) > 0 && b.used+b.waiting[0].n <= b.total {
		w := b.waiting[0]
		b.waiting = append(b.waiting[:0], b.waiting[1:]...)
		b.used += w.n
		close(w.ready)
	}
}

// waits returns how many jobs wait.
func (b *budget) waits() int {
	_, n := b.state()
	return n
}

// state returns the bytes in use and how many jobs wait.
func (b *budget) state() (used uint64, waiting int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used, len(b.waiting)
}
