package storetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/le-stats-sportifs/lestats/runtime/results"
)

// many is more names than one answer of an S3 server lists.
const many = 1100

func runObjects(t *testing.T, open Open) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, open Open)
	}{
		{"MissingObjects", testMissing},
		{"Contents", testContents},
		{"Overwrite", testOverwrite},
		{"CreateOnce", testCreateOnce},
		{"RacingCreates", testRacingCreates},
		{"ReadersBesideWriters", testReadersBesideWriters},
		{"GetLimit", testGetLimit},
		{"List", testList},
		{"ListManyAndDeleteMany", testListMany},
		{"Times", testTimes},
		{"Isolation", testIsolation},
		{"Context", testContext},
		{"Ping", func(t *testing.T, open Open) { noError(t, open(t).Ping(t.Context())) }},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open) })
	}
}

func testMissing(t *testing.T, open Open) {
	o := open(t)
	for _, key := range []string{"pending/a", "jobs/2026-11-25T03/a.json", "jobs/a"} {
		if data, err := o.Get(t.Context(), key, 0); !errors.Is(err, results.ErrNotFound) {
			t.Errorf("Get(%q) = %d bytes, %v; want ErrNotFound", key, len(data), err)
		}
		if _, err := o.Get(t.Context(), key, 10); !errors.Is(err, results.ErrNotFound) {
			t.Errorf("Get(%q, 10): %v; want ErrNotFound", key, err)
		}
		noError(t, o.Delete(t.Context(), key))
	}
	noError(t, o.Delete(t.Context()))
	for _, folder := range []string{"pending/", "jobs/", "jobs/2026-11-25T03/", "nowhere/at/all/"} {
		if names := list(t, o, folder, ""); len(names) != 0 {
			t.Errorf("List(%q) = %q; want nothing", folder, names)
		}
	}
}

func testContents(t *testing.T, open Open) {
	o := open(t)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	random := make([]byte, 5<<20)
	rng := rand.NewChaCha8([32]byte{})
	_, _ = rng.Read(random)
	for name, want := range map[string][]byte{
		"empty":   {},
		"byte":    {0},
		"binary":  all,
		"newline": []byte("\r\n\x1a\n"),
		"4096":    random[:4096],
		"4097":    random[:4097],
		"5MiB":    random,
	} {
		mine := slices.Clone(want)
		noError(t, o.Put(t.Context(), "pending/"+name, mine))
		created, err := o.Create(t.Context(), "jobs/2026-11-25T03/"+name, mine)
		if noError(t, err); !created {
			t.Errorf("%s: not created", name)
		}
		for i := range mine { // it is ours again
			mine[i] ^= 0xff
		}
		for _, key := range []string{"pending/" + name, "jobs/2026-11-25T03/" + name} {
			got := get(t, o, key)
			if !bytes.Equal(got, want) {
				t.Errorf("%s: %d bytes came back that differ from the %d that were stored", key, len(got), len(want))
			}
			for i := range got { // and so is this
				got[i] ^= 0xff
			}
			if !bytes.Equal(get(t, o, key), want) {
				t.Errorf("%s: what Get returns is shared", key)
			}
		}
	}
}

func testOverwrite(t *testing.T, open Open) {
	o := open(t)
	for _, want := range []string{"first", "a second, longer one", "3"} {
		noError(t, o.Put(t.Context(), "pending/a", []byte(want)))
		if got := string(get(t, o, "pending/a")); got != want {
			t.Errorf("got %q after Put of %q", got, want)
		}
	}
	noError(t, o.Delete(t.Context(), "pending/a"))
	if _, err := o.Get(t.Context(), "pending/a", 0); !errors.Is(err, results.ErrNotFound) {
		t.Errorf("after Delete: %v; want ErrNotFound", err)
	}
	noError(t, o.Put(t.Context(), "pending/a", []byte("again")))
	if got := string(get(t, o, "pending/a")); got != "again" {
		t.Errorf("got %q", got)
	}
}

func testCreateOnce(t *testing.T, open Open) {
	o := open(t)
	const key = "jobs/2026-11-25T03/a.json"
	for i, want := range []bool{true, false, false} {
		created, err := o.Create(t.Context(), key, fmt.Appendf(nil, "content %d", i))
		if noError(t, err); created != want {
			t.Errorf("Create %d = %v", i, created)
		}
		if got := string(get(t, o, key)); got != "content 0" {
			t.Errorf("after Create %d the object is %q", i, got)
		}
	}
	noError(t, o.Delete(t.Context(), key))
	created, err := o.Create(t.Context(), key, []byte("anew"))
	if noError(t, err); !created {
		t.Error("not created after Delete")
	}
	// The same content twice is two writers still.
	created, err = o.Create(t.Context(), key, []byte("anew"))
	if noError(t, err); created {
		t.Error("created twice with the same content")
	}
}

func testRacingCreates(t *testing.T, open Open) {
	o := open(t)
	const keys, writers = 12, 8
	for k := range keys {
		key := fmt.Sprintf("jobs/2026-11-25T%02d/race.json", k)
		var winners atomic.Int64
		var winner atomic.Uint32
		var group errgroup.Group
		start := make(chan struct{})
		for w := range uint32(writers) {
			group.Go(func() error {
				<-start
				created, err := o.Create(t.Context(), key, sealed(w, 20_000+int(w)*3000))
				if created {
					winners.Add(1)
					winner.Store(w)
				}
				return err
			})
		}
		close(start)
		noError(t, group.Wait())
		w, err := unseal(get(t, o, key))
		if err != nil || winners.Load() != 1 || w != winner.Load() {
			t.Errorf("%s: %d winners, the last of them %d; the object is of %d, %v", key, winners.Load(), winner.Load(), w, err)
		}
	}
}

// testReadersBesideWriters: a reader sees an object as it was written once, or
// none.
func testReadersBesideWriters(t *testing.T, open Open) {
	o := open(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var reads, created atomic.Int64
	var readers sync.WaitGroup
	key := func(i int) string { return fmt.Sprintf("jobs/2026-11-25T03/%03d.json", i) }
	const objects = 40
	for range 3 {
		readers.Go(func() {
			for ctx.Err() == nil {
				keys := []string{"pending/a"}
				if n := int(created.Load()); n < objects {
					keys = append(keys, key(n)) // the one that is being created
				}
				for _, key := range keys {
					data, err := o.Get(t.Context(), key, 0)
					if errors.Is(err, results.ErrNotFound) {
						continue
					}
					if err == nil {
						_, err = unseal(data)
					}
					if err != nil {
						t.Errorf("a reader of %s: %v", key, err)
						return
					}
					reads.Add(1)
				}
			}
		})
	}
	for i := range objects {
		noError(t, o.Put(t.Context(), "pending/a", sealed(uint32(i), 1000+(i%5)*60_000)))
		_, err := o.Create(t.Context(), key(i), sealed(uint32(i), 150_000))
		noError(t, err)
		created.Add(1)
	}
	for deadline := time.Now().Add(10 * time.Second); reads.Load() < objects && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	stop()
	readers.Wait()
	if reads.Load() < objects {
		t.Errorf("%d reads saw something", reads.Load())
	}
}

func testGetLimit(t *testing.T, open Open) {
	o := open(t)
	noError(t, o.Put(t.Context(), "pending/a", []byte("0123456789")))
	noError(t, o.Put(t.Context(), "pending/empty", nil))
	for limit, want := range map[int]string{0: "0123456789", 1: "0", 9: "012345678", 10: "0123456789", 11: "0123456789", 1 << 20: "0123456789"} {
		got, err := o.Get(t.Context(), "pending/a", limit)
		if noError(t, err); string(got) != want {
			t.Errorf("Get with limit %d = %q", limit, got)
		}
		if got, err = o.Get(t.Context(), "pending/empty", limit); err != nil || len(got) != 0 {
			t.Errorf("Get of an empty object with limit %d = %q, %v", limit, got, err)
		}
	}
}

func testList(t *testing.T, open Open) {
	o := open(t)
	for _, key := range []string{
		"jobs/2026-11-25T03/b.json", "jobs/2026-11-25T03/a.json", "jobs/2026-11-25T03/a", "jobs/2026-11-25T03/0",
		"jobs/2026-11-25T03/deep/er/c", "jobs/2026-11-25T03x/no", "jobs/2026-11-25T04/z", "jobs/2026-11-24T23/z", "jobs/top", "pending/a",
	} {
		noError(t, o.Put(t.Context(), key, []byte(key)))
	}
	for _, test := range []struct {
		folder, after string
		want          string
	}{
		{"jobs/2026-11-25T03/", "", "0 a a.json b.json deep/"},
		{"jobs/2026-11-25T03/", "0", "a a.json b.json deep/"},
		{"jobs/2026-11-25T03/", "a", "a.json b.json deep/"},
		{"jobs/2026-11-25T03/", "a.", "a.json b.json deep/"},
		{"jobs/2026-11-25T03/", "a.json", "b.json deep/"},
		{"jobs/2026-11-25T03/", "b.json", "deep/"},
		{"jobs/2026-11-25T03/", "deep/", ""},
		{"jobs/2026-11-25T03/deep/", "", "er/"},
		{"jobs/2026-11-25T03/deep/er/", "", "c"},
		{"jobs/", "", "2026-11-24T23/ 2026-11-25T03/ 2026-11-25T03x/ 2026-11-25T04/ top"},
		{"jobs/", "2026-11-25T03/", "2026-11-25T03x/ 2026-11-25T04/ top"},
		{"pending/", "", "a"},
		{"pending/", "a", ""},
	} {
		if got := strings.Join(list(t, o, test.folder, test.after), " "); got != test.want {
			t.Errorf("List(%q, %q) = %s\nwant %s", test.folder, test.after, got, test.want)
		}
	}
	for entry, err := range o.List(t.Context(), "jobs/2026-11-25T03/", "") { // a reader may stop
		if noError(t, err); entry.Name != "0" {
			t.Errorf("the first name is %q", entry.Name)
		}
		break
	}
	noError(t, o.Delete(t.Context(), "jobs/2026-11-25T04/z", "jobs/2026-11-25T04/z"))
	if got := strings.Join(list(t, o, "jobs/", "2026-11-25T03/"), " "); got != "2026-11-25T03x/ top" {
		t.Errorf("after the last object of a folder went: %s", got)
	}
	noError(t, o.Put(t.Context(), "jobs/2026-11-25T04/z", nil)) // it comes back
	if got := strings.Join(list(t, o, "jobs/2026-11-25T04/", ""), " "); got != "z" {
		t.Errorf("after an object came back: %s", got)
	}
}

func testListMany(t *testing.T, open Open) {
	o := open(t)
	var want, keys []string
	for i := range many {
		want = append(want, fmt.Sprintf("%05d", i))
		keys = append(keys, "pending/"+want[i])
	}
	var group errgroup.Group
	group.SetLimit(16)
	for i := range many {
		group.Go(func() error { return o.Put(t.Context(), keys[i], []byte("x")) })
	}
	noError(t, group.Wait())
	if got := list(t, o, "pending/", ""); !slices.Equal(got, want) {
		t.Errorf("%d names were listed of %d", len(got), many)
	}
	if got := list(t, o, "pending/", want[9]); !slices.Equal(got, want[10:]) {
		t.Errorf("%d names were listed after the tenth of %d", len(got), many)
	}
	// What goes while it is listed does not disturb the rest.
	var got []string
	for entry, err := range o.List(t.Context(), "pending/", "") {
		noError(t, err)
		if got = append(got, entry.Name); len(got) == 500 {
			noError(t, o.Delete(t.Context(), keys[:500]...))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d names were listed of %d while the first 500 were deleted", len(got), many)
	}
	noError(t, o.Delete(t.Context(), keys...)) // half of them are gone already
	if got := list(t, o, "pending/", ""); len(got) != 0 {
		t.Errorf("%d names are left after all were deleted", len(got))
	}
}

// testTimes: an object's time is that of its last write, by the clock that Now reads.
func testTimes(t *testing.T, open Open) {
	o := open(t)
	const exact = time.Second // S3 tells time in seconds
	now := func() time.Time {
		t.Helper()
		now, err := o.Now(t.Context())
		noError(t, err)
		return now
	}
	entries := func() map[string]results.Entry {
		t.Helper()
		all := map[string]results.Entry{}
		for entry, err := range o.List(t.Context(), "jobs/", "") {
			noError(t, err)
			all[entry.Name] = entry
		}
		return all
	}
	begin := now()
	noError(t, o.Put(t.Context(), "jobs/put", []byte("12345")))
	_, err := o.Create(t.Context(), "jobs/create", []byte("123"))
	noError(t, err)
	noError(t, o.Put(t.Context(), "jobs/folder/x", nil))
	first := entries()
	for name, size := range map[string]int64{"put": 5, "create": 3} {
		e := first[name]
		if e.Size != size || e.Modified.Before(begin.Add(-exact)) || e.Modified.After(now().Add(exact)) {
			t.Errorf("%+v was written between %s and %s with %d bytes", e, begin, now(), size)
		}
	}
	if e := first["folder/"]; len(first) != 3 || e != (results.Entry{Name: "folder/"}) {
		t.Errorf("listed: %+v", first)
	}
	// A write shows in the object's time, and in that of no other.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		noError(t, o.Put(t.Context(), "jobs/put", []byte("54321")))
		if entries()["put"].Modified.After(first["put"].Modified) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the time of an object that is written again does not change")
		}
	}
	created, err := o.Create(t.Context(), "jobs/create", []byte("12"))
	if noError(t, err); created {
		t.Error("created twice")
	}
	second := entries()
	if second["create"] != first["create"] {
		t.Errorf("%+v became %+v", first["create"], second["create"])
	}
	if tag := second["put"].ETag; tag != "" && tag == first["put"].ETag {
		t.Errorf("the ETag %s does not change with the content", tag)
	}
	if end := now(); end.Before(begin.Add(-exact)) || second["put"].Modified.After(end.Add(exact)) {
		t.Errorf("it was %s and is %s", begin, end)
	}
}

func testIsolation(t *testing.T, open Open) {
	a, b := open(t), open(t)
	noError(t, a.Put(t.Context(), "pending/a", []byte("of a")))
	if _, err := b.Get(t.Context(), "pending/a", 0); !errors.Is(err, results.ErrNotFound) {
		t.Errorf("b sees what a stored: %v", err)
	}
	created, err := b.Create(t.Context(), "pending/a", []byte("of b"))
	if noError(t, err); !created {
		t.Error("b cannot create what a has")
	}
	if names := list(t, b, "pending/", ""); !slices.Equal(names, []string{"a"}) {
		t.Errorf("b lists %q", names)
	}
	noError(t, b.Delete(t.Context(), "pending/a"))
	if got := string(get(t, a, "pending/a")); got != "of a" {
		t.Errorf("b's writes reached a: %q", got)
	}
}

func testContext(t *testing.T, open Open) {
	o := open(t)
	noError(t, o.Put(t.Context(), "pending/a", []byte("x")))
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for _, test := range []struct {
		ctx  context.Context
		want error
	}{{cancelled, context.Canceled}, {late, context.DeadlineExceeded}} {
		check := func(method string, err error) {
			t.Helper()
			if !errors.Is(err, test.want) {
				t.Errorf("%s: %v; want %v", method, err, test.want)
			}
		}
		check("Put", o.Put(test.ctx, "pending/a", []byte("y")))
		created, err := o.Create(test.ctx, "pending/b", []byte("y"))
		check("Create", err)
		if created {
			t.Error("Create says that it created in spite of its context")
		}
		_, err = o.Get(test.ctx, "pending/a", 0)
		check("Get", err)
		_, err = o.Get(test.ctx, "pending/missing", 0)
		check("Get of a missing object", err)
		check("Delete", o.Delete(test.ctx, "pending/a"))
		err = nil
		for _, e := range o.List(test.ctx, "pending/", "") {
			err = errors.Join(err, e)
		}
		check("List", err)
		_, err = o.Now(test.ctx)
		check("Now", err)
		check("Ping", o.Ping(test.ctx))
	}
	if got := string(get(t, o, "pending/a")); got != "x" {
		t.Errorf("the object is %q", got)
	}
}

