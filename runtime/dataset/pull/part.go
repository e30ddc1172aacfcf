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

// version names what part is a beginning of; it is kept in a file beside part. A
// server that still has the same version sends the rest.
type version struct {
	URL          string `json:"url"`
	ETag         string `json:"etag,omitempty"`          // strong ones only
	LastModified string `json:"last_modified,omitempty"` // where there is no strong ETag
	Total        int64  `json:"total"`                   // bytes, -1 where the server did not say
}

// validator returns what If-Range takes, "" where there is nothing to go by.
func (v *version) validator() string {
	if v.ETag != "" {
		return v.ETag
	}
	return v.LastModified
}

func (p *puller) versionPath() string { return p.Target + ".part.json" }

// open takes the lock and opens what an earlier run left. Everything that can be
// known to be wrong with the place is found here, before anything is downloaded.
func (p *puller) open() (err error) {
	if file, err := filepath.EvalSymlinks(p.Target); err == nil {
		p.Target = file // a link stays, the file behind it is replaced
	}
	folder := filepath.Dir(p.Target)
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return fmt.Errorf("there is no folder %s to write to", folder)
	}
	if info, err := os.Stat(p.Target); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no file: it cannot be replaced", p.Target)
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
		return fmt.Errorf("%s is no file: it is in the way", name)
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

// reset throws away what was received.
func (p *puller) reset() error {
	p.have, p.version, p.spliced = 0, version{Total: -1}, false
	_, err := p.part.Seek(0, io.SeekStart)
	// In this order, so that no version is ever beside bytes of another one.
	return errors.Join(p.part.Truncate(0), err, forget(p.versionPath()))
}

// begin notes what the bytes that follow are the beginning of.
func (p *puller) begin(v version) error {
	p.version = v
	if v.validator() == "" {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(p.versionPath(), append(b, '\n'), 0o644) //nolint:gosec // as readable as the part beside it
}

// close leaves a part behind only where the next run can go on with it.
func (p *puller) close() {
	if p.part != nil {
		_ = p.part.Close() // nothing depends on it any more
		if p.have == 0 || p.version.validator() == "" {
			_ = os.Remove(p.part.Name()) // what stays is emptied by the next run
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

// lock takes TARGET.lock, which exists only while it is held.
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
		// The one who held it before may have removed it between our open and our
		// lock: then ours is on a file that nobody else will see.
		ours, err1 := l.Stat()
		there, err2 := os.Stat(path)
		if err1 == nil && err2 == nil && os.SameFile(ours, there) {
			return func() {
				_ = os.Remove(path) // one that stays is harmless
				_ = l.Close()       // the end of the process frees it too
			}, nil
		}
		if err := l.Close(); err != nil {
			return nil, err
		}
	}
}

// sniff recognises what servers send in place of a file, to say so in plain words.
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
		return fmt.Errorf("the server sent a web page, not a dataset: it begins with %q", cut(text))
	case text[0] == '{', text[0] == '[':
		return fmt.Errorf("the server sent a message, not a dataset: it begins with %q", cut(text))
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		return errors.New("the server sent a gzip file, not a dataset")
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return errors.New("the server sent a zip file, not a dataset")
	}
	return nil
}

// cut returns the first characters of b.
func cut(b []byte) []byte {
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
