package catalog

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A link out of the folder is refused by name, whichever way it leads out. Its target is
// not read, so that no byte or digest of it is revealed.
func TestLinksOutOfTheFolder(t *testing.T) {
	const secret = "root:x:0:0:secret"
	outside := t.TempDir()
	for name, content := range map[string][]byte{"secret": []byte(secret), "good.wasm": manifest("a", "one")} {
		if err := os.WriteFile(filepath.Join(outside, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b := newBench(t, map[string][]byte{"in.wasm": manifest("b", "two")})
	relative, err := filepath.Rel(b.dir, outside)
	if err != nil {
		t.Fatal(err)
	}
	links := map[string]string{
		"absolute.wasm": filepath.Join(outside, "secret"),
		"plugin.wasm":   filepath.Join(outside, "good.wasm"),
		"relative.wasm": filepath.Join(relative, "secret"),
		"folder":        outside,
		"dots":          relative,
		"through.wasm":  "folder/secret",
		"dotted.wasm":   "dots/secret",
		"chain.wasm":    "through.wasm",
	}
	want := map[string]string{}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(b.dir, name)); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, ".wasm") {
			want[name] = "symbolic link that leads out"
		}
	}
	b.after(time.Second)
	b.expect("links", "b:two", want)
	for _, info := range b.Plugins() {
		if info.Error != nil && (info.Digest != "" || info.Size != 0) {
			t.Errorf("%s was read: %+v", info.Source, info)
		}
	}
	if said := b.log.String(); strings.Contains(said, secret[:4]) {
		t.Errorf("the log has bytes of the target: %s", said)
	}
}

// A mounted ConfigMap is a folder of links through a link to a folder, all inside it. Its
// plugins are served, and replaced together.
func TestLinksAsOfAConfigMap(t *testing.T) {
	b := newBench(t, nil)
	volume := func(name string, content []byte) {
		folder := filepath.Join(b.dir, name)
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "a.wasm"), content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(name, filepath.Join(b.dir, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(b.dir, "..data_tmp"), filepath.Join(b.dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	volume("..2026_01", manifest("a", "one"))
	if err := os.Symlink("..data/a.wasm", filepath.Join(b.dir, "a.wasm")); err != nil {
		t.Fatal(err)
	}
	b.after(time.Second)
	b.expect("mounted", "a:one", nil)
	volume("..2026_02", manifest("a", "two"))
	b.after(time.Second)
	b.after(time.Second)
	b.expect("changed", "a:two", nil)
}

// Devices, pipes and folders are refused without blocking.
func TestPipesAndLargeFiles(t *testing.T) {
	b := newBench(t, map[string][]byte{"a.wasm": manifest("a", "one")})
	if err := syscall.Mkfifo(filepath.Join(b.dir, "pipe.wasm"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("pipe.wasm", filepath.Join(b.dir, "link.wasm")); err != nil {
		t.Fatal(err)
	}
	large, err := os.Create(filepath.Join(b.dir, "large.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	if err := large.Truncate(1 << 40); err != nil {
		t.Fatal(err)
	}
	if err := large.Close(); err != nil {
		t.Fatal(err)
	}
	b.after(time.Second)
	b.expect("no files", "a:one", map[string]string{"pipe.wasm": "not a regular file", "link.wasm": "not a regular file", "large.wasm": "at most 64 MiB"})
	if strings.Contains(b.log.String(), "panic") {
		t.Error(b.log.String())
	}
}
