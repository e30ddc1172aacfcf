package plugins_test

import (
	"io/fs"
	"testing"

	"github.com/le-stats-sportifs/lestats/plugins"
)

func TestBuiltIn(t *testing.T) {
	// The placeholder proves that the folder is the root; the plugin may not be
	// built yet.
	if _, err := fs.Stat(plugins.BuiltIn(), ".gitkeep"); err != nil {
		t.Error(err)
	}
}
