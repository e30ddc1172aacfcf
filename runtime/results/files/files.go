// Package files keeps jobs and results in a folder: one file an object, under
// its key. It is the default store.
//
// A file is written under tmp/ and then moved to its name, so a reader sees all
// of it or nothing. Several processes may share a folder.
package files

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results"
)

// Durability says what an accepted job survives.
type Durability string

// The durabilities.
const (
	Process Durability = "process" // the death of this process, kill -9 included
	Disk    Durability = "disk"    // power loss too: every write waits for the disk
)

// Config says where the objects are kept.
type Config struct {
	Folder     string       // is made if its parent is there; required
	Durability Durability   // "" is Process
	Log        *slog.Logger // nil is slog.Default()
}

func (c *Config) validate() error {
	if c.Durability == "" {
		c.Durability = Process
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Folder == "" {
		return question.Errorf(question.CodeStoreUnavailable, "the store has no folder: name one")
	}
	if c.Durability != Process && c.Durability != Disk {
		return question.Errorf(question.CodeStoreUnavailable, "durability %q: it is %q or %q", c.Durability, Process, Disk)
	}
	return nil
}

const (
	tmpFolder  = "tmp"
	lockFile   = "lock"         // shared by every process that has the folder open
	gateFile   = "lock.opening" // held by the one that finds out whether it is alone
	gateWait   = 10 * time.Second
	tmpMaxAge  = time.Hour // no write takes that long: what is older was left by a dead process
	folderMode = 0o750
	fileMode   = 0o640
)

// Objects implements results.Objects over a folder.
type Objects struct {
	root   string // absolute
	disk   bool
	lock   *flock.Flock
	sole   bool
	linked bool // link a new file to its name: the file system cannot rename without replacing

	tmp    string // prefix of this process's temporary files
	serial atomic.Uint64
	synced sync.Map // folders whose own entry is known to be on disk
}

var _ results.Objects = (*Objects)(nil)

// Open makes the folder if need be and checks that objects can be kept in it.
// Its errors are *question.Error with CodeStoreUnavailable.
func Open(cfg Config) (o *Objects, err error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	root, err := filepath.Abs(cfg.Folder)
	if err != nil {
		return nil, explain(cfg.Folder, err)
	}
	o = &Objects{root: root, disk: cfg.Durability == Disk}
	if err := makeFolder(root); err != nil {
		return nil, explain(root, err)
	}
	for _, folder := range []string{tmpFolder, "pending", "jobs"} {
		if err := makeFolder(filepath.Join(root, folder)); err != nil {
			return nil, explain(root, err)
		}
	}
	nonce := make([]byte, 8)
	_, _ = rand.Read(nonce) // it never fails
	o.tmp = filepath.Join(root, tmpFolder, hex.EncodeToString(nonce)+"-")
	if err := o.takeLock(); err != nil {
		if o.lock == nil {
			return nil, explain(root, err)
		}
		// A network file system, most likely. Nothing but Sole depends on it.
		cfg.Log.Warn("the store's folder cannot be locked: assuming that other processes use it too", "folder", root, "error", err)
	}
	if err := errors.Join(o.probe(), o.clean(cfg.Log)); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return o, nil
}

// makeFolder makes one folder. An existing one, or a link to one, is fine.
func makeFolder(path string) error {
	err := os.Mkdir(path, folderMode)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		return &fs.PathError{Op: "open", Path: path, Err: syscall.ENOTDIR}
	}
	return err
}

