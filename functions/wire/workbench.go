package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/catalog"
	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

// Workbench is a dataset and an engine without any plugin: for looking at one
// more closely than serving it needs. Its methods are those of its parts.
type Workbench struct {
	Dataset *dataset.Dataset
	Engine  *sandbox.Engine
}

// OpenWorkbench opens what cfg says, but for plugins. The caller closes it.
func OpenWorkbench(ctx context.Context, cfg QuestionsConfig) (*Workbench, error) {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	limits, err := ReadLimits(cfg.Limits)
	if err != nil {
		return nil, err
	}
	ds, err := OpenDataset(ctx, cfg.Data, cfg.Descriptor)
	if err != nil {
		return nil, err
	}
	engine, err := newEngine(ctx, cfg, limits, ds)
	if err != nil {
		return nil, errors.Join(err, ds.Close())
	}
	return &Workbench{ds, engine}, nil
}

// Close closes the engine and every plugin in it, and the dataset.
func (w *Workbench) Close(ctx context.Context) error {
	return errors.Join(w.Engine.Close(ctx), w.Dataset.Close())
}

// ReadPlugin reads a .wasm file, as a catalog does. The error names it.
func ReadPlugin(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s is a folder; name the .wasm file in it", path)
	case info.Size() > catalog.MaxFile:
		return nil, fmt.Errorf("%s has %d bytes; a plugin has at most %d MiB", path, info.Size(), catalog.MaxFile>>20)
	}
	wasm, err := io.ReadAll(io.LimitReader(f, catalog.MaxFile+1))
	if err == nil && len(wasm) > catalog.MaxFile {
		err = fmt.Errorf("%s has more than %d MiB", path, catalog.MaxFile>>20)
	}
	return wasm, err
}

// oneFile is a place with one plugin in it, whatever the file's name ends in.
type oneFile struct {
	name string
	wasm []byte
}

// List implements catalog.Bucket.
func (f oneFile) List(context.Context) ([]catalog.Object, error) {
	return []catalog.Object{{Name: strings.TrimSuffix(f.name, ".wasm") + ".wasm", ETag: f.name, Size: int64(len(f.wasm))}}, nil
}

// Get implements catalog.Bucket.
func (f oneFile) Get(_ context.Context, _ string, limit int) ([]byte, error) {
	return f.wasm[:min(len(f.wasm), limit)], nil
}
