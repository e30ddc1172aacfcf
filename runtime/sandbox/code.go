package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	goruntime "runtime"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/le-stats-sportifs/lestats/runtime/sandbox/rewrite"
)

// code is a plugin's machine code in its own wazero runtime. Plugins share nothing
// in wazero, so loading one does not affect another, and closing one frees its code.
type code struct {
	cache   wazero.CompilationCache // nil if there is no folder
	runtime wazero.Runtime
	module  wazero.CompiledModule
}

// close frees the code. It must not be running.
func (c *code) close() error {
	ctx := context.Background()
	var errs []error
	if c.module != nil {
		errs = append(errs, c.module.Close(ctx))
	}
	if c.runtime != nil {
		errs = append(errs, c.runtime.Close(ctx))
	}
	if c.cache != nil {
		errs = append(errs, c.cache.Close(ctx))
	}
	return errors.Join(errs...)
}

// runtimeConfig must be the same wherever plugins are compiled, because the cache's
// keys depend on it.
func runtimeConfig(cache wazero.CompilationCache) wazero.RuntimeConfig {
	cfg := wazero.NewRuntimeConfig().WithDebugInfoEnabled(false)
	if cache != nil {
		cfg = cfg.WithCompilationCache(cache)
	}
	return cfg
}

// warmUp makes wazero determine its own version, which it stores in a variable
// without a lock.
var warmUp = sync.OnceFunc(func() {
	ctx := context.Background()
	_ = wazero.NewRuntime(ctx).Close(ctx) // nothing was made in it
})

// errNotCached says that a folder has no machine code for a module.
var errNotCached = errors.New("its machine code is not in the cache")

