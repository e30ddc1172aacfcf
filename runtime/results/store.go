// Package results keeps jobs and their results: Store is the contract that the
// rest of the program sees, Objects the small one that a folder (results/files)
// or a bucket (results/s3) implements.
//
// A job is two objects at most. "pending/<id>" holds the request and the attempts
// from acceptance until the job ended. "jobs/<hour>/<id>.json" holds the outcome,
// is created once and never changed; the hour is the id's, in UTC.
package results

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const (
	// readers is how many objects a listing reads at a time.
	readers = 16
	// batchSize is how many objects are read or removed in one step.
	batchSize = 1000
	// sparse is how many outcomes of an hour are listed before the rest of the
	// hour is skipped on the way to its newest ones.
	sparse = 3000
)

// Store keeps jobs in Objects. Its methods are safe for concurrent use, Close
// apart. Their errors are *question.Error: CodeStoreUnavailable wraps the cause
// when the store does not answer or ctx ended, CodeBadID is an id that is none,
// CodeInternal names the key of an object that is not what it should be.
type Store struct {
	// Log is told what a listing skipped. Set it before the first call; nil is
	// slog.Default().
	Log *slog.Logger

	objects Objects
}

// New returns a store over o, which Close closes.
func New(o Objects) *Store { return &Store{objects: o} }

// PutPending creates or overwrites the record of a job that has not ended.
func (s *Store) PutPending(ctx context.Context, job *question.Job) error {
	if _, ok := parseID(job.ID); !ok {
		return badID(job.ID)
	}
	if job.Status.Final() {
		return question.Errorf(question.CodeInternal, "job %s is %s: it has an outcome and is not pending", job.ID, job.Status)
	}
	data, err := encode(job)
	if err != nil {
		return question.Errorf(question.CodeInternal, "job %s cannot be written as JSON: %w", job.ID, err)
	}
	return unavailable(s.objects.Put(ctx, pendingKey(job.ID), data))
}

// DeletePending removes the record that PutPending made. A missing one is no error.
func (s *Store) DeletePending(ctx context.Context, id string) error {
	if _, ok := parseID(id); !ok {
		return badID(id)
	}
	return unavailable(s.objects.Delete(ctx, pendingKey(id)))
}

// PutOutcome stores how a job ended, once: false when there is an outcome
// already, which stays as it is.
func (s *Store) PutOutcome(ctx context.Context, job *question.Job) (created bool, err error) {
	at, ok := parseID(job.ID)
	if !ok {
		return false, badID(job.ID)
	}
	if !job.Status.Final() {
		return false, question.Errorf(question.CodeInternal, "job %s is %s: it has no outcome yet", job.ID, job.Status)
	}
	data, err := encode(job)
	if err != nil {
		return false, question.Errorf(question.CodeInternal, "job %s cannot be written as JSON: %w", job.ID, err)
	}
	created, err = s.objects.Create(ctx, outcomeKey(job.ID, at), data)
	return created, unavailable(err)
}

// Get returns a job: its outcome if it has ended, else the record of PutPending.
// CodeUnknownJob when there is neither.
func (s *Store) Get(ctx context.Context, id string) (*question.Job, error) {
	at, ok := parseID(id)
	if !ok {
		return nil, badID(id)
	}
	// The job may end between the first two reads: then the pending record is
	// gone, and the outcome is there.
	outcome := outcomeKey(id, at)
	for _, key := range [...]string{outcome, pendingKey(id), outcome} {
		data, err := s.objects.Get(ctx, key, 0)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, unavailable(err)
		}
		job, err := decode(id, data)
		if err == nil {
			err = checkStatus(job, key == outcome)
		}
		if err != nil {
			return nil, question.Errorf(question.CodeInternal, "the stored object %s is damaged: %w", key, err)
		}
		return job, nil
	}
	return nil, question.Errorf(question.CodeUnknownJob, "there is no job %s; it may have been removed after its time", id).About("id")
}

// Pending returns the jobs that have not ended, oldest first, from the first id
// after `after` ("": from the oldest): limit of them, or all for limit 0. Fewer
// than limit: there are no more. A job whose outcome was stored a moment ago may
// be among them. Objects that are not such jobs are skipped and logged.
func (s *Store) Pending(ctx context.Context, after string, limit int) ([]*question.Job, error) {
	if _, ok := parseID(after); !ok && after != "" {
		return nil, badID(after)
	}
	r := s.reader(false)
	var jobs []*question.Job
	var batch []string
	read := func() error {
		more, err := r.read(ctx, batch)
		jobs, batch = append(jobs, more...), batch[:0]
		return err
	}
	for name, err := range s.objects.List(ctx, pendingFolder, after) {
		if err != nil {
			return nil, unavailable(err)
		}
		id, ok := pendingID(name)
		if !ok {
			r.skip(pendingFolder+name, errForeign)
			continue
		}
		batch = append(batch, id)
		if len(batch) == wanted(limit, len(jobs)) {
			if err := read(); err != nil {
				return nil, err
			}
			if len(jobs) == limit {
				break
			}
		}
	}
	if err := read(); err != nil {
		return nil, err
	}
	r.report()
	return jobs, nil
}

