package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash/maphash"
	"io/fs"
	"maps"
	goruntime "runtime"
	"slices"
	"sync"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// retryAfter is the delay before a file is tried again that could not be read, or was
// refused for a reason outside of the file.
const retryAfter = 5 * time.Second

// candidate is one version of a file that could be loaded.
type candidate struct {
	info      question.PluginInfo // Serving
	holder    *holder
	questions []question.ServedQuestion
}

func (c *candidate) manifest() *question.Manifest { return c.holder.Manifest() }

func badPlugin(format string, args ...any) *question.Error {
	return question.Errorf(question.CodeBadPlugin, format, args...)
}

// reconcile lists the sources that are due, loads new files and publishes a new snapshot.
// The first time it does not wait for files to settle, because whoever starts the program
// has its files in order. It reports whether files have yet to settle, so that the next
// call should be soon.
func (c *Catalog) reconcile(ctx context.Context, now time.Time, first bool) (unsettled bool) {
	changed := first
	if !first && c.lock.refresh(c.cfg.Log, c.cfg.Debounce) {
		changed = true
		for _, p := range c.sources {
			p.recheck(c.lock)
		}
	}
	start := time.Now()
	elapsed := func() time.Time { return now.Add(time.Since(start)) } // other sources may be slow
	var fresh []task
	for _, p := range c.sources {
		if !first && (p.fixed() || now.Before(p.due)) {
			continue
		}
		p.due = now.Add(c.cfg.Poll - time.Millisecond) // the next tick must not be too early
		if p.Bucket != nil {
			p.due = now.Add(c.cfg.PollBucket - time.Millisecond)
		}
		before := elapsed()
		entries, err := p.list(ctx)
		if ctx.Err() != nil {
			return false
		}
		changed = p.setListError(err) || changed
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			continue // unlisted files may still be there
		}
		settle := c.cfg.Debounce
		if first {
			settle = 0
		}
		more, removed, wait := p.update(entries, before, elapsed(), settle)
		fresh = append(fresh, more...)
		changed, unsettled = changed || removed, unsettled || wait
		if wait {
			p.due = now
		}
	}
	if c.loadAll(ctx, now, fresh) || changed {
		c.publish(ctx, first) // even if ctx has ended, so that every loaded plugin has an owner
	}
	return unsettled
}

// setListError records the outcome of listing, and reports whether it changed.
func (p *source) setListError(err error) bool {
	before := p.err
	switch {
	case err == nil, p.Optional && errors.Is(err, fs.ErrNotExist):
		p.err = nil
	case p.Bucket != nil:
		p.err = badPlugin("the bucket cannot be listed (plugins already served from it stay): %w", err)
	case errors.Is(err, fs.ErrNotExist):
		p.err = badPlugin("the folder cannot be read: %w; plugins in it are served once it exists", err)
	default:
		p.err = badPlugin("the folder cannot be read (plugins already served from it stay): %w", err)
	}
	return (before == nil) != (p.err == nil) || before != nil && before.Reason != p.err.Reason
}

// task is a file to load.
type task struct {
	source *source
	file   *file
}

// update brings the known files up to date with a listing, made between two times, and
// returns those to load. A file has settled if it did not change between two listings that
// are at least settle apart.
func (p *source) update(entries []entry, before, after time.Time, settle time.Duration) (fresh []task, removed, wait bool) {
	listed := make(map[string]bool, len(entries))
	for _, e := range entries {
		listed[e.name] = true
		f := p.file(e.name)
		f.gone = time.Time{}
		if f.since.IsZero() || !f.seen.same(e.stamp) {
			f.seen, f.since, f.tried, f.retry = e.stamp, after, false, time.Time{}
		}
		switch {
		case f.tried || before.Before(f.retry):
		case settle == 0 || before.Sub(f.since) >= settle || e.isSettled(before, settle):
			fresh = append(fresh, task{p, f})
		default:
			wait = true
		}
	}
	for name, f := range p.files {
		switch {
		case listed[name]:
		case f.gone.IsZero() && settle > 0: // removing and copying is a common way to replace a file
			f.gone, wait = after, true
		case before.Sub(f.gone) < settle:
			wait = true
		default:
			delete(p.files, name)
			removed = true
		}
	}
	return fresh, removed, wait
}

