// Package catalog finds plugins, loads the valid ones and answers requests with them.
// A plugin that is refused does not affect the others; [Catalog.Plugins] says what is
// wrong with it.
//
// A live catalog follows changes. A plugin that is added to a folder or a bucket is
// served within a second or two. A plugin that is replaced finishes its running answers
// while the new one takes the next requests. The questions of a plugin that is removed
// are no longer served. When a file is replaced by one that is refused, its previous
// version keeps answering.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Dataset is what the catalog needs of a dataset.
type Dataset interface {
	question.Schema
	Select(conds []question.Condition) []question.Range
	Info() question.DatasetInfo
	// Coverage describes rows, and Groups returns into how many groups columns divide those
	// with a value of the measure: -1 if a column does not exist.
	Coverage(rows []question.Range) *question.Coverage
	Groups(rows []question.Range, by []string) int
	// Caveats returns the dataset's own caveats about rows of this coverage.
	Caveats(c *question.Coverage) []question.Caveat
}

// Plugin is a loaded plugin. Its methods are safe for concurrent use, and it may be
// closed more than once.
type Plugin interface {
	Manifest() *question.Manifest
	Digest() string // of the file: "sha256:" and 64 hex digits
	// Measure answers b, and says what that used. It fails with CodeShuttingDown if the
	// plugin was retired before the call.
	Measure(ctx context.Context, b *question.BoundRequest, rows []question.Range) (*question.Table, question.Usage, error)
	// Retire admits no more answers. When the running ones have ended, the plugin is
	// released and then the channel closed.
	Retire() <-chan struct{}
	// Close retires the plugin and waits until it is released. If ctx ends first, it
	// interrupts the running answers and returns an error.
	Close(ctx context.Context) error
}

// Loader loads a plugin from the content of a .wasm file. It does not keep wasm.
type Loader func(ctx context.Context, wasm []byte) (Plugin, error)

// BuiltIn is the name of the source whose files are embedded in the program.
const BuiltIn = "built-in"

// Source is a place that holds plugins: all *.wasm files directly in it. Exactly one of
// FS, Folder and Bucket is set.
type Source struct {
	Name   string // for people; the default is Folder
	FS     fs.FS  // never changes
	Folder string // on disk; it need not exist yet, and may be removed
	Bucket Bucket
	// Optional means that Folder is a default, so that its absence is not reported.
	Optional bool
}

// Bucket is a prefix of an object store, which is polled. Its methods are safe for
// concurrent use; ctx bounds each call.
type Bucket interface {
	// List returns the present objects, sorted by name. Names have no slash.
	List(ctx context.Context) ([]Object, error)
	// Get returns up to limit bytes of an object's content, owned by the caller.
	Get(ctx context.Context, name string, limit int) ([]byte, error)
}

// Object is an entry of a Bucket.
type Object struct {
	Name string
	ETag string // changes with the content
	Size int64  // bytes
}

// Defaults of Config.
const (
	DefaultPoll     = 500 * time.Millisecond
	DefaultDebounce = 250 * time.Millisecond
)

// Observer counts what plugins do. It is safe for concurrent use.
type Observer interface {
	// Ran is called for each run of a question by a plugin that is served.
	Ran(name, plugin string, used question.Usage)
	// PluginLoaded is called when a plugin was found or changed: it serves, or has the error
	// that prevents it.
	PluginLoaded(info *question.PluginInfo)
}

// nobody is the Observer of a Config without one.
type nobody struct{}

// Ran implements Observer.
func (nobody) Ran(string, string, question.Usage) {}

// PluginLoaded implements Observer.
func (nobody) PluginLoaded(*question.PluginInfo) {}

// Config configures a catalog. Dataset and Load are required.
type Config struct {
	Dataset Dataset
	Load    Loader
	// Sources are searched in order. When two plugins claim the same name, the one that
	// is already served keeps it, else the first that was found gets it.
	Sources []Source
	// Reserved reports whether the host has a route of this name, so that no question may
	// have it. The default reserves no name.
	Reserved func(name string) bool
	// Lock is the path of a file that lists the plugins that may be served, see
	// [ReadLock]. Without it all may. Plugins in the program itself (BuiltIn) are always
	// allowed.
	Lock string
	// Live follows changes of folders, buckets and Lock until Close.
	Live bool
	// Poll is the interval at which folders are listed. File events make it shorter
	// where the system has them. The default is DefaultPoll.
	Poll time.Duration
	// PollBucket is the interval at which buckets are listed, with at least one request
	// each time. The default is 1 s.
	PollBucket time.Duration
	// Debounce is how long a file must stay unchanged to count as complete, and stay
	// absent to count as removed. The default is DefaultDebounce.
	Debounce time.Duration
	// Build is the program's version, for receipts. The default is "unknown".
	Build string
	// Log gets refusals and changes. The default is slog.Default().
	Log *slog.Logger
	// Observer is told of runs and loads; nil: nobody is.
	Observer Observer
}

func (c *Config) validate() error {
	if c.Dataset == nil || c.Load == nil {
		return errors.New("catalog: Dataset and Load are required")
	}
	for i := range c.Sources {
		if s := &c.Sources[i]; s.Name == "" {
			s.Name = s.Folder
		}
	}
	if c.Build == "" {
		c.Build = question.UnknownBuild
	}
	if c.Reserved == nil {
		c.Reserved = func(string) bool { return false }
	}
	for _, d := range []struct {
		value   *time.Duration
		initial time.Duration
		name    string
	}{{&c.Poll, DefaultPoll, "Poll"}, {&c.PollBucket, time.Second, "PollBucket"}, {&c.Debounce, DefaultDebounce, "Debounce"}} {
		if *d.value < 0 {
			return fmt.Errorf("catalog: %s is %s; it must not be negative, and 0 means %s", d.name, *d.value, d.initial)
		}
		if *d.value == 0 {
			*d.value = d.initial
		}
	}
	if c.Observer == nil {
		c.Observer = nobody{}
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return nil
}

// Catalog answers requests with the plugins that it has found. Its methods are safe for
// concurrent use.
type Catalog struct {
	cfg       Config
	current   atomic.Pointer[snapshot]
	described memory

	mu     sync.Mutex // held to change current
	closed bool

	turn      chan struct{} // held to use what follows; holds one value
	sources   []*source
	refreshed time.Time // start of the last complete Refresh
	lock      *lockFile
	stop      context.CancelFunc // of the watcher
	ended     chan struct{}      // the watcher has ended; nil without one
}

// Open searches the sources once and loads the plugins, several at a time. The catalog
// owns them. A live catalog has a goroutine until it is closed. An error is due to cfg,
// the lock file or ctx, never to a plugin.
func Open(ctx context.Context, cfg Config) (*Catalog, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := &Catalog{cfg: cfg, stop: func() {}, turn: make(chan struct{}, 1)}
	if cfg.Lock != "" {
		var err error
		if c.lock, err = openLock(cfg.Lock); err != nil {
			return nil, err
		}
	}
	for _, s := range cfg.Sources {
		c.sources = append(c.sources, newSource(s))
	}
	c.current.Store(newSnapshot())
	c.reconcile(ctx, time.Now(), true)
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

// snapshot is what the catalog serves at one time. It is immutable, but its plugins may
// be retired.
type snapshot struct {
	infos     []question.PluginInfo
	questions []question.ServedQuestion
	held      []*holder
	served    map[string]*holder // by the name of the question
	names     map[string]*holder // by the name of the plugin
	closed    bool
}

func newSnapshot() *snapshot {
	return &snapshot{served: map[string]*holder{}, names: map[string]*holder{}}
}

// swap makes next the current snapshot, and retires and returns the plugins that are no
// longer in it. A closed catalog stays closed and retires the plugins of next.
func (c *Catalog) swap(next *snapshot) (retired []*holder) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		for _, h := range next.held {
			h.Retire()
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
			h.Retire()
			retired = append(retired, h)
		}
	}
	return retired
}

// holder is a loaded plugin.
type holder struct {
	Plugin

	sum    uint64 // of the content, with contentSeed
	source string // where it was found first, as in question.PluginInfo
	tally  *tally
}

// file returns the file's base name, because strangers may read refusals.
func (h *holder) file() string { return path.Base(filepath.ToSlash(h.source)) }

// Plugins describes all plugins that were found, in the order in which they were found.
// The caller must not modify the result.
func (c *Catalog) Plugins() []question.PluginInfo { return c.current.Load().infos }

// Served returns the questions that are answered now: plugins in the order in which they
// were found, and the questions of each in its manifest's order. The caller must not
// modify the result.
func (c *Catalog) Served() []question.ServedQuestion { return c.current.Load().questions }

// PluginOf returns the plugin that answers a question now, "" if none does.
func (c *Catalog) PluginOf(name string) string {
	if h := c.current.Load().served[name]; h != nil {
		return h.Manifest().Name
	}
	return ""
}

