package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/google/renameio/v2"
)

type pluginBuildCmd struct {
	Dir string `arg:"" optional:"" help:"Folder with the plugin's source; this one by default." default:"." placeholder:"DIR"`
}

// Help is what `lestats plugin build --help` adds.
func (pluginBuildCmd) Help() string {
	return `A folder with a go.mod is in Go, with a Cargo.toml in Rust, with a package.json in AssemblyScript, and with *.c in C. Its compiler is called as the folder's README says; the module is put into the folder, named like it.`
}

// Run builds DIR/NAME.wasm.
func (c *pluginBuildCmd) Run(ctx context.Context, s *streams) error {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return err
	}
	b := builder{dir: dir, output: filepath.Join(dir, filepath.Base(dir)+".wasm"), log: exact(s.err)}
	build, err := b.language()
	if err != nil {
		return err
	}
	if err := build(ctx); err != nil {
		return err
	}
	info, err := os.Stat(b.output)
	if err != nil {
		return fmt.Errorf("the compiler succeeded, but made no module: %w", err)
	}
	file := filepath.Join(c.Dir, filepath.Base(b.output))
	fmt.Fprintf(s.out, "%s has %s bytes. What is wrong with it, if anything:\n\n  lestats plugin check %s\n", file, humanize.Comma(info.Size()), file)
	return nil
}

// builder builds the plugin in a folder.
type builder struct {
	dir, output string    // absolute
	log         io.Writer // what compilers say
}

// language finds out how the folder is built.
func (b *builder) language() (func(context.Context) error, error) {
	if info, err := os.Stat(b.dir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%s is no folder; name the one that holds the plugin's source", b.dir)
	}
	for _, l := range []struct {
		pattern string
		build   func(context.Context) error
	}{{"go.mod", b.buildGo}, {"Cargo.toml", b.buildRust}, {"package.json", b.buildAssemblyScript}, {"*.c", b.buildC}} {
		found, err := filepath.Glob(filepath.Join(globEscape(b.dir), l.pattern))
		if err != nil {
			return nil, err
		}
		if len(found) > 0 {
			return l.build, nil
		}
	}
	return nil, fmt.Errorf(`%s holds no go.mod, Cargo.toml, package.json or *.c, so it is no plugin's source; "lestats plugin new" makes one`, b.dir)
}

// globEscape returns a pattern that matches the path alone.
func globEscape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// run runs a compiler in the folder until ctx ends; then it is asked to stop, and
// killed where it does not.
func (b *builder) run(ctx context.Context, env []string, stdout io.Writer, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = b.dir, append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = stdout, b.log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 3 * time.Second
	fmt.Fprintf(b.log, "%s %s\n", strings.Join(append(env, name), " "), strings.Join(args, " "))
	err := cmd.Run()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s failed: %w; what it wrote stands above", filepath.Base(name), err)
	}
	return nil
}

// missing says what to install for a tool that is not there.
func missing(tool, install string) error {
	if _, err := exec.LookPath(tool); err != nil {
		return fmt.Errorf("%s is not there, which this plugin is built with; %s", tool, install)
	}
	return nil
}

func (b *builder) buildGo(ctx context.Context) error {
	if err := missing("go", "install Go 1.26 or newer"); err != nil {
		return err
	}
	// Without GOWORK=off a go.work further up would leave the folder's module out; with
	// the state of a git tree inside, the digest would change with each commit.
	return b.run(ctx, []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOWORK=off"}, b.log,
		"go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", b.output, ".")
}

const (
	installC    = "on Debian: apt-get install clang lld"
	installRust = "on Debian: apt-get install rustc cargo lld libstd-rust-dev-wasm32; with rustup: rustup target add wasm32-unknown-unknown"
	installNode = "on Debian: apt-get install nodejs npm"
)

func (b *builder) buildC(ctx context.Context) error {
	if err := missing("clang", installC); err != nil {
		return err
	}
	sources, err := filepath.Glob(filepath.Join(globEscape(b.dir), "*.c"))
	if err != nil {
		return err
	}
	args := []string{
		"--target=wasm32", "-std=c11", "-Wall", "-Wextra", "-O2", "-mbulk-memory", "-ffreestanding", "-nostdlib", "-Isdk",
		"-Wl,--no-entry", "-Wl,--stack-first", "-Wl,-z,stack-size=65536", "-Wl,--strip-all", "-o", b.output,
	}
	for _, source := range sources {
		args = append(args, filepath.Base(source))
	}
	err = b.run(ctx, nil, b.log, "clang", args...)
	if err != nil && ctx.Err() == nil {
		return errors.Join(err, missing("wasm-ld", installC))
	}
	return err
}

const rustTarget = "wasm32-unknown-unknown"

func (b *builder) buildRust(ctx context.Context) error {
	cargo, env, err := rustToolchain(ctx, []string{"", "/usr/bin"})
	if err != nil {
		return err
	}
	var messages bytes.Buffer
	if err := b.run(ctx, env, &messages, cargo, "build", "--release", "--target", rustTarget, "--message-format", "json-render-diagnostics"); err != nil {
		return err
	}
	made, err := cargoModule(&messages)
	if err != nil {
		return err
	}
	wasm, err := os.ReadFile(made)
	if err != nil {
		return err
	}
	return renameio.WriteFile(b.output, wasm, 0o644)
}

// rustToolchain finds a cargo whose rustc has the target, looking into the folders
// in turn; "" stands for PATH, where rustup's may come before Debian's.
func rustToolchain(ctx context.Context, folders []string) (cargo string, env []string, err error) {
	for _, folder := range folders {
		rustc, err := exec.LookPath(filepath.Join(folder, "rustc"))
		if err != nil {
			continue
		}
		cargo, err = exec.LookPath(filepath.Join(folder, "cargo"))
		if err != nil {
			continue
		}
		lib, err := exec.CommandContext(ctx, rustc, "--print", "target-libdir", "--target", rustTarget).Output()
		if err != nil {
			continue
		}
		if _, err := os.Stat(strings.TrimSpace(string(lib))); err != nil {
			continue
		}
		if folder != "" {
			env = []string{"RUSTC=" + rustc}
		}
		return cargo, env, nil
	}
	return "", nil, fmt.Errorf("there is no cargo and rustc with the target %s, which this plugin is built with; %s", rustTarget, installRust)
}

// cargoModule returns the path of the .wasm file that cargo says it made last: that
// of the folder's own crate.
func cargoModule(messages io.Reader) (string, error) {
	made := ""
	for dec := json.NewDecoder(messages); ; {
		var m struct {
			Filenames []string `json:"filenames"`
		}
		if err := dec.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return "", fmt.Errorf("what cargo says is not JSON: %w", err)
		}
		for _, name := range m.Filenames {
			if filepath.Ext(name) == ".wasm" {
				made = name
			}
		}
	}
	if made == "" {
		return "", errors.New(`cargo made no module; Cargo.toml needs [lib] crate-type = ["cdylib"]`)
	}
	return made, nil
}

func (b *builder) buildAssemblyScript(ctx context.Context) error {
	if err := missing("node", installNode); err != nil {
		return err
	}
	asc := filepath.Join(b.dir, "node_modules", ".bin", "asc")
	if _, err := os.Stat(asc); err != nil {
		return errors.Join(fmt.Errorf("AssemblyScript's compiler is not there; run npm install in %s once", b.dir), missing("npm", installNode))
	}
	return b.run(ctx, nil, b.log, asc, "assembly/index.ts", "--target", "release", "--outFile", b.output)
}
