// Package testtool finds what tests need from outside the module: programs, and real rows
// of the CDC's survey.
package testtool

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Find returns the path of a program that `make test` builds into .tools at the module's
// root. An environment variable may name another path. If the program is missing, t is
// skipped; with CI=true it fails.
func Find(t testing.TB, name, variable string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		path = filepath.Join(moduleRoot(t), ".tools", name)
	}
	if _, err := os.Stat(path); err != nil { //nolint:gosec // the environment of a test is trusted
		Without(t, fmt.Sprintf("no %s: set %s to its program, or run `make .tools/%s` (%v)", name, variable, name, err))
	}
	return path
}

// Installed returns the path of a program that a Debian package of this name installs. If
// the program is missing, t is skipped; with CI=true it fails.
func Installed(t testing.TB, name, debian string) string {
	t.Helper()
	for _, folder := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") { // not on the PATH of ordinary users
		if path, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
			return path
		}
	}
	Without(t, fmt.Sprintf("no %s: install it (Debian: %s; `make test` does)", name, debian))
	return ""
}

// Slice returns the folder with real rows of the CDC's survey (cdc_npao_slice.csv) and the
// original program's answers about them. It is LESTATS_CDC_SLICE, or shared/data beside the
// checkout or above it. If it is missing, t is skipped; with CI=true, or if the variable
// is set, t fails.
func Slice(t testing.TB) string {
	t.Helper()
	const rows = "cdc_npao_slice.csv"
	if folder := os.Getenv("LESTATS_CDC_SLICE"); folder != "" {
		if _, err := os.Stat(filepath.Join(folder, rows)); err != nil { //nolint:gosec // the environment of a test is trusted
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
	Without(t, "no rows of the CDC survey: shared/data does not exist beside the checkout, and LESTATS_CDC_SLICE is not set")
	return ""
}

// Without skips a test that lacks what it needs. With CI=true the test fails instead.
func Without(t testing.TB, message string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(message)
	}
	t.Skip(message)
}

// moduleRoot returns the nearest parent folder that holds go.mod.
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
			t.Fatal("no parent folder holds a go.mod")
		}
		folder = parent
	}
}