// Outcomes returns jobs that have ended, without their results, newest first,
// from the first id below `before` ("": from the newest): limit of them, or all
// for limit 0. Fewer than limit: there are no more. Objects that are not such
// jobs are skipped and logged.
func (s *Store) Outcomes(ctx context.Context, before string, limit int) ([]*question.Job, error) {
	at, ok := parseID(before)
	if !ok && before != "" {
		return nil, badID(before)
	}
	hours, err := s.hours(ctx, jobsFolder)
	if err != nil {
		return nil, err
	}
	r := s.reader(true)
	var jobs []*question.Job
	for _, hour := range slices.Backward(hours) {
		if before != "" && hour.After(at) {
			continue
		}
		for {
			n := wanted(limit, len(jobs))
			ids, err := s.newest(ctx, r, hour, before, n)
			if err != nil {
				return nil, err
			}
			more, err := r.read(ctx, ids)
			if err != nil {
				return nil, err
			}
			jobs = append(jobs, more...)
			if limit > 0 && len(jobs) == limit {
				r.report()
				return jobs, nil
			}
			if len(ids) < n { // the hour has no more
				break
			}
			before = ids[len(ids)-1]
		}
	}
	r.report()
	return jobs, nil
}

// Sweep removes the outcomes, and what Share stored, of the hours that ended before
// olderThan, and returns how many objects it removed, also with an error. It never
// removes a pending job or an object that is none of these.
func (s *Store) Sweep(ctx context.Context, olderThan time.Time) (removed int, err error) {
	removed, err = s.sweep(ctx, jobsFolder, olderThan, func(hour time.Time, name string) bool {
		_, ok := outcomeID(hour, name)
		return ok
	})
	if err != nil {
		return removed, err
	}
	shared, err := s.sweep(ctx, sharedFolder, olderThan, func(_ time.Time, name string) bool { return !strings.HasSuffix(name, "/") })
	return removed + shared, err
}