// isSettled reports whether a file that is seen for the first time has been complete for
// a while. A file that was renamed into its place can thus be served at once.
func (s stamp) isSettled(now time.Time, settle time.Duration) bool {
	return s.modified.IsZero() || now.Sub(s.modified) >= settle
}

// loadAll loads files, several at a time, and reports whether anything changed.
func (c *Catalog) loadAll(ctx context.Context, now time.Time, tasks []task) (news bool) {
	if len(tasks) == 0 {
		return false
	}
	l := &loads{catalog: c, by: map[uint64]*load{}}
	for _, h := range c.current.Load().held {
		l.by[h.sum] = &load{holder: h}
		l.by[h.sum].once.Do(func() {})
	}
	next := make(chan task)
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range min(len(tasks), goruntime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for j := range next {
				if ctx.Err() == nil && l.one(ctx, now, j) {
					mu.Lock()
					news = true
					mu.Unlock()
				}
			}
		})
	}
	for _, j := range tasks {
		next <- j
	}
	close(next)
	wg.Wait()
	return news
}

// loads are the loads of one reconciliation, in which identical files are loaded once.
type loads struct {
	catalog *Catalog
	mu      sync.Mutex
	by      map[uint64]*load // by the sum of the content
}

type load struct {
	once   sync.Once
	holder *holder
	err    error
}

// one reads and loads a file, and reports whether its state changed.
func (l *loads) one(ctx context.Context, now time.Time, j task) bool {
	f, c := j.file, l.catalog
	info := question.PluginInfo{Source: f.source}
	wasm, complete, err := j.source.read(ctx, f.name, f.seen)
	if err == nil && !complete && c.cfg.Live && !j.source.fixed() {
		f.since = now // it is being written
		return false
	}
	if err != nil {
		return f.refuse(ctx, now, info, err, false)
	}
	info.Size = len(wasm)
	if j.source.Name != BuiltIn && c.lock != nil {
		info.Digest = digestOf(wasm)
		if err := c.lock.allows(info.Digest); err != nil {
			return f.refuse(ctx, now, info, err, true)
		}
	}
	h, err := l.load(ctx, f.source, wasm)
	if err != nil {
		info.Digest = digestOf(wasm)
		if u, ok := errors.AsType[*question.UnfitError](err); ok {
			info.Name, info.Version, info.Title, info.Lacks = u.Manifest.Name, u.Manifest.Version, u.Manifest.Title, u.Lacks
			for i := range u.Manifest.Questions {
				info.Unfit = append(info.Unfit, question.UnfitQuestion{Name: u.Manifest.Questions[i].Name, Lacks: u.Lacks})
			}
		}
		return f.refuse(ctx, now, info, err, question.CodeOf(err) == question.CodeBadPlugin)
	}
	info.Digest = h.Digest()
	f.tried = true
	if f.next != nil && f.next.holder == h && f.refusal.Error == nil {
		return false // only its modification time changed
	}
	m := h.Manifest()
	info.Name, info.Version, info.Title, info.Serving = m.Name, m.Version, m.Title, true
	f.next, f.refusal = &candidate{info: info, holder: h}, question.PluginInfo{}
	for i := range m.Questions {
		q := &m.Questions[i]
		if lacks := m.Lacks(q, c.cfg.Dataset); lacks != nil {
			info.Unfit = append(info.Unfit, question.UnfitQuestion{Name: q.Name, Lacks: lacks})
			continue
		}
		info.Questions = append(info.Questions, q.Name)
		example, err := Example(m, q, c.cfg.Dataset)
		if err != nil {
			c.cfg.Log.WarnContext(ctx, "no example request was found for a question", "question", q.Name, "source", info.Source, "err", err)
		}
		f.next.questions = append(f.next.questions, question.ServedQuestion{Question: q, Plugin: m.Name, Example: example})
	}
	f.next.info = info
	return true
}

