package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/testtool"
)

// strange is the argument that makes a test binary a compiler that fails.
const strange = "strange-compiler"

// spun keeps a loop from being left out.
var spun uint64

// strangeCompiler is the other end of the tests with compilers that fail.
func strangeCompiler() {
	if len(os.Args) < 3 || os.Args[1] != strange {
		return
	}
	say := func(s string) { _, _ = os.Stdout.WriteString(s) }
	first := func() {
		say("+")
		_, _ = readFrame(os.Stdin, maxReply)
		_, _ = readFrame(os.Stdin, 1<<30)
	}
	switch os.Args[2] {
	case "mute":
		select {}
	case "gone":
		os.Exit(3)
	case "wrong":
		say("hello")
	case "panics":
		first()
		go func() { panic("a defect of the compiler") }()
		select {}
	case "hangs":
		first()
		time.Sleep(time.Hour)
	case "spins":
		first()
		for i := uint64(1); i != 0; i += 2 { // no end of it is ever seen
			spun = i
		}
	case "babbles":
		first()
		for range 1000 {
			fmt.Fprintln(os.Stderr, strings.Repeat("\x1b[2J nonsense ", 1000))
		}
		os.Exit(2)
	case "long answer":
		first()
		say("r\x00\xff\xff\xff\x7f")
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "lies":
		first()
		say("d\x00\x00\x00\x00\x00")
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "environment":
		fmt.Fprint(os.Stderr, strings.Join(os.Environ(), " "))
		files, _ := filepath.Glob("/proc/self/fd/*")
		for _, f := range files {
			to, _ := os.Readlink(f)
			fmt.Fprint(os.Stderr, " ", filepath.Base(f), ":", to)
		}
		os.Exit(3)
	}
	os.Exit(0)
}

// apart is a configuration that compiles in child processes of this test binary.
func apart(t testing.TB, change func(*Config)) Config {
	t.Helper()
	if SelfCompiler() == nil {
		t.Fatal("TestMain does not call CompilerMain")
	}
	cfg := Config{Compiler: SelfCompiler(), CacheDir: t.TempDir()}
	if testtool.Race { // the detector's memory is counted, and its time
		cfg.CompileMemory, cfg.CompileTime = 1<<30, 60*time.Second
		cfg.Budget = 4 << 30
	}
	if change != nil {
		change(&cfg)
	}
	return cfg
}

// strangely is a configuration whose compiler fails.
func strangely(t testing.TB, how string, change func(*Config)) Config {
	return apart(t, func(cfg *Config) {
		cfg.Compiler = []string{cfg.Compiler[0], strange, how}
		if change != nil {
			change(cfg)
		}
	})
}

// noChildren fails where this process has a child left, running or not reaped.
func noChildren(t testing.TB) {
	t.Helper()
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		files, err := filepath.Glob("/proc/self/task/*/children")
		if err != nil || len(files) == 0 {
			t.Skip("this system does not tell a process's children")
		}
		var left []string
		for _, f := range files {
			b, _ := os.ReadFile(f) // of a thread that is gone
			left = append(left, strings.Fields(string(b))...)
		}
		if len(left) == 0 {
			return
		}
		if time.Since(begun) > 20*time.Second {
			t.Fatalf("children are left: %v", left)
		}
	}
}

// peak is what this process has ever used, in bytes; 0 where that is not known.
func peak(t testing.TB) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		var kib int
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	return 0
}

// What wazero cannot compile within bounds is refused, takes this process no
// memory, and leaves the engine as it was.
func TestCompileBombs(t *testing.T) {
	cfg := apart(t, func(cfg *Config) {
		cfg.CompileTime = time.Second
		if testtool.Race {
			cfg.CompileMemory = 700 << 20
		}
	})
	e := newEngine(t, cfg, newFakeDataset())
	for name, wasm := range bombs(t) {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name != "tables of branches" {
				t.Skip("-short: one module is enough")
			}
			before := peak(t)
			_, err := e.Load(t.Context(), wasm)
			wantError(t, err, question.CodeBadPlugin, "it does not compile")
			if grown := peak(t) - before; grown > 64<<20 && !testtool.Race {
				t.Errorf("this process has grown by %d bytes for %d bytes of module", grown, len(wasm))
			}
			t.Logf("%d bytes: %v", len(wasm), err)
			if strings.Contains(err.Error(), "within") {
				return
			}
			// Past the rewriter's filter it is the child that has to refuse.
			err = e.compilers.compile(t.Context(), t.TempDir(), wasm)
			wantError(t, err, question.CodeBadPlugin, "it does not compile within", "smaller functions")
			t.Logf("without the filter: %v", err)
		})
	}
	if _, err := e.Load(t.Context(), fixture(t, "good")); err != nil {
		t.Errorf("a good plugin after them: %v", err)
	}
}

