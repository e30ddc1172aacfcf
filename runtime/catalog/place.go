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

// MaxFile bounds a .wasm file, in bytes.
const MaxFile = 64 << 20

// place is a source and what is known of the files in it.
type place struct {
	Source

	lister

	files map[string]*file // by name
	err   *question.Error  // why it could not be listed the last time
	due   time.Time        // when to look again
}

// file is one .wasm file, and what became of it.
type file struct {
	name   string
	source string    // as in question.PluginInfo
	seen   stamp     // when it was last looked at
	since  time.Time // seen has been the same
	gone   time.Time // not listed since then; zero: it is there
	tried  bool      // what seen stands for was loaded or refused
	retry  time.Time // not tried again before

	next    *candidate          // the newest content that could be loaded
	served  *candidate          // the content that was served last; often next
	refusal question.PluginInfo // why the newest content is not next; Error is nil where it is
}

// stamp tells one content of a file from another, as far as that can be told
// without reading it.
type stamp struct {
	etag     string // of a bucket
	size     int64
	info     fs.FileInfo // of a file system; nil where that has no answer
	modified time.Time   // zero: it is complete
}

// same reports whether nothing tells the two apart. os.SameFile finds a file that
// was put in the place of another of equal size and time.
func (s stamp) same(o stamp) bool {
	return s.etag == o.etag && s.size == o.size && s.modified.Equal(o.modified) && (s.info == nil) == (o.info == nil) &&
		(s.info == nil || s.info.Mode() == o.info.Mode() && (os.SameFile(s.info, o.info) || s.info.Sys() == nil))
}

// lister is what places differ in.
type lister interface {
	// list returns the .wasm files, sorted by name.
	list(ctx context.Context) ([]entry, error)
	// read returns the content, or false when it is not, or no longer, what the
	// stamp stands for. Errors have CodeBadPlugin or come from a bucket.
	read(ctx context.Context, name string, s stamp) ([]byte, bool, error)
}

type entry struct {
	name string
	stamp
}

func newPlace(s Source) *place {
	p := &place{Source: s, files: map[string]*file{}}
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

// fixed reports whether what is there can never change.
func (p *place) fixed() bool { return p.FS != nil }

// file returns what is known of the file with this name.
func (p *place) file(name string) *file {
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
		if info, err := fs.Stat(l.fs, e.Name()); err == nil { // a link's target, not the link
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

// folderLister lists a folder on disk. A link is followed as long as it stays in the
// folder: what it could lead to elsewhere is not the plugins' owner's to show.
type folderLister struct{ folder string }

// open opens the folder. Its errors do not name it: they are told to strangers too.
func (l folderLister) open() (*os.Root, error) {
	root, err := os.OpenRoot(l.folder)
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		err = at.Err
	}
	return root, err
}

func (l folderLister) list(ctx context.Context) ([]entry, error) {
	root, err := l.open() // anew each time: it may come and go
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
	// Before it is opened, for a device can do something then; and not waiting, for a
	// pipe may have come in its place.
	info, err := root.Stat(name)
	if err != nil {
		if is, linkErr := root.Lstat(name); linkErr == nil && is.Mode()&fs.ModeSymlink != 0 {
			return nil, false, badPlugin("it is a symbolic link that leads out of the plugin folder, or to nothing; put the file itself there, or a relative link to a file in the folder")
		}
		return nil, false, badPlugin("the file cannot be read: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, false, irregular(info)
	}
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, false, badPlugin("the file cannot be read: %w", err)
	}
	defer f.Close()
	return readFile(f, s)
}

func irregular(info fs.FileInfo) error {
	return badPlugin("it is not a regular file but %s", info.Mode())
}

// readFile reads a file that was opened, and reports whether it is what the stamp
// stands for.
func readFile(f fs.File, s stamp) ([]byte, bool, error) {
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, false, badPlugin("the file cannot be read: %w", err)
	case !info.Mode().IsRegular():
		return nil, false, irregular(info)
	case info.Size() > MaxFile:
		return nil, false, badPlugin("the file has %d bytes; at most %d MiB", info.Size(), MaxFile>>20)
	}
	wasm, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	switch {
	case err != nil:
		return nil, false, badPlugin("the file cannot be read: %w", err)
	case len(wasm) > MaxFile:
		return nil, false, badPlugin("the file has more than %d MiB", MaxFile>>20)
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
	// Another object may be there since the list was made: then the next list says so.
	return wasm, int64(len(wasm)) == s.size, nil
}
