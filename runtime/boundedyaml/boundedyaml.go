// Package boundedyaml reads YAML into structs, strictly and within bounds. It is the only
// place where this program parses YAML. The memory of the
// library's parser grows with the square of the nesting and of the number of keys: a file
// of 200 KB could take 22 GB. Decode first counts both in the tokens, whose memory is
// proportional to the file.
package boundedyaml

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of a YAML file. The largest file is a descriptor, with at most 256 columns of
// ten keys each, nested three levels deep.
const (
	MaxBytes  = 256 << 10
	MaxDepth  = 16   // nested lists and mappings
	MaxKeys   = 4096 // of all mappings together
	maxTokens = 1 << 16
)

// ReadFile reads a file of at most MaxBytes, the most that Decode accepts, and refuses a
// longer one without reading it to its end. The error names the path.
func ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err != nil {
		return nil, err
	}
	if len(b) > MaxBytes {
		return nil, fmt.Errorf("%s: it has more than %d bytes", path, MaxBytes)
	}
	return b, nil
}

// parse returns the non-empty documents in b. It refuses more than MaxBytes, MaxDepth and
// MaxKeys, and features that a settings file does not need: anchors, aliases, merge keys,
// tags, directives and keys that are not plain text. Errors begin with the line.
func parse(b []byte) (bodies []ast.Node, err error) {
	if len(b) > MaxBytes {
		return nil, fmt.Errorf("it has %d bytes; at most %d", len(b), MaxBytes)
	}
	if !utf8.Valid(b) {
		return nil, errors.New("it is not UTF-8")
	}
	defer func() {
		if p := recover(); p != nil { // in the library
			bodies, err = nil, fmt.Errorf("it is not YAML: %.200v", p)
		}
	}()
	// YAML has \r\n as one line break; the lexer loses count of lines with it.
	tokens := lexer.Tokenize(strings.ReplaceAll(string(b), "\r\n", "\n"))
	if err := check(tokens); err != nil {
		return nil, err
	}
	file, err := parser.Parse(tokens, 0)
	if err != nil {
		var syntax *yaml.SyntaxError
		if errors.As(err, &syntax) && syntax.Token != nil && syntax.Token.Position != nil {
			return nil, fmt.Errorf("line %d: it is not YAML: %s", syntax.Token.Position.Line, syntax.Message)
		}
		return nil, fmt.Errorf("it is not YAML: %w", err)
	}
	for _, doc := range file.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.CommentType {
			bodies = append(bodies, doc.Body)
		}
	}
	return bodies, nil
}

// refused are the kinds of tokens that a settings file does not need.
var refused = map[token.Type]string{
	token.AnchorType:     "an anchor",
	token.AliasType:      "an alias",
	token.MergeKeyType:   "a merge key",
	token.TagType:        "a tag",
	token.DirectiveType:  "a directive",
	token.MappingKeyType: "a key that begins with ?",
}

// check refuses tokens that would cost the parser too much.
func check(tokens token.Tokens) error {
	var indents []int // columns of the block lists and mappings that are open
	flow, keys, line := 0, 0, 0
	if len(tokens) > maxTokens {
		return fmt.Errorf("it has %d tokens; at most %d", len(tokens), maxTokens)
	}
	for _, t := range tokens {
		if t.Type == token.CommentType {
			continue
		}
		at := t.Position.Line
		if what, bad := refused[t.Type]; bad {
			return fmt.Errorf("line %d: %s, %.40q, cannot be used here; put it in quotes if you mean text", at, what, t.Value)
		}
		begins := at != line // the first token of its line
		line = at
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow = max(0, flow-1)
		case token.MappingValueType:
			keys++
		case token.SequenceEntryType:
			begins = true
		}
		if begins && flow == 0 {
			for len(indents) > 0 && indents[len(indents)-1] >= t.Position.Column {
				indents = indents[:len(indents)-1]
			}
			indents = append(indents, t.Position.Column)
		}
		if len(indents)+flow > MaxDepth {
			return fmt.Errorf("line %d: lists and mappings are nested more than %d deep", at, MaxDepth)
		}
		if keys > MaxKeys {
			return fmt.Errorf("line %d: there are more than %d keys", at, MaxKeys)
		}
	}
	return nil
}