func (l *loads) load(ctx context.Context, source string, wasm []byte) (*holder, error) {
	sum := maphash.Bytes(contentSeed, wasm)
	l.mu.Lock()
	n, known := l.by[sum]
	if !known {
		n = &load{}
		l.by[sum] = n
	}
	l.mu.Unlock()
	n.once.Do(func() {
		var p Plugin
		if p, n.err = l.catalog.cfg.Load(ctx, wasm); n.err == nil {
			n.holder = &holder{p, sum, source, newTally()}
		}
	})
	if known && n.err == nil {
		l.catalog.cfg.Log.DebugContext(ctx, "a plugin is loaded already", "source", source, "first", n.holder.source)
	}
	return n.holder, n.err
}

// contentSeed is the seed of sums by which identical files are found. SHA-256, which the
// loader computes anyway, takes five times as long.
var contentSeed = maphash.MakeSeed()

func digestOf(wasm []byte) string {
	sum := sha256.Sum256(wasm)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// refuse records why the newest version is not served, and reports whether that changed.
// If final, the same version is not tried again.
func (f *file) refuse(ctx context.Context, now time.Time, info question.PluginInfo, err error, final bool) bool {
	if ctx.Err() != nil { // this is not the file's fault
		return false
	}
	f.tried = final
	if !final {
		f.retry = now.Add(retryAfter)
	}
	known := f.refusal
	info.Error = question.AsError(err)
	f.refusal, f.next = info, f.served
	return known.Error == nil || known.Digest != info.Digest || known.Error.Reason != info.Error.Reason
}

// recheck drops what the lock file no longer allows, and marks it and refused files to be
// tried again.
func (p *source) recheck(lock *lockFile) {
	if p.Name == BuiltIn {
		return
	}
	p.due = time.Time{}
	for _, f := range p.files {
		if f.refusal.Error != nil {
			f.tried, f.retry = false, time.Time{}
		}
		for _, n := range []**candidate{&f.next, &f.served} {
			if *n != nil && lock.allows((*n).info.Digest) != nil {
				*n = nil
				f.tried, f.retry = false, time.Time{}
			}
		}
	}
}

// publish makes a snapshot of the loaded plugins and swaps it in. Plugins that are
// already served keep their names, so that a new plugin cannot take a question from them;
// among new plugins the first gets a name.
func (c *Catalog) publish(ctx context.Context, first bool) {
	s := newSnapshot()
	claimed := map[*file]*candidate{}
	refused := map[*file]*question.Error{}
	by := map[*holder]bool{}
	claim := func(f *file, n *candidate) bool {
		if by[n.holder] {
			return false // a second copy of a plugin is not a conflict: it is served once
		}
		if err := c.conflict(s, n); err != nil {
			refused[f] = err
			return false
		}
		claimed[f], by[n.holder] = n, true
		for i := range n.questions {
			s.served[n.questions[i].Question.Name] = n.holder
		}
		s.names[n.manifest().Name] = n.holder
		return true
	}
	files := c.files()
	for _, turn := range []func(*file) bool{
		func(f *file) bool { return f.served != nil && f.served == f.next }, // as before
		func(f *file) bool { return f.served != nil && f.served != f.next }, // replaced
		func(f *file) bool { return f.served == nil },                       // new
	} {
		for _, f := range files {
			if !turn(f) || f.next == nil {
				continue
			}
			if !claim(f, f.next) && f.served != nil && f.served != f.next {
				claim(f, f.served)
			}
		}
	}
	keep := map[*holder]bool{}
	hold := func(n *candidate) {
		if n != nil && !keep[n.holder] {
			keep[n.holder] = true
			s.held = append(s.held, n.holder)
		}
	}
	for _, p := range c.sources {
		if p.err != nil {
			s.infos = append(s.infos, question.PluginInfo{Source: p.Name, Error: p.err})
		}
		for _, name := range slices.Sorted(maps.Keys(p.files)) {
			f := p.files[name]
			n := claimed[f]
			if n != nil {
				s.infos = append(s.infos, n.info)
				s.questions = append(s.questions, n.questions...)
			}
			f.served = n
			hold(f.next)
			hold(f.served)
			if info, ok := f.refused(n, refused[f]); ok {
				s.infos = append(s.infos, info)
			}
		}
	}
	before := c.current.Load()
	c.swap(s)
	c.logChanges(ctx, before, s, first)
}

// refused says why the newest version of a file is not served; n is the served version.
func (f *file) refused(n *candidate, conflict *question.Error) (question.PluginInfo, bool) {
	info := f.refusal
	if info.Error == nil {
		if conflict == nil || f.next == nil {
			return info, false
		}
		info = f.next.info
		info.Serving, info.Error = false, conflict
	}
	if n != nil {
		e := *info.Error
		e.Reason += "; the previous version of this file keeps answering"
		info.Error = &e
	}
	return info, true
}

func (c *Catalog) files() []*file {
	var out []*file
	for _, p := range c.sources {
		for _, name := range slices.Sorted(maps.Keys(p.files)) {
			out = append(out, p.files[name])
		}
	}
	return out
}

// conflict returns an error if a name of the plugin is already taken. A question that does not
// fit the dataset takes none.
func (c *Catalog) conflict(s *snapshot, n *candidate) *question.Error {
	m := n.manifest()
	if h := s.names[m.Name]; h != nil {
		return badPlugin("its name %q is taken by %s, version %s, which is already served", m.Name, h.file(), h.Manifest().Version)
	}
	for i := range m.Questions {
		name := m.Questions[i].Name
		if c.cfg.Reserved(name) {
			return badPlugin("plugin %s: the question name %q is reserved for the host's own route /api/%s", m.Name, name, name)
		}
		if h, taken := s.served[name]; taken && slices.Contains(n.info.Questions, name) {
			return badPlugin("plugin %s: its question %q is already answered by plugin %s (%s)", m.Name, name, h.Manifest().Name, h.file())
		}
	}
	return nil
}

// logChanges logs the differences, and counts what is new, between two snapshots.
func (c *Catalog) logChanges(ctx context.Context, before, now *snapshot, first bool) {
	type key struct{ source, digest, reason string }
	keyOf := func(i *question.PluginInfo) key {
		k := key{source: i.Source, digest: i.Digest}
		if i.Error != nil {
			k.reason = i.Error.Reason
		}
		return k
	}
	known := map[key]bool{}
	for i := range before.infos {
		known[keyOf(&before.infos[i])] = true
	}
	for i := range now.infos {
		info := &now.infos[i]
		k := keyOf(info)
		if !known[k] {
			c.cfg.Observer.PluginLoaded(info)
		}
		switch {
		case known[k]:
			delete(known, k)
		case info.Lacks != nil:
			c.cfg.Log.WarnContext(ctx, "a plugin does not fit the dataset", "source", info.Source, "code", info.Error.Code, "reason", info.Error.Reason)
		case info.Error != nil:
			c.cfg.Log.WarnContext(ctx, "a plugin was refused", "source", info.Source, "code", info.Error.Code, "reason", info.Error.Reason)
		case !first:
			c.cfg.Log.InfoContext(ctx, "a plugin is served", "plugin", info.Name, "version", info.Version, "source", info.Source, "digest", info.Digest)
		}
	}
	for i := range before.infos {
		if info := &before.infos[i]; info.Serving && known[keyOf(info)] {
			c.cfg.Log.InfoContext(ctx, "a plugin is no longer served", "plugin", info.Name, "version", info.Version, "source", info.Source, "digest", info.Digest)
		}
	}
}
