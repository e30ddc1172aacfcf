// Package wire puts the rooms of runtime/ together: it is the one place that
// knows which dataset, which plugins and which store a process runs on. Every
// entry point (the HTTP server, the command line, a worker) starts here, so that
// they cannot differ.
package wire

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/le-stats-sportifs/lestats/data"
	"github.com/le-stats-sportifs/lestats/plugins"
	"github.com/le-stats-sportifs/lestats/runtime/boundedyaml"
	"github.com/le-stats-sportifs/lestats/runtime/catalog"
	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/files"
	"github.com/le-stats-sportifs/lestats/runtime/results/s3"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

// DefaultPluginFolder is looked into for plugins when no folder is named, and
// may be absent then.
const DefaultPluginFolder = "lestats-plugins"

// DefaultStore is the folder that jobs and results live in when none is named.
const DefaultStore = "lestats-store"

// Questions is a dataset and the plugins that answer questions about it.
// Its methods are safe for concurrent use, Close apart.
type Questions struct {
	*catalog.Catalog

	Dataset *dataset.Dataset
	// Took is how long OpenQuestions took for the dataset and for the plugins.
	Took struct{ Dataset, Plugins time.Duration }

	engine *sandbox.Engine
}

// QuestionsConfig says where dataset and plugins come from, and what a job may use.
type QuestionsConfig struct {
	Data       string        // a CSV, Parquet or Arrow file; "" is the embedded synthetic sample
	Descriptor string        // a YAML file that describes Data; "" is what OpenDataset finds
	Plugins    string        // a folder of .wasm files; "" is DefaultPluginFolder, if it is there
	File       string        // one .wasm file in place of all other plugins; "" is none
	Lock       string        // a file that lists the plugins that may be served; "" allows all
	Bucket     *PluginBucket // more plugins; nil is none
	Live       bool          // keep looking for plugins that come, change and go
	NoBuiltIn  bool          // leave the embedded plugin out
	Cache      string        // folder for compiled plugins; "" is one in the user's cache folder, "off" is none
	Limits     string        // a file as infra/limits.yaml, see ReadLimits; "" is none
	TimeLimit  time.Duration // wall clock a job; 0 is the sandbox's default
	MemoryMiB  int           // a sandbox's memory beyond the dataset, where Limits says none; 0 is the sandbox's default
	Slots      int           // jobs of one plugin that run at once; 0: one a processor
	Budget     uint64        // memory of all plugins and jobs together, in bytes, where Limits says none; 0 is the sandbox's default
	// CompileTime is the processor time that compiling one plugin may take, where Limits
	// says none; 0 is the sandbox's default.
	CompileTime time.Duration
	Log         *slog.Logger // nil is slog.Default()
}

// OpenQuestions loads the dataset and the plugins. A plugin that is refused does
// not fail it: the catalog says why.
func OpenQuestions(ctx context.Context, cfg QuestionsConfig) (_ *Questions, err error) {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	limits, err := ReadLimits(cfg.Limits)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	ds, err := OpenDataset(ctx, cfg.Data, cfg.Descriptor)
	if err != nil {
		return nil, err
	}
	opened := &Questions{Dataset: ds}
	opened.Took.Dataset = time.Since(begin)
	defer func() {
		if err != nil {
			err = errors.Join(err, opened.Close(context.WithoutCancel(ctx)))
		}
	}()
	opened.engine, err = newEngine(ctx, cfg, limits, ds)
	if err != nil {
		return nil, err
	}
	sources, err := sources(cfg)
	if err != nil {
		return nil, err
	}
	opened.Catalog, err = catalog.Open(ctx, catalog.Config{
		Dataset: ds,
		Load:    func(ctx context.Context, wasm []byte) (catalog.Plugin, error) { return opened.engine.Load(ctx, wasm) },
		Sources: sources,
		Lock:    cfg.Lock,
		Live:    cfg.Live,
		Log:     cfg.Log,

		PollBucket: cfg.Bucket.poll(),
	})
	if err != nil {
		return nil, err
	}
	opened.Took.Plugins = time.Since(begin) - opened.Took.Dataset
	if cfg.File != "" {
		if p := opened.Plugins()[0]; !p.Serving {
			return nil, p.Error
		}
	}
	return opened, nil
}

func newEngine(ctx context.Context, cfg QuestionsConfig, limits Limits, ds *dataset.Dataset) (*sandbox.Engine, error) {
	return sandbox.New(ctx, sandbox.Config{
		Compiler: sandbox.SelfCompiler(),
		Trusted:  embedded,
		CacheDir: cacheFolder(cfg.Cache),
		Limits:   limits.Default.Over(sandbox.Limits{Memory: uint64(cfg.MemoryMiB) << 20, Time: cfg.TimeLimit}),
		Plugins:  limits.Plugins,
		Slots:    cfg.Slots,
		Budget:   cmp.Or(limits.Budget, cfg.Budget),

		CompileMemory: limits.Compile.Memory,
		CompileTime:   cmp.Or(limits.Compile.Time, cfg.CompileTime),

		Log: cfg.Log,
	}, ds)
}

// embedded reports whether a module is part of this program.
func embedded(wasm []byte) bool {
	all := plugins.BuiltIn()
	entries, err := fs.ReadDir(all, ".")
	if err != nil {
		return false
	}
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		info, err := e.Info()
		if err != nil || info.Size() != int64(len(wasm)) {
			return false
		}
		own, err := fs.ReadFile(all, e.Name())
		return err == nil && bytes.Equal(own, wasm)
	})
}

