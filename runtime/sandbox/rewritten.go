package sandbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/gob"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/le-stats-sportifs/lestats/runtime/sandbox/rewrite"
)

// rewritings keeps what plugins were rewritten to in the folder of compiled plugins:
// to rewrite one takes longer than to read its machine code. What is kept is trusted
// as the machine code is. A file is the SHA-256 of what follows, a gob.
type rewritings struct {
	dir string // "": nothing is kept
	log *slog.Logger
}

// rewriting is what a file holds.
type rewriting struct {
	Version string // of package rewrite
	Wasm    []byte
	Info    *rewrite.Info
}

func (r rewritings) file(digest string) string {
	return filepath.Join(r.dir, "rewritten-"+strings.TrimPrefix(digest, "sha256:"))
}

// rewrite is rewrite.Rewrite, or what it came to the last time.
func (r rewritings) rewrite(wasm []byte, digest string) ([]byte, *rewrite.Info, error) {
	if r.dir == "" {
		return rewrite.Rewrite(wasm, rewrite.Config{})
	}
	if kept, err := r.read(digest); err == nil {
		return kept.Wasm, kept.Info, nil
	} else if !errors.Is(err, os.ErrNotExist) {
		r.log.Debug("a rewritten plugin is not taken from the cache", "err", err)
	}
	out, info, err := rewrite.Rewrite(wasm, rewrite.Config{})
	if err == nil {
		if err := r.write(digest, rewriting{rewrite.Version(), out, info}); err != nil { // an image's folder is read only
			r.log.Debug("a rewritten plugin cannot be kept", "err", err)
		}
	}
	return out, info, err
}

func (r rewritings) read(digest string) (kept rewriting, err error) {
	b, err := os.ReadFile(r.file(digest))
	if err != nil {
		return kept, err
	}
	const n = sha256.Size
	if len(b) < n || sha256.Sum256(b[n:]) != [n]byte(b[:n]) {
		return kept, errors.New("it is damaged")
	}
	if err := gob.NewDecoder(bytes.NewReader(b[n:])).Decode(&kept); err != nil {
		return kept, err
	}
	if kept.Version != rewrite.Version() || kept.Info == nil {
		return kept, errors.New("another version wrote it")
	}
	return kept, nil
}

func (r rewritings) write(digest string, kept rewriting) error {
	var b bytes.Buffer
	b.Write(make([]byte, sha256.Size))
	if err := gob.NewEncoder(&b).Encode(kept); err != nil {
		return err
	}
	sum := sha256.Sum256(b.Bytes()[sha256.Size:])
	copy(b.Bytes(), sum[:])
	return renameio.WriteFile(r.file(digest), b.Bytes(), 0o644)
}