// takeLock finds out whether another process has the folder open, and shows the
// others that this one has. o.lock stays nil when the lock file cannot be opened.
func (o *Objects) takeLock() error {
	path := filepath.Join(o.root, lockFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	o.lock = flock.New(path, flock.SetPermissions(fileMode), flock.SetFlag(os.O_RDWR|os.O_CREATE))

	gate := flock.New(filepath.Join(o.root, gateFile), flock.SetPermissions(fileMode), flock.SetFlag(os.O_RDWR|os.O_CREATE))
	ctx, cancel := context.WithTimeout(context.Background(), gateWait)
	defer cancel()
	if _, err := gate.TryLockContext(ctx, time.Millisecond); err != nil {
		return err
	}
	defer func() { _ = gate.Close() }()
	sole, err := o.lock.TryLock()
	if err != nil {
		return err
	}
	if sole {
		if err := o.lock.Unlock(); err != nil {
			return err
		}
	}
	if shared, err := o.lock.TryRLock(); err != nil || !shared {
		return fmt.Errorf("%s cannot be locked: %w", path, err)
	}
	o.sole = sole
	return nil
}

// Sole reports whether no other process had the folder open when this one opened
// it: then what is pending was left by one that has ended.
func (o *Objects) Sole() bool { return o.sole }

// probe writes a file, and finds out how to create one without replacing another.
func (o *Objects) probe() error {
	target := o.tmp + "probe"
	defer func() { _ = os.Remove(target) }()
	for _, want := range []bool{true, false} {
		created, err := o.create(target, []byte("probe\n"))
		if !o.linked && (errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL)) {
			o.linked = true
			created, err = o.create(target, []byte("probe\n"))
		}
		if err != nil {
			return explain(o.root, err)
		}
		if created != want {
			return question.Errorf(question.CodeStoreUnavailable,
				"the file system of %s replaces a file where it should refuse to: choose a folder on a local disk", o.root)
		}
	}
	return nil
}

// clean removes temporary files that dead processes left.
func (o *Objects) clean(log *slog.Logger) error {
	entries, err := os.ReadDir(filepath.Join(o.root, tmpFolder))
	if err != nil {
		return explain(o.root, err)
	}
	removed := 0
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() || time.Since(info.ModTime()) < tmpMaxAge {
			continue
		}
		if os.Remove(filepath.Join(o.root, tmpFolder, entry.Name())) == nil {
			removed++
		}
	}
	if removed > 0 {
		log.Info("removed unfinished files of a process that died", "folder", o.root, "count", removed)
	}
	return nil
}

// Put implements results.Objects.
func (o *Objects) Put(ctx context.Context, key string, data []byte) error {
	path, err := o.path(ctx, key)
	if err != nil {
		return err
	}
	_, err = o.publish(path, data, func(tmp string) (bool, error) { return true, os.Rename(tmp, path) })
	return o.explain(err)
}

// Create implements results.Objects.
func (o *Objects) Create(ctx context.Context, key string, data []byte) (created bool, err error) {
	path, err := o.path(ctx, key)
	if err != nil {
		return false, err
	}
	created, err = o.create(path, data)
	return created, o.explain(err)
}

func (o *Objects) create(path string, data []byte) (created bool, err error) {
	return o.publish(path, data, func(tmp string) (bool, error) {
		if !o.linked {
			return notThere(renameNoReplace(tmp, path))
		}
		created, err := notThere(os.Link(tmp, path))
		if created {
			_ = os.Remove(tmp) // or clean does it one day
		}
		return created, err
	})
}

