// Package results keeps jobs and their results. Store is what the rest of the program
// uses; Objects is the small interface beneath it, which a folder (results/files) and a
// bucket (results/s3) implement.
//
// A job has at most two objects, and a third if its request had a key. "pending/<id>" holds the request and the attempts
// from acceptance until the job has ended. "jobs/<hour>/<id>.json" holds the outcome;
// it is created once and never changes. The hour is that of the id, in UTC.
// "keys/<hash>" says which job a client's Idempotency-Key makes.
package results

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const (
	// readers is how many objects a listing reads concurrently.
	readers = 16
	// batchSize is how many objects are read or removed in one step.
	batchSize = 1000
	// sparse is how many outcomes of an hour are listed before the rest of the
	// hour is skipped on the way to its newest ones.
	sparse = 3000
)

// Store keeps jobs in Objects. Its methods except Close are safe for concurrent use.
// Their errors are *question.Error: CodeStoreUnavailable wraps the cause when the store
// does not answer or ctx ended, CodeBadID means that an id is malformed, and
// CodeInternal names the key of a damaged object.
type Store struct {
	// Log gets a line for what a listing skipped. Set it before the first call; nil is
	// slog.Default().
	Log *slog.Logger

	objects Objects
}

// New returns a store over o, which Close closes.
func New(o Objects) *Store { return &Store{objects: o} }

