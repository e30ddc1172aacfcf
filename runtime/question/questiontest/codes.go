// Package questiontest is what the tests of several packages need of package
// question.
package questiontest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Codes returns the closed set of codes, as the source of package question declares
// it: a test that goes over them cannot forget one.
func Codes(t testing.TB) []question.Code {
	t.Helper()
	_, here, _, _ := runtime.Caller(0) //nolint:dogsled // that is its signature
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(filepath.Dir(here), "..", "error.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []question.Code
	ast.Inspect(f, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "Code") {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, question.Code(text))
		}
		return true
	})
	if len(out) < 30 {
		t.Fatalf("only %d codes were found", len(out))
	}
	return out
}