// Check reports whether the request can be answered. Its error is a *question.Error:
// CodeUnknownQuestion, CodeShuttingDown or an error of Manifest.Bind.
func (c *Catalog) Check(req question.Request) error {
	h, err := c.lookUp(c.current.Load(), req)
	if err != nil {
		return err
	}
	_, err = h.Manifest().Bind(req, c.cfg.Dataset)
	return err
}

func (c *Catalog) lookUp(s *snapshot, req question.Request) (*holder, error) {
	if s.closed {
		return nil, question.Errorf(question.CodeShuttingDown, "the catalog is closed")
	}
	h, ok := s.served[req.Question]
	if !ok {
		if unfit := question.FindUnfit(s.infos, req.Question); unfit != nil {
			return nil, unfit.Error()
		}
		return nil, question.UnknownQuestion(req.Question, question.ServedNames(s.questions))
	}
	return h, nil
}

// Refresh lists all sources now and loads what is new, also in a catalog that is not live.
// A file that changes or vanishes is listed again after Config.Debounce; one that still
// changes then has to wait for a later call. Calls that wait for each other share one
// listing. The error says which sources could not be listed, or is
// that of ctx; what could be listed is served nevertheless.
func (c *Catalog) Refresh(ctx context.Context) error {
	asked := time.Now()
	if !c.take(ctx) {
		return context.Cause(ctx)
	}
	defer func() { <-c.turn }()
	if c.refreshed.After(asked) {
		return nil
	}
	begun := time.Now()
	for _, s := range c.sources {
		s.due = time.Time{}
	}
	if c.reconcile(ctx, begun, false) && sleep(ctx, c.cfg.Debounce) {
		c.reconcile(ctx, time.Now(), false)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c.refreshed = begun
	var errs []error
	for _, s := range c.sources {
		if s.err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.Name, s.err))
		}
	}
	return errors.Join(errs...)
}

// take waits for the turn to use the sources. If it reports true, the caller must end its
// turn by receiving from c.turn.
func (c *Catalog) take(ctx context.Context) bool {
	select {
	case c.turn <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// Answer answers the request. Its error is a *question.Error of Check or of the plugin's
// sandbox.
func (c *Catalog) Answer(ctx context.Context, req question.Request) (*question.Answer, error) {
	for {
		s := c.current.Load()
		a, err := c.answer(ctx, s, req)
		if question.CodeOf(err) == question.CodeShuttingDown && c.current.Load() != s {
			continue // the plugin was retired after the snapshot was read
		}
		return a, err
	}
}

func (c *Catalog) answer(ctx context.Context, s *snapshot, req question.Request) (*question.Answer, error) {
	h, err := c.lookUp(s, req)
	if err != nil {
		return nil, err
	}
	m, ds := h.Manifest(), c.cfg.Dataset
	b, err := m.Bind(req, ds)
	if err != nil {
		return nil, err
	}
	rows := ds.Select(b.Where)
	table, used, err := h.Measure(ctx, b, rows)
	if question.CodeOf(err) != question.CodeShuttingDown { // then the plugin that replaced it is asked
		h.tally.add(used, err)
		c.cfg.Observer.Ran(req.Question, m.Name, used)
	}
	if err != nil {
		return nil, question.AsError(err)
	}
	info := ds.Info()
	known := c.describe(b, rows)
	return &question.Answer{
		Table: table,
		Provenance: &question.Provenance{
			Dataset: info.Name, DatasetDigest: info.Digest, Synthetic: info.Synthetic,
			Plugin: m.Name, PluginVersion: m.Version, PluginDigest: h.Digest(), RowsSelected: known.coverage.Rows,
		},
		Coverage: known.coverage,
		Caveats:  known.caveats,
		Receipt: &question.Receipt{
			Dataset: info.Digest, Plugin: h.Digest(), Request: b.Question.Canonical(req, ds).Digest(), Result: table.Digest(),
			Fuel: used.Fuel, Build: c.cfg.Build,
		},
	}, nil
}

// Close stops serving and closes each plugin when its running answers have ended. If ctx
// ends first, it interrupts the remaining answers, and the error says so.
func (c *Catalog) Close(ctx context.Context) error {
	c.stop()
	var errs []error
	if c.ended != nil {
		select {
		case <-c.ended:
		case <-ctx.Done(): // it is still loading a plugin, and will find the catalog closed
		}
	}
	last := newSnapshot()
	last.closed = true
	for _, h := range c.swap(last) {
		errs = append(errs, h.Close(ctx))
	}
	return errors.Join(errs...)
}
