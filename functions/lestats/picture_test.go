package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestReadmePicture: the picture in the README is the one that its command draws.
func TestReadmePicture(t *testing.T) {
	const inRepository = "../../.github/estimates.svg"
	want, err := os.ReadFile(inRepository)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "estimates.svg")
	if code, _, errs := lestats(t, "ask", "estimates", "question=obesity", "-o", file); code != exitOK {
		t.Fatal(errs)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from what `lestats ask estimates question=obesity -o estimates.svg` draws; replace it", inRepository)
	}
}
