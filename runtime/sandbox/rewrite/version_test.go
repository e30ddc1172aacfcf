package rewrite

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Every source that Rewrite's output depends on is in Version.
func TestVersion(t *testing.T) {
	want, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	want = slices.DeleteFunc(want, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
	got, err := fs.Glob(sources, "*.go")
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("version.go embeds %q; the package is %q", got, want)
	}
	if len(Version()) != 64 {
		t.Errorf("Version %q", Version())
	}
}
