package wire

import (
	"context"
	"strings"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/catalog"
	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/s3"
)

// pluginFolder is where plugins lie in a bucket, beside jobs/ and pending/.
const pluginFolder = "plugins/"

// PluginBucket has the plugins in a bucket: the objects directly under the store's
// prefix and "plugins/". It implements catalog.Bucket.
type PluginBucket struct {
	Name string        // s3://bucket/prefix/plugins
	Poll time.Duration // from one look to the next, each of them a request; 0 is the catalog's default

	objects *s3.Objects
}

// Plugins returns the plugins of a store at this location, nil where it is not in
// a bucket. The objects stay the caller's and must be open for as long as the
// catalog.
func Plugins(objects results.Objects, location string) *PluginBucket {
	bucket, ok := objects.(*s3.Objects)
	if !ok {
		return nil
	}
	return &PluginBucket{Name: strings.TrimRight(location, "/") + "/" + strings.TrimSuffix(pluginFolder, "/"), objects: bucket}
}

func (b *PluginBucket) poll() time.Duration {
	if b == nil {
		return 0
	}
	return b.Poll
}

// List implements catalog.Bucket.
func (b *PluginBucket) List(ctx context.Context) ([]catalog.Object, error) {
	entries, err := b.objects.Entries(ctx, pluginFolder)
	if err != nil {
		return nil, err
	}
	out := make([]catalog.Object, len(entries))
	for i, e := range entries {
		out[i] = catalog.Object{Name: e.Name, ETag: e.ETag, Size: e.Size}
	}
	return out, nil
}

// Get implements catalog.Bucket.
func (b *PluginBucket) Get(ctx context.Context, name string, limit int) ([]byte, error) {
	return b.objects.Get(ctx, pluginFolder+name, limit)
}