// Close releases plugins, engine and dataset, in this order.
func (q *Questions) Close(ctx context.Context) error {
	var errs []error
	if q.Catalog != nil {
		errs = append(errs, q.Catalog.Close(ctx))
	}
	if q.engine != nil {
		errs = append(errs, q.engine.Close(ctx))
	}
	if q.Dataset != nil {
		errs = append(errs, q.Dataset.Close())
	}
	return errors.Join(errs...)
}

// OpenDataset opens the file at path, or the embedded sample where path is "". A file
// that has no descriptor inside is read by the given one; by the one beside it, which
// has the same name but for the ending .yaml, where none is given; or else as the CDC's
// survey.
func OpenDataset(ctx context.Context, path, descriptor string) (*dataset.Dataset, error) {
	return OpenDatasetWatched(ctx, path, descriptor, nil)
}

// OpenDatasetWatched is OpenDataset; progress, if not nil, is told how many bytes of
// a CSV file were read.
func OpenDatasetWatched(ctx context.Context, path, descriptor string, progress func(bytes int64)) (*dataset.Dataset, error) {
	if path == "" {
		sample, err := data.Sample()
		if err != nil {
			return nil, err
		}
		return dataset.ReadArrow(sample)
	}
	if descriptor == "" {
		ds, err := dataset.Open(ctx, path, nil)
		if !errors.Is(err, dataset.ErrNoDescriptor) {
			return ds, err
		}
		descriptor = strings.TrimSuffix(path, filepath.Ext(path)) + ".yaml"
		if _, err := os.Stat(descriptor); err != nil || descriptor == path {
			descriptor = ""
		}
	}
	d, err := OpenDescriptor(descriptor)
	if err != nil {
		return nil, err
	}
	ds, err := dataset.OpenWatched(ctx, path, d, progress)
	if descriptor == "" && errors.Is(err, dataset.ErrHeader) {
		return nil, fmt.Errorf("%w; without a descriptor it is read as the CDC's survey: lestats data init %s writes one for it", err, path)
	}
	return ds, err
}

// OpenDescriptor reads a descriptor, the CDC survey's where path is "".
func OpenDescriptor(path string) (*dataset.Descriptor, error) {
	if path == "" {
		return dataset.ParseDescriptor(data.NPAO)
	}
	b, err := boundedyaml.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("descriptor: %w", err)
	}
	d, err := dataset.ParseDescriptor(b)
	if err != nil {
		return nil, fmt.Errorf("descriptor %s: %w", path, err)
	}
	return d, nil
}

func sources(cfg QuestionsConfig) ([]catalog.Source, error) {
	if cfg.File != "" {
		wasm, err := ReadPlugin(cfg.File)
		if err != nil {
			return nil, err
		}
		folder, name := filepath.Split(cfg.File)
		return []catalog.Source{{Name: filepath.Clean(folder), Bucket: oneFile{name, wasm}}}, nil
	}
	var out []catalog.Source
	if !cfg.NoBuiltIn {
		out = append(out, catalog.Source{Name: catalog.BuiltIn, FS: plugins.BuiltIn()})
	}
	if cfg.Plugins == "" {
		out = append(out, catalog.Source{Folder: DefaultPluginFolder, Optional: true})
	} else {
		// A name that is wrong is told at once. Later the folder may come and go.
		info, err := os.Stat(cfg.Plugins)
		switch {
		case err != nil:
			return nil, fmt.Errorf("plugin folder: %w", err)
		case !info.IsDir():
			return nil, fmt.Errorf("plugin folder %s is a file; name the folder that holds the .wasm files", cfg.Plugins)
		}
		out = append(out, catalog.Source{Folder: cfg.Plugins})
	}
	if cfg.Bucket != nil {
		out = append(out, catalog.Source{Name: cfg.Bucket.Name, Bucket: cfg.Bucket})
	}
	return out, nil
}

func cacheFolder(name string) string {
	switch name {
	case "off":
		return ""
	case "":
		base, err := os.UserCacheDir()
		if err != nil {
			return "" // no home: compile at each start
		}
		return filepath.Join(base, "lestats")
	default:
		return name
	}
}

// StoreConfig says where jobs and results live.
type StoreConfig struct {
	Location string // a folder, or s3://bucket/prefix; "" is DefaultStore
	// Durability is what an accepted job in a folder survives; "" is files.Process.
	Durability files.Durability
	S3         s3.Config    // without its URL, which is Location
	Log        *slog.Logger // nil is slog.Default()
}

// OpenStore opens the store. sole tells that no other process has it open, so
// that whatever it holds unfinished is this process's to finish.
func OpenStore(ctx context.Context, cfg StoreConfig) (store *results.Store, sole bool, err error) {
	objects, sole, err := OpenObjects(ctx, cfg)
	if err != nil {
		return nil, false, err
	}
	return results.New(objects), sole, nil
}

// OpenObjects opens what the store lives in, for whoever wants more of it than
// jobs and results.
func OpenObjects(ctx context.Context, cfg StoreConfig) (objects results.Objects, sole bool, err error) {
	if cfg.Location == "" {
		cfg.Location = DefaultStore
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if strings.Contains(cfg.Location, "://") {
		cfg.S3.URL = cfg.Location
		objects, err := s3.Open(ctx, cfg.S3)
		if err != nil {
			return nil, false, err
		}
		return objects, false, nil
	}
	folder, err := files.Open(files.Config{Folder: cfg.Location, Durability: cfg.Durability, Log: cfg.Log})
	if err != nil {
		return nil, false, err
	}
	return folder, folder.Sole(), nil
}

// Explain returns err as text for a person at a terminal: the reason, and what
// would have been right on lines of their own.
func Explain(err error) string {
	var e *question.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	if len(e.Hint) == 0 {
		return err.Error()
	}
	return err.Error() + "\n\nTry one of:\n  " + strings.Join(e.Hint, "\n  ")
}
