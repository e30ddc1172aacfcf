package sandbox

import (
	"fmt"
	"slices"
	"sync"
)

// budget is the memory of the process that plugins may use, in bytes. What is
// kept for good (code, images, columns) comes off first; jobs share the rest:
// each gets all that it may ever use before it begins, in the order in which they
// came. Whoever waits holds nothing of it.
type budget struct {
	total   uint64
	least   uint64 // is always left beside what is kept
	reclaim func() // frees what idle slots and an idle compiler hold

	mu      sync.Mutex
	used    uint64
	kept    uint64 // part of used
	claims  []claim
	waiting []*waiter
}

// claim is what a plugin needs: bytes for good, and bytes for each of its jobs.
type claim struct{ kept, job uint64 }

type waiter struct {
	n     uint64
	ready chan struct{} // closed when n is the waiter's
}

// keep takes what a plugin needs for good, until it is given back by unkeep. It
// fails where a job of this plugin, or of one that is there already, would not fit
// beside what is kept: it would wait for ever.
func (b *budget) keep(c claim) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	job := max(c.job, b.least)
	for _, other := range b.claims {
		job = max(job, other.job)
	}
	if b.kept+c.kept+job > b.total {
		return fmt.Errorf("it needs %s, and a job of it %s; %s of the sandbox's budget of %s are left, of which %s are for the largest job",
			humanBytes(c.kept), humanBytes(c.job), humanBytes(b.total-min(b.total, b.kept)), humanBytes(b.total), humanBytes(job))
	}
	b.claims = append(b.claims, c)
	b.kept += c.kept
	b.used += c.kept // jobs that run may be above the budget for as long as they last
	return nil
}

func (b *budget) unkeep(c claim) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.claims, c); i >= 0 {
		b.claims = slices.Delete(b.claims, i, i+1)
		b.kept -= c.kept
		b.used -= c.kept
		b.serve()
	}
}

// take takes n bytes, and waits until they are there or done is closed or stop is;
// then it returns false. The caller holds nothing of the budget yet, and gives them
// back.
func (b *budget) take(n uint64, done, stop <-chan struct{}) bool {
	if b.try(n) {
		return true
	}
	b.mu.Lock()
	w := &waiter{n, make(chan struct{})}
	b.waiting = append(b.waiting, w)
	b.serve()
	b.mu.Unlock()
	// Only now: what goes idle from here on is freed by whoever sees that one waits.
	b.reclaim()
	select {
	case <-w.ready:
		return true
	case <-done:
	case <-stop:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.waiting, w); i >= 0 {
		b.waiting = slices.Delete(b.waiting, i, i+1)
		b.serve() // the next may be smaller
		return false
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
		b.waiting = slices.Delete(b.waiting, 0, 1)
		b.used += w.n
		close(w.ready)
	}
}

// waits returns how many wait.
func (b *budget) waits() int {
	_, n := b.state()
	return n
}

// state returns the bytes in use and how many wait.
func (b *budget) state() (used uint64, waiting int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used, len(b.waiting)
}
