// Package files keeps jobs and results in a folder, with one file per object, named by
// its key. It is the default store.
//
// A file is written under tmp/ and then renamed, so a reader sees all of it or nothing.
// Several processes may share a folder.
package files

import (
	"cmp"
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

// Durability is what an accepted job survives.
type Durability string

// The durabilities.
const (
	Process Durability = "process" // the death of this process, kill -9 included
	Disk    Durability = "disk"    // power loss too: every write waits for the disk
)

// Config says where the objects are kept.
type Config struct {
	Folder     string       // created if its parent exists; required
	Durability Durability   // "" is Process
	ReadOnly   bool         // the folder is a store already, and nothing is written to it; methods that write fail
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
		return question.Errorf(question.CodeStoreUnavailable, "durability %q: use %q or %q", c.Durability, Process, Disk)
	}
	return nil
}

const (
	tmpFolder  = "tmp"
	lockFile   = "lock"         // locked, shared, by every process that has the folder open
	gateFile   = "lock.opening" // locked while a process finds out whether it is alone
	gateWait   = 10 * time.Second
	tmpMaxAge  = time.Hour // no write takes that long: an older file was left by a process that died
	folderMode = 0o750
	fileMode   = 0o640
)

// storeFolders are the folders that a store always has.
var storeFolders = []string{tmpFolder, "pending", "jobs"}

// Objects implements results.Objects over a folder.
type Objects struct {
	root     string // absolute
	readOnly bool   // there is no lock and no tmp
	disk     bool
	lock     *flock.Flock
	alone    time.Time
	linked   bool // create files with link: the file system cannot rename without replacing

	tmp    string // prefix of this process's temporary files
	serial atomic.Uint64
	synced sync.Map // folders whose own entry is known to be on disk
}

var (
	_ results.Objects   = (*Objects)(nil)
	_ results.Exclusive = (*Objects)(nil)
)

// Open creates the folder if necessary and checks that objects can be kept in it. With
// ReadOnly it only looks for a store there, and needs no permission to write.
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
	if cfg.ReadOnly {
		o.readOnly = true
		if err := o.find(cfg.Folder); err != nil {
			return nil, err
		}
		return o, nil
	}
	if err := makeFolder(root); err != nil {
		return nil, explain(root, err)
	}
	for _, folder := range storeFolders {
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
		// A network file system, most likely. Only AloneSince depends on the lock.
		cfg.Log.Warn("the store's folder cannot be locked: assuming that other processes use it too", "folder", root, "error", err)
	}
	if err := errors.Join(o.probe(), o.clean(cfg.Log)); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return o, nil
}

// find reports an error if the folder is not a store. name is the folder as it was given.
func (o *Objects) find(name string) error {
	for _, folder := range storeFolders {
		_, err := os.Stat(filepath.Join(o.root, folder))
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
			return explain(o.root, err)
		}
	}
	return question.Errorf(question.CodeStoreUnavailable, "no store at %s; a server or worker that runs with this --store creates it", name)
}

// writable returns an error if the store was opened for reading.
func (o *Objects) writable() error {
	if o.readOnly {
		return question.Errorf(question.CodeStoreUnavailable, "the store's folder %s is open for reading only", o.root)
	}
	return nil
}

// makeFolder creates one folder. An existing folder, or a link to one, is fine.
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
	alone, err := o.lock.TryLock()
	if err != nil {
		return err
	}
	if alone {
		o.alone, err = o.now()
		if err := errors.Join(err, o.lock.Unlock()); err != nil {
			return err
		}
	}
	if shared, err := o.lock.TryRLock(); err != nil || !shared {
		o.alone = time.Time{}
		return fmt.Errorf("%s cannot be locked: %w", path, err)
	}
	return nil
}

// AloneSince implements results.Exclusive.
func (o *Objects) AloneSince() time.Time { return o.alone }

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

// clean removes temporary files of processes that died.
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
// created when the move fails without it, so the usual case needs no check.
func (o *Objects) publish(path string, data []byte, move func(tmp string) (bool, error)) (moved bool, err error) {
	if err := o.writable(); err != nil {
		return false, err
	}
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
	switch {
	case errors.Is(err, fs.ErrNotExist) && o.present() == nil:
		return nil, results.ErrNotFound
	case errors.Is(err, results.ErrNotObject):
		return nil, err
	case errors.Is(err, syscall.ELOOP):
		return nil, fmt.Errorf("%w: %w", results.ErrNotObject, err)
	}
	return data, o.explain(err)
}