// openCode returns the code of a rewritten module. It is loaded from the folder if it
// is there. Otherwise, if mayCompile is set, it is compiled in this process and stored
// in the folder; if not, the error is errNotCached. "" stands for no folder.
func openCode(ctx context.Context, folder string, wasm []byte, info *rewrite.Info, mayCompile bool) (_ *code, err error) {
	warmUp()
	c := &code{}
	defer func() { //nolint:contextcheck // it is closed even if ctx has ended
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	if folder != "" {
		if c.cache, err = wazero.NewCompilationCacheWithDir(folder); err != nil {
			return nil, err
		}
	}
	c.runtime = wazero.NewRuntimeWithConfig(ctx, runtimeConfig(c.cache))
	workers := goruntime.GOMAXPROCS(0)
	compiling := ctx
	if !mayCompile {
		// wazero's workers check the context before each function, and nothing checks it
		// if the folder has the code. So a cancelled context never compiles.
		workers = max(workers, 2)
		var cancel context.CancelFunc
		compiling, cancel = context.WithCancel(ctx)
		cancel()
	}
	c.module, err = c.runtime.CompileModule(experimental.WithCompilationWorkers(compiling, workers), wasm)
	if !mayCompile && errors.Is(err, context.Canceled) {
		return nil, errNotCached
	}
	if err != nil {
		return nil, err
	}
	return c, instantiateHost(ctx, c.runtime, info)
}

// compile returns the code of a rewritten module, and its size in bytes, or 0 if
// that is not known.
func (e *Engine) compile(ctx context.Context, log *slog.Logger, p *prepared, trusted bool) (*code, uint64, error) {
	if e.cfg.Compiler == nil || trusted {
		c, err := e.compileInProcess(ctx, log, p)
		return c, p.code, err
	}
	if p.known {
		c, err := openCode(ctx, e.cfg.CacheDir, p.wasm, p.info, false)
		if err == nil {
			return c, p.code, nil
		}
		log.Debug("a compiled plugin is missing from the cache", "folder", e.cfg.CacheDir, "err", err)
	}
	return e.compileInChild(ctx, log, p)
}

// compileInProcess compiles in this process, through the cache if that works.
func (e *Engine) compileInProcess(ctx context.Context, log *slog.Logger, p *prepared) (*code, error) {
	var cacheErr error
	if e.cfg.CacheDir != "" {
		before, start := e.cacheEntries(), time.Now()
		c, err := openCode(ctx, e.cfg.CacheDir, p.wasm, p.info, true)
		if err == nil {
			if e.cacheEntries() > before {
				log.Info("a plugin was compiled and cached", "folder", e.cfg.CacheDir, "took", time.Since(start).Round(time.Millisecond))
			}
			return c, nil
		}
		cacheErr = err
	}
	c, err := openCode(ctx, "", p.wasm, p.info, true)
	if err == nil && cacheErr != nil { // so the cache was at fault, not the module
		log.Warn("the cache for compiled plugins failed; this plugin was compiled without it", "folder", e.cfg.CacheDir, "err", cacheErr)
	}
	return c, err
}

// compileInChild compiles in a child process, and stores the result in the cache if
// that is writable.
func (e *Engine) compileInChild(ctx context.Context, log *slog.Logger, p *prepared) (_ *code, size uint64, err error) {
	start := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.stopped, cancel)() //nolint:contextcheck // closing the engine also ends the load
	folder, err := e.scratch()
	if err != nil {
		return nil, 0, hostFault("no folder for the compiler's output: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }() // if this fails, sweepScratch removes it later
	if err := e.compilers.compile(ctx, folder, p.wasm); err != nil {
		return nil, 0, err
	}
	made, err := filepath.Glob(filepath.Join(folder, machineCode))
	if err != nil || len(made) != 1 {
		return nil, 0, hostFault("the compiler left %d files; expected 1", len(made))
	}
	if info, err := os.Lstat(made[0]); err == nil {
		size = uint64(info.Size())
	}
	if size > e.cfg.CompileMemory { // it would leave too little for compiling the next one
		return nil, 0, badPlugin("it does not compile: its machine code has %d bytes; the limit is %s", size, humanBytes(e.cfg.CompileMemory))
	}
	c, err := openCode(ctx, folder, p.wasm, p.info, false)
	if err != nil {
		return nil, 0, hostFault("the compiler's output cannot be loaded: %w", err)
	}
	if e.cfg.CacheDir != "" {
		if err := e.cacheCode(folder, made[0]); err != nil {
			log.Warn("the cache for compiled plugins is not writable; this plugin is compiled at each start", "folder", e.cfg.CacheDir, "err", err)
		} else {
			log.Info("a plugin was compiled and cached", "folder", e.cfg.CacheDir, "took", time.Since(start).Round(time.Millisecond))
		}
	}
	return c, size, nil
}

// machineCode matches machine code in a cache folder of wazero.
const machineCode = "wazero-*/*"

// cacheCode moves machine code from the folder where it was compiled to the cache.
func (e *Engine) cacheCode(folder, made string) error {
	name, err := filepath.Rel(folder, made)
	if err != nil {
		return err
	}
	to := filepath.Join(e.cfg.CacheDir, name)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	return os.Rename(made, to)
}

// The prefix of folders in which machine code is compiled, and the age after which
// such a folder must have been left behind by a process that is gone.
const (
	scratchName = "lestats-compiling-"
	scratchAge  = time.Hour
)

// scratch creates a folder for one module's machine code: in the cache folder, from
// where it can be moved, or else in the temporary folder, or else in /dev/shm, which a
// read-only container still has.
func (e *Engine) scratch() (string, error) {
	if e.cfg.CacheDir != "" {
		if err := os.MkdirAll(e.cfg.CacheDir, 0o700); err == nil {
			if folder, err := os.MkdirTemp(e.cfg.CacheDir, scratchName); err == nil {
				return folder, nil
			}
		}
	}
	folder, err := os.MkdirTemp("", scratchName)
	if err != nil {
		if shm, shmErr := os.MkdirTemp("/dev/shm", scratchName); shmErr == nil {
			return shm, nil
		}
	}
	return folder, err
}

// sweepScratch removes folders left behind by killed processes.
func sweepScratch(dir string) {
	left, err := filepath.Glob(filepath.Join(dir, scratchName+"*"))
	if err != nil {
		return // the folder's name is a bad pattern
	}
	for _, folder := range left {
		if info, err := os.Lstat(folder); err == nil && info.IsDir() && time.Since(info.ModTime()) > scratchAge {
			_ = os.RemoveAll(folder) // the next start tries again
		}
	}
}

// cacheEntries returns the number of compiled modules in the cache.
func (e *Engine) cacheEntries() int {
	made, err := fs.Glob(os.DirFS(e.cfg.CacheDir), machineCode)
	if err != nil {
		panic(fmt.Sprintf("the pattern %s: %v", machineCode, err))
	}
	return len(made)
}
