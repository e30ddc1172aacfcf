package main

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// moduleTop is the folder that holds go.mod.
const moduleTop = "../.."

var (
	codeFence   = regexp.MustCompile("(?ms)^```[a-z]*\n(.*?)^```$")
	inlineCode  = regexp.MustCompile("`([^`\n]+)`")
	makeTarget  = regexp.MustCompile(`(?m)(?:^|&& |\$ )make ((?:[A-Z0-9]+=\S+ )*)([a-z][a-z0-9-]*)`)
	pathInCode  = regexp.MustCompile(`^(?:\.\./)*(?:\.ci|data|functions|infra|plugins|runtime)/[\w./*-]+$`)
	linkTarget  = regexp.MustCompile(`\]\(([^)\s#]+)`)
	nameOfTest  = regexp.MustCompile(`\b(?:Test|Benchmark|Fuzz|Example)[A-Z]\w+`)
	declaration = regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz|Example)\w+)\(`)
)

// Every make target, path, link, test and benchmark that a document names exists.
func TestDocuments(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(moduleTop, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	documents, tests := map[string]string{}, map[string]bool{}
	err = filepath.WalkDir(moduleTop, func(path string, d fs.DirEntry, err error) error {
		name := d.Name()
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != moduleTop && name != ".github" && (strings.HasPrefix(name, ".") || name == "node_modules" || name == "target"):
			return fs.SkipDir
		case strings.HasSuffix(name, ".md") && name != "CHANGELOG.md": // which names removed things
			text, err := os.ReadFile(path)
			documents[path] = string(text)
			return err
		case strings.HasSuffix(name, "_test.go"):
			text, err := os.ReadFile(path)
			for _, m := range declaration.FindAllSubmatch(text, -1) {
				tests[string(m[1])] = true
			}
			return err
		}
		return nil
	})
	if err != nil || len(documents) < 10 || len(tests) < 100 {
		t.Fatalf("%d documents, %d tests, %v", len(documents), len(tests), err)
	}
	for _, path := range slices.Sorted(maps.Keys(documents)) {
		text := documents[path]
		var code []string // what a reader may type or look for
		for _, m := range codeFence.FindAllStringSubmatch(text, -1) {
			code = append(code, m[1])
		}
		prose := codeFence.ReplaceAllString(text, "")
		for _, m := range inlineCode.FindAllStringSubmatch(prose, -1) {
			code = append(code, m[1])
			if pathInCode.MatchString(m[1]) && !exists(t, m[1], moduleTop, filepath.Dir(path)) {
				t.Errorf("%s names %s, which is not there", path, m[1])
			}
		}
		for _, piece := range code {
			for _, m := range makeTarget.FindAllStringSubmatch(piece, -1) {
				if !regexp.MustCompile(`(?m)^` + m[2] + `:`).Match(makefile) {
					t.Errorf("%s says make %s, which the Makefile has not", path, m[2])
				}
			}
		}
		for _, m := range linkTarget.FindAllStringSubmatch(prose, -1) {
			if !strings.Contains(m[1], "://") && !exists(t, m[1], filepath.Dir(path)) {
				t.Errorf("%s links to %s, which is not there", path, m[1])
			}
		}
		for _, name := range nameOfTest.FindAllString(text, -1) {
			if !tests[name] {
				t.Errorf("%s names %s, which no test file has", path, name)
			}
		}
	}
}

// exists reports whether a path, which may be a pattern, exists in one of the folders or
// is built there.
func exists(t *testing.T, path string, folders ...string) bool {
	t.Helper()
	if strings.Contains(path, "/built/") || strings.HasSuffix(path, "/built") {
		return true
	}
	for _, folder := range folders {
		found, err := filepath.Glob(filepath.Join(folder, path))
		if err != nil && !errors.Is(err, filepath.ErrBadPattern) {
			t.Fatal(err)
		}
		if len(found) > 0 {
			return true
		}
	}
	return false
}