// Whatever happens to a compiler, a load ends, says whose fault it was, and leaves
// no process, no folder and none of the budget behind.
func TestCompilerFails(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "compiler")
	if err := os.WriteFile(broken, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	quick := func(cfg *Config) { cfg.CompileTime = 500 * time.Millisecond }
	for _, test := range []struct {
		how  string
		cfg  Config
		code question.Code
		want []string
	}{
		{"panics", strangely(t, "panics", nil), question.CodeBadPlugin, []string{"does not compile", "failed on it", "panic: a defect of the compiler"}},
		{"hangs", strangely(t, "hangs", quick), question.CodeBadPlugin, []string{"does not compile within", "500ms", "out of time"}},
		{"spins", strangely(t, "spins", quick), question.CodeBadPlugin, []string{"does not compile within", "out of time"}},
		{"babbles", strangely(t, "babbles", nil), question.CodeBadPlugin, []string{"failed on it"}},
		{"answers at length", strangely(t, "long answer", nil), question.CodeInternal, nil},
		{"says done and made nothing", strangely(t, "lies", nil), question.CodeInternal, nil},
		{"says nothing", strangely(t, "mute", quick), question.CodeInternal, nil},
		{"ends at once", strangely(t, "gone", nil), question.CodeInternal, nil},
		{"is another program", strangely(t, "wrong", nil), question.CodeInternal, nil},
		{"may not be executed", apart(t, func(cfg *Config) { cfg.Compiler = []string{broken} }), question.CodeInternal, nil},
		{"is not there", apart(t, func(cfg *Config) { cfg.Compiler = []string{broken + "s"} }), question.CodeInternal, nil},
	} {
		t.Run(test.how, func(t *testing.T) {
			var log bytes.Buffer
			test.cfg.Log = textLog(&log)
			e := newEngine(t, test.cfg, newFakeDataset())
			_, err := e.Load(t.Context(), fixture(t, "good"))
			wantError(t, err, test.code, test.want...)
			if test.code == question.CodeInternal && !strings.Contains(log.String(), "the compiler for plugins") {
				t.Errorf("the log does not say why: %s", log.String())
			}
			e.compilers.endIdle()
			if s := e.stats(); s.BudgetUsed != 0 || s.Waiting != 0 {
				t.Errorf("%+v", s)
			}
			if left, _ := filepath.Glob(test.cfg.CacheDir + "/*"); len(left) != 0 {
				t.Errorf("it left %q", left)
			}
			// A plugin that is part of the program needs no compiler.
			test.cfg.Trusted = func(wasm []byte) bool { return bytes.Equal(wasm, fixture(t, "good")) }
			if _, err := newEngine(t, test.cfg, newFakeDataset()).Load(t.Context(), fixture(t, "good")); err != nil {
				t.Errorf("trusted: %v", err)
			}
		})
	}
	noChildren(t)
}

// A load that is cancelled ends at once, while its compiler hangs, and so does one
// that waits for it.
func TestCompileCancelled(t *testing.T) {
	e := newEngine(t, strangely(t, "hangs", nil), newFakeDataset())
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			_, err := e.Load(ctx, fixture(t, "good"))
			if question.CodeOf(err) != question.CodeCancelled {
				t.Error(err)
			}
		})
	}
	for begun := time.Now(); e.stats().BudgetUsed == 0; time.Sleep(time.Millisecond) {
		if time.Since(begun) > time.Minute {
			t.Fatal("no compiler was started")
		}
	}
	cancel()
	wg.Wait()
	noChildren(t)
	if used := e.stats().BudgetUsed; used != 0 {
		t.Errorf("%d bytes of the budget are gone", used)
	}
}

