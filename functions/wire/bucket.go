package wire

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/catalog"
	"github.com/le-stats-sportifs/lestats/runtime/results"
)

// pluginFolder is the folder of plugins in a bucket, beside jobs/ and pending/.
const pluginFolder = "plugins/"

// PluginBucket lists and reads the plugins in a bucket: the objects directly under
// "plugins/" in the store's prefix. It implements catalog.Bucket.
type PluginBucket struct {
	Name string        // s3://bucket/prefix/plugins
	Poll time.Duration // time between two listings, one request each; 0 is the catalog's default

	objects results.Objects
}

// Plugins returns the plugins of the store at this location, nil if it is a folder, which
// has none. The caller keeps objects open for as long as the catalog.
func Plugins(objects results.Objects, location string) *PluginBucket {
	if scheme(location) == schemeFile {
		return nil
	}
	return &PluginBucket{Name: strings.TrimRight(location, "/") + "/" + strings.TrimSuffix(pluginFolder, "/"), objects: objects}
}

func (b *PluginBucket) poll() time.Duration {
	if b == nil {
		return 0
	}
	return b.Poll
}

// List implements catalog.Bucket.
func (b *PluginBucket) List(ctx context.Context) ([]catalog.Object, error) {
	var out []catalog.Object
	for entry, err := range b.objects.List(ctx, pluginFolder, "") {
		if err != nil {
			return nil, err
		}
		if !entry.Folder() {
			out = append(out, catalog.Object{Name: entry.Name, ETag: cmp.Or(entry.ETag, entry.Modified.String()), Size: entry.Size})
		}
	}
	return out, nil
}

// Get implements catalog.Bucket.
func (b *PluginBucket) Get(ctx context.Context, name string, limit int) ([]byte, error) {
	return b.objects.Get(ctx, pluginFolder+name, limit)
}
