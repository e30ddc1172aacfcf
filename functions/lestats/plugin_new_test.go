package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/plugins"
)

// A new plugin in Go builds, passes its own test and answers, in a folder that
// knows nothing of this repository, without a network. The other languages, whose
// compilers not everybody has: make test-walkthrough.
func TestPluginNewBuildRun(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	t.Chdir(t.TempDir())
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOFLAGS", "")
	t.Setenv("LESTATS_CACHE", filepath.Join(t.TempDir(), "cache"))
	code, out, errs := lestats(t, "plugin", "new", "spread", "--lang", "go")
	if code != exitOK || !strings.Contains(out, "lestats plugin build spread") {
		t.Fatalf("exit code %d, %s\n%s", code, out, errs)
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", ".")
	cmd.Dir = "spread"
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("its test: %v\n%s", err, text)
	}
	code, out, errs = lestats(t, "plugin", "build", "spread")
	if code != exitOK || !strings.Contains(out, "lestats plugin check spread/spread.wasm") {
		t.Fatalf("exit code %d, %s\n%s", code, out, errs)
	}
	if info, err := os.Stat("spread/spread.wasm"); err != nil || info.Size() > 2_100_000 {
		t.Errorf("the module: %v, %v", info, err)
	}
	code, out, errs = lestats(t, "ask", "spread", "question=obesity", "least=24", "--plugins", "spread", "-f", "csv")
	if code != exitOK || !strings.HasPrefix(out, "location,") || strings.Count(out, "\n") < 5 {
		t.Errorf("exit code %d, %s\n%s", code, out, errs)
	}
}

// The module is the same to the byte in a folder without git, in a new repository, after
// a commit and with changes that are none of the plugin's.
func TestPluginBuildIsReproducible(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	top := t.TempDir()
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOFLAGS", "-buildvcs=auto") // go's own default, whatever this machine has set
	for variable, value := range map[string]string{"GIT_CONFIG_GLOBAL": os.DevNull, "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org"} {
		t.Setenv(variable, value)
	}
	git := func(args ...string) {
		t.Helper()
		if text, err := exec.CommandContext(t.Context(), "git", args...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, text)
		}
	}
	build := func() string {
		t.Helper()
		if code, _, errs := lestats(t, "plugin", "build", "spread"); code != exitOK {
			t.Fatalf("exit code %d\n%s", code, errs)
		}
		wasm, err := os.ReadFile("spread/spread.wasm")
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%x", sha256.Sum256(wasm))
	}
	enter := func(folder string) {
		t.Helper()
		folder = filepath.Join(top, folder)
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		t.Chdir(folder)
		if code, _, errs := lestats(t, "plugin", "new", "spread", "--lang", "go"); code != exitOK {
			t.Fatalf("exit code %d\n%s", code, errs)
		}
	}
	enter("plain")
	want := build()
	enter("in git")
	git("init", "-q")
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"nothing committed", func() {}},
		{"committed", func() { git("add", "."); git("commit", "-qm", "a plugin") }},
		{"a file more", func() {
			if err := os.WriteFile("notes.txt", nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		step.do()
		if got := build(); got != want {
			t.Errorf("%s: the module's digest is %s; without git it is %s", step.name, got, want)
		}
	}
}

func TestPluginNewRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("taken", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"Spread", "--lang", "go"}, exitUsage, `"Spread" is no name for a plugin: a lower-case letter`},
		{[]string{"../spread", "--lang", "go"}, exitUsage, "no name for a plugin"},
		{[]string{strings.Repeat("a", 65), "--lang", "go"}, exitUsage, "at most 64"},
		{[]string{"jobs", "--lang", "go"}, exitUsage, "/api/jobs is the server's own"},
		{[]string{"spread", "--lang", "cobol"}, exitUsage, "rust"},
		{[]string{"spread"}, exitUsage, "--lang"},
		{[]string{"taken", "--lang", "c"}, exitFailed, "taken is there already"},
		{[]string{"spread", "--lang", "c", "--dir", "nowhere"}, exitFailed, "--dir nowhere is not there"},
	} {
		code, _, errs := lestats(t, append([]string{"plugin", "new"}, tt.args...)...)
		if code != tt.code || !strings.Contains(errs, tt.want) {
			t.Errorf("%v: exit code %d, want %d with %q:\n%s", tt.args, code, tt.code, tt.want, errs)
		}
	}
	if left, err := os.ReadDir("."); err != nil || len(left) != 1 {
		t.Errorf("it left %v, %v", left, err)
	}
}

// Each language's new plugin is whole: it has its README and its SDK, and its
// name is everywhere where the template's was.
func TestPluginNewFiles(t *testing.T) {
	for lang, sdk := range map[string]string{
		"go": "sdk/plugins/sdk/sdk.go", "c": "sdk/lestats.h", "rust": "sdk/src/lib.rs", "assemblyscript": "sdk/index.ts",
	} {
		files, err := plugins.New("spread", lang)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"README.md", ".gitignore", sdk} {
			if len(files[name]) == 0 {
				t.Errorf("%s: no %s", lang, name)
			}
		}
		for name, text := range files {
			if bytes.Contains(text, []byte(plugins.Placeholder)) || strings.Contains(name, ".tmpl") || strings.HasSuffix(name, "sdk_test.go") {
				t.Errorf("%s: %s is the template's", lang, name)
			}
		}
	}
}

func TestPluginBuildRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	files := map[string]string{
		"empty/README.md":             "nothing to build",
		"go/go.mod":                   "module x\n",
		"broken/go.mod":               "module x\n\ngo 1.26\n",
		"broken/main.go":              "package main\n\nfunc main() { nonsense }\n",
		"rust/Cargo.toml":             "[package]\n",
		"c/main.c":                    "int x;\n",
		"assemblyscript/package.json": "{}",
	}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if code, _, errs := lestats(t, "plugin", "build", "broken"); code != exitFailed || !strings.Contains(errs, "undefined: nonsense") || !strings.Contains(errs, "go failed") {
		t.Errorf("exit code %d\n%s", code, errs)
	}
	path := os.Getenv("PATH")
	t.Setenv("PATH", t.TempDir())
	for dir, want := range map[string]string{
		"empty":          `"lestats plugin new" makes one`,
		"nowhere":        "nowhere is no folder",
		"go":             "install Go 1.26",
		"c":              "apt-get install clang lld",
		"assemblyscript": "apt-get install nodejs npm",
	} {
		if code, _, errs := lestats(t, "plugin", "build", dir); code != exitFailed || !strings.Contains(errs, want) {
			t.Errorf("%s: exit code %d; want %q:\n%s", dir, code, want, errs)
		}
	}
	if _, _, err := rustToolchain(t.Context(), []string{"", t.TempDir()}); err == nil || !strings.Contains(err.Error(), "libstd-rust-dev-wasm32") {
		t.Errorf("without a Rust: %v", err)
	}
	t.Setenv("PATH", path)
	if _, err := cargoModule(strings.NewReader(`{"reason":"build-finished","success":true}`)); err == nil || !strings.Contains(err.Error(), "cdylib") {
		t.Errorf("a crate without a module: %v", err)
	}
}

// A compiler whose user has had enough ends.
func TestPluginBuildIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	b := builder{dir: t.TempDir(), log: new(bytes.Buffer)}
	if err := b.run(ctx, nil, b.log, "sleep", "600"); err == nil || ctx.Err() == nil {
		t.Errorf("it ended with %v", err)
	}
}
