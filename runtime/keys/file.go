package keys

import (
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/time/rate"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const (
	// checkEvery is how often the file is looked at while requests come.
	checkEvery = 250 * time.Millisecond
	// settle is how long a changed file must have rested. Until then it may be half written.
	settle = 500 * time.Millisecond
)

// Config configures a File.
type Config struct {
	Path string
	// Alone: nobody else is on this machine, as in a cloud function, whose image must be
	// readable for all. Then the permissions of the file are not checked.
	Alone bool
	Log   *slog.Logger // the default is slog.Default()
}

// File is the keys of a file, which it reads again when it has changed. It is safe for
// concurrent use. It has no goroutine and needs no closing: whoever asks looks at the file if
// nobody has for checkEvery, which is right in a process that stands still between requests,
// too.
type File struct {
	cfg    Config
	held   atomic.Pointer[map[Hash]*held]
	looked atomic.Int64 // when the file was looked at, in ns of the wall clock

	mu    sync.Mutex // of whoever reads the file
	known fs.FileInfo
	lost  bool // the file could not be looked at, which the log has
}

// held is a key with what its client has left.
type held struct {
	Key

	client question.Client
	limit  *rate.Limiter // nil: unlimited
}

// Open reads the file. Its errors name the path, and the line if there is one.
func Open(cfg Config) (*File, error) {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	f := &File{cfg: cfg}
	keys, info, err := read(cfg.Path, cfg.Alone)
	if err != nil {
		return nil, err
	}
	f.take(keys, info)
	f.looked.Store(time.Now().UnixNano())
	return f, nil
}

// Client returns who has a key; nil if nobody does. wait is 0 if the client may send a
// request now, which counts; else it is the time until it may.
func (f *File) Client(secret string) (client *question.Client, wait time.Duration) {
	f.fresh()
	h := (*f.held.Load())[HashOf(secret)]
	if h == nil {
		return nil, 0
	}
	if h.limit != nil {
		if now := time.Now(); !h.limit.AllowN(now, 1) {
			short := 1 - h.limit.TokensAt(now)
			wait = max(time.Duration(short/float64(h.Rate)*float64(time.Second)), 1)
		}
	}
	return &h.client, wait
}

// fresh reads the file again if it has changed. Requests that come meanwhile find the keys
// that were.
func (f *File) fresh() {
	before, now := f.looked.Load(), time.Now().UnixNano()
	if age := time.Duration(now - before); age >= 0 && age < checkEvery || !f.looked.CompareAndSwap(before, now) || !f.mu.TryLock() {
		return
	}
	defer f.mu.Unlock()
	info, err := os.Stat(f.cfg.Path)
	if err != nil {
		if !f.lost {
			f.cfg.Log.Error("the keys file cannot be read: the keys stay as they are", "error", err)
		}
		f.lost = true
		return
	}
	if age := time.Since(info.ModTime()); !f.lost && same(info, f.known) || age >= 0 && age < settle {
		return
	}
	f.lost = false
	keys, opened, err := read(f.cfg.Path, f.cfg.Alone)
	if err != nil {
		f.known = info
		f.cfg.Log.Error("the keys file was changed, but cannot be used: the keys stay as they are", "error", err)
		return
	}
	f.take(keys, opened)
	f.cfg.Log.Info("the keys file was read again", "file", f.cfg.Path, "keys", len(keys))
}

// same reports whether a file is as it was.
func same(a, b fs.FileInfo) bool {
	return b != nil && os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && a.Mode() == b.Mode()
}

// take replaces the keys. A key with the same rate as before keeps what its client has left.
func (f *File) take(keys []Key, info fs.FileInfo) {
	var before map[Hash]*held
	if p := f.held.Load(); p != nil {
		before = *p
	}
	now := make(map[Hash]*held, len(keys))
	for _, k := range keys {
		h := &held{Key: k, client: k.Client()}
		old := before[k.Hash]
		switch {
		case k.Rate == 0:
		case old != nil && old.Rate == k.Rate && old.Burst == k.Burst:
			h.limit = old.limit
		default:
			h.limit = rate.NewLimiter(rate.Limit(k.Rate), k.Burst)
		}
		now[k.Hash] = h
	}
	f.held.Store(&now)
	f.known = info
}

// ReadFile reads a file of keys. Its errors name the path, and the line if there is one.
func ReadFile(path string) ([]Key, error) {
	keys, _, err := read(path, false)
	return keys, err
}

// read reads a file and describes it as it was before. The description is nil if the file
// cannot be opened.
func read(path string, alone bool) ([]Key, fs.FileInfo, error) {
	text, info, err := readText(path, alone)
	if err != nil {
		return nil, info, err
	}
	keys, err := Parse(text)
	if err != nil {
		return nil, info, fmt.Errorf("keys file %s: %w", path, err)
	}
	return keys, info, nil
}

func readText(path string, alone bool) ([]byte, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would wait for its writer
	if err != nil {
		return nil, nil, fmt.Errorf("keys file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("keys file: %w", err)
	case !info.Mode().IsRegular():
		return nil, info, fmt.Errorf("keys file %s: it is not a file", path)
	case !alone:
		if err := private(path, info, os.Geteuid()); err != nil {
			return nil, info, err
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err != nil {
		return nil, info, fmt.Errorf("keys file: %w", err)
	}
	return text, info, nil
}

// private refuses a file that others can read or write. The group may read a file of another
// user: so Kubernetes mounts a secret for a process that is not root (fsGroup, mode 0440).
func private(path string, info fs.FileInfo, user int) error {
	wrong := info.Mode().Perm() & 0o077
	if s, ok := info.Sys().(*syscall.Stat_t); ok && uint64(s.Uid) != uint64(user) {
		wrong &^= 0o040
	}
	if wrong == 0 {
		return nil
	}
	return fmt.Errorf("keys file %s: others on this machine may use it (its mode is %04o): chmod 600 %s", path, info.Mode().Perm(), question.ShellWord(path))
}
