// Package testtool finds the servers that tests start.
package testtool

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Find returns the path of a program that `make test` builds into .tools at the
// module's root, or the one that a variable of the environment names. Without it t
// is skipped, or fails where the environment has CI=true.
func Find(t testing.TB, name, variable string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		path = filepath.Join(moduleRoot(t), ".tools", name)
	}
	if _, err := os.Stat(path); err != nil { //nolint:gosec // a test's own environment
		absent(t, fmt.Sprintf("no %s: set %s to its program, or run `make .tools/%s` (%v)", name, variable, name, err))
	}
	return path
}

// Installed returns the path of a program that a package of Debian, and of most
// others, brings. Without it t is skipped, or fails where the environment has CI=true.
func Installed(t testing.TB, name, debian string) string {
	t.Helper()
	for _, folder := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") { // of root's alone
		if path, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
			return path
		}
	}
	absent(t, fmt.Sprintf("no %s: install it (Debian: apt-get install %s)", name, debian))
	return ""
}

// absent skips t, or fails it in CI, where nothing may be left out.
func absent(t testing.TB, message string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(message)
	}
	t.Skip(message)
}

// moduleRoot returns the folder of go.mod above the test's.
func moduleRoot(t testing.TB) string {
	t.Helper()
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			t.Fatal("there is no go.mod above the test")
		}
		folder = parent
	}
}
