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

// code is a plugin's machine code, in a runtime of its own: nothing of wazero's is
// shared between plugins, so that loading one touches no other, and closing one
// frees its code.
type code struct {
	cache   wazero.CompilationCache // nil without a folder
	runtime wazero.Runtime
	module  wazero.CompiledModule
}

// close frees the code. Nothing may run in it any more.
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

// runtimeConfig is the same wherever plugins are compiled: the cache's keys depend
// on it.
func runtimeConfig(cache wazero.CompilationCache) wazero.RuntimeConfig {
	cfg := wazero.NewRuntimeConfig().WithDebugInfoEnabled(false)
	if cache != nil {
		cfg = cfg.WithCompilationCache(cache)
	}
	return cfg
}

// warmUp has wazero find out its own version, which it then keeps in a variable
// without a lock.
var warmUp = sync.OnceFunc(func() {
	ctx := context.Background()
	_ = wazero.NewRuntime(ctx).Close(ctx) // nothing was made in it
})

// errNotKept says that a folder has no machine code for a module.
var errNotKept = errors.New("its machine code is not kept")

// openCode returns the code of a rewritten module. It comes from the folder, if it
// is there. Otherwise it is compiled here and kept there where anew says so, and
// else the error is errNotKept. An empty folder stands for none.
func openCode(ctx context.Context, folder string, wasm []byte, info *rewrite.Info, anew bool) (_ *code, err error) {
	warmUp()
	c := &code{}
	defer func() { //nolint:contextcheck // what there is of it is closed, whatever ctx says
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
	if !anew {
		// wazero's workers look at the context before each function, and nothing looks
		// at it where the folder has the code: so this never compiles.
		workers = max(workers, 2)
		var cancel context.CancelFunc
		compiling, cancel = context.WithCancel(ctx)
		cancel()
	}
	c.module, err = c.runtime.CompileModule(experimental.WithCompilationWorkers(compiling, workers), wasm)
	if !anew && errors.Is(err, context.Canceled) {
		return nil, errNotKept
	}
	if err != nil {
		return nil, err
	}
	return c, instantiateHost(ctx, c.runtime, info.Imports)
}

// compile returns the code of a rewritten module, and the bytes of it, 0 where they
// are not known. known says that it was compiled before, by this version.
func (e *Engine) compile(ctx context.Context, log *slog.Logger, p *prepared, trusted bool) (*code, uint64, error) {
	if e.cfg.Compiler == nil || trusted {
		c, err := e.compileHere(ctx, log, p)
		return c, p.code, err
	}
	if p.known {
		c, err := openCode(ctx, e.cfg.CacheDir, p.wasm, p.info, false)
		if err == nil {
			return c, p.code, nil
		}
		log.Debug("the cache for compiled plugins lacks a plugin", "folder", e.cfg.CacheDir, "err", err)
	}
	return e.compileApart(ctx, log, p)
}

// compileHere compiles in this process, through the cache where that works.
func (e *Engine) compileHere(ctx context.Context, log *slog.Logger, p *prepared) (*code, error) {
	var cacheErr error
	if e.cfg.CacheDir != "" {
		before, start := e.cacheEntries(), time.Now()
		c, err := openCode(ctx, e.cfg.CacheDir, p.wasm, p.info, true)
		if err == nil {
			if e.cacheEntries() > before {
				log.Info("a plugin was compiled and kept", "folder", e.cfg.CacheDir, "took", time.Since(start).Round(time.Millisecond))
			}
			return c, nil
		}
		cacheErr = err
	}
	c, err := openCode(ctx, "", p.wasm, p.info, true)
	if err == nil && cacheErr != nil { // so it was not the module's fault
		log.Warn("the cache for compiled plugins failed: this plugin was compiled without it", "folder", e.cfg.CacheDir, "err", cacheErr)
	}
	return c, err
}

// compileApart compiles in a child process, and keeps what that made where the
// cache can be written to.
func (e *Engine) compileApart(ctx context.Context, log *slog.Logger, p *prepared) (_ *code, size uint64, err error) {
	start := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.stopped, cancel)() //nolint:contextcheck // the engine's end is the load's, too
	folder, err := e.scratch()
	if err != nil {
		return nil, 0, hostFault("there is no folder for what the compiler makes: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }() // a later start of a compiler sweeps it
	if err := e.compilers.compile(ctx, folder, p.wasm); err != nil {
		return nil, 0, err
	}
	made, err := filepath.Glob(filepath.Join(folder, machineCode))
	if err != nil || len(made) != 1 {
		return nil, 0, hostFault("the compiler left %d files; 1 was expected", len(made))
	}
	if info, err := os.Lstat(made[0]); err == nil {
		size = uint64(info.Size())
	}
	if size > e.cfg.CompileMemory { // it would not fit beside what compiles the next one
		return nil, 0, badPlugin("it does not compile: its machine code has %d bytes; at most %s", size, humanBytes(e.cfg.CompileMemory))
	}
	c, err := openCode(ctx, folder, p.wasm, p.info, false)
	if err != nil {
		return nil, 0, hostFault("what the compiler made cannot be loaded: %w", err)
	}
	if e.cfg.CacheDir != "" {
		if err := e.keepCode(folder, made[0]); err != nil {
			log.Warn("the cache for compiled plugins cannot be written to: this plugin is compiled at each start", "folder", e.cfg.CacheDir, "err", err)
		} else {
			log.Info("a plugin was compiled and kept", "folder", e.cfg.CacheDir, "took", time.Since(start).Round(time.Millisecond))
		}
	}
	return c, size, nil
}

// machineCode matches machine code in a folder of wazero's.
const machineCode = "wazero-*/*"

// keepCode moves machine code from the folder where it was made to the cache.
func (e *Engine) keepCode(folder, made string) error {
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

// Folders in which machine code is made, and after how long one must have been left
// by a process that is gone.
const (
	scratchName = "lestats-compiling-"
	scratchAge  = time.Hour
)

// scratch makes a folder for one module's machine code: in the cache, from where it
// can be moved, or where temporary files go, or in memory, where a container has
// nothing else.
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

// sweepScratch removes what processes that were killed have left.
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

// cacheEntries counts the machine code in the cache's folder.
func (e *Engine) cacheEntries() int {
	made, err := fs.Glob(os.DirFS(e.cfg.CacheDir), machineCode)
	if err != nil {
		panic(fmt.Sprintf("the pattern %s: %v", machineCode, err))
	}
	return len(made)
}
