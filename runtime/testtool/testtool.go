// Package testtool finds what tests need and the module does not hold: programs, and
// real rows.
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

// Installed returns the path of a program that a package of Debian, and of most
// others, brings. Without it t is skipped, or fails where the environment has CI=true.
func Installed(t testing.TB, name, debian string) string {
	t.Helper()
	for _, folder := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") { // of root's alone
		if path, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
			return path
		}
	}
	without(t, fmt.Sprintf("no %s: install it (Debian: %s; `make test` does)", name, debian))
	return ""
}

// Slice returns the folder with real rows of the CDC's survey (cdc_npao_slice.csv) and the
// original program's answers about them: LESTATS_CDC_SLICE, or shared/data beside the
// checkout or above it. Without it t is skipped, or fails where the environment has
// CI=true or the variable is set.
func Slice(t testing.TB) string {
	t.Helper()
	const rows = "cdc_npao_slice.csv"
	if folder := os.Getenv("LESTATS_CDC_SLICE"); folder != "" {
		if _, err := os.Stat(filepath.Join(folder, rows)); err != nil { //nolint:gosec // a test's own environment
			t.Fatalf("LESTATS_CDC_SLICE: %v", err)
		}
		return folder
	}
	for at := moduleRoot(t); ; at = filepath.Dir(at) {
		folder := filepath.Join(at, "shared", "data")
		if _, err := os.Stat(filepath.Join(folder, rows)); err == nil {
			return folder
		}
		if at == filepath.Dir(at) {
			break
		}
	}
	without(t, "no real rows of the CDC: there is no shared/data beside the checkout, and LESTATS_CDC_SLICE is not set")
	return ""
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
