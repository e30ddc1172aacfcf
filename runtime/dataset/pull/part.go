package pull

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"unicode/utf8"

	"github.com/gofrs/flock"
)

// version identifies the file that part is a prefix of. It is stored in a file beside
// part. A server that still has the same version sends the rest.
type version struct {
	URL          string `json:"url"`
	ETag         string `json:"etag,omitempty"`          // only a strong one
	LastModified string `json:"last_modified,omitempty"` // if there is no strong ETag
	Total        int64  `json:"total"`                   // bytes; -1 if unknown
}

// validator returns the value for If-Range, or "" if there is none.
func (v *version) validator() string {
	if v.ETag != "" {
		return v.ETag
	}
	return v.LastModified
}

func (p *puller) versionPath() string { return p.Target + ".part.json" }

// open takes the lock and opens what an earlier run left. It finds everything that can be
// wrong with the target before anything is downloaded.
func (p *puller) open() (err error) {
	if file, err := filepath.EvalSymlinks(p.Target); err == nil {
		p.Target = file // a link is kept, and the file that it points to replaced
	}
	folder := filepath.Dir(p.Target)
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return fmt.Errorf("there is no folder %s to write to", folder)
	}
	if info, err := os.Stat(p.Target); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file: it cannot be replaced", p.Target)
	}
	if p.unlock, err = lock(p.Target); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	name := p.Target + ".part"
	if info, err := os.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file: remove it first", name)
	}
	if p.part, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644); err != nil { //nolint:gosec // a public dataset, for all to read
		return fmt.Errorf("cannot write to %s: %w", folder, err)
	}
	b, err := os.ReadFile(p.versionPath())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if json.Unmarshal(b, &p.version) != nil || p.version.URL != p.Source.URL || p.version.validator() == "" {
		return p.reset()
	}
	p.have, err = p.part.Seek(0, io.SeekEnd)
	return err
}

// reset discards what was received.
func (p *puller) reset() error {
	p.have, p.version, p.resumed = 0, version{Total: -1}, false
	_, err := p.part.Seek(0, io.SeekStart)
	// In this order, so that a version is never stored beside bytes of another one.
	return errors.Join(p.part.Truncate(0), err, forget(p.versionPath()))
}

// begin stores the version of the bytes that follow.
func (p *puller) begin(v version) error {
	p.version = v
	if v.validator() == "" {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(p.versionPath(), append(b, '\n'), 0o644) //nolint:gosec // readable like the part beside it
}

// close keeps the part only if the next run can resume it.
func (p *puller) close() {
	if p.part != nil {
		_ = p.part.Close() // nothing depends on it anymore
		if p.have == 0 || p.version.validator() == "" {
			_ = os.Remove(p.part.Name()) // the next run empties what stays
			_ = os.Remove(p.versionPath())
		}
	}
	p.unlock()
}

func forget(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// lock takes the lock TARGET.lock, a file that exists only while the lock is held.
func lock(target string) (unlock func(), err error) {
	path := target + ".lock"
	for {
		l := flock.New(path)
		ok, err := l.TryLock()
		if err != nil {
			return nil, fmt.Errorf("cannot write to %s: %w", filepath.Dir(path), err)
		}
		if !ok {
			_ = l.Close() // it holds nothing
			return nil, fmt.Errorf("another download to %s is running", target)
		}
		// The previous holder may have removed the file between our open and our lock:
		// then we have locked a file that nobody else can see.
		ours, err1 := l.Stat()
		there, err2 := os.Stat(path)
		if err1 == nil && err2 == nil && os.SameFile(ours, there) {
			return func() {
				_ = os.Remove(path) // a leftover file is harmless
				_ = l.Close()       // the lock also ends with the process
			}, nil
		}
		if err := l.Close(); err != nil {
			return nil, err
		}
	}
}

// sniff recognizes what servers send instead of a file, for a clear message.
func (p *puller) sniff() error {
	head := make([]byte, 512)
	n, err := p.part.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	head = head[:n]
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\uFEFF")), " \t\r\n")
	switch {
	case len(text) == 0:
		return errors.New("the server sent an empty file")
	case text[0] == '<':
		return fmt.Errorf("the server sent a web page, not a dataset: it begins with %q", truncate(text))
	case text[0] == '{', text[0] == '[':
		return fmt.Errorf("the server sent a message, not a dataset: it begins with %q", truncate(text))
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		return errors.New("the server sent a gzip file, not a dataset")
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return errors.New("the server sent a zip file, not a dataset")
	}
	return nil
}

// truncate returns the first characters of b.
func truncate(b []byte) []byte {
	const most = 60
	if len(b) <= most {
		return b
	}
	n := most
	for n > most-utf8.UTFMax && !utf8.RuneStart(b[n]) {
		n--
	}
	return b[:n]
}
