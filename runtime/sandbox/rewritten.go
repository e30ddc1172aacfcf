package sandbox

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/le-stats-sportifs/lestats/runtime/sandbox/rewrite"
)

// rewriteCache keeps rewritten modules in the folder of compiled plugins, because
// rewriting a module takes longer than reading its machine code. Its files are trusted as
// the machine code is. A file consists of the CRC-32C of the rest, the length of a gob in
// four bytes, the gob, and the bytes of data segments and module, which are not copied
// when they are read.
type rewriteCache struct {
	dir string // "": no cache
	log *slog.Logger
	how rewrite.Config
}

// rewriting is the gob of a file.
type rewriting struct {
	Version string       // of package rewrite
	Info    rewrite.Info // without the bytes of its data segments
	Sizes   []int        // of the data segments; the module is the rest
	Code    uint64       // bytes of machine code; 0: not known
}

var errForeign = errors.New("it was written by another version")

func (r rewriteCache) file(digest string) string {
	return filepath.Join(r.dir, "rewritten-"+strings.TrimPrefix(digest, "sha256:"))
}

// rewrite returns the cached result of rewrite.Rewrite, or else calls it.
func (r rewriteCache) rewrite(wasm []byte, digest string) (*prepared, error) {
	if r.dir != "" {
		ready, err := r.read(digest)
		if err == nil {
			return ready, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			r.log.Debug("a cached rewritten plugin is not used", "err", err)
		}
	}
	out, info, err := rewrite.Rewrite(wasm, r.how)
	if err != nil {
		return nil, err
	}
	return &prepared{wasm: out, info: info}, nil
}

// keep stores a plugin that has been compiled.
func (r rewriteCache) keep(digest string, p *prepared) {
	if r.dir == "" {
		return
	}
	if err := r.write(digest, rewrite.Version(), p); err != nil { // the cache in a container image is read-only
		r.log.Debug("a rewritten plugin cannot be cached", "err", err)
	}
}

func (r rewriteCache) read(digest string) (*prepared, error) {
	b, err := os.ReadFile(r.file(digest))
	if err != nil {
		return nil, err
	}
	if len(b) < 8 || checksum(b[4:]) != binary.LittleEndian.Uint32(b) {
		return nil, errors.New("it is damaged")
	}
	rest, head := b[8:], int(binary.LittleEndian.Uint32(b[4:]))
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

func (r rewriteCache) write(digest, version string, p *prepared) error {
	info := p.info
	head := rewriting{version, *info, make([]int, len(info.Data)), p.code}
	head.Info.Data = slices.Clone(info.Data)
	rest := make([][]byte, len(info.Data), len(info.Data)+1)
	for i := range info.Data {
		rest[i], head.Sizes[i], head.Info.Data[i].Bytes = info.Data[i].Bytes, len(info.Data[i].Bytes), nil
	}
	var b bytes.Buffer
	b.Write(make([]byte, 8))
	if err := gob.NewEncoder(&b).Encode(head); err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(b.Bytes()[4:], uint32(b.Len()-8))
	for _, part := range append(rest, p.wasm) {
		b.Write(part)
	}
	binary.LittleEndian.PutUint32(b.Bytes(), checksum(b.Bytes()[4:]))
	return renameio.WriteFile(r.file(digest), b.Bytes(), 0o644)
}

// checksum detects damage, as wazero's own does for machine code.
func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }
