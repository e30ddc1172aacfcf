package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/functions/author"
)

// mistaken is a plugin with a question for each mistake that newcomers make, in one
// language.
type mistaken struct {
	lang, source, to string
	// finds are parts of what plugin check says about a question: its message and the fix.
	finds map[string][]string
}

const (
	unlisted    = `" is not listed; add `
	manyRows    = "the result's column location has 1 rows, mean has 2; for each row append to every column"
	limitOfTime = "_limit: " // of time or of fuel: which is reached first depends on the processor
)

var mistakes = []mistaken{{
	lang: "go", source: "main.go", to: "main.go",
	finds: map[string][]string{
		"forgot_column":    {`the column "year` + unlisted + `its handle to Plugin.Columns, at lestats.plugin/mistakes/main.go:`},
		"forgot_parameter": {`the parameter "least` + unlisted + `its handle to Params of the question forgot_parameter, at lestats.plugin/mistakes/main.go:`},
		"forgot_result":    {`the result's column "count` + unlisted + `its handle to Keys or Values in the Result of the question forgot_result`},
		"uneven":           {manyRows},
		"nan":              {`column 1 (mean), row 0: the value is NaN; numbers must be finite`, "AppendMissing (Go)"},
		"few_rows":         {" --where year=", "column 1 (mean), row 0: the value is +Inf; numbers must be finite"},
		"duplicate_key":    {"rows 0 and 1 have the same key", "declare another key, or the layout rows"},
		"panics":           {"panic: runtime error: index out of range", "at lestats.plugin/mistakes/main.go:"},
		"endless":          {limitOfTime},
		"huge":             {"memory_limit: ", "beyond the dataset"},
		"map_order":        {"the answer depends on random numbers", "it gave two different answers: the same rows in another order: row 0 is (", "collect the keys and sort them"},
		"map_sum":          {"the answer depends on random numbers", `the last digits: row 0, column "mean" is `, "adds up while it ranges over a map"},
		"random":           {"the answer depends on random numbers", `row 0, column "mean" is 0.`, "seed your own generator"},
		"clock":            {"the answer depends on the clock", `row 0, column "text" is 2021 and 20`, "time.Now"},
		"pure":             nil,
	},
}}

// written creates a new plugin in a folder of its own, to which it changes: the source is
// that of testdata, and stands in the template's place. AssemblyScript's compiler is that of
// the SDK's own tests.
func written(t *testing.T, lang, name, source, to string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name, source))
	if err != nil {
		t.Fatal(err)
	}
	node, err := filepath.Abs("../../plugins/sdk/assemblyscript/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	t.Setenv("GOFLAGS", "")
	if code, _, errs := lestats(t, "plugin", "new", name, "--lang", lang); code != exitOK {
		t.Fatal(errs)
	}
	if err := os.WriteFile(filepath.Join(name, to), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if lang == "assemblyscript" {
		if err := os.Symlink(node, filepath.Join(name, "node_modules")); err != nil {
			t.Fatal(err)
		}
	}
}

// What plugin check says of each mistake names the author's own column, parameter or
// question, and what to write. Nothing else is wrong.
func TestMistakes(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it builds a plugin")
	}
	cache := compiled(t)
	for _, tt := range mistakes {
		t.Run(tt.lang, func(t *testing.T) {
			t.Setenv("GOPROXY", "off")
			t.Setenv("LESTATS_CACHE", cache)
			written(t, tt.lang, "mistakes", tt.source, tt.to)
			if code, out, errs := lestats(t, "plugin", "build", "mistakes"); code != exitOK {
				t.Fatalf("%s\n%s", out, errs)
			}
			code, reports, errs := checkJSON(t, "mistakes/mistakes.wasm")
			if code != exitFailed {
				t.Errorf("exit code %d\n%s", code, errs)
			}
			said := map[string][]string{}
			for _, f := range reports[0].Findings {
				question, _, _ := strings.Cut(f.Message, ":")
				question, _, _ = strings.Cut(question, " ")
				if f.Level != author.LevelInfo {
					said[question] = append(said[question], f.Message+"\n  "+f.Fix)
				}
			}
			for question, want := range tt.finds {
				all := strings.Join(said[question], "\n")
				for _, part := range want {
					if !strings.Contains(all, part) {
						t.Errorf("%s: want %q in\n%s", question, part, all)
					}
				}
				if want == nil && all != "" {
					t.Errorf("%s is good: %s", question, all)
				}
				delete(said, question)
			}
			if len(said) > 0 {
				t.Errorf("it also said %v", said)
			}
		})
	}
}

// Over HTTP, a job that trapped says what the plugin wrote last, and nothing of the host.
func TestLastWordsOverHTTP(t *testing.T) {
	p := serve(t, nil, "--plugins", faultsFolder(t), "--cache", compiled(t))
	status, v := p.call("POST", "/api/stderr", "{}", "Prefer: wait=10")
	if status != http.StatusUnprocessableEntity || v["code"] != "plugin_trap" ||
		v["reason"] != `lestats_v1_answer trapped: unreachable; it wrote "panic: out of patience"` {
		t.Errorf("%d %v", status, v)
	}
}
