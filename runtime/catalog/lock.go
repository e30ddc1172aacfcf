package catalog

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// maxLock is the largest lock file, in bytes.
const maxLock = 4 << 20

var digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// ReadLock reads the list of plugins that may be served. Each line begins with the digest
// of a plugin's file, "sha256:" and 64 hex digits; the rest of the line is for people. A
// line that begins with # is a comment. An error names the faulty line.
func ReadLock(r io.Reader) (digests map[string]bool, err error) {
	b, err := io.ReadAll(io.LimitReader(r, maxLock+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > maxLock:
		return nil, fmt.Errorf("the file has more than %d MiB", maxLock>>20)
	}
	digests = map[string]bool{}
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, maxLock+1)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		digest := strings.Fields(line)[0]
		if !digestPattern.MatchString(digest) {
			return nil, fmt.Errorf(`line %d begins with %.80q; a line is "sha256:" and 64 lower-case hex digits, then name and version`, n, digest)
		}
		digests[digest] = true
	}
	return digests, lines.Err()
}

// WriteLock writes the list of these plugins in the format of ReadLock.
func WriteLock(w io.Writer, plugins []question.PluginInfo) error {
	var b bytes.Buffer
	b.WriteString("# The plugins that may be served: digest, name, version.\n# Written by: lestats plugin lock\n")
	for i := range plugins {
		// The version is free text from the plugin.
		fmt.Fprintf(&b, "%s %s %s\n", plugins[i].Digest, plugins[i].Name, strings.Join(strings.Fields(plugins[i].Version), " "))
	}
	_, err := w.Write(b.Bytes())
	return err
}

// lockFile is the lock file and its last readable content. nil allows everything.
type lockFile struct {
	path    string
	seen    stamp
	digests map[string]bool
	failed  string // the last error, to log it once
}

func openLock(path string) (*lockFile, error) {
	l := &lockFile{path: path}
	if err := l.read(); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("the list of plugins that may be served: %w; `lestats plugin lock` writes one", err)
		}
		return nil, fmt.Errorf("the list of plugins that may be served, %s: %w", path, err)
	}
	return l, nil
}

func (l *lockFile) read() error {
	f, err := os.Open(l.path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	digests, err := ReadLock(f)
	if err != nil {
		return err
	}
	l.digests, l.seen = digests, stampOf(info)
	return nil
}

func stampOf(info fs.FileInfo) stamp {
	return stamp{size: info.Size(), info: info, modified: info.ModTime()}
}

// refresh reads the file again if it has changed, and reports whether the list changed.
// A file that is missing or invalid allows nothing new: its last content stays valid.
func (l *lockFile) refresh(log *slog.Logger, settle time.Duration) bool {
	if l == nil {
		return false
	}
	info, err := os.Stat(l.path)
	if err == nil && l.seen.same(stampOf(info)) {
		return false
	}
	if err == nil && time.Since(info.ModTime()) < settle { // it may be incomplete
		return false
	}
	if err == nil {
		if err = l.read(); err == nil {
			l.failed = ""
			log.Info("the list of plugins that may be served has changed", "file", l.path, "plugins", len(l.digests))
			return true
		}
	}
	if l.failed != err.Error() {
		l.failed = err.Error()
		log.Warn("the list of plugins that may be served cannot be read; its last content stays valid", "file", l.path, "err", err)
	}
	return false
}

// allows returns why a plugin may not be served, or nil.
func (l *lockFile) allows(digest string) error {
	if l == nil || l.digests[digest] {
		return nil
	}
	return badPlugin("its digest %s is not in the list %s; if you trust the plugin, run `lestats plugin lock` or add the line yourself", digest, filepath.Base(l.path))
}
