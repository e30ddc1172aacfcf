package boundedyaml

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// fixed and perByte bound what parsing may allocate: the lexer takes up to 300 bytes
// for each byte, the parser the same again, and the square of MaxKeys is 80 MB.
const fixed, perByte = 100 << 20, 1200

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// What nests or repeats is refused, or takes memory by its length, whatever it is.
func TestBounded(t *testing.T) {
	var stairs, columns, keys strings.Builder
	for i := range 600 {
		stairs.WriteString(strings.Repeat(" ", i) + "a:\n")
		columns.WriteString(strings.Repeat(" ", i) + "- \n")
	}
	for i := range 25_000 {
		fmt.Fprintf(&keys, "k%d: v\n", i)
	}
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
	for i := range 9 {
		bomb += fmt.Sprintf("a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i+1, i+1, i, i, i, i, i, i, i, i)
	}
	const n = 200_000
	for name, c := range map[string]struct{ text, want string }{
		"brackets":         {strings.Repeat("[", n), "tokens"},
		"fewer brackets":   {strings.Repeat("[", 2000), "nested more than 16 deep"},
		"balanced":         {"a: " + strings.Repeat("[", 500) + strings.Repeat("]", 500), "line 1: lists and mappings are nested"},
		"braces":           {strings.Repeat("{a: ", 20_000), "nested more than 16 deep"},
		"dashes":           {strings.Repeat("- ", 30_000), "nested more than 16 deep"},
		"many dashes":      {strings.Repeat("- ", n/2), "tokens"},
		"question marks":   {strings.Repeat("? ", 30_000), `a key that begins with ?, "?"`},
		"indented keys":    {stairs.String(), "line 17: lists and mappings are nested"},
		"indented lists":   {columns.String(), "line 17: lists and mappings are nested"},
		"keys":             {keys.String(), "tokens"},
		"fewer keys":       {keys.String()[:60_000], "more than 4096 keys"},
		"keys in braces":   {"{" + strings.ReplaceAll(keys.String()[:60_000], "\n", ", ") + "}", "more than 4096 keys"},
		"tags":             {strings.Repeat("!a ", 20_000), `line 1: a tag, "!a"`},
		"anchors":          {strings.Repeat("&a ", 20_000), "an anchor"},
		"billion laughs":   {bomb, "line 1: an anchor"},
		"a merge":          {"a: {b: 1}\nc: {<<: {d: 1}}\n", "line 2: a merge key"},
		"a directive":      {"%YAML 1.2\n---\na: 1\n", "a directive"},
		"colons in a line": {strings.Repeat("a: ", 5000), "more than 4096 keys"},
		"mapping in lists": {strings.Repeat("[{a: ", 5000), "nested more than 16 deep"},
		"too long":         {strings.Repeat("#", MaxBytes+1), "at most 262144"},
		"not UTF-8":        {"a: \xff", "not UTF-8"},
		"open":             {"a: [", "line 1: it is not YAML"},
		"a long value":     {"a: " + strings.Repeat("x ", n/2), ""},
		"a long quote":     {`a: "` + strings.Repeat(`\"x\n`, n/4) + `"`, ""},
		"a long literal":   {"a: |\n" + strings.Repeat(" x\n", n/3), ""},
		"a flat list":      {"a: [" + strings.Repeat("x,", 30_000) + "x]", ""},
		"a long list":      {strings.Repeat("- x\n", 30_000), ""},
		"comments":         {"a: 1\n" + strings.Repeat("# x\n", 50_000), ""},
		"brackets in text": {"a: '" + strings.Repeat("[{", 1000) + "' # " + strings.Repeat("[", 1000), ""},
		"4000 keys":        {keys.String()[:4000*len("k1234: v\n")-6000], ""},
		"documents":        {strings.Repeat("---\na: 1\n", 4000), ""},
		"spaces":           {strings.Repeat(" ", n), ""},
		"nothing":          {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			got := allocated(func() { _, err = parse([]byte(c.text)) })
			if most := uint64(fixed + perByte*len(c.text)); got > most {
				t.Errorf("%d bytes took %d, at most %d", len(c.text), got, most)
			}
			if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\nwant %q", err, c.want)
			}
		})
	}
}

// Depth ends with what was nested: lists beside each other are not inside each other.
func TestDepthEnds(t *testing.T) {
	text := "columns:\n"
	for i := range 300 {
		text += fmt.Sprintf("  - name: c%d\n    aliases:\n      - [a, {b: [c]}]\n      # deep\n          # deeper\n", i)
	}
	bodies, err := parse([]byte(text))
	if err != nil || len(bodies) != 1 {
		t.Errorf("%d bodies, %v", len(bodies), err)
	}
}

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.yaml")
	for _, n := range []int64{0, MaxBytes, MaxBytes + 1, 1 << 40} {
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Truncate(n); err != nil { // a sparse file
			t.Skip("the file system has no files of a terabyte")
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		b, err := ReadFile(path)
		if n <= MaxBytes && (err != nil || int64(len(b)) != n) {
			t.Errorf("%d bytes: %d, %v", n, len(b), err)
		}
		if n > MaxBytes && (err == nil || !strings.Contains(err.Error(), path+": it has more than 262144 bytes")) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if _, err := ReadFile(path + "x"); err == nil {
		t.Error("a file that is not there was read")
	}
}

// FuzzParse: no text takes more memory than the bounds say, or the process.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"a: [1, {b: c}]\n- d\n", "? a\n: b\n", "a: |\n  b\n", "a: &b [*b]\n", "--- # c\n'a': \"\\x41\"\n...\n", "[{[{", "- - - a: b: c", "!!binary a", "a:\n  - b\n - c",
	} {
		f.Add([]byte(seed), uint8(0))
		f.Add([]byte(seed), uint8(100))
	}
	f.Fuzz(func(t *testing.T, b []byte, repeat uint8) {
		text := []byte(strings.Repeat(string(b[:min(len(b), 2000)]), 1+int(repeat)))
		got := allocated(func() { _, _ = parse(text) })
		if most := uint64(fixed + perByte*len(text)); got > most {
			t.Errorf("%d bytes took %d, at most %d", len(text), got, most)
		}
	})
}
