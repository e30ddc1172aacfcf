package wire

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/files"
	"github.com/le-stats-sportifs/lestats/runtime/results/s3"
)

// schemeFile is the scheme of a location without one.
const schemeFile = "file"

// stores has a function for each scheme of a location, which opens such a store. To add
// a store, write an adapter that passes storetest.Run, and add it here; its options are
// fields of StoreConfig.
var stores = map[string]func(ctx context.Context, cfg StoreConfig, log *slog.Logger) (results.Objects, error){
	schemeFile: func(_ context.Context, cfg StoreConfig, log *slog.Logger) (results.Objects, error) {
		return files.Open(files.Config{Folder: strings.TrimPrefix(cfg.Location, schemeFile+"://"), Durability: cfg.Durability, ReadOnly: cfg.ReadOnly, Log: log})
	},
	"s3": func(ctx context.Context, cfg StoreConfig, _ *slog.Logger) (results.Objects, error) {
		return s3.Open(ctx, s3.Config{URL: cfg.Location, Endpoint: cfg.S3Endpoint, Region: cfg.S3Region, CreateBucket: cfg.S3MakeBucket})
	},
}

// OpenStore opens the store. A nil log is slog.Default().
func OpenStore(ctx context.Context, cfg StoreConfig, log *slog.Logger) (*results.Store, error) {
	objects, err := OpenObjects(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	return results.New(objects), nil
}

// OpenObjects opens the objects of a store, for callers that need more than jobs and
// results.
func OpenObjects(ctx context.Context, cfg StoreConfig, log *slog.Logger) (results.Objects, error) {
	cfg.Location = cmp.Or(cfg.Location, DefaultStore)
	open, ok := stores[scheme(cfg.Location)]
	if !ok {
		return nil, question.Errorf(question.CodeStoreUnavailable, "the store's scheme %.20q is not one of %s; a folder needs none",
			scheme(cfg.Location), strings.Join(slices.Sorted(maps.Keys(stores)), ", "))
	}
	return open(ctx, cfg, log)
}

// scheme returns the scheme of a store's location.
func scheme(location string) string {
	if scheme, _, ok := strings.Cut(location, "://"); ok {
		return scheme
	}
	return schemeFile
}
