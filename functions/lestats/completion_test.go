package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/testtool"
)

// completeCases are lines, with what fits at their ends; "..." stands for more.
var completeCases = map[string]string{
	"lestats as":                                   "ask",
	"lestats data v":                               "values",
	"lestats data values --form":                   "--format",
	"lestats ask --format=c":                       "--format=csv",
	"lestats ask -f ":                              strings.ReplaceAll(formatVars()["formats"], ",", " ") + " auto",
	"lestats ask best":                             "best5",
	"lestats cite best":                            "best5",
	"lestats cite state_mean q":                    "question=",
	"lestats ver":                                  "verify version",
	"lestats ask --note column state_d":            "state_diff_from_mean",
	"lestats ask state_mean q":                     "question=",
	"lestats ask state_mean question=obesity sta":  "state=",
	"lestats ask states_mean --where location_":    "location_abbr=",
	"lestats ask states_mean --where=stra":         "--where=stratum=",
	"lestats data values stra":                     "stratum",
	"lestats serve --durability d":                 "disk",
	"lestats plugin new x --lang r":                "rust",
	"lestats completion f":                         "fish",
	"lestats nonsense x":                           "",
	"lestats ask states_mean question=obesity --w": "--where",
	"lestats __":                                   "",
}

func TestComplete(t *testing.T) {
	for line, want := range completeCases {
		_, rest, _ := strings.Cut(line, " ")
		words := strings.Split(rest, " ")
		code, out, errs := lestats(t, append([]string{completeCommand, "bash"}, words...)...)
		if got := strings.Join(strings.Fields(out), " "); code != exitOK || errs != "" || got != want {
			t.Errorf("%q: %d, %q, want %q\n%s", line, code, got, want, errs)
		}
	}
	_, out, _ := lestats(t, completeCommand, "zsh", "")
	for _, want := range []string{"serve\tAnswer questions over HTTP.\n", "completion\t"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	for _, words := range [][]string{nil, {"bash"}, {"bash", "--data"}, {"bash", "ask", "--data", "nowhere.csv", "b"}, {"bash", "ask", "-"}, {"bash", "\x1b"}, {"", "", "", ""}} {
		if code, _, errs := lestats(t, append([]string{completeCommand}, words...)...); code != exitOK || errs != "" {
			t.Errorf("%q: %d, %s", words, code, errs)
		}
	}
}

// The scripts work in the shells themselves.
func TestCompletionInShells(t *testing.T) {
	if testtool.Race {
		t.Skip("it starts over a hundred programs, each of which completes one word")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile("lestats", []byte("#!/bin/sh\n"+asLestats+"=1 exec "+exe+" \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("my data.csv", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	home, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, shell := range []struct {
		name   string
		script func(line string) string
		strip  bool // it offers what follows the last =
	}{
		{"bash", func(line string) string {
			return fmt.Sprintf(`source <(lestats completion bash); COMP_LINE=%q; COMP_POINT=${#COMP_LINE}
_lestats lestats; for c in "${COMPREPLY[@]}"; do echo "$c"; done; complete -p lestats >&2`, line)
		}, true},
		{"zsh", func(line string) string {
			words := strings.Split(line, " ")
			for i := range words {
				words[i] = "'" + words[i] + "'"
			}
			return fmt.Sprintf(`autoload -Uz compinit; compinit -u -d zdump; source <(lestats completion zsh)
[[ ${_comps[lestats]} == _lestats ]] || exit 1
compadd() { local name=${@[-1]}; print -l -- "${(@P)name}" }
_files() { }
words=(%s); CURRENT=%d; _lestats`, strings.Join(words, " "), len(words))
		}, false},
		{"fish", func(line string) string {
			return fmt.Sprintf("lestats completion fish | source; complete -C %q | string replace -r '\\t.*' ''; true", line)
		}, false},
	} {
		t.Run(shell.name, func(t *testing.T) {
			path := testtool.Installed(t, shell.name, shell.name)
			for line, want := range completeCases {
				cmd := exec.CommandContext(t.Context(), path, "-c", shell.script(line))
				cmd.Env = append(os.Environ(), "HOME="+home, "PATH="+home+":"+os.Getenv("PATH"), "XDG_CONFIG_HOME="+home)
				out, err := cmd.Output()
				if err != nil {
					t.Errorf("%s: %v", line, err)
				}
				wanted := strings.Fields(want)
				if shell.strip {
					for i, w := range wanted {
						last := line[strings.LastIndex(line, " ")+1:]
						if name, _, ok := strings.Cut(last, "="); ok {
							wanted[i] = strings.TrimPrefix(w, name+"=")
						}
					}
				}
				got := strings.Fields(string(out))
				slices.Sort(got)
				slices.Sort(wanted)
				if !slices.Equal(got, wanted) {
					t.Errorf("%s: %q, want %q", line, got, wanted)
				}
			}
		})
	}
	// Where only files fit, fish and bash offer them.
	if fish, err := exec.LookPath("fish"); err == nil {
		cmd := exec.CommandContext(t.Context(), fish, "-c", `lestats completion fish | source; complete -C "lestats data info my"`)
		cmd.Env = append(os.Environ(), "HOME="+home, "PATH="+home+":"+os.Getenv("PATH"))
		if out, err := cmd.Output(); err != nil || !strings.Contains(string(out), filepath.Base("my data.csv")) {
			t.Errorf("files in fish: %q, %v", out, err)
		}
	}
}
