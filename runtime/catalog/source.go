package catalog

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// MaxFile is the largest .wasm file, in bytes.
const MaxFile = 64 << 20

// source is a Source with the state of its files.
type source struct {
	Source

	lister

	files map[string]*file // by name
	err   *question.Error  // of the last listing
	due   time.Time        // time of the next listing
}

// file is the state of one .wasm file.
type file struct {
	name   string
	source string    // as in question.PluginInfo
	seen   stamp     // at the last listing
	since  time.Time // seen has not changed since then
	gone   time.Time // absent since then; zero if present
	tried  bool      // the version seen was loaded or refused
	retry  time.Time // time of the next try

	next    *candidate          // the newest version that could be loaded
	served  *candidate          // the version that is served; usually next
	refusal question.PluginInfo // why the newest version is not next; Error is nil if it is
}

// stamp identifies a version of a file as far as possible without reading it.
type stamp struct {
	etag     string // of a bucket
	size     int64
	info     fs.FileInfo // of a file system; nil if it is not known
	modified time.Time   // zero if the file is known to be complete
}

// same reports whether the stamps are equal. os.SameFile detects a file that replaced
// another of equal size and time.
func (s stamp) same(o stamp) bool {
	return s.etag == o.etag && s.size == o.size && s.modified.Equal(o.modified) && (s.info == nil) == (o.info == nil) &&
		(s.info == nil || s.info.Mode() == o.info.Mode() && (os.SameFile(s.info, o.info) || s.info.Sys() == nil))
}

// lister is the part in which kinds of sources differ.
type lister interface {
	// list returns the .wasm files, sorted by name.
	list(ctx context.Context) ([]entry, error)
	// read returns the content, and whether it is the version of the stamp. Errors have
	// CodeBadPlugin or come from a bucket.
	read(ctx context.Context, name string, s stamp) ([]byte, bool, error)
}

type entry struct {
	name string
	stamp
}

func newSource(s Source) *source {
	p := &source{Source: s, files: map[string]*file{}}
	switch {
	case s.Bucket != nil:
		p.lister = bucketLister{s.Bucket}
	case s.FS != nil:
		p.lister = fsLister{s.FS}
	default:
		p.lister = folderLister{s.Folder}
	}
	return p
}

// fixed reports whether the source can never change.
func (p *source) fixed() bool { return p.FS != nil }

// file returns the state of the file with this name, new if it is not known.
func (p *source) file(name string) *file {
	f := p.files[name]
	if f == nil {
		f = &file{name: name, source: p.Name}
		switch {
		case p.Bucket != nil:
			f.source = p.Name + "/" + name
		case p.Name != BuiltIn:
			f.source = filepath.Join(p.Name, name)
		}
		p.files[name] = f
	}
	return f
}

type fsLister struct{ fs fs.FS }

func (l fsLister) list(context.Context) ([]entry, error) {
	entries, err := fs.ReadDir(l.fs, ".")
	if err != nil {
		return nil, err
	}
	var out []entry
	for _, e := range entries {
		if path.Ext(e.Name()) != ".wasm" {
			continue
		}
		s := stamp{}
		if info, err := fs.Stat(l.fs, e.Name()); err == nil { // of a link's target, not of the link
			s = stamp{size: info.Size(), info: info, modified: info.ModTime()}
		}
		out = append(out, entry{e.Name(), s})
	}
	return out, nil
}

func (l fsLister) read(_ context.Context, name string, s stamp) ([]byte, bool, error) {
	f, err := l.fs.Open(name)
	if err != nil {
		return nil, false, badPlugin("the file cannot be read: %w", err)
	}
	defer f.Close()
	return readFile(f, s)
}

// folderLister lists a folder on disk. It follows links that stay in the folder only,
// because a refusal would reveal something about a file elsewhere.
type folderLister struct{ folder string }

// open opens the folder. Its errors do not name the folder, because strangers may read them.
func (l folderLister) open() (*os.Root, error) {
	root, err := os.OpenRoot(l.folder)
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		err = at.Err
	}
	return root, err
}

func (l folderLister) list(ctx context.Context) ([]entry, error) {
	root, err := l.open() // again each time, because it may be removed or replaced
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return fsLister{root.FS()}.list(ctx)
}

func (l folderLister) read(_ context.Context, name string, s stamp) ([]byte, bool, error) {
	root, err := l.open()
	if err != nil {
		return nil, false, badPlugin("the file cannot be read: %w", err)
	}
	defer root.Close()
	// The check comes before opening, because opening a device may have effects, and the
	// file is opened without blocking, because a pipe may have replaced it.
	info, err := root.Stat(name)
	if err != nil {
		if is, linkErr := root.Lstat(name); linkErr == nil && is.Mode()&fs.ModeSymlink != 0 {
			return nil, false, badPlugin("it is a symbolic link that leads out of the plugin folder or to no file; use the file itself, or a relative link to a file in the folder")
		}
		return nil, false, badPlugin("the file cannot be read: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, false, errIrregular(info)
	}
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, false, badPlugin("the file cannot be read: %w", err)
	}
	defer f.Close()
	return readFile(f, s)
}

func errIrregular(info fs.FileInfo) error {
	return badPlugin("it is not a regular file but %s", info.Mode())
}

// ReadPlugin reads a .wasm file of at most MaxFile bytes.
func ReadPlugin(r io.Reader) ([]byte, error) {
	wasm, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	switch {
	case err != nil:
		return nil, badPlugin("the file cannot be read: %w", err)
	case len(wasm) > MaxFile:
		return nil, badPlugin("the file has more than %d MiB", MaxFile>>20)
	}
	return wasm, nil
}

// readFile reads an open file, and reports whether it is the version of the stamp.
func readFile(f fs.File, s stamp) ([]byte, bool, error) {
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, false, badPlugin("the file cannot be read: %w", err)
	case !info.Mode().IsRegular():
		return nil, false, errIrregular(info)
	case info.Size() > MaxFile:
		return nil, false, badPlugin("the file has %d bytes; at most %d MiB", info.Size(), MaxFile>>20)
	}
	wasm, err := ReadPlugin(f)
	if err != nil {
		return nil, false, err
	}
	info, err = f.Stat()
	return wasm, err == nil && s.same(stamp{size: int64(len(wasm)), info: info, modified: info.ModTime()}), nil
}

type bucketLister struct{ bucket Bucket }

func (l bucketLister) list(ctx context.Context) ([]entry, error) {
	objects, err := l.bucket.List(ctx)
	if err != nil {
		return nil, err
	}
	var out []entry
	for _, o := range objects {
		if path.Ext(o.Name) == ".wasm" {
			out = append(out, entry{o.Name, stamp{etag: o.ETag, size: o.Size}})
		}
	}
	return out, nil
}

func (l bucketLister) read(ctx context.Context, name string, s stamp) ([]byte, bool, error) {
	if s.size > MaxFile {
		return nil, false, badPlugin("the object has %d bytes; at most %d MiB", s.size, MaxFile>>20)
	}
	wasm, err := l.bucket.Get(ctx, name, MaxFile)
	if err != nil {
		return nil, false, err
	}
	// If the object was replaced after the listing, the next listing shows it.
	return wasm, int64(len(wasm)) == s.size, nil
}
