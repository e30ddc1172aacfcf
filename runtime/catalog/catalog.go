// Package catalog finds plugins, keeps those that are good and answers requests
// with them. A plugin that is refused never stops the others: [Catalog.Plugins]
// says what is wrong with it.
//
// A live catalog keeps looking. A plugin that is put into a folder or a bucket is
// served within a second or two; one that is replaced finishes what it has begun
// while the new one answers what comes next; with one that is removed go its
// questions. A file that is bad changes nothing: what it held before keeps
// answering.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Dataset is what the catalog asks of a dataset.
type Dataset interface {
	question.Schema
	Select(conds []question.Condition) []question.Range
	Info() question.DatasetInfo
}

// Plugin is a plugin that was loaded. Its methods are safe for concurrent use,
// and closing it again does no harm.
type Plugin interface {
	Manifest() *question.Manifest
	Digest() string
	Answer(ctx context.Context, b *question.Bound, rows []question.Range) (*question.Table, error)
	Close(ctx context.Context) error
}

// Loader makes a plugin of a .wasm file. It does not keep wasm.
type Loader func(ctx context.Context, wasm []byte) (Plugin, error)

// BuiltIn is the name of the source whose files are embedded in the program.
const BuiltIn = "built-in"

// Source is a place to look for plugins in: every *.wasm directly in it. One of
// FS, Folder and Bucket is set.
type Source struct {
	Name   string // for people; "" is Folder
	FS     fs.FS  // never changes
	Folder string // on disk; it may come and go
	Bucket Bucket
	// Optional tells that nobody asked for Folder: when it is absent, that is not
	// worth a word.
	Optional bool
}

// Bucket is a place that is polled: a prefix of an object store. Its methods are
// safe for concurrent use; ctx bounds a call.
type Bucket interface {
	// List returns the objects that are there now, sorted by name. A name has no
	// slash.
	List(ctx context.Context) ([]Object, error)
	// Get returns an object's content, or its first limit bytes. The caller owns it.
	Get(ctx context.Context, name string, limit int) ([]byte, error)
}

// Object is an entry of a Bucket.
type Object struct {
	Name string
	ETag string // another one when the content is another
	Size int64  // bytes
}

// Defaults of Config.
const (
	DefaultPoll   = 500 * time.Millisecond
	DefaultSettle = 250 * time.Millisecond
)

// Config says what a catalog serves. Dataset and Load are required.
type Config struct {
	Dataset Dataset
	Load    Loader
	// Sources are looked through in order: where two plugins want the same name,
	// the one that is served already has it, else the one that was found first.
	Sources []Source
	// Reserved are names that no question may have, because the host's own routes
	// have them; nil is those of the HTTP API.
	Reserved []string
	// Lock is a file that lists the plugins that may be served, see [ReadLock]; ""
	// allows all. What is embedded in the program (BuiltIn) needs no permission.
	Lock string
	// Live has folders, buckets and Lock looked at again and again until Close.
	Live bool
	// Poll is the time from one look at the folders to the next; file events make it
	// shorter where the system has them. 0 is DefaultPoll.
	Poll time.Duration
	// PollBucket is the same of buckets; each look is one request or more. 0 is 1 s.
	PollBucket time.Duration
	// Settle is for how long a file must not have changed to count as complete, and a
	// missing one be missing to count as removed. 0 is DefaultSettle.
	Settle time.Duration
	// Log is where refusals and changes are told; nil is slog.Default().
	Log *slog.Logger
}

// reserved is the default of Config.Reserved.
var reserved = []string{"get_results", "jobs", "num_jobs", "graceful_shutdown", "questions", "plugins"}

// Reserved reports whether the HTTP API has a route of its own by this name, so
// that no question may have it.
func Reserved(name string) bool { return slices.Contains(reserved, name) }