// A compiler gets nothing of this process but what it is to compile.
func TestCompilerInheritsNothing(t *testing.T) {
	if goruntime.GOOS != "linux" {
		t.Skip("/proc tells what a process has")
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "do not tell")
	open, err := unix.Open(os.DevNull, unix.O_RDONLY, 0) // as it would be inherited
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(open)
	cfg := strangely(t, "environment", nil)
	if err := cfg.validate(); err != nil {
		t.Fatal(err)
	}
	p, err := startCompiler(t.Context(), &cfg)
	if err == nil {
		t.Fatal(p.stop())
	}
	said := err.Error()
	if !strings.Contains(said, "GOMAXPROCS=") || strings.Contains(said, "AWS") || strings.Contains(said, "PATH=") {
		t.Errorf("its environment: %s", said)
	}
	if !strings.Contains(said, "2:pipe:") || strings.Contains(said, os.DevNull) {
		t.Errorf("its files: %s", said)
	}
}

// Code from a child process can be loaded: without a cache, when the folder cannot
// be written to, and when one child compiles many modules.
func TestCompiledApart(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	abandoned := filepath.Join(temporary, scratchName+"1")
	if err := os.Mkdir(abandoned, 0o700); err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-2 * scratchAge)
	if err := os.Chtimes(abandoned, long, long); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"no folder": "", "a folder": t.TempDir(), "a file": os.DevNull} {
		t.Run(name, func(t *testing.T) {
			ds := newFakeDataset()
			e := newEngine(t, apart(t, func(cfg *Config) { cfg.CacheDir = dir }), ds)
			for name := range 3 {
				p, err := e.Load(t.Context(), fixture(t, "good"))
				if err != nil {
					t.Fatal(name, err)
				}
				if table, err := ask(t.Context(), p, ds, "echo", nil); err != nil || table.Rows() != 8 {
					t.Error(name, table, err)
				}
			}
			_, err := e.Load(t.Context(), with(fixture(t, "good"), bodies(1, []byte{0x7c}))) // an addition of nothing
			wantError(t, err, question.CodeBadPlugin, "it does not compile: ")
		})
	}
	left, err := filepath.Glob(filepath.Join(temporary, scratchName+"*"))
	if err != nil || len(left) != 0 {
		t.Errorf("%q are left, %v", left, err)
	}
}

// wazero must not compile here what is not cached. It checks the context before it
// compiles a function, but only after looking in the folder.
func TestOnlyFromTheFolder(t *testing.T) {
	folder := t.TempDir()
	for name, wasm := range bombs(t) {
		ready, refused := prepare(wasm, 1<<30, "", rewriteCache{})
		if refused != nil {
			continue
		}
		if _, err := openCode(t.Context(), folder, ready.wasm, ready.info, false); !errors.Is(err, errNotCached) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ready, refused := prepare(fixture(t, "good"), 1<<30, "", rewriteCache{})
	if refused != nil {
		t.Fatal(refused)
	}
	for _, anew := range []bool{true, false} {
		c, err := openCode(t.Context(), folder, ready.wasm, ready.info, anew)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.close(); err != nil {
			t.Error(err)
		}
	}
}

// Plugins whose code is the same share nothing: they are loaded, asked and closed
// at the same time.
func TestTwins(t *testing.T) {
	for name, cfg := range map[string]Config{"here": {CacheDir: t.TempDir()}, "apart": apart(t, nil), "no folder": {}} {
		t.Run(name, func(t *testing.T) {
			ds := newFakeDataset()
			cfg.Slots = 2
			e := newEngine(t, cfg, ds)
			var wg sync.WaitGroup
			for k := range 4 {
				wg.Go(func() {
					for i := range 10 {
						wasm := append(fixture(t, "good"), custom("", []byte{byte(k), byte(i)})...)
						p, err := e.Load(t.Context(), wasm)
						if err != nil {
							t.Error(err)
							return
						}
						for range 3 {
							if _, err := ask(t.Context(), p, ds, "echo", nil); err != nil {
								t.Error(err)
							}
						}
						if err := p.Close(t.Context()); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// A compiler whose parent is gone ends, also in the middle of a module: its input
// has come to an end.
func TestCompilerEndsWithItsParent(t *testing.T) {
	cfg := apart(t, nil)
	if err := cfg.validate(); err != nil {
		t.Fatal(err)
	}
	p, err := startCompiler(t.Context(), &cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeFrames(p.in, []byte(t.TempDir()), bombs(t)["loops that read many locals"]); err != nil {
		t.Fatal(err)
	}
	if err := p.in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil { // it was not killed, nor did it reach a limit
		t.Error(err)
	}
}
