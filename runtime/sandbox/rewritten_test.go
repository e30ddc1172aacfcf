package sandbox

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/sandbox/rewrite"
)

// The cache returns the result of rewriting; any other file is replaced.
func TestRewritings(t *testing.T) {
	plugins, err := filepath.Glob("testdata/*.wasm")
	if err != nil || len(plugins) < 10 {
		t.Fatal(len(plugins), err)
	}
	kept := rewriteCache{dir: t.TempDir(), log: slog.New(slog.DiscardHandler)}
	same := func(wasm []byte) error {
		want, wantInfo, wantErr := rewrite.Rewrite(wasm, rewrite.Config{})
		got, err := kept.rewrite(wasm, digestOf(wasm))
		if err != nil || wantErr != nil {
			if (err == nil) != (wantErr == nil) {
				return fmt.Errorf("%w, want %w", err, wantErr)
			}
			return nil
		}
		if !bytes.Equal(got.wasm, want) || !reflect.DeepEqual(got.info, wantInfo) {
			return fmt.Errorf("%+v\nwant\n%+v", got.info, wantInfo)
		}
		if !got.known {
			kept.keep(digestOf(wasm), got)
		}
		return nil
	}
	for _, name := range plugins {
		wasm, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, time := range []string{"first", "second"} {
			if err := same(wasm); err != nil {
				t.Fatalf("%s, the %s time: %v", name, time, err)
			}
		}
	}
	wasm := fixture(t, "good")
	file := kept.file(digestOf(wasm))
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	for name, damage := range map[string]func() error{
		"empty":   func() error { return os.WriteFile(file, nil, 0o600) },
		"cut":     func() error { return os.WriteFile(file, whole[:len(whole)/2], 0o600) },
		"flipped": func() error { return os.WriteFile(file, flipped, 0o600) },
		"gone":    func() error { return os.Remove(file) },
		"of another form": func() error {
			other := []byte("a gob of an earlier version of the program")
			return os.WriteFile(file, append(binary.LittleEndian.AppendUint32(nil, checksum(other)), other...), 0o600)
		},
		"of another version": func() error {
			return kept.write(digestOf(wasm), "another", &prepared{wasm: []byte("not this"), info: &rewrite.Info{}})
		},
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if err := same(wasm); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if again, err := os.ReadFile(file); err != nil || !bytes.Equal(again, whole) {
			t.Errorf("%s: it was not replaced, %v", name, err)
		}
	}
	if err := os.RemoveAll(kept.dir); err != nil {
		t.Fatal(err)
	}
	if err := same(wasm); err != nil {
		t.Errorf("without a folder: %v", err)
	}
}

// BenchmarkRewriting is what a start spends on it for the built-in plugin, without
// and with what was kept.
func BenchmarkRewriting(b *testing.B) {
	wasm, err := os.ReadFile("../../plugins/built/sportifs.wasm")
	if err != nil {
		b.Fatal(err, "(make generate builds it)")
	}
	want, err := rewriteCache{}.rewrite(wasm, "")
	if err != nil {
		b.Fatal(err)
	}
	for name, kept := range map[string]rewriteCache{"anew": {}, "kept": {dir: b.TempDir(), log: slog.New(slog.DiscardHandler)}} {
		b.Run(name, func(b *testing.B) {
			var ready *prepared
			for b.Loop() {
				var err error
				ready, err = kept.rewrite(wasm, digestOf(wasm))
				if err != nil {
					b.Fatal(err)
				}
				if !ready.known {
					kept.keep(digestOf(wasm), ready)
				}
			}
			if !bytes.Equal(ready.wasm, want.wasm) {
				b.Fatal("it became another module")
			}
		})
	}
}