// PutPending creates or overwrites the record of a job that has not ended.
func (s *Store) PutPending(ctx context.Context, job *question.Job) error {
	if _, err := question.ParseID(job.ID); err != nil {
		return err
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

// DeletePending removes the record that PutPending made. A missing record is not an error.
func (s *Store) DeletePending(ctx context.Context, id string) error {
	if _, err := question.ParseID(id); err != nil {
		return err
	}
	return unavailable(s.objects.Delete(ctx, pendingKey(id)))
}

// PutOutcome stores how a job ended. Only the first outcome is kept: created is false
// when there was one already.
func (s *Store) PutOutcome(ctx context.Context, job *question.Job) (created bool, err error) {
	at, err := question.ParseID(job.ID)
	if err != nil {
		return false, err
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

// Get returns a job: its outcome if it has ended, else its pending record. The error
// has CodeUnknownJob when there is neither.
func (s *Store) Get(ctx context.Context, id string) (*question.Job, error) {
	at, err := question.ParseID(id)
	if err != nil {
		return nil, err
	}
	// The job may end between the first two reads: then the pending record is
	// gone, and the outcome is there.
	outcome := outcomeKey(id, at)
	for _, key := range [...]string{outcome, pendingKey(id), outcome} {
		data, err := s.objects.Get(ctx, key, 0)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		var job *question.Job
		switch {
		case errors.Is(err, ErrNotObject):
		case err != nil:
			return nil, unavailable(err)
		default:
			if job, err = decode(id, data); err == nil {
				err = checkStatus(job, key == outcome)
			}
		}
		if err != nil {
			return nil, question.Errorf(question.CodeInternal, "the stored object %s is damaged: %w", key, err)
		}
		return job, nil
	}
	return nil, question.UnknownJob(id)
}

// PendingIDs returns the ids of the jobs that have not ended. It reads no records, and
// writes nothing.
func (s *Store) PendingIDs(ctx context.Context) (ids []string, err error) {
	for entry, err := range s.objects.List(ctx, pendingFolder, "") {
		if err != nil {
			return nil, unavailable(err)
		}
		if id, ok := pendingID(entry.Name); ok {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// PendingTimes returns when each job that has not ended was last written, and the time
// after that listing; both by the store's own clock. It reads no records: the time for
// 10,000 of them in a folder is about 30 ms.
func (s *Store) PendingTimes(ctx context.Context) (written map[string]time.Time, now time.Time, err error) {
	written = map[string]time.Time{}
	for entry, err := range s.objects.List(ctx, pendingFolder, "") {
		if err != nil {
			return nil, time.Time{}, unavailable(err)
		}
		if id, ok := pendingID(entry.Name); ok {
			written[id] = entry.Modified
		}
	}
	// A bucket's clock is known from its last answer, so it is asked last.
	now, err = s.objects.Now(ctx)
	return written, now, unavailable(err)
}

// AloneSince returns the time, by the store's clock, at which the store was opened
// without any other process using it: whoever wrote a record up to then has ended. It
// is zero if others were there, or if the store cannot tell. Others may have opened the
// store since.
func (s *Store) AloneSince() time.Time {
	if o, ok := s.objects.(Exclusive); ok {
		return o.AloneSince()
	}
	return time.Time{}
}

// ErrSweepsAll means that a sweep would remove every older outcome.
var ErrSweepsAll = errors.New("every older result would be removed, so the clock is more likely to be wrong than the results to be old")

// Sweep removes the outcomes, and what Share stored, that were written longer than keep
// ago by the store's clock, and returns how many objects it removed, also with an
// error. Other objects stay, pending records among them. An outcome whose id has a
// later time than its object, by a clock that was ahead, stays that much longer.
//
// If all outcomes that were written before since, by the store's clock, would be
// removed, none is, and the error is ErrSweepsAll; a zero since disables this check.
func (s *Store) Sweep(ctx context.Context, keep time.Duration, since time.Time) (removed int, err error) {
	now, err := s.objects.Now(ctx)
	if err != nil {
		return 0, unavailable(err)
	}
	old := now.Add(-keep)
	if !since.IsZero() {
		if all, err := s.sweepsAll(ctx, old, since); err != nil || all {
			return 0, cmp.Or(err, ErrSweepsAll)
		}
	}
	removed, err = s.sweep(ctx, jobsFolder, old, isOutcome)
	if err != nil {
		return removed, err
	}
	shared, err := s.sweep(ctx, sharedFolder, old, func(_ time.Time, entry Entry) bool { return !entry.Folder() })
	return removed + shared, err
}

func isOutcome(hour time.Time, entry Entry) bool {
	_, ok := outcomeID(hour, entry.Name)
	return ok
}

// sweepsAll reports whether all outcomes that were written before since were written
// before old too, and there is one.
func (s *Store) sweepsAll(ctx context.Context, old, since time.Time) (all bool, err error) {
	for listed, err := range s.hourly(ctx, jobsFolder, since, isOutcome) {
		if err != nil {
			return false, err
		}
		if listed.Modified.Before(since) {
			if !listed.Modified.Before(old) {
				return false, nil
			}
			all = true
		}
	}
	return all, nil
}

// sweep removes the objects of the hours in a folder that are ours and were written
// before old.
func (s *Store) sweep(ctx context.Context, folder string, old time.Time, ours func(hour time.Time, entry Entry) bool) (removed int, err error) {
	return s.remove(ctx, old, s.hourly(ctx, folder, old, ours))
}

// remove removes the objects of a listing that were written before old.
func (s *Store) remove(ctx context.Context, old time.Time, listing iter.Seq2[keyed, error]) (removed int, err error) {
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
	for listed, err := range listing {
		if err != nil {
			return removed, err
		}
		if !listed.Modified.Before(old) {
			continue
		}
		if keys = append(keys, listed.key); len(keys) == batchSize {
			if err := remove(); err != nil {
				return removed, err
			}
		}
	}
	err = remove()
	return removed, err
}

// keyed is an entry with its key.
type keyed struct {
	Entry

	key string
}

// hourly yields our entries in the hours of a folder that begin before end, oldest hour
// first. After an error it ends.
func (s *Store) hourly(ctx context.Context, folder string, end time.Time, ours func(hour time.Time, entry Entry) bool) iter.Seq2[keyed, error] {
	return func(yield func(keyed, error) bool) {
		hours, err := s.hours(ctx, folder)
		if err != nil {
			yield(keyed{}, err)
			return
		}
		for _, hour := range hours {
			if !hour.Before(end) {
				return
			}
			at := hourFolder(folder, hour)
			for entry, err := range s.objects.List(ctx, at, "") {
				if err != nil {
					yield(keyed{}, unavailable(err))
					return
				}
				if ours(hour, entry) && !yield(keyed{entry, at + entry.Name}, nil) {
					return
				}
			}
		}
	}
}

// Ping checks cheaply whether the store can take a job now.
func (s *Store) Ping(ctx context.Context) error { return unavailable(s.objects.Ping(ctx)) }

// Close closes the objects. No other method may be called after it.
func (s *Store) Close() error { return s.objects.Close() }

// hours returns the hours that have objects in a folder, oldest first.
func (s *Store) hours(ctx context.Context, folder string) ([]time.Time, error) {
	var hours []time.Time
	for entry, err := range s.objects.List(ctx, folder, "") {
		if err != nil {
			return nil, unavailable(err)
		}
		if hour, ok := parseHour(entry.Name); ok {
			hours = append(hours, hour)
		}
	}
	return hours, nil
}

// newest returns the n newest ids of an hour from `first` on ("": from its beginning) and
// below `before`, newest first. Names can be listed in ascending order only, so in a full
// hour it lists the last moments first and then longer ones.
func (s *Store) newest(ctx context.Context, r *reader, hour time.Time, first, before string, n int) ([]string, error) {
	ids, ended, err := s.list(ctx, r, hour, first, before, max(n, sparse))
	if err != nil {
		return nil, err
	}
	if !ended {
		oldest, _ := question.ParseID(ids[0])
		last, _ := question.ParseID(ids[len(ids)-1])
		window := max(100*time.Millisecond, 2*time.Duration(n)*last.Sub(oldest)/time.Duration(len(ids)))
		end := hour.Add(time.Hour)
		if now := time.Now(); now.Before(end) {
			end = now
		}
		if at, err := question.ParseID(before); err == nil && at.Before(end) {
			end = at
		}
		for ids = nil; len(ids) < n && !ended; window *= 8 {
			from := bound(end.Add(-window))
			if ended = from <= max(first, bound(hour)); ended {
				from = first
			}
			if ids, _, err = s.list(ctx, r, hour, from, before, 0); err != nil {
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
	for entry, err := range s.objects.List(ctx, folder, after) {
		if err != nil {
			return nil, false, unavailable(err)
		}
		id, ok := outcomeID(hour, entry.Name)
		if !ok {
			r.skip(folder+entry.Name, errForeign)
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

// reader reads the objects of one listing and remembers what it skipped.
type reader struct {
	store    *Store
	outcomes bool // else pending
	skipped  map[string]error
}

var errForeign = errors.New("its name is not the name of a job")

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

// read returns the jobs with these ids, in this order. It leaves out jobs that are gone
// and skips damaged ones.
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
	at, _ := question.ParseID(id)
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
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, nil, nil
	case errors.Is(err, ErrNotObject):
		return nil, err, nil
	case err != nil:
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

// checkStatus checks that an outcome is final and that a pending job is not.
func checkStatus(job *question.Job, outcome bool) error {
	if job.Status.Final() != outcome || !outcome && job.Status != question.Queued && job.Status != question.Running {
		return errors.New("its status is " + string(job.Status))
	}
	return nil
}

// unavailable makes an adapter's error a *question.Error, unless it is one already.
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
