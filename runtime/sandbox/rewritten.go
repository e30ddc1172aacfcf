package sandbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/le-stats-sportifs/lestats/runtime/sandbox/rewrite"
)

// rewritings keeps what plugins were rewritten to in the folder of compiled plugins:
// to rewrite one takes longer than to read its machine code. What is kept is trusted
// as the machine code is. A file is the SHA-256 of what follows: the length of a gob
// in four bytes, the gob, and the bytes of module and data segments, which a start
// does not copy.
type rewritings struct {
	dir string // "": nothing is kept
	log *slog.Logger
}

// rewriting is the gob of a file.
type rewriting struct {
	Version string       // of package rewrite
	Info    rewrite.Info // without the bytes of its data segments
	Sizes   []int        // of these; the module is the rest
}

var errForeign = errors.New("another version wrote it")

func (r rewritings) file(digest string) string {
	return filepath.Join(r.dir, "rewritten-"+strings.TrimPrefix(digest, "sha256:"))
}

// rewrite is rewrite.Rewrite, or what it came to the last time.
func (r rewritings) rewrite(wasm []byte, digest string) ([]byte, *rewrite.Info, error) {
	if r.dir == "" {
		return rewrite.Rewrite(wasm, rewrite.Config{})
	}
	out, info, err := r.read(digest)
	if err == nil {
		return out, info, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		r.log.Debug("a rewritten plugin is not taken from the cache", "err", err)
	}
	if out, info, err = rewrite.Rewrite(wasm, rewrite.Config{}); err != nil {
		return nil, nil, err
	}
	if err := r.write(digest, rewrite.Version(), out, info); err != nil { // an image's folder is read only
		r.log.Debug("a rewritten plugin cannot be kept", "err", err)
	}
	return out, info, nil
}

func (r rewritings) read(digest string) ([]byte, *rewrite.Info, error) {
	b, err := os.ReadFile(r.file(digest))
	if err != nil {
		return nil, nil, err
	}
	const n = sha256.Size
	if len(b) < n+4 || sha256.Sum256(b[n:]) != [n]byte(b[:n]) {
		return nil, nil, errors.New("it is damaged")
	}
	rest, head := b[n+4:], int(binary.LittleEndian.Uint32(b[n:]))
	if head > len(rest) {
		return nil, nil, errForeign
	}
	var kept rewriting
	if err := gob.NewDecoder(bytes.NewReader(rest[:head])).Decode(&kept); err != nil {
		return nil, nil, err
	}
	if kept.Version != rewrite.Version() || len(kept.Sizes) != len(kept.Info.Data) {
		return nil, nil, errForeign
	}
	rest = rest[head:]
	for i := range kept.Info.Data {
		if kept.Sizes[i] < 0 || kept.Sizes[i] > len(rest) {
			return nil, nil, errForeign
		}
		kept.Info.Data[i].Bytes, rest = rest[:kept.Sizes[i]:kept.Sizes[i]], rest[kept.Sizes[i]:]
	}
	return rest, &kept.Info, nil
}

func (r rewritings) write(digest, version string, wasm []byte, info *rewrite.Info) error {
	head := rewriting{version, *info, make([]int, len(info.Data))}
	head.Info.Data = slices.Clone(info.Data)
	rest := make([][]byte, len(info.Data), len(info.Data)+1)
	for i := range info.Data {
		rest[i], head.Sizes[i], head.Info.Data[i].Bytes = info.Data[i].Bytes, len(info.Data[i].Bytes), nil
	}
	var b bytes.Buffer
	b.Write(make([]byte, sha256.Size+4))
	if err := gob.NewEncoder(&b).Encode(head); err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(b.Bytes()[sha256.Size:], uint32(b.Len()-sha256.Size-4))
	for _, part := range append(rest, wasm) {
		b.Write(part)
	}
	sum := sha256.Sum256(b.Bytes()[sha256.Size:])
	copy(b.Bytes(), sum[:])
	return renameio.WriteFile(r.file(digest), b.Bytes(), 0o644)
}
