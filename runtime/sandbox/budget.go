package sandbox

import (
	"fmt"
	"slices"
	"sync"
)

// budget is the memory that plugins may use, in bytes. Loaded plugins (code, images,
// columns) hold a fixed part; jobs share the rest. A job gets the most that it can use
// before it begins, first come, first served. Nobody who waits holds any part of it.
type budget struct {
	total   uint64
	least   uint64 // always left beside the loaded plugins
	reclaim func() // frees the memory of idle slots and of an idle compiler

	mu      sync.Mutex
	used    uint64
	kept    uint64 // the part of used that loaded plugins hold
	claims  []claim
	waiting []*waiter
}

// claim is the memory that a plugin needs while loaded, and for each of its jobs.
type claim struct{ kept, job uint64 }

type waiter struct {
	n     uint64
	ready chan struct{} // closed when the waiter has got n bytes
}

// keep takes the memory of a loaded plugin, until unkeep. It fails if a job of this
// plugin, or of one loaded before, would then never fit: it would wait for ever.
func (b *budget) keep(c claim) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	job := max(c.job, b.least)
	for _, other := range b.claims {
		job = max(job, other.job)
	}
	if b.kept+c.kept+job > b.total {
		return fmt.Errorf("it needs %s, and %s for each job; the sandbox has %s left of %s, of which %s are reserved for the largest job",
			humanBytes(c.kept), humanBytes(c.job), humanBytes(b.total-min(b.total, b.kept)), humanBytes(b.total), humanBytes(job))
	}
	b.claims = append(b.claims, c)
	b.kept += c.kept
	b.used += c.kept // may exceed total until running jobs have ended
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

// take takes n bytes, to be returned with give. It waits until they are available, or
// returns false when one of the channels is closed. The caller must not hold any other part of
// the budget.
func (b *budget) take(n uint64, done, stop, expired <-chan struct{}) bool {
	if b.try(n) {
		return true
	}
	b.mu.Lock()
	w := &waiter{n, make(chan struct{})}
	b.waiting = append(b.waiting, w)
	b.serve()
	b.mu.Unlock()
	// Only now: from here on, whoever becomes idle sees that somebody waits.
	b.reclaim()
	select {
	case <-w.ready:
		return true
	case <-done:
	case <-stop:
	case <-expired:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.waiting, w); i >= 0 {
		b.waiting = slices.Delete(b.waiting, i, i+1)
		b.serve() // the next may be smaller
		return false
	}
	b.used -= n // it was served at the same moment
	b.serve()
	return false
}

// try takes n bytes if they are available and nobody waits.
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

// serve gives waiters their bytes, in order of arrival.
func (b *budget) serve() {
	for len(b.waiting) > 0 && b.used+b.waiting[0].n <= b.total {
		w := b.waiting[0]
		b.waiting = slices.Delete(b.waiting, 0, 1)
		b.used += w.n
		close(w.ready)
	}
}

// waits returns the number of waiters.
func (b *budget) waits() int {
	_, n := b.state()
	return n
}

// state returns the bytes in use and the number of waiters.
func (b *budget) state() (used uint64, waiting int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used, len(b.waiting)
}
