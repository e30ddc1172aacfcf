package rewrite

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// FuzzRewrite hands anything to the rewriter. It never panics; what it takes is
// not much larger than before, and it takes its own unmetered output and makes
// the same of it: reading and writing are inverse.
func FuzzRewrite(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(generate(seed))
	}
	files, _ := filepath.Glob("testdata/*.wasm")
	for _, file := range files {
		if b, err := os.ReadFile(file); err == nil {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, wasm []byte) {
		before := slices.Clone(wasm)
		metered, info, err := Rewrite(wasm, Config{})
		if !bytes.Equal(before, wasm) {
			t.Fatal("the original was written to")
		}
		if err != nil {
			if metered != nil || info != nil {
				t.Fatal("refused, and yet something is returned")
			}
			return
		}
		if len(metered) > 40*len(wasm)+1000 {
			t.Errorf("%d bytes became %d", len(wasm), len(metered))
		}
		if _, _, err := Rewrite(metered, Config{}); err == nil {
			t.Error("it takes what it has metered itself: names of the host are not refused")
		}
		once, _, err := Rewrite(wasm, Config{Unmetered: true})
		if err != nil {
			t.Fatal("metered only:", err)
		}
		m, refused := decode(wasm)
		if refused != nil {
			t.Fatal(refused)
		}
		if m.start >= 0 || len(info.Globals) > 0 {
			return // what it has written has names of the host
		}
		if twice, _, err := Rewrite(once, Config{Unmetered: true}); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("its own output becomes something else: %v", err)
		}
	})
}
