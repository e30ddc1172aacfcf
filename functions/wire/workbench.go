package wire

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/catalog"
	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

// Workbench is a dataset and an engine without plugins, for commands that inspect a
// plugin more closely than serving does.
type Workbench struct {
	Dataset *dataset.Dataset
	Engine  *sandbox.Engine

	took time.Duration // for loading the dataset
}

// OpenWorkbench opens the dataset and the engine of cfg, without plugins. The caller
// closes it.
func OpenWorkbench(ctx context.Context, cfg EngineConfig) (*Workbench, error) {
	limits, err := ReadLimits(cfg.Limits)
	if err != nil {
		return nil, err
	}
	limits.apply(cfg)
	engine, err := sandbox.New(ctx, sandbox.Config{
		Compiler:      sandbox.SelfCompiler(),
		Trusted:       embedded,
		CacheDir:      cacheFolder(cfg.Cache, cfg.Log),
		Limits:        limits.Default,
		Plugins:       limits.Plugins,
		Slots:         cfg.slots,
		Budget:        cmp.Or(limits.Budget, cfg.budget),
		Reserved:      uint64(cfg.Reserved),
		CompileMemory: limits.Compile.Memory,
		CompileTime:   cmp.Or(limits.Compile.Time, cfg.compileTime),
		Log:           cfg.Log,
		HostCalls:     cfg.HostCalls,
	}, nil)
	if err != nil {
		return nil, err
	}
	if cfg.preload != nil { // beside the dataset
		engine.Preload(cfg.preload)
	}
	begin := time.Now()
	ds, err := OpenDataset(ctx, cfg)
	if err != nil {
		return nil, errors.Join(err, engine.Close(context.WithoutCancel(ctx)))
	}
	w := &Workbench{ds, engine, time.Since(begin)}
	if err := engine.SetDataset(ds); err != nil {
		return nil, errors.Join(err, w.Close(context.WithoutCancel(ctx)))
	}
	return w, nil
}

// Close closes the engine and every plugin in it, and the dataset.
func (w *Workbench) Close(ctx context.Context) error {
	return errors.Join(w.Engine.Close(ctx), w.Dataset.Close())
}

// ReadPlugin reads the .wasm file at path; "-" is standard input. Its errors name the file.
func ReadPlugin(path string) ([]byte, error) {
	if path == "-" {
		wasm, err := catalog.ReadPlugin(os.Stdin)
		if err != nil {
			return nil, fmt.Errorf("standard input: %w", err)
		}
		return wasm, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	wasm, err := catalog.ReadPlugin(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return wasm, nil
}

// oneFile is a source with one plugin, whatever the file's extension.
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