func (c *Config) validate() error {
	if c.Dataset == nil || c.Load == nil {
		return errors.New("catalog: Dataset and Load are required")
	}
	for i := range c.Sources {
		if s := &c.Sources[i]; s.Name == "" {
			s.Name = s.Folder
		}
	}
	if c.Reserved == nil {
		c.Reserved = reserved
	}
	for _, d := range []struct {
		value   *time.Duration
		initial time.Duration
		name    string
	}{{&c.Poll, DefaultPoll, "Poll"}, {&c.PollBucket, time.Second, "PollBucket"}, {&c.Settle, DefaultSettle, "Settle"}} {
		if *d.value < 0 {
			return fmt.Errorf("catalog: %s is %s; it is above 0, and 0 is %s", d.name, *d.value, d.initial)
		}
		if *d.value == 0 {
			*d.value = d.initial
		}
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return nil
}

// Catalog answers requests with the plugins that it found. Its methods are safe
// for concurrent use.
type Catalog struct {
	cfg     Config
	current atomic.Pointer[snapshot]

	mu     sync.Mutex // held to change current
	closed bool

	places []*place // of Open, then of the watcher alone
	lock   *lockFile
	stop   context.CancelFunc // of the watcher
	ended  chan struct{}      // the watcher has ended; nil without one
}

// Open looks through the sources once and loads what it finds, several at a time.
// The catalog owns the plugins; a live one has a goroutine until it is closed. The
// error is one of cfg, of the lock file or of ctx, never of a plugin.
func Open(ctx context.Context, cfg Config) (*Catalog, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := &Catalog{cfg: cfg, stop: func() {}}
	if cfg.Lock != "" {
		var err error
		if c.lock, err = openLock(cfg.Lock); err != nil {
			return nil, err
		}
	}
	for _, s := range cfg.Sources {
		c.places = append(c.places, newPlace(s))
	}
	c.current.Store(newSnapshot())
	c.look(ctx, time.Now(), true)
	if ctx.Err() != nil {
		return nil, errors.Join(context.Cause(ctx), c.Close(context.WithoutCancel(ctx)))
	}
	if cfg.Live {
		var watching context.Context
		watching, c.stop = context.WithCancel(context.WithoutCancel(ctx))
		c.ended = make(chan struct{})
		go c.watch(watching)
	}
	return c, nil
}

// snapshot is what the catalog serves at one time. It never changes; the plugins
// in it may be retired.
type snapshot struct {
	infos  []question.PluginInfo
	offers []question.Offer
	held   []*holder
	served map[string]*holder // by the name of the question
	names  map[string]*holder // by the name of the plugin
	all    *question.Manifest // every question, for what is said of one that is not there
	closed bool
}

func newSnapshot() *snapshot {
	return &snapshot{served: map[string]*holder{}, names: map[string]*holder{}, all: &question.Manifest{}}
}

// swap has next served from now on and retires the plugins that it no longer
// has; it returns those. A closed catalog stays closed: next is what is retired.
func (c *Catalog) swap(next *snapshot) (retired []*holder) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		for _, h := range next.held {
			h.retire()
		}
		return next.held
	}
	c.closed = next.closed
	keep := make(map[*holder]bool, len(next.held))
	for _, h := range next.held {
		keep[h] = true
	}
	for _, h := range c.current.Swap(next).held {
		if !keep[h] {
			h.retire()
			retired = append(retired, h)
		}
	}
	return retired
}

// holder keeps a plugin open for as long as it is served or answers.
type holder struct {
	plugin Plugin
	digest string // of the file
	source string // as in question.PluginInfo; where it was found first
	done   chan struct{}
	err    error // of closing; set before done is closed

	mu      sync.Mutex
	users   int
	retired bool
}

func newHolder(p Plugin, digest, source string) *holder {
	return &holder{plugin: p, digest: digest, source: source, done: make(chan struct{})}
}

// file is the name of the file alone: what is refused is told to strangers too.
func (h *holder) file() string { return path.Base(filepath.ToSlash(h.source)) }

// acquire reports whether the plugin may be used; the caller then releases it.
func (h *holder) acquire() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.retired {
		return false
	}
	h.users++
	return true
}

func (h *holder) release() {
	h.mu.Lock()
	h.users--
	last := h.retired && h.users == 0
	h.mu.Unlock()
	if last {
		h.close()
	}
}

// retire lets nobody acquire the plugin any more; when nobody uses it, it closes.
func (h *holder) retire() {
	h.mu.Lock()
	unused := !h.retired && h.users == 0
	h.retired = true
	h.mu.Unlock()
	if unused {
		h.close()
	}
}

func (h *holder) close() {
	h.err = h.plugin.Close(context.Background()) // nothing runs that it could wait for
	close(h.done)
}

// Plugins returns what became of every plugin that was found, in the order in
// which they were found. The caller must not write to what it gets.
func (c *Catalog) Plugins() []question.PluginInfo { return c.current.Load().infos }

// Offers returns the questions that are served: plugins in the order in which
// they were found, and the questions of each in its manifest's order. The caller
// must not write to what it gets.
func (c *Catalog) Offers() []question.Offer { return c.current.Load().offers }

// Check tells whether the request can be answered. Errors are *question.Error:
// CodeUnknownQuestion, what Manifest.Bind returns, or CodeShuttingDown.
func (c *Catalog) Check(req question.Request) error {
	h, err := c.lookUp(c.current.Load(), req)
	if err != nil {
		return err
	}
	_, err = h.plugin.Manifest().Bind(req, c.cfg.Dataset)
	return err
}

func (c *Catalog) lookUp(s *snapshot, req question.Request) (*holder, error) {
	if s.closed {
		return nil, question.Errorf(question.CodeShuttingDown, "the catalog is closed")
	}
	h, ok := s.served[req.Question]
	if !ok {
		_, err := s.all.Bind(question.Request{Question: req.Question}, c.cfg.Dataset)
		e := question.AsError(err)
		if len(e.Hint) > 0 {
			e.Reason += fmt.Sprintf("; did you mean %q?", e.Hint[0])
		}
		return nil, e
	}
	return h, nil
}

// Answer answers the request. Errors are *question.Error: those of Check and
// those of the plugin's sandbox.
func (c *Catalog) Answer(ctx context.Context, req question.Request) (*question.Answer, error) {
	h, err := c.hold(req)
	if err != nil {
		return nil, err
	}
	defer h.release() //nolint:contextcheck // the last to leave closes the plugin, whatever became of its own job
	m, ds := h.plugin.Manifest(), c.cfg.Dataset
	b, err := m.Bind(req, ds)
	if err != nil {
		return nil, err
	}
	rows := ds.Select(b.Where)
	table, err := h.plugin.Answer(ctx, b, rows)
	if err != nil {
		return nil, question.AsError(err)
	}
	info := ds.Info()
	p := &question.Provenance{
		Dataset: info.Name, DatasetDigest: info.Digest, Synthetic: info.Synthetic,
		Plugin: m.Name, PluginVersion: m.Version, PluginDigest: h.plugin.Digest(),
	}
	for _, r := range rows {
		p.RowsSelected += int(r.Count)
	}
	return &question.Answer{Table: table, Provenance: p}, nil
}

// hold finds the plugin that answers req and acquires it.
func (c *Catalog) hold(req question.Request) (*holder, error) {
	for {
		h, err := c.lookUp(c.current.Load(), req)
		if err != nil {
			return nil, err
		}
		if h.acquire() {
			return h, nil
		}
		// It was retired since the snapshot was read, so there is a newer one.
	}
}

// Close serves nothing any more and closes the plugins when their running
// answers have ended. When ctx ends first, those that are left are told to stop,
// and the error says so.
func (c *Catalog) Close(ctx context.Context) error {
	c.stop()
	var errs []error
	if c.ended != nil {
		select {
		case <-c.ended:
		case <-ctx.Done(): // it is loading a plugin, and finds the catalog closed
		}
	}
	last := newSnapshot()
	last.closed = true
	for _, h := range c.swap(last) { //nolint:contextcheck // what runs no more closes at once
		select {
		case <-h.done:
			errs = append(errs, h.err)
		case <-ctx.Done():
			errs = append(errs, h.plugin.Close(ctx)) // stops its answers; release closes it
		}
	}
	return errors.Join(errs...)
}