func notThere(err error) (bool, error) {
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

// publish writes data to a temporary file and moves it to path. The folder is
// made when it turns out to be missing, so that usually nothing has to be asked.
func (o *Objects) publish(path string, data []byte, move func(tmp string) (bool, error)) (moved bool, err error) {
	tmp := o.tmp + strconv.FormatUint(o.serial.Add(1), 36)
	if err := o.write(tmp, data); err != nil {
		_ = os.Remove(tmp)
		return false, err
	}
	moved, err = move(tmp)
	if errors.Is(err, fs.ErrNotExist) && o.present() == nil {
		// Sweep may remove the new folder before the file is in it.
		for range 3 {
			if err = os.MkdirAll(filepath.Dir(path), folderMode); err != nil {
				break
			}
			if moved, err = move(tmp); !errors.Is(err, fs.ErrNotExist) {
				break
			}
		}
	}
	if !moved {
		_ = os.Remove(tmp)
		return false, err
	}
	if o.disk {
		err = o.syncFolder(filepath.Dir(path))
	}
	return err == nil, err
}

func (o *Objects) write(tmp string, data []byte) error {
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil && o.disk {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncFolder puts the names in a folder on disk, and, the first time, the
// folder's own name.
func (o *Objects) syncFolder(folder string) error {
	if err := fsync(folder); err != nil {
		return err
	}
	for folder != o.root {
		if _, done := o.synced.Load(folder); done {
			break
		}
		parent := filepath.Dir(folder)
		if err := fsync(parent); err != nil {
			return err
		}
		o.synced.Store(folder, true)
		folder = parent
	}
	return nil
}

func fsync(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Get implements results.Objects.
func (o *Objects) Get(ctx context.Context, key string, limit int) ([]byte, error) {
	path, err := o.path(ctx, key)
	if err != nil {
		return nil, err
	}
	data, err := read(path, limit)
	if errors.Is(err, fs.ErrNotExist) && o.present() == nil {
		return nil, results.ErrNotFound
	}
	if errors.Is(err, syscall.EISDIR) {
		return nil, question.Errorf(question.CodeInternal, "the stored object %s is a folder", key)
	}
	return data, o.explain(err)
}

func read(path string, limit int) ([]byte, error) {
	if limit <= 0 {
		return os.ReadFile(path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data := make([]byte, limit)
	n, err := io.ReadFull(f, data)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return data[:n], err
}

// Delete implements results.Objects.
func (o *Objects) Delete(ctx context.Context, keys ...string) error {
	inner := map[string]bool{} // folders in folders that may be empty now
	for _, key := range keys {
		path, err := o.path(ctx, key)
		if err != nil {
			return err
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return o.explain(err)
		}
		if strings.Count(key, "/") > 1 {
			inner[filepath.Dir(path)] = true
		}
	}
	for folder := range inner {
		if os.Remove(folder) == nil { // it was empty
			o.synced.Delete(folder)
		}
	}
	return nil
}

// List implements results.Objects. It reads the folder as a whole.
func (o *Objects) List(ctx context.Context, folder, after string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		names, err := o.names(ctx, folder, after)
		if err != nil {
			yield("", err)
			return
		}
		slices.Sort(names)
		for _, name := range names {
			if !yield(name, nil) {
				return
			}
		}
	}
}

func (o *Objects) names(ctx context.Context, folder, after string) ([]string, error) {
	path, err := o.path(ctx, strings.TrimSuffix(folder, "/"))
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) && o.present() == nil {
			return nil, nil
		}
		return nil, o.explain(err)
	}
	defer func() { _ = f.Close() }()
	var names []string
	for ctx.Err() == nil {
		entries, err := f.ReadDir(4096)
		for _, entry := range entries {
			name := entry.Name()
			if entry.IsDir() {
				name += "/"
			}
			if name > after {
				names = append(names, name)
			}
		}
		if errors.Is(err, io.EOF) {
			return names, nil
		}
		if err != nil {
			return nil, o.explain(err)
		}
	}
	return nil, ctx.Err()
}

// Ping implements results.Objects: it writes a small file and removes it.
func (o *Objects) Ping(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := o.present(); err != nil {
		return o.explain(err)
	}
	tmp := o.tmp + strconv.FormatUint(o.serial.Add(1), 36)
	if err := o.write(tmp, []byte("ping\n")); err != nil {
		_ = os.Remove(tmp)
		return o.explain(err)
	}
	return o.explain(os.Remove(tmp))
}

// Close implements results.Objects.
func (o *Objects) Close() error { return o.lock.Close() }

// path returns the file of a key.
func (o *Objects) path(ctx context.Context, key string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if !filepath.IsLocal(key) {
		return "", question.Errorf(question.CodeInternal, "%q is no key of an object", key)
	}
	return o.root + string(filepath.Separator) + filepath.FromSlash(key), nil
}

// present returns an error when the folder is not what was opened (unmounted,
// perhaps): a file that is missing in it says nothing then.
func (o *Objects) present() error {
	_, err := os.Lstat(filepath.Join(o.root, tmpFolder))
	return err
}

// explain says what a user can do about err.
func (o *Objects) explain(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return question.Errorf(question.CodeStoreUnavailable,
			"the store's folder %s has vanished: bring it back (is it mounted?) and start again: %w", o.root, err)
	}
	return explain(o.root, err)
}

func explain(folder string, err error) error {
	advice := ""
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		advice = "its parent is missing: make that first, or choose another folder"
	case errors.Is(err, syscall.ENOTDIR):
		advice = "there is a file where a folder should be: move it away, or choose another folder"
	case errors.Is(err, fs.ErrPermission):
		advice = "this user may not write there: change the owner or the mode of what is named below, or choose another folder"
	case errors.Is(err, syscall.EROFS):
		advice = "its file system is read-only: choose another folder"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		advice = "it is full: free some space, or keep results for a shorter time"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		advice = "too many files are open: raise the limit (ulimit -n)"
	default:
		advice = "it cannot be used"
	}
	return question.Errorf(question.CodeStoreUnavailable, "the store's folder %s: %s: %w", folder, advice, err)
}
