package author

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"
)

// Build builds the plugin in a folder, which stops when ctx ends, and returns the path of the
// result, DIR/NAME.wasm, where NAME is the folder's name. With names the module says which
// functions and, in C and Rust, which lines its code comes from; the code is the same. The
// compiler and its output are written to log.
func Build(ctx context.Context, folder string, names bool, log io.Writer) (file string, err error) {
	b := builder{log: log, names: names}
	if b.dir, err = filepath.Abs(folder); err != nil {
		return "", err
	}
	name := filepath.Base(b.dir) + ".wasm"
	b.output = filepath.Join(b.dir, name)
	if b.lang, err = detect(b.dir); err != nil {
		return "", err
	}
	if err := b.lang.build(&b, ctx); err != nil {
		return "", err
	}
	if _, err := os.Stat(b.output); err != nil {
		return "", fmt.Errorf("the compiler succeeded but wrote no .wasm file: %w", err)
	}
	return filepath.Join(folder, name), nil
}

// builder builds the plugin in a folder.
type builder struct {
	lang        *Language
	dir, output string    // absolute
	names       bool      // keep the names of functions
	log         io.Writer // output of compilers
}

// globEscape returns a pattern that matches the path alone.
func globEscape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// run runs a compiler in the folder. When ctx ends the compiler is interrupted, and killed
// if it does not stop.
func (b *builder) run(ctx context.Context, env []string, stdout io.Writer, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // the user's own compiler and flags
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
		return fmt.Errorf("%s failed: %w; its output is above", filepath.Base(name), err)
	}
	return nil
}

// missing returns an error that says how to install a tool, nil if it is installed.
func (b *builder) missing(tool string) error {
	if _, err := exec.LookPath(tool); err != nil {
		return fmt.Errorf("%s is not installed, or not in PATH; this plugin is built with it: %s", tool, b.lang.install)
	}
	return nil
}

// about returns a tool's path and the first line of what it says of its version.
func about(ctx context.Context, tool string, version ...string) string {
	path, err := exec.LookPath(tool)
	if err != nil {
		return tool + " (not installed)"
	}
	out, err := exec.CommandContext(ctx, path, version...).Output()
	line, _, _ := strings.Cut(string(out), "\n")
	if err != nil || line == "" {
		line = "which does not say its version"
	}
	return path + " (" + strings.TrimSpace(line) + ")"
}

// failed adds to the error of a build which compiler was used, and which one is needed.
func (b *builder) failed(ctx context.Context, err error, tool string, version ...string) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%w\n  the compiler is %s\n  if it is too old: %s", err, about(ctx, tool, version...), b.lang.install)
}

func (b *builder) buildGo(ctx context.Context) error {
	if err := b.missing("go"); err != nil {
		return err
	}
	// GOWORK=off: a go.work in a parent folder would exclude this module.
	// -buildvcs=false: otherwise the digest would change with each commit.
	strip := "-s -w"
	if b.names {
		strip = "-w" // Go writes no DWARF for wasm
	}
	err := b.run(ctx, []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOWORK=off"}, b.log,
		"go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags="+strip, "-o", b.output, ".")
	return b.failed(ctx, err, "go", "version")
}

