package question

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Each constant has exactly one row in the table.
func TestCodes(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "error.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var declared []string
	ast.Inspect(f, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "Code") && spec.Names[0].Name != "Codes" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			declared = append(declared, text)
		}
		return true
	})
	var listed []string
	for _, info := range Codes {
		listed = append(listed, string(info.Code))
		if info.Text == "" || info.Status < 400 || (info.Status == 503 || info.Status == 429 || info.Code == CodeKeyInUse) != (info.RetryAfter > 0) || info.Code.Info() != info {
			t.Errorf("%+v", info)
		}
	}
	if !slices.Equal(declared, listed) || len(listed) < 30 {
		t.Errorf("declared:\n%q\nlisted:\n%q", declared, listed)
	}
	if info := Code("of another version").Info(); info.Status != 500 {
		t.Errorf("%+v", info)
	}
}
