package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"maps"
	goruntime "runtime"
	"slices"
	"sync"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// retryAfter is when a file is tried again that could not be read, or was refused
// for a reason that may not be its own.
const retryAfter = 5 * time.Second

// candidate is a content of a file that could be loaded.
type candidate struct {
	info   question.PluginInfo // Serving
	holder *holder
	offers []question.Offer
}

func (c *candidate) manifest() *question.Manifest { return c.holder.plugin.Manifest() }

func badPlugin(format string, args ...any) *question.Error {
	return question.Errorf(question.CodeBadPlugin, format, args...)
}

// look lists the places that are due, loads what is new and serves it. At the
// first look everything is taken as it is: whoever starts a program has put its
// files in order before. It reports whether something is on its way, so that the
// next look should be soon.
func (c *Catalog) look(ctx context.Context, now time.Time, first bool) (unsettled bool) {
	changed := first
	if !first && c.lock.refresh(c.cfg.Log, c.cfg.Settle) {
		changed = true
		for _, p := range c.places {
			p.recheck(c.lock)
		}
	}
	var fresh []task
	for _, p := range c.places {
		if !first && (p.fixed() || now.Before(p.due)) {
			continue
		}
		p.due = now.Add(c.cfg.Poll - time.Millisecond) // the look that comes then is not too early
		if p.Bucket != nil {
			p.due = now.Add(c.cfg.PollBucket - time.Millisecond)
		}
		entries, err := p.list(ctx)
		if ctx.Err() != nil {
			return false
		}
		changed = p.failed(err) || changed
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			continue // what cannot be seen may still be there
		}
		settle := c.cfg.Settle
		if first {
			settle = 0
		}
		more, removed, wait := p.compare(entries, now, settle)
		fresh = append(fresh, more...)
		changed, unsettled = changed || removed, unsettled || wait
		if wait {
			p.due = now
		}
	}
	if c.loadAll(ctx, now, fresh) || changed {
		c.serve(ctx, first) // whatever ctx says: what was loaded has its owner so
	}
	return unsettled
}

// failed notes how listing went, and reports whether that is news.
func (p *place) failed(err error) bool {
	before := p.err
	switch {
	case err == nil, p.Optional && errors.Is(err, fs.ErrNotExist):
		p.err = nil
	case p.Bucket != nil:
		p.err = badPlugin("the bucket cannot be listed, and what is served from it stays: %w", err)
	case errors.Is(err, fs.ErrNotExist):
		p.err = badPlugin("the folder cannot be read: %w; what is put there is served when it is there", err)
	default:
		p.err = badPlugin("the folder cannot be read, and what is served from it stays: %w", err)
	}
	return (before == nil) != (p.err == nil) || before != nil && before.Reason != p.err.Reason
}

// task is a file to load.
type task struct {
	place *place
	file  *file
}

// compare brings the files up to what was listed and returns those that are to be
// loaded.
func (p *place) compare(entries []entry, now time.Time, settle time.Duration) (fresh []task, removed, wait bool) {
	listed := make(map[string]bool, len(entries))
	for _, e := range entries {
		listed[e.name] = true
		f := p.file(e.name)
		f.gone = time.Time{}
		if f.since.IsZero() || !f.seen.same(e.stamp) {
			f.seen, f.since, f.tried, f.retry = e.stamp, now, false, time.Time{}
		}
		switch {
		case f.tried || now.Before(f.retry):
		case now.Sub(f.since) >= settle || e.quiet(now, settle):
			fresh = append(fresh, task{p, f})
		default:
			wait = true
		}
	}
	for name, f := range p.files {
		switch {
		case listed[name]:
		case f.gone.IsZero() && settle > 0: // whoever removes and copies is about to copy
			f.gone, wait = now, true
		case now.Sub(f.gone) < settle:
			wait = true
		default:
			delete(p.files, name)
			removed = true
		}
	}
	return fresh, removed, wait
}

// quiet reports whether a file that is seen for the first time has been complete
// for a while: one that was renamed into its place is served at once.
func (s stamp) quiet(now time.Time, settle time.Duration) bool {
	return s.modified.IsZero() || now.Sub(s.modified) >= settle
}

