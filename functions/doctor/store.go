package doctor

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/results"
)

const (
	// clockLimit is the difference between the clocks of machine and store from which they
	// count as wrong. A bucket's is known to a second.
	clockLimit = 5 * time.Second
	// racers is how many processes, so to say, create one object at the same time.
	racers = 8
	// removeLimit bounds the removal of what was written.
	removeLimit = graceLimit - time.Second
)

// checkStore opens the store, hands its objects to opened (nil if there are none), tries
// them, and closes them after used.
func checkStore(ctx context.Context, cfg wire.StoreConfig, opened chan<- results.Objects, used <-chan struct{}) []Finding {
	const check = "store"
	location := cmp.Or(cfg.Location, wire.DefaultStore)
	cfg.S3MakeBucket = false // nothing is made
	where, scratch, folders := location, "", results.Folders()
	if folder, ok := folderOf(location); ok {
		folders = folders[:1] // the same user may write to all of them; empty ones would stay
		var missing bool
		if scratch, missing = scratchFolder(cfg, folder); scratch != "" {
			cfg.Location = scratch
			defer func() { _ = os.RemoveAll(scratch) }() // if it is there
		}
		if missing {
			where += ", which a server makes,"
		}
	}
	objects, err := wire.OpenObjects(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		opened <- nil
		f := failed(check, err)
		if scratch != "" { // nobody knows that name
			f.Do = strings.ReplaceAll(f.Do, scratch, location)
		}
		return []Finding{f}
	}
	opened <- objects
	defer func() {
		select {
		case <-used:
		case <-time.After(checkLimit): // the process ends soon
		}
		_ = objects.Close() // nothing is left to be written
	}()
	return append([]Finding{good(check, "%s can be opened", where)}, try(ctx, objects, folders)...)
}

// folderOf returns the folder of a store's location, and whether it is one.
func folderOf(location string) (string, bool) {
	folder, isFile := strings.CutPrefix(location, "file://")
	return folder, isFile || !strings.Contains(location, "://")
}

// scratchFolder returns a new name for a store to try in place of a folder that is not a
// store yet, on the same file system: below it, or beside it if it is missing. It is "" if
// the folder is a store.
func scratchFolder(cfg wire.StoreConfig, folder string) (scratch string, missing bool) {
	cfg.ReadOnly = true
	if objects, err := wire.OpenObjects(context.Background(), cfg, nil); err == nil {
		_ = objects.Close() // it was not written to
		return "", false
	}
	_, err := os.Stat(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return filepath.Join(filepath.Dir(filepath.Clean(folder)), ".lestats-doctor-"+rand.Text()), true
	case err != nil: // which opening it explains
		return "", false
	}
	return filepath.Join(folder, ".lestats-doctor-"+rand.Text()), false
}

// try writes, reads and removes an object in each of the folders, under a name that nobody
// else uses, and creates and lists others in the first. Those who list jobs skip it.
func try(ctx context.Context, objects results.Objects, folders []string) []Finding {
	name := "doctor-" + rand.Text() + "/"
	folder := folders[0] + name
	created, raced := folder+"created", folder+"raced"
	var written []string
	for _, f := range folders {
		written = append(written, f+name+"written")
	}
	all := slices.Concat(written, []string{created, raced})
	remove := func(ctx context.Context) error { return objects.Delete(ctx, all...) }
	removed := false
	defer func() {
		if removed {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeLimit)
		defer cancel()
		_ = remove(ctx) // the finding about removal has said why it failed
	}()
	findings := []Finding{tryWrite(ctx, objects, written)}
	if !findings[0].Good {
		return findings
	}
	once := tryCreate(ctx, objects, created, raced)
	want := []string{"written"}
	if once.Good {
		want = []string{"created", "raced", "written"}
	}
	findings = append(findings, once, tryList(ctx, objects, folder, want))
	deleted := tryDelete(ctx, objects, folder, created, remove)
	removed = deleted.Good
	return append(findings, deleted, tryClock(ctx, objects))
}

func tryWrite(ctx context.Context, objects results.Objects, keys []string) Finding {
	const check = "store: write"
	begin, data := time.Now(), []byte("written by lestats doctor: it can be removed\n")
	for _, key := range keys {
		if err := objects.Put(ctx, key, data); err != nil {
			folder, _, _ := strings.Cut(key, "/")
			return failed(check, fmt.Errorf("an object in the folder %s/ cannot be written: %w", folder, err))
		}
		got, err := objects.Get(ctx, key, 0)
		switch {
		case err != nil:
			return failed(check, fmt.Errorf("an object that was just written cannot be read: %w", err))
		case !bytes.Equal(got, data):
			return Finding{Check: check, Seen: fmt.Sprintf("%d bytes were written, and %d others are read: %.40q", len(data), len(got), got), Do: "use another store, or remove the cache or proxy between this machine and it"}
		}
	}
	return good(check, "what is written is read back, in %s", since(begin))
}

