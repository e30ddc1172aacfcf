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
	Code    uint64       // bytes of the machine code; 0: not known
}

var errForeign = errors.New("another version wrote it")

func (r rewritings) file(digest string) string {
	return filepath.Join(r.dir, "rewritten-"+strings.TrimPrefix(digest, "sha256:"))
}

// rewrite is rewrite.Rewrite, or what it came to when the plugin was compiled.
func (r rewritings) rewrite(wasm []byte, digest string) (*prepared, error) {
	if r.dir != "" {
		ready, err := r.read(digest)
		if err == nil {
			return ready, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			r.log.Debug("a rewritten plugin is not taken from the cache", "err", err)
		}
	}
	out, info, err := rewrite.Rewrite(wasm, rewrite.Config{})
	if err != nil {
		return nil, err
	}
	return &prepared{wasm: out, info: info}, nil
}

// keep keeps a plugin that was compiled.
func (r rewritings) keep(digest string, p *prepared) {
	if r.dir == "" {
		return
	}
	if err := r.write(digest, rewrite.Version(), p); err != nil { // an image's folder is read only
		r.log.Debug("a rewritten plugin cannot be kept", "err", err)
	}
}

func (r rewritings) read(digest string) (*prepared, error) {
	b, err := os.ReadFile(r.file(digest))
	if err != nil {
		return nil, err
	}
	const n = sha256.Size
	if len(b) < n+4 || sha256.Sum256(b[n:]) != [n]byte(b[:n]) {
		return nil, errors.New("it is damaged")
	}
	rest, head := b[n+4:], int(binary.LittleEndian.Uint32(b[n:]))
	if head > len(rest) {
		return nil, errForeign
	}
	var kept rewriting
	if err := gob.NewDecoder(bytes.NewReader(rest[:head])).Decode(&kept); err != nil {
		return nil, err
	}
	if kept.Version != rewrite.Version() || len(kept.Sizes) != len(kept.Info.Data) {
		return nil, errForeign
	}
	rest = rest[head:]
	for i := range kept.Info.Data {
		if kept.Sizes[i] < 0 || kept.Sizes[i] > len(rest) {
			return nil, errForeign
		}
		kept.Info.Data[i].Bytes, rest = rest[:kept.Sizes[i]:kept.Sizes[i]], rest[kept.Sizes[i]:]
	}
	return &prepared{rest, &kept.Info, kept.Code, true}, nil
}

func (r rewritings) write(digest, version string, p *prepared) error {
	info := p.info
	head := rewriting{version, *info, make([]int, len(info.Data)), p.code}
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
	for _, part := range append(rest, p.wasm) {
		b.Write(part)
	}
	sum := sha256.Sum256(b.Bytes()[sha256.Size:])
	copy(b.Bytes(), sum[:])
	return renameio.WriteFile(r.file(digest), b.Bytes(), 0o644)
}
