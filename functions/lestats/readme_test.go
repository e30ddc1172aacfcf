package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/testtool"
)

func TestReadme(t *testing.T) { typeCommands(t, "../../README.md", 5) }

func TestReadmeOfData(t *testing.T) { typeCommands(t, "../../data/README.md", 4) }

// typeCommands runs the commands of a page's console blocks in order and compares their
// output. In the expected text "..." matches anything within a line, and a line of only
// "..." matches any lines. The server is this test's, or the one at LESTATS_TEST_URL.
// `bin/lestats` is this test binary. `make` is left to CI.
func typeCommands(t *testing.T, page string, atLeast int) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	testtool.Installed(t, "curl", "curl")
	at := os.Getenv("LESTATS_TEST_URL")
	if at == "" {
		at = serve(t, nil).url
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\n" + asLestats + "=1 exec " + exe + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(home, "bin", "lestats"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	commands := 0
	for _, block := range regexp.MustCompile("(?ms)^```console\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		for _, part := range regexp.MustCompile(`(?m)^\$ `).Split(block[1], -1)[1:] {
			command, want := splitCommand(part)
			if strings.HasPrefix(command, "make ") || strings.HasPrefix(command, "git ") || strings.Contains(command, "lestats serve") {
				continue
			}
			commands++
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", strings.ReplaceAll(command, "http://127.0.0.1:8080", at))
			cmd.Dir = home
			cmd.Env = append(os.Environ(), "PATH="+filepath.Join(home, "bin")+":"+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			cancel()
			got := strings.NewReplacer(at, "http://127.0.0.1:8080", "\r", "").Replace(string(out))
			if err != nil {
				t.Errorf("$ %s\n%v\n%s", command, err, got)
				continue
			}
			if !printed(want).MatchString("\n" + strings.TrimRight(got, "\n")) {
				t.Errorf("$ %s\nprints\n%s\nand not, as %s says,\n%s", command, got, page, want)
			}
		}
	}
	if commands < atLeast {
		t.Errorf("%s has %d commands to try; it had more", page, commands)
	}
}

// splitCommand separates a command, which continues after a line that ends in a backslash,
// from its output.
func splitCommand(part string) (command, prints string) {
	lines := strings.SplitAfter(part, "\n")
	n := 1
	for n < len(lines) && strings.HasSuffix(lines[n-1], "\\\n") {
		n++
	}
	return strings.TrimRight(strings.Join(lines[:n], ""), "\n"), strings.TrimRight(strings.Join(lines[n:], ""), "\n")
}

// printed returns the pattern of an expected text. An empty text matches anything.
func printed(want string) *regexp.Regexp {
	if want == "" {
		return regexp.MustCompile("")
	}
	pattern := regexp.QuoteMeta("\n" + want)
	pattern = regexp.MustCompile(`\n\\\.\\\.\\\.(\n|$)`).ReplaceAllString(pattern, `(?:\n[^\n]*)*$1`)
	pattern = strings.ReplaceAll(pattern, `\.\.\.`, `[^\n]*`)
	return regexp.MustCompile("^" + pattern + "$")
}
