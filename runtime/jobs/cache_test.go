package jobs

import (
	"strconv"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

func TestCache(t *testing.T) {
	var c cache
	put := func(id string, numbers int) {
		c.put(&question.Job{ID: id, Status: question.Done, Result: &question.Table{Columns: []question.Column{{Numbers: make([]float64, numbers)}}}})
	}
	check := func(count int, first, last string) {
		t.Helper()
		if len(c.jobs) != count || c.get(first) == nil || c.get(last) == nil {
			t.Errorf("%d jobs, want %d with %s and %s", len(c.jobs), count, first, last)
		}
		sum := 0
		for _, job := range c.jobs {
			sum += size(job)
		}
		if sum != c.bytes || sum > cacheBytes || len(c.order)-c.head != len(c.jobs) || len(c.order) > 2*cacheCount {
			t.Errorf("%d bytes counted, %d held; order %d from %d", c.bytes, sum, len(c.order), c.head)
		}
	}
	for i := range 3*cacheCount + 10 {
		put(strconv.Itoa(i), 1)
		put(strconv.Itoa(i), 1)
	}
	check(cacheCount, strconv.Itoa(2*cacheCount+10), strconv.Itoa(3*cacheCount+9))
	for i := range 100 {
		put("large"+strconv.Itoa(i), 1<<18)
	}
	check(7, "large93", "large99")
	put("too large", cacheBytes/8)
	if c.get("too large") != nil {
		t.Error("a job that is too large is kept")
	}
	check(7, "large93", "large99")
}