func read(path string, limit int) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // opening a pipe would block
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s", results.ErrNotObject, info.Mode())
	}
	size := int(info.Size())
	if limit > 0 {
		size = min(size, limit)
	}
	data := make([]byte, size)
	n, err := io.ReadFull(f, data)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return data[:n], err
}

// Delete implements results.Objects.
func (o *Objects) Delete(ctx context.Context, keys ...string) error {
	if err := o.writable(); err != nil {
		return err
	}
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

// List implements results.Objects. It reads the names of the whole folder at once.
func (o *Objects) List(ctx context.Context, folder, after string) iter.Seq2[results.Entry, error] {
	return func(yield func(results.Entry, error) bool) {
		path, names, err := o.names(ctx, folder, after)
		if err != nil {
			yield(results.Entry{}, err)
			return
		}
		slices.Sort(names)
		for _, name := range names {
			entry := results.Entry{Name: name}
			if !entry.Folder() {
				info, err := os.Stat(path + string(filepath.Separator) + name)
				if err != nil || !info.Mode().IsRegular() { // it has just gone
					continue
				}
				entry.Modified, entry.Size = info.ModTime(), info.Size()
			}
			if !yield(entry, nil) {
				return
			}
		}
	}
}

// names returns a folder's path and the names in it above `after`, unsorted.
func (o *Objects) names(ctx context.Context, folder, after string) (path string, names []string, err error) {
	path, err = o.path(ctx, strings.TrimSuffix(folder, "/"))
	if err != nil {
		return "", nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) && o.present() == nil {
			return "", nil, nil
		}
		return "", nil, o.explain(err)
	}
	defer func() { _ = f.Close() }()
	for ctx.Err() == nil {
		entries, err := f.ReadDir(4096)
		for _, entry := range entries {
			name, mode := entry.Name(), entry.Type()
			if mode&fs.ModeSymlink != 0 {
				info, err := os.Stat(filepath.Join(path, name))
				if err != nil {
					continue // it leads nowhere
				}
				mode = info.Mode().Type()
			}
			switch {
			case mode.IsDir():
				name += "/"
			case !mode.IsRegular(): // a pipe, say
				continue
			}
			if name > after {
				names = append(names, name)
			}
		}
		if errors.Is(err, io.EOF) {
			return path, names, nil
		}
		if err != nil {
			return "", nil, o.explain(err)
		}
	}
	return "", nil, ctx.Err()
}

// Now implements results.Objects. It is the time of a file that it writes.
func (o *Objects) Now(ctx context.Context) (time.Time, error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, err
	}
	now, err := o.now()
	return now, o.explain(err)
}

func (o *Objects) now() (time.Time, error) {
	if err := cmp.Or(o.writable(), o.present()); err != nil {
		return time.Time{}, err
	}
	tmp := o.tmp + strconv.FormatUint(o.serial.Add(1), 36)
	defer func() { _ = os.Remove(tmp) }()
	if err := o.write(tmp, []byte("now\n")); err != nil {
		return time.Time{}, err
	}
	info, err := os.Stat(tmp)
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// Ping implements results.Objects: it writes a small file and removes it.
func (o *Objects) Ping(ctx context.Context) error {
	_, err := o.Now(ctx)
	return err
}

// Close implements results.Objects.
func (o *Objects) Close() error {
	if o.readOnly {
		return nil
	}
	return o.lock.Close()
}

// path returns the file of a key.
func (o *Objects) path(ctx context.Context, key string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if !filepath.IsLocal(key) {
		return "", question.Errorf(question.CodeInternal, "%q is not the key of an object", key)
	}
	return o.root + string(filepath.Separator) + filepath.FromSlash(key), nil
}

// present returns an error when the folder is no longer there (unmounted, perhaps). A
// missing file means nothing then.
func (o *Objects) present() error {
	if o.readOnly {
		_, err := os.Lstat(o.root)
		return err
	}
	_, err := os.Lstat(filepath.Join(o.root, tmpFolder))
	return err
}

// explain adds what a user can do about err.
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
		advice = "its parent is missing: create that first, or choose another folder"
	case errors.Is(err, syscall.ENOTDIR):
		advice = "there is a file where a folder should be: move it away, or choose another folder"
	case errors.Is(err, fs.ErrPermission):
		advice = "this user may not write there: change the owner or the mode of the path below, or choose another folder"
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
