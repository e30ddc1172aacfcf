package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/le-stats-sportifs/lestats/functions/author"
	"github.com/le-stats-sportifs/lestats/functions/wire"
)

// Each variable that a deployment sets, or a document names, is one of a flag: a misspelt
// one would do nothing, silently.
func TestVariables(t *testing.T) {
	parser, err := kong.New(&cli{}, kong.Vars(wire.FlagVars()).CloneWith(kong.Vars{"languages": strings.Join(author.IDs(), ",")}), formatVars())
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	if err := kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			for _, name := range flag.Envs {
				known[name] = true
			}
		}
		return next(nil)
	}); err != nil {
		t.Fatal(err)
	}
	if !known["LESTATS_STORE"] || !known["LESTATS_DEAD_QUEUE_URL"] || known["LESTATS_STOR"] {
		t.Fatalf("%v", known)
	}
	files := []string{"../../template.yaml", "../../README.md"}
	for _, pattern := range []string{"../../infra/*.yaml", "../../infra/*/*.yaml", "../../infra/Dockerfile", "../../infra/sam/*.json", "../../*/README.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatal(pattern, err)
		}
		files = append(files, found...)
	}
	variable, named := regexp.MustCompile(`\bLESTATS_[A-Z0-9_]*[A-Z0-9]\b`), 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range variable.FindAllString(string(text), -1) {
			named++
			if !known[name] && name != "LESTATS_MINIO_PASSWORD" && !strings.HasPrefix(name, "LESTATS_TEST_") { // compose.yaml's own
				t.Errorf("%s: no flag has the variable %s", file, name)
			}
		}
	}
	if named < 30 {
		t.Errorf("%d variables were found", named)
	}
}
