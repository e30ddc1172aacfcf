package plugins_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/le-stats-sportifs/lestats/plugins"
)

func TestBuiltIn(t *testing.T) {
	// The placeholder proves that the folder is the root; the plugin may not be
	// built yet.
	if _, err := fs.Stat(plugins.BuiltIn(), ".gitkeep"); err != nil {
		t.Error(err)
	}
}

// TestReadme tests and builds the plugin that README.md shows.
func TestReadme(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it compiles a plugin")
	}
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(text, -1)
	if len(blocks) != 2 {
		t.Fatalf("README.md has %d blocks of Go; main.go and main_test.go are 2", len(blocks))
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile("../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	// The go command keeps a test's outcome until a file changes that the test
	// itself has opened: so open what the plugin is built of.
	for _, pattern := range []string{"sdk/*.go", "sdk/sdktest/*.go", "abi/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if _, err := os.ReadFile(file); err != nil {
				t.Fatal(err)
			}
		}
	}
	dir := t.TempDir()
	for name, content := range map[string]string{
		"main.go":      string(blocks[0][1]),
		"main_test.go": string(blocks[1][1]),
		"go.sum":       string(sums),
		"go.mod": "module spread\n\ngo 1.26\n\nrequire github.com/le-stats-sportifs/lestats v0.0.0\n\n" +
			"replace github.com/le-stats-sportifs/lestats => " + root + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		env  []string
		args []string
	}{
		{nil, []string{"test", "-mod=mod", "."}},
		{
			[]string{"GOOS=wasip1", "GOARCH=wasm"},
			[]string{"build", "-mod=mod", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", "spread.wasm", "."},
		},
	} {
		cmd := exec.Command("go", step.args...)
		cmd.Dir = dir
		cmd.Env = append(append(os.Environ(), "GOFLAGS=", "GOPROXY=off"), step.env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", step.args[0], err, out)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "spread.wasm")); err != nil || info.Size() > 2_100_000 {
		t.Errorf("the plugin's file: %v, %v", info, err)
	} else {
		t.Logf("spread.wasm has %d bytes", info.Size())
	}
}