// sealed returns n bytes or so that tell who wrote them, and whether they are all.
func sealed(writer uint32, n int) []byte {
	b := make([]byte, 8, n+8)
	binary.LittleEndian.PutUint32(b, writer)
	binary.LittleEndian.PutUint32(b[4:], uint32(n))
	for i := range n {
		b = append(b, byte(uint32(i)*2654435761>>24)^byte(writer))
	}
	return b
}

func unseal(b []byte) (writer uint32, err error) {
	if len(b) < 8 {
		return 0, fmt.Errorf("%d bytes", len(b))
	}
	writer = binary.LittleEndian.Uint32(b)
	if want := sealed(writer, int(binary.LittleEndian.Uint32(b[4:]))); !bytes.Equal(b, want) {
		return 0, fmt.Errorf("%d bytes that nobody wrote as a whole", len(b))
	}
	return writer, nil
}

func get(t *testing.T, o results.Objects, key string) []byte {
	t.Helper()
	data, err := o.Get(t.Context(), key, 0)
	if err != nil {
		t.Fatalf("Get(%q): %v", key, err)
	}
	return data
}

// list returns the names, sorted, and checks that objects and folders each came
// in order.
func list(t *testing.T, o results.Objects, folder, after string) []string {
	t.Helper()
	var objects, folders []string
	for entry, err := range o.List(t.Context(), folder, after) {
		if err != nil {
			t.Fatalf("List(%q, %q): %v", folder, after, err)
		}
		if entry.Folder() {
			folders = append(folders, entry.Name)
		} else {
			objects = append(objects, entry.Name)
		}
	}
	if !slices.IsSorted(objects) || !slices.IsSorted(folders) {
		t.Errorf("List(%q, %q) is out of order: %q, %q", folder, after, objects, folders)
	}
	names := slices.Concat(objects, folders)
	slices.Sort(names)
	if unique := slices.Compact(slices.Clone(names)); len(unique) != len(names) {
		t.Errorf("List(%q, %q) repeats names: %q", folder, after, names)
	}
	return names
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
