// Package testtool finds the programs that tests start.
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
		without(t, fmt.Sprintf("no %s: set %s to its program, or run `make .tools/%s` (%v)", name, variable, name, err))
	}
	return path
}

// Command makes sure that a command is in PATH, which the Debian package brings. Without
// it t is skipped, or fails where the environment has CI=true.
func Command(t testing.TB, name, debian string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		without(t, fmt.Sprintf("no %s, which this test types: install it (Debian: %s; `make test` does) (%v)", name, debian, err))
	}
}

// without ends a test that lacks a tool: CI has to have them all.
func without(t testing.TB, message string) {
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