// tryCreate checks that an object is created once: one after the other, and in a race.
func tryCreate(ctx context.Context, objects results.Objects, key, raced string) Finding {
	const (
		check = "store: create-only"
		do    = "use a store that honours If-None-Match on PUT (Amazon S3 does, and MinIO), or remove the proxy that drops it: without it, one job can have two outcomes"
	)
	first := []byte("first")
	for i, data := range [][]byte{first, []byte("second")} {
		created, err := objects.Create(ctx, key, data)
		switch {
		case err != nil:
			return failed(check, err)
		case i == 0 && !created:
			return Finding{Check: check, Seen: "a new object is refused as if it existed", Do: do}
		case i == 1 && created:
			return Finding{Check: check, Seen: "an object was created a second time under the same key", Do: do}
		}
	}
	if got, err := objects.Get(ctx, key, 0); err != nil || !bytes.Equal(got, first) {
		return Finding{Check: check, Seen: fmt.Sprintf("a second creation was refused, and the first object has changed all the same: %.40q, %v", got, err), Do: do}
	}
	var winners atomic.Int32
	var wg sync.WaitGroup
	errs := make([]error, racers)
	for i := range racers {
		wg.Go(func() {
			created, err := objects.Create(ctx, raced, fmt.Appendf(nil, "racer %d", i))
			if errs[i] = err; created {
				winners.Add(1)
			}
		})
	}
	wg.Wait()
	if err := cmp.Or(errs...); err != nil {
		return failed(check, err)
	}
	if n := winners.Load(); n != 1 {
		return Finding{Check: check, Seen: fmt.Sprintf("of %d that created one object at the same time, %d succeeded", racers, n), Do: do}
	}
	return good(check, "the second of two is refused, and one of %d at the same time succeeds", racers)
}

// tryList checks that these names, which are sorted, are listed in this order.
func tryList(ctx context.Context, objects results.Objects, folder string, want []string) Finding {
	const check = "store: list"
	begin := time.Now()
	names, err := list(ctx, objects, folder)
	if err != nil {
		return failed(check, err)
	}
	listed := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !slices.Contains(want, name) })
	if !slices.Equal(listed, want) {
		return Finding{Check: check, Seen: fmt.Sprintf("the objects %s were written, and %q are listed", strings.Join(want, ", "), names), Do: "use a store that lists what was just written, and in order: unfinished jobs are found by listing"}
	}
	return good(check, "%d objects that were just written are listed, in %s", len(names), since(begin))
}

func list(ctx context.Context, objects results.Objects, folder string) (names []string, err error) {
	for entry, err := range objects.List(ctx, folder, "") {
		if err != nil {
			return nil, err
		}
		names = append(names, entry.Name)
	}
	return names, nil
}

func tryDelete(ctx context.Context, objects results.Objects, folder, key string, remove func(ctx context.Context) error) Finding {
	const check = "store: delete"
	if err := remove(ctx); err != nil {
		return failed(check, fmt.Errorf("what was written below %s stays there: %w", folder, err))
	}
	_, err := objects.Get(ctx, key, 0)
	names, listErr := list(ctx, objects, folder)
	switch {
	case errors.Is(err, results.ErrNotFound) && listErr == nil && len(names) == 0:
		return good(check, "what was written is removed")
	case err != nil && !errors.Is(err, results.ErrNotFound):
		return failed(check, err)
	case listErr != nil:
		return failed(check, listErr)
	}
	return Finding{Check: check, Seen: fmt.Sprintf("objects that were removed can still be read or listed below %s: %q", folder, names), Do: "use a store that shows a removal at once"}
}

func tryClock(ctx context.Context, objects results.Objects) Finding {
	const check = "store: clock"
	now, err := objects.Now(ctx)
	if err != nil {
		return failed(check, err)
	}
	off := time.Until(now).Round(time.Second)
	way := "ahead of"
	if off < 0 {
		way = "behind"
	}
	if off.Abs() > clockLimit {
		return Finding{Check: check, Seen: fmt.Sprintf("the store's clock is %s %s this machine's", off.Abs(), way), Do: "correct the time of whichever is wrong (chrony, ntp): ids have the machine's time and retention the store's, and S3 refuses requests from 15 minutes on"}
	}
	return good(check, "it is at most %s from this machine's", max(off.Abs(), time.Second))
}

func since(begin time.Time) time.Duration { return time.Since(begin).Round(100 * time.Microsecond) }
