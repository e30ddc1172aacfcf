package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A new plugin in Go builds, passes its own test and answers, in a folder outside this
// repository and without a network. make test-walkthrough tests the other languages, whose
// compilers may be missing.
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
	code, out, errs = lestats(t, "plugin", "test", "spread")
	if code != exitOK || !strings.HasSuffix(out, "spread/spread.wasm: 5 ok\n") {
		t.Errorf("exit code %d, %s\n%s", code, out, errs)
	}
	code, out, errs = lestats(t, "ask", "spread", "question=obesity", "least=24", "--plugins", "spread", "-f", "csv")
	if code != exitOK || !strings.HasPrefix(out, "location,") || strings.Count(out, "\n") < 5 {
		t.Errorf("exit code %d, %s\n%s", code, out, errs)
	}
}

// The module is identical in a folder without git, in a new repository, after a commit, and
// with changes to other files.
func TestPluginBuildIsReproducible(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	top := t.TempDir()
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOFLAGS", "-buildvcs=auto") // Go's default, whatever this machine sets
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
		{[]string{"Spread", "--lang", "go"}, exitUsage, `"Spread" is not a valid name: it takes a lower-case letter`},
		{[]string{"../spread", "--lang", "go"}, exitUsage, "not a valid name"},
		{[]string{strings.Repeat("a", 65), "--lang", "go"}, exitUsage, "at most 64"},
		{[]string{"jobs", "--lang", "go"}, exitUsage, "/api/jobs itself"},
		{[]string{"spread", "--lang", "cobol"}, exitUsage, "rust"},
		{[]string{"spread"}, exitUsage, "--lang"},
		{[]string{"taken", "--lang", "c"}, exitFailed, "taken already exists"},
		{[]string{"spread", "--lang", "c", "--dir", "nowhere"}, exitFailed, "--dir nowhere does not exist"},
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
	t.Setenv("PATH", t.TempDir())
	for dir, want := range map[string]string{
		"empty":          `"lestats plugin new" creates one`,
		"nowhere":        "nowhere is not a folder",
		"go":             "install Go 1.26",
		"c":              "apt-get install clang lld",
		"assemblyscript": "apt-get install nodejs npm",
	} {
		if code, _, errs := lestats(t, "plugin", "build", dir); code != exitFailed || !strings.Contains(errs, want) {
			t.Errorf("%s: exit code %d; want %q:\n%s", dir, code, want, errs)
		}
	}
}
