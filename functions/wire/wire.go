// Package wire connects the packages of runtime/. It is the only place that decides which
// dataset, plugins and store a process uses. Every entry point (the HTTP server, the
// command line, a worker) starts here, so that they cannot differ.
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
	"strings"
	"time"

	"github.com/le-stats-sportifs/lestats/data"
	"github.com/le-stats-sportifs/lestats/plugins"
	"github.com/le-stats-sportifs/lestats/runtime/boundedyaml"
	"github.com/le-stats-sportifs/lestats/runtime/catalog"
	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Questions is a dataset and the plugins that answer questions about it. Its methods,
// except Close, are safe for concurrent use.
type Questions struct {
	*catalog.Catalog
	*Workbench

	// Took is how long OpenQuestions took for the dataset and for the plugins.
	Took struct{ Dataset, Plugins time.Duration }
}

// OpenQuestions loads the dataset and the plugins. It succeeds even if a plugin is
// refused; the catalog holds the reason.
func OpenQuestions(ctx context.Context, cfg QuestionsConfig) (_ *Questions, err error) {
	begin := time.Now()
	if cfg.File == "" && !cfg.NoBuiltIn {
		for _, wasm := range plugins.Modules() { // one, or none before the first build
			cfg.preload = wasm
		}
	}
	opened := &Questions{}
	if opened.Workbench, err = OpenWorkbench(ctx, cfg.EngineConfig); err != nil {
		return nil, err
	}
	opened.Took.Dataset = opened.took
	defer func() {
		if err != nil {
			err = errors.Join(err, opened.Close(context.WithoutCancel(ctx)))
		}
	}()
	sources, err := sources(cfg)
	if err != nil {
		return nil, err
	}
	opened.Catalog, err = catalog.Open(ctx, catalog.Config{
		Dataset: opened.Dataset,
		Load:    func(ctx context.Context, wasm []byte) (catalog.Plugin, error) { return opened.Engine.Load(ctx, wasm) },
		Sources: sources,
		Lock:    cfg.PluginsLock,
		Live:    cfg.live,
		Log:     cfg.Log,
		Build:   cfg.Version,

		Observer: cfg.observer,

		Reserved:   httpapi.Reserved,
		PollBucket: cfg.bucket.poll(),
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

// OpenLiveQuestions is OpenQuestions, and follows plugins that are added, changed and removed.
func OpenLiveQuestions(ctx context.Context, cfg QuestionsConfig) (*Questions, error) {
	cfg.live = true
	return OpenQuestions(ctx, cfg)
}

// embedded reports whether a module is part of this program.
func embedded(wasm []byte) bool {
	for _, own := range plugins.Modules() {
		if bytes.Equal(own, wasm) {
			return true
		}
	}
	return false
}

// Close releases plugins, engine and dataset.
func (q *Questions) Close(ctx context.Context) (err error) {
	if q.Catalog != nil {
		err = q.Catalog.Close(ctx)
	}
	return errors.Join(err, q.Workbench.Close(ctx))
}

// OpenDataset opens the dataset that Data, Descriptor and Progress of a configuration name:
// a file, or the embedded sample if Data is "". s3://bucket/key is an object, which is
// copied to a temporary file, and - is standard input. A file without an embedded
// descriptor is read with the given one; if none is given, with the file beside it that has
// the extension .yaml; or else with the CDC survey's. A dataset that does not have
// DataDigest is refused. The caller closes the dataset.
func OpenDataset(ctx context.Context, cfg EngineConfig) (*dataset.Dataset, error) {
	ds, err := open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if got := ds.Info().Digest; cfg.DataDigest != "" && got != cfg.DataDigest {
		err := fmt.Errorf("the dataset has the digest %s, and --data-digest (LESTATS_DATA_DIGEST) asks for %.80q: another file, another descriptor or another version of either", got, cfg.DataDigest)
		return nil, errors.Join(err, ds.Close())
	}
	return ds, nil
}

func open(ctx context.Context, cfg EngineConfig) (*dataset.Dataset, error) {
	switch {
	case cfg.Data == "":
		sample, err := data.Sample()
		if err != nil {
			return nil, fmt.Errorf("%w: %s", err, asReleased)
		}
		return dataset.ReadArrow(sample)
	case isObject(cfg.Data):
		return openObject(ctx, cfg)
	case cfg.Data == "-":
		return WithStdin(ctx, func(file string) (*dataset.Dataset, error) {
			cfg.Data = file
			return openFile(ctx, cfg)
		})
	default:
		return openFile(ctx, cfg)
	}
}

func openFile(ctx context.Context, cfg EngineConfig) (*dataset.Dataset, error) {
	path, descriptor := cfg.Data, cfg.Descriptor
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
	ds, err := dataset.OpenWithProgress(ctx, path, d, cfg.Progress)
	if descriptor == "" && errors.Is(err, dataset.ErrMissingColumns) {
		return nil, fmt.Errorf("%w; without a descriptor the file is read as the CDC's survey; lestats data init %s writes a descriptor for it", err, path)
	}
	return ds, err
}

// OpenDescriptor reads a descriptor, the CDC survey's if path is "".
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

// asReleased is what to do with a program that was built without what it embeds.
const asReleased = "`go install` and `go build` cannot make it, and git does not hold it. Download a release, or clone the repository and run `make build`."

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
		if built, _ := fs.Glob(plugins.BuiltIn(), "*.wasm"); len(built) == 0 { // the pattern is valid
			cmp.Or(cfg.Log, slog.Default()).Warn("this program was built without its plugin: " + asReleased)
		}
		out = append(out, catalog.Source{Name: catalog.BuiltIn, FS: plugins.BuiltIn()})
	}
	if cfg.Plugins == "" {
		out = append(out, catalog.Source{Folder: DefaultPluginFolder, Optional: true})
	} else {
		// A wrong name is an error. After the start, the folder may come and go.
		info, err := os.Stat(cfg.Plugins)
		switch {
		case err != nil:
			return nil, fmt.Errorf("plugin folder: %w", err)
		case !info.IsDir():
			return nil, fmt.Errorf("plugin folder %s is a file; name the folder that holds the .wasm files", cfg.Plugins)
		}
		out = append(out, catalog.Source{Folder: cfg.Plugins})
	}
	if cfg.bucket != nil {
		out = append(out, catalog.Source{Name: cfg.bucket.Name, Bucket: cfg.bucket})
	}
	return out, nil
}

// Explain formats err for a terminal: the reason, then the suggestions on lines of their
// own.
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
