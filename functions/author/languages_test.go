package author

import (
	"bytes"
	"context"
	"io"
	"os"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/plugins"
)

// Each language has a complete template, which is recognised as its own, and a walkthrough
// in plugins/README.md.
func TestLanguages(t *testing.T) {
	readme, err := os.ReadFile("../../plugins/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for i := range Languages {
		l := &Languages[i]
		files, err := l.New("spread")
		if err != nil {
			t.Fatal(err)
		}
		folder, sdk := t.TempDir(), false
		for name, text := range files {
			if bytes.Contains(text, []byte(plugins.Placeholder)) || strings.Contains(name, tmpl) || strings.HasSuffix(name, "sdk_test.go") {
				t.Errorf("%s: %s belongs to the template", l.ID, name)
			}
			if sdk = sdk || strings.HasPrefix(name, "sdk/"); path.Dir(name) == "." {
				if err := os.WriteFile(path.Join(folder, name), text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		if text := string(files["README.md"]); !sdk || len(files[".gitignore"]) == 0 || !strings.Contains(text, "lestats plugin build") || !strings.Contains(text, "in "+l.Name) || !strings.Contains(text, "a test that runs") || !strings.Contains(text, "\nlestats plugin test\n") {
			t.Errorf("%s: it lacks its SDK, .gitignore, README.md or a test", l.ID)
		}
		if _, err := ParseTable(files[TableName]); err != nil {
			t.Errorf("%s: %s: %v", l.ID, TableName, err)
		}
		if found, err := detect(folder); err != nil || found.ID != l.ID {
			t.Errorf("%s: detected as %v, %v", l.ID, found, err)
		}
		if !bytes.Contains(readme, []byte("\n### "+l.Name+"\n")) {
			t.Errorf("plugins/README.md has no section %s", l.Name)
		}
	}
}

// A missing Rust and a crate without a module are reported with what is needed.
func TestRust(t *testing.T) {
	if _, err := cargoModule(strings.NewReader(`{"reason":"build-finished","success":true}`)); err == nil || !strings.Contains(err.Error(), "cdylib") {
		t.Errorf("a crate without a module: %v", err)
	}
	tools := t.TempDir()
	t.Setenv("PATH", tools)
	var log bytes.Buffer
	b := builder{lang: &Language{install: "apt-get install rustc"}, log: &log}
	refused := func(want string) {
		t.Helper()
		if _, _, err := b.rustToolchain(t.Context(), []string{"", t.TempDir()}); err == nil || !strings.Contains(err.Error(), "apt-get install rustc") || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	refused("there is no rustc in PATH")
	fakeTool(t, tools, "rustc", `case $1 in --version) echo "rustc 1.95.0" ;; *) echo /nowhere ;; esac`)
	refused("rustc (rustc 1.95.0) has no cargo in PATH")
	fakeTool(t, tools, "cargo", "")
	refused("rustc (rustc 1.95.0) lacks the target " + rustTarget)
	// The one that serves is used, and the log says why not the first.
	other := t.TempDir()
	fakeTool(t, other, "rustc", `case $1 in --version) echo "rustc 1.63.0" ;; *) echo /tmp ;; esac`)
	fakeTool(t, other, "cargo", "")
	cargo, env, err := b.rustToolchain(t.Context(), []string{"", other})
	if err != nil || cargo != path.Join(other, "cargo") || len(env) != 1 || !strings.Contains(log.String(), "(rustc 1.95.0) lacks the target "+rustTarget+"; using "+path.Join(other, "rustc")+" (rustc 1.63.0)") {
		t.Errorf("%s, %v, %v; log %s", cargo, env, err, &log)
	}
}

// fakeTool writes a program that stands for a tool.
func fakeTool(t *testing.T, folder, name, script string) {
	t.Helper()
	if err := os.WriteFile(path.Join(folder, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
}

// A compiler that fails is named with its version, and so is one that cannot build plugins.
func TestCompilersAreNamed(t *testing.T) {
	for lang, tt := range map[string]struct{ marker, tool, script, want string }{
		"go":                  {"go.mod", "go", `[ $1 != version ] || { echo "go version go1.21"; exit; }; exit 1`, "go (go version go1.21)"},
		"c, without wasm32":   {"main.c", "clang", `[ $1 != --print-targets ] || echo x86; [ $1 != --version ] || echo "Apple clang 15"`, "clang (Apple clang 15) has no target wasm32"},
		"c":                   {"main.c", "clang", `case $1 in --print-targets) echo wasm32 ;; --version) echo "clang 9" ;; *) exit 1 ;; esac`, "clang (clang 9)"},
		"assemblyscript":      {"package.json", "node", ``, "run npm install once"},
		"asc that is in PATH": {"package.json", "asc", `exit 1`, "asc failed"},
	} {
		t.Run(lang, func(t *testing.T) {
			folder, tools := t.TempDir(), t.TempDir()
			t.Setenv("PATH", tools)
			fakeTool(t, tools, "node", "")
			fakeTool(t, tools, tt.tool, tt.script)
			if err := os.WriteFile(path.Join(folder, tt.marker), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Build(t.Context(), folder, false, io.Discard); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v; want %q", err, tt.want)
			}
		})
	}
}

// Cancelling the command ends the compiler.
func TestBuildIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	b := builder{dir: t.TempDir(), log: new(bytes.Buffer)}
	if err := b.run(ctx, nil, b.log, "sleep", "600"); err == nil || ctx.Err() == nil {
		t.Errorf("it ended with %v", err)
	}
}