// loadAll loads files, several at a time, and reports whether anything is news.
func (c *Catalog) loadAll(ctx context.Context, now time.Time, tasks []task) (news bool) {
	if len(tasks) == 0 {
		return false
	}
	l := &loads{catalog: c, by: map[string]*load{}}
	for _, h := range c.current.Load().held {
		l.by[h.digest] = &load{holder: h}
		l.by[h.digest].once.Do(func() {})
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

// loads are those of one look: a content that stands in two files is loaded once.
type loads struct {
	catalog *Catalog
	mu      sync.Mutex
	by      map[string]*load // by digest
}

type load struct {
	once   sync.Once
	holder *holder
	err    error
}

// one reads and loads a file, and reports whether what is known of it changed.
func (l *loads) one(ctx context.Context, now time.Time, j task) bool {
	f, c := j.file, l.catalog
	info := question.PluginInfo{Source: f.source}
	wasm, complete, err := j.place.read(ctx, f.name, f.seen)
	if err == nil && !complete && c.cfg.Live && !j.place.fixed() {
		f.since = now // it is being written to
		return false
	}
	if err != nil {
		return f.refuse(ctx, now, info, err, false)
	}
	info.Size = len(wasm)
	sum := sha256.Sum256(wasm)
	info.Digest = "sha256:" + hex.EncodeToString(sum[:])
	if j.place.Name != BuiltIn {
		if err := c.lock.allows(info.Digest); err != nil {
			return f.refuse(ctx, now, info, err, true)
		}
	}
	h, err := l.load(ctx, info.Digest, f.source, wasm)
	if err != nil {
		return f.refuse(ctx, now, info, err, question.CodeOf(err) == question.CodeBadPlugin)
	}
	f.tried = true
	if f.next != nil && f.next.holder == h && f.refusal.Error == nil {
		return false // only its time was changed
	}
	m := h.plugin.Manifest()
	info.Name, info.Version, info.Title, info.Serving = m.Name, m.Version, m.Title, true
	f.next, f.refusal = &candidate{info: info, holder: h}, question.PluginInfo{}
	for i := range m.Questions {
		q := &m.Questions[i]
		info.Questions = append(info.Questions, q.Name)
		example, err := Example(m, q, c.cfg.Dataset)
		if err != nil {
			c.cfg.Log.WarnContext(ctx, "no request was found that a question answers", "question", q.Name, "source", info.Source, "err", err)
		}
		f.next.offers = append(f.next.offers, question.Offer{Question: q, Plugin: m.Name, Example: example})
	}
	f.next.info = info
	return true
}

func (l *loads) load(ctx context.Context, digest, source string, wasm []byte) (*holder, error) {
	l.mu.Lock()
	n, known := l.by[digest]
	if !known {
		n = &load{}
		l.by[digest] = n
	}
	l.mu.Unlock()
	n.once.Do(func() {
		var p Plugin
		if p, n.err = l.catalog.cfg.Load(ctx, wasm); n.err == nil {
			n.holder = newHolder(p, digest, source)
		}
	})
	if known && n.err == nil {
		l.catalog.cfg.Log.DebugContext(ctx, "a plugin is loaded already", "source", source, "first", n.holder.source)
	}
	return n.holder, n.err
}

// refuse notes why the newest content is not served, and reports whether that is
// news. final: the same content need not be tried again.
func (f *file) refuse(ctx context.Context, now time.Time, info question.PluginInfo, err error, final bool) bool {
	if ctx.Err() != nil { // it is no fault of the file's
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

// recheck drops what the lock file no longer allows, and has it and what was
// refused tried again.
func (p *place) recheck(lock *lockFile) {
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

// serve puts a snapshot together from what is loaded and swaps it in. What was
// served before keeps its names against what is new, so that a plugin that comes
// cannot take a question from one that is there; else the first one has it.
func (c *Catalog) serve(ctx context.Context, first bool) {
	s := newSnapshot()
	claimed := map[*file]*candidate{}
	refused := map[*file]*question.Error{}
	by := map[*holder]bool{}
	claim := func(f *file, n *candidate) bool {
		if by[n.holder] {
			return false // the same plugin again is no conflict: it is served once
		}
		if err := c.conflict(s, n.manifest()); err != nil {
			refused[f] = err
			return false
		}
		claimed[f], by[n.holder] = n, true
		for i := range n.offers {
			s.served[n.offers[i].Question.Name] = n.holder
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
	for _, p := range c.places {
		if p.err != nil {
			s.infos = append(s.infos, question.PluginInfo{Source: p.Name, Error: p.err})
		}
		for _, name := range slices.Sorted(maps.Keys(p.files)) {
			f := p.files[name]
			n := claimed[f]
			if n != nil {
				s.infos = append(s.infos, n.info)
				s.offers = append(s.offers, n.offers...)
				for i := range n.offers {
					s.all.Questions = append(s.all.Questions, question.Question{Name: n.offers[i].Question.Name})
				}
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
	c.swap(s) //nolint:contextcheck // what is retired closes when it is idle, not when this look ends
	c.tell(ctx, before, s, first)
}

// refused says why the newest content of a file is not served; n is what is.
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
		e.Reason += "; what this file held before keeps answering"
		info.Error = &e
	}
	return info, true
}

func (c *Catalog) files() []*file {
	var out []*file
	for _, p := range c.places {
		for _, name := range slices.Sorted(maps.Keys(p.files)) {
			out = append(out, p.files[name])
		}
	}
	return out
}

// conflict says which name of the plugin is not to be had.
func (c *Catalog) conflict(s *snapshot, m *question.Manifest) *question.Error {
	if h := s.names[m.Name]; h != nil {
		return badPlugin("its name %q is taken: %s, version %s, is served already", m.Name, h.file(), h.plugin.Manifest().Version)
	}
	for i := range m.Questions {
		name := m.Questions[i].Name
		if slices.Contains(c.cfg.Reserved, name) {
			return badPlugin("plugin %s: the name of its question %q is the host's, for its route /api/%s", m.Name, name, name)
		}
		if h, taken := s.served[name]; taken {
			return badPlugin("plugin %s: its question %q is answered already by plugin %s (%s)", m.Name, name, h.plugin.Manifest().Name, h.file())
		}
	}
	return nil
}

// tell logs what is different now.
func (c *Catalog) tell(ctx context.Context, before, now *snapshot, first bool) {
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
		switch {
		case known[k]:
			delete(known, k)
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