func (b *builder) buildC(ctx context.Context) (err error) {
	if err := b.missing("clang"); err != nil {
		return err
	}
	if targets, err := exec.CommandContext(ctx, "clang", "--print-targets").Output(); err == nil && !bytes.Contains(targets, []byte("wasm32")) {
		return fmt.Errorf("%s has no target wasm32: %s", about(ctx, "clang", "--version"), b.lang.install)
	}
	sources, err := filepath.Glob(filepath.Join(globEscape(b.dir), "*.c"))
	if err != nil {
		return err
	}
	objects, err := os.MkdirTemp("", "lestats-build-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(objects)) }()
	// In two steps: a clang that optimises and links runs a wasm-opt in PATH on the result,
	// and old ones refuse instructions that clang writes.
	link := []string{
		"--target=wasm32", "-nostdlib", "-Wl,--no-entry", "-Wl,--stack-first", "-Wl,-z,stack-size=65536", "-o", b.output,
	}
	compile := []string{"--target=wasm32", "-std=c11", "-Wall", "-Wextra", "-O2", "-mbulk-memory", "-ffreestanding", "-Isdk"}
	if b.names {
		compile = append(compile, "-g")
	} else {
		link = append(link, "-Wl,--strip-all")
	}
	for i, source := range sources {
		object := filepath.Join(objects, fmt.Sprintf("%d.o", i))
		link = append(link, object)
		if err := b.run(ctx, nil, b.log, "clang", slices.Concat(compile, []string{"-c", "-o", object, filepath.Base(source)}, strings.Fields(os.Getenv("CFLAGS")))...); err != nil {
			return b.failed(ctx, err, "clang", "--version")
		}
	}
	err = b.run(ctx, nil, b.log, "clang", append(link, strings.Fields(os.Getenv("LDLIBS"))...)...)
	if err != nil && ctx.Err() == nil {
		return errors.Join(b.failed(ctx, err, "clang", "--version"), b.missing("wasm-ld"))
	}
	return err
}

const rustTarget = "wasm32-unknown-unknown"

func (b *builder) buildRust(ctx context.Context) error {
	cargo, env, err := b.rustToolchain(ctx, []string{"", "/usr/bin"})
	if err != nil {
		return err
	}
	if b.names {
		env = append(env, "CARGO_PROFILE_RELEASE_STRIP=none", "CARGO_PROFILE_RELEASE_DEBUG=1")
	}
	var messages bytes.Buffer
	if err := b.run(ctx, env, &messages, cargo, "build", "--release", "--target", rustTarget, "--message-format", "json-render-diagnostics"); err != nil {
		return b.failed(ctx, err, filepath.Join(filepath.Dir(cargo), "rustc"), "--version")
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

// rustToolchain finds a cargo whose rustc has the target. It looks into the folders in
// turn; "" stands for PATH. The log says why a later one was taken.
func (b *builder) rustToolchain(ctx context.Context, folders []string) (cargo string, env []string, err error) {
	var unfit []string
	for _, folder := range folders {
		rustc, err := exec.LookPath(filepath.Join(folder, "rustc"))
		if err != nil {
			unfit = append(unfit, "there is no rustc in "+cmp.Or(folder, "PATH"))
			continue
		}
		found := about(ctx, rustc, "--version")
		cargo, err = exec.LookPath(filepath.Join(folder, "cargo"))
		if err != nil {
			unfit = append(unfit, found+" has no cargo in "+cmp.Or(folder, "PATH"))
			continue
		}
		lib, err := exec.CommandContext(ctx, rustc, "--print", "target-libdir", "--target", rustTarget).Output()
		if err == nil {
			_, err = os.Stat(strings.TrimSpace(string(lib)))
		}
		if err != nil {
			unfit = append(unfit, found+" lacks the target "+rustTarget)
			continue
		}
		if folder != "" {
			env = []string{"RUSTC=" + rustc}
			fmt.Fprintf(b.log, "%s; using %s\n", strings.Join(unfit, "; "), found)
		}
		return cargo, env, nil
	}
	return "", nil, fmt.Errorf("this plugin is built with cargo and a rustc with the target %s: %s\n  %s", rustTarget, b.lang.install, strings.Join(unfit, "\n  "))
}

// cargoModule returns the path of the last .wasm file that cargo reports: that of the
// folder's own crate.
func cargoModule(messages io.Reader) (string, error) {
	made := ""
	for dec := json.NewDecoder(messages); ; {
		var m struct {
			Filenames []string `json:"filenames"`
		}
		if err := dec.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return "", fmt.Errorf("the output of cargo is not JSON: %w", err)
		}
		for _, name := range m.Filenames {
			if filepath.Ext(name) == ".wasm" {
				made = name
			}
		}
	}
	if made == "" {
		return "", errors.New(`cargo wrote no .wasm file; Cargo.toml needs [lib] crate-type = ["cdylib"]`)
	}
	return made, nil
}

func (b *builder) buildAssemblyScript(ctx context.Context) error {
	if err := b.missing("node"); err != nil {
		return err
	}
	asc := filepath.Join(b.dir, "node_modules", ".bin", "asc")
	if _, err := os.Stat(asc); err != nil {
		if asc, err = exec.LookPath("asc"); err != nil {
			return errors.Join(fmt.Errorf("AssemblyScript's compiler is not installed; run npm install once in %s", b.dir), b.missing("npm"))
		}
	}
	args := []string{"assembly/index.ts", "--target", "release", "--outFile", b.output}
	if b.names {
		args = append(args, "--debug")
	}
	err := b.run(ctx, nil, b.log, asc, args...)
	return b.failed(ctx, err, "node", "--version")
}
