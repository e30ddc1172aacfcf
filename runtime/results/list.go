package results

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// What one page may cost whose jobs have to be read to tell whether they are selected. The
// page then is shorter than its limit, and says where to go on.
const (
	mostReads = 1000            // objects that are read
	mostNames = 100_000         // names of outcomes that are listed
	mostTime  = 2 * time.Second // until the last step begins
)

// List returns jobs, whether they have ended or not, newest first, from the first id below
// `before` ("": from the newest): at most limit of them, or all for limit 0. A page with
// fewer is the last one only if it has no Next. A job that ends meanwhile is listed once, as
// one or the other. Objects that are not such jobs are skipped and logged.
func (s *Store) List(ctx context.Context, f question.JobFilter, before string, limit int) (question.JobPage, error) {
	most := limit
	if limit > 0 {
		most++ // to see whether there is a next page
	}
	// A job that ends meanwhile becomes an outcome, so outcomes are read last.
	var pending, outcomes question.JobPage
	var err error
	if !f.Status.Final() {
		if pending, err = s.Pending(ctx, f, before, most); err != nil {
			return question.JobPage{}, err
		}
	}
	if f.Status == "" || f.Status.Final() {
		if outcomes, err = s.Outcomes(ctx, f, before, most); err != nil {
			return question.JobPage{}, err
		}
	}
	return merge(limit, pending, outcomes), nil
}

// merge returns the first limit jobs (0: all) of pages of the same listing. Of a job that is
// in several of them the last counts.
func merge(limit int, pages ...question.JobPage) question.JobPage {
	var out question.JobPage
	byID := map[string]*question.Job{}
	for _, p := range pages {
		out.Next = max(out.Next, p.Next) // below it a page is not complete
		for _, job := range p.Jobs {
			byID[job.ID] = job
		}
	}
	for id, job := range byID {
		if id >= out.Next {
			out.Jobs = append(out.Jobs, job)
		}
	}
	slices.SortFunc(out.Jobs, func(a, b *question.Job) int { return cmp.Compare(b.ID, a.ID) })
	if limit > 0 && len(out.Jobs) > limit {
		out.Jobs = out.Jobs[:limit]
		out.Next = out.Jobs[limit-1].ID
	}
	return out
}

// Pending is List for the jobs that have not ended. A job whose outcome was stored a
// moment ago may be among them.
func (s *Store) Pending(ctx context.Context, f question.JobFilter, before string, limit int) (question.JobPage, error) {
	if _, err := question.ParseID(before); err != nil && before != "" {
		return question.JobPage{}, err
	}
	r := s.reader(false)
	defer r.report()
	first := since(f)
	var ids []string
	for entry, err := range s.objects.List(ctx, pendingFolder, "") {
		if err != nil {
			return question.JobPage{}, unavailable(err)
		}
		id, ok := pendingID(entry.Name)
		switch {
		case !ok:
			r.skip(pendingFolder+entry.Name, errForeign)
		case id >= first && (before == "" || id < before) && f.May(id):
			ids = append(ids, id)
		}
	}
	slices.Reverse(ids)
	l := newListing(r, f, limit)
	err := l.read(ctx, ids)
	return l.page, err
}

// Outcomes is List for the jobs that have ended.
func (s *Store) Outcomes(ctx context.Context, f question.JobFilter, before string, limit int) (question.JobPage, error) {
	at, err := question.ParseID(before)
	if err != nil && before != "" {
		return question.JobPage{}, err
	}
	hours, err := s.hours(ctx, jobsFolder)
	if err != nil {
		return question.JobPage{}, err
	}
	r := s.reader(true)
	defer r.report()
	l := newListing(r, f, limit)
	first := since(f)
	if before != "" {
		hours = slices.DeleteFunc(hours, func(hour time.Time) bool { return hour.After(at) })
	}
	for _, hour := range slices.Backward(hours) {
		if !hour.Add(time.Hour).After(f.Since) {
			break
		}
		for more := true; more && !l.full; {
			n := l.names()
			ids, err := s.newest(ctx, r, hour, first, before, n)
			if err != nil {
				return question.JobPage{}, err
			}
			if more = len(ids) == n; more {
				before = ids[n-1]
			}
			if err := l.read(ctx, ids); err != nil {
				return question.JobPage{}, err
			}
		}
		if l.full {
			break
		}
	}
	return l.page, nil
}

// since returns a string that sorts above the ids that are too old for a filter, and not
// above others.
func since(f question.JobFilter) string {
	if f.Since.IsZero() {
		return ""
	}
	return bound(f.Since)
}

// listing is a page that grows.
type listing struct {
	*reader

	filter question.JobFilter
	limit  int // 0: none, and the costs are not bounded either
	page   question.JobPage
	full   bool // page.Next says where it ended
	end    time.Time
	seen   int // ids that were looked at
	reads  int
}

func newListing(r *reader, f question.JobFilter, limit int) *listing {
	return &listing{reader: r, filter: f, limit: limit, end: time.Now().Add(mostTime)}
}

// names returns how many ids to list next. The first step finds enough if a quarter of all is
// selected. Of one client's jobs the next one lists a whole hour, which costs less than its
// parts.
func (l *listing) names() int {
	switch {
	case l.limit == 0:
		return mostReads
	case !l.filter.Reads():
		return l.batch()
	case l.seen == 0:
		return 4 * l.limit
	case l.filter.Client == "":
		return mostReads
	default:
		return max(mostNames-l.seen, 1)
	}
}

// batch returns how many objects to read next.
func (l *listing) batch() int {
	if l.limit == 0 {
		return mostReads
	}
	missing := l.limit - len(l.page.Jobs)
	if l.filter.Reads() {
		return max(missing, 4*readers)
	}
	return min(missing, mostReads)
}

// read adds the selected ones of the jobs with these ids, newest first.
func (l *listing) read(ctx context.Context, ids []string) error {
	for rest := ids; len(rest) > 0; {
		n, batch := 0, make([]string, 0, min(l.batch(), len(rest)))
		for ; n < len(rest) && len(batch) < cap(batch); n++ {
			if l.filter.May(rest[n]) {
				batch = append(batch, rest[n])
			}
		}
		jobs, err := l.reader.read(ctx, batch)
		if err != nil {
			return err
		}
		last := rest[n-1]
		rest = rest[n:]
		l.seen, l.reads = l.seen+n, l.reads+len(batch)
		for _, job := range jobs {
			if !l.filter.Selects(job) {
				continue
			}
			if l.page.Jobs = append(l.page.Jobs, job); len(l.page.Jobs) == l.limit {
				l.full, l.page.Next = true, job.ID
				return nil
			}
		}
		if l.filter.Reads() && l.limit > 0 && (l.reads >= mostReads || l.seen >= mostNames || time.Now().After(l.end)) {
			l.full, l.page.Next = true, last
			if l.filter.Client != "" { // it may be another client's
				l.page.Next = question.UntagID(last)
			}
			return nil
		}
	}
	return nil
}