// sweep removes what is ours of the hours in a folder that ended before olderThan.
func (s *Store) sweep(ctx context.Context, folder string, olderThan time.Time, ours func(hour time.Time, name string) bool) (removed int, err error) {
	hours, err := s.hours(ctx, folder)
	if err != nil {
		return 0, err
	}
	var keys []string
	remove := func() error {
		if len(keys) == 0 {
			return nil
		}
		if err := s.objects.Delete(ctx, keys...); err != nil {
			return unavailable(err)
		}
		removed, keys = removed+len(keys), keys[:0]
		return nil
	}
	for _, hour := range hours {
		if hour.Add(time.Hour).After(olderThan) {
			break
		}
		at := hourFolder(folder, hour)
		for name, err := range s.objects.List(ctx, at, "") {
			if err != nil {
				return removed, unavailable(err)
			}
			if !ours(hour, name) {
				continue
			}
			if keys = append(keys, at+name); len(keys) == batchSize {
				if err := remove(); err != nil {
					return removed, err
				}
			}
		}
		if err := remove(); err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// Ping tells, cheaply, whether the store would take a job now.
func (s *Store) Ping(ctx context.Context) error { return unavailable(s.objects.Ping(ctx)) }

// Close closes the objects. No other method may be called after it.
func (s *Store) Close() error { return s.objects.Close() }

// hours returns the hours that have objects in a folder, oldest first.
func (s *Store) hours(ctx context.Context, folder string) ([]time.Time, error) {
	var hours []time.Time
	for name, err := range s.objects.List(ctx, folder, "") {
		if err != nil {
			return nil, unavailable(err)
		}
		if hour, ok := parseHour(name); ok {
			hours = append(hours, hour)
		}
	}
	return hours, nil
}

// newest returns the n newest ids of an hour below `before`, newest first. Names
// can be listed in ascending order only, so in a full hour it lists the last
// moments first and then longer ones.
func (s *Store) newest(ctx context.Context, r *reader, hour time.Time, before string, n int) ([]string, error) {
	ids, ended, err := s.list(ctx, r, hour, "", before, sparse)
	if err != nil {
		return nil, err
	}
	if !ended {
		first, _ := parseID(ids[0])
		last, _ := parseID(ids[len(ids)-1])
		window := max(100*time.Millisecond, 2*time.Duration(n)*last.Sub(first)/sparse)
		end := hour.Add(time.Hour)
		if now := time.Now(); now.Before(end) {
			end = now
		}
		if at, ok := parseID(before); ok && at.Before(end) {
			end = at
		}
		for ids = nil; len(ids) < n && !ended; window *= 8 {
			from := end.Add(-window)
			ended = !from.After(hour)
			if ids, _, err = s.list(ctx, r, hour, bound(from), before, 0); err != nil {
				return nil, err
			}
		}
	}
	ids = ids[max(0, len(ids)-n):]
	slices.Reverse(ids)
	return ids, nil
}

// list returns the ids of an hour between two bounds ("" is open), oldest first;
// ended is false when it stopped at limit ids (0: it does not).
func (s *Store) list(ctx context.Context, r *reader, hour time.Time, after, before string, limit int) (ids []string, ended bool, err error) {
	folder := hourFolder(jobsFolder, hour)
	for name, err := range s.objects.List(ctx, folder, after) {
		if err != nil {
			return nil, false, unavailable(err)
		}
		id, ok := outcomeID(hour, name)
		if !ok {
			r.skip(folder+name, errForeign)
			continue
		}
		if before != "" && id >= before {
			break
		}
		if ids = append(ids, id); len(ids) == limit {
			return ids, false, nil
		}
	}
	return ids, true, nil
}

func hourFolder(folder string, hour time.Time) string {
	return folder + hour.Format(hourFormat) + "/"
}

// wanted is how many objects to read next when there are n and limit are wanted.
func wanted(limit, n int) int {
	if limit <= 0 {
		return batchSize
	}
	return min(limit-n, batchSize)
}

// reader reads the objects of one listing and remembers what it skipped.
type reader struct {
	store    *Store
	outcomes bool // else pending
	skipped  map[string]error
}

var errForeign = errors.New("its name is not that of a job")

func (s *Store) reader(outcomes bool) *reader {
	return &reader{store: s, outcomes: outcomes, skipped: map[string]error{}}
}

func (r *reader) skip(key string, why error) { r.skipped[key] = why }

// report logs one line for all that the listing skipped.
func (r *reader) report() {
	if len(r.skipped) == 0 {
		return
	}
	key := ""
	for k := range r.skipped {
		if key == "" || k < key {
			key = k
		}
	}
	log := r.store.Log
	if log == nil {
		log = slog.Default()
	}
	log.Warn("objects in the store that are not jobs were skipped",
		"count", len(r.skipped), "first", key, "reason", r.skipped[key])
}

// read returns the jobs of the ids in their order. One that has gone is left out;
// one that is damaged is skipped.
func (r *reader) read(ctx context.Context, ids []string) ([]*question.Job, error) {
	jobs := make([]*question.Job, len(ids))
	damage := make([]error, len(ids))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for i, id := range ids {
		group.Go(func() (err error) {
			jobs[i], damage[i], err = r.readOne(ctx, id)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, unavailable(err)
	}
	for i, err := range damage {
		if err != nil {
			r.skip(r.key(ids[i]), err)
		}
	}
	return slices.DeleteFunc(jobs, func(job *question.Job) bool { return job == nil }), nil
}

func (r *reader) key(id string) string {
	if !r.outcomes {
		return pendingKey(id)
	}
	at, _ := parseID(id)
	return outcomeKey(id, at)
}

func (r *reader) readOne(ctx context.Context, id string) (job *question.Job, damage, err error) {
	limit := 0
	if r.outcomes {
		limit = headSize
	}
	data, err := r.store.objects.Get(ctx, r.key(id), limit)
	if err == nil && limit > 0 {
		if head, ok := cutHead(data); ok {
			data = head
		} else if len(data) == limit { // a long request
			data, err = r.store.objects.Get(ctx, r.key(id), 0)
		}
	}
	if errors.Is(err, ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if job, damage = decode(id, data); damage == nil {
		damage = checkStatus(job, r.outcomes)
	}
	if damage != nil {
		return nil, damage, nil
	}
	job.Result = nil
	return job, nil, nil
}

// checkStatus holds that outcomes are final and pending jobs are not.
func checkStatus(job *question.Job, outcome bool) error {
	if job.Status.Final() != outcome || !outcome && job.Status != question.Queued && job.Status != question.Running {
		return errors.New("its status is " + string(job.Status))
	}
	return nil
}

// unavailable returns an adapter's error as one that a user can be shown.
func unavailable(err error) error {
	var e *question.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return err
	default:
		return question.Errorf(question.CodeStoreUnavailable, "the store does not answer: %w", err)
	}
}
