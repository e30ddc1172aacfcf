package jobs

import "github.com/le-stats-sportifs/lestats/runtime/question"

const (
	cacheCount = 4096
	cacheBytes = 16 << 20
)

// cache holds outcomes that were just written, so that the poll after a submit
// does not read the store. An outcome never changes, so it is never stale; the
// oldest leave first. The zero value is ready.
type cache struct {
	jobs  map[string]*question.Job
	order []string // oldest first, from head on
	head  int
	bytes int
}

func (c *cache) get(id string) *question.Job { return c.jobs[id] }

func (c *cache) put(job *question.Job) {
	n := size(job)
	if _, ok := c.jobs[job.ID]; ok || n > cacheBytes/4 {
		return
	}
	if c.jobs == nil {
		c.jobs = map[string]*question.Job{}
	}
	for len(c.jobs) == cacheCount || c.bytes+n > cacheBytes {
		c.drop()
	}
	c.jobs[job.ID] = job
	c.order = append(c.order, job.ID)
	c.bytes += n
}

func (c *cache) drop() {
	id := c.order[c.head]
	c.head++
	c.bytes -= size(c.jobs[id])
	delete(c.jobs, id)
	if c.head == cacheCount { // once in so many, so that order does not grow
		c.order = append(c.order[:0], c.order[c.head:]...)
		c.head = 0
	}
}

// size estimates the memory of a job in bytes.
func size(job *question.Job) int {
	n := 1 << 10
	if job.Result == nil {
		return n
	}
	for i := range job.Result.Columns {
		col := &job.Result.Columns[i]
		n += 256 + 8*len(col.Numbers) + 8*len(col.Integers) + 4*len(col.Codes) + len(col.Valid)
		for _, s := range col.Dict {
			n += 16 + len(s)
		}
	}
	return n
}
