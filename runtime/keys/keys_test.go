package keys

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	hashA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	hashB = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"
)

func TestParse(t *testing.T) {
	digits := strings.Repeat("1234567890", 6) + "1234"
	all, err := Parse([]byte("# Ask ops for a key.\n\n" +
		"- {name: dashboard, hash: " + hashA + ", rate: 100/m} # of the lobby\r\n" +
		`  - {"name": "007", "hash": "` + hashB + `", "rate": 5, "burst": 20, "questions": ["best5", states_mean], "admin": true}` + "\n" +
		"- {name: 1e5, hash: " + digits + ", rate: 30/h}\n" +
		"- {name: null, hash: 1e" + digits[2:] + "}"))
	if err != nil || len(all) != 4 {
		t.Fatal(all, err)
	}
	for i, want := range []string{
		"dashboard 100/m 2 [] true false", "007 5/s 20 [best5 states_mean] false true", "1e5 30/h 1 [] true false", "null unlimited 0 [] true false",
	} {
		k := all[i]
		if got := fmt.Sprint(k.Name, " ", k.Rate, k.Burst, k.Questions, k.Questions == nil, k.Admin); got != want {
			t.Errorf("%s; want %s", got, want)
		}
	}
	if fmt.Sprintf("%x", all[2].Hash) != digits {
		t.Errorf("%x", all[2].Hash)
	}
	if c := all[1].Client(); c.Name != "007" || !c.Admin || len(c.Questions) != 2 {
		t.Error(c)
	}
}

// What is wrong is named with its line and key, and what would be right.
func TestParseRefuses(t *testing.T) {
	ok := "- {name: a, hash: " + hashA + "}\n"
	for _, tt := range []struct{ name, text, want string }{
		{"block style", "- name: a\n  hash: b\n", "line 1: each key is one line, such as - {name: alice"},
		{"a mapping", "keys:\n", "line 1: each key is one line"},
		{"half a line", ok + "- {name: b, hash: 60303ae2", "line 2: "},
		{"unknown key", ok + "\n- {name: b, hash: " + hashB + ", rte: 5}", "line 3: rte: unknown key; the keys are name, hash, rate, burst, questions, admin"},
		{"key twice", "- {name: b, hash: " + hashB + ", name: c}", "line 1: "},
		{"no name", "- {hash: " + hashA + "}", "line 1: name: it is missing"},
		{"no hash", "- {name: a}", "line 1: hash: it is missing"},
		{"bad name", "- {name: Alice, hash: " + hashA + "}", `line 1: name: "Alice" is not a name`},
		{"name of a path", "- {name: ../a, hash: " + hashA + "}", `is not a name`},
		{"long name", "- {name: " + strings.Repeat("a", 65) + ", hash: " + hashA + "}", `is not a name`},
		{"short hash", "- {name: a, hash: 9f86}", "line 1: hash: it is not a hash: 64 digits"},
		{"long hash", "- {name: a, hash: " + hashA + "00}", "line 1: hash: it is not a hash"},
		{"a key as hash", "- {name: a, hash: lsk_PSAjB44STWTMwtOvDKHKvONF-5P8I_KLPyW3T_DOH4c}", "line 1: hash: it is not a hash"},
		{"same name", ok + "- {name: a, hash: " + hashB + "}", `line 2: the name "a" is that of line 1, too`},
		{"same hash", ok + "- {name: b, hash: " + hashA + "}", "line 2: the hash is that of line 1, too"},
		{"same hash in capitals", ok + "- {name: b, hash: " + strings.ToUpper(hashA) + "}", "line 2: the hash is that of line 1, too"},
		{"rate", "- {name: a, hash: " + hashA + ", rate: 5/d}", `line 1: rate: "5/d" is not a rate, such as 5/s`},
		{"no rate", "- {name: a, hash: " + hashA + ", rate: 0}", `"0" is not a rate`},
		{"infinite rate", "- {name: a, hash: " + hashA + ", rate: Inf}", `"Inf" is not a rate`},
		{"NaN", "- {name: a, hash: " + hashA + ", rate: NaN/s}", `"NaN/s" is not a rate`},
		{"burst alone", "- {name: a, hash: " + hashA + ", burst: 5}", "line 1: burst: it needs a rate"},
		{"burst of none", "- {name: a, hash: " + hashA + ", rate: 1, burst: 0}", "line 1: burst: it is 0; it takes 1 to 1000000"},
		{"burst of text", "- {name: a, hash: " + hashA + ", rate: 1, burst: many}", `line 1: burst: it is the text "many"`},
		{"no questions", "- {name: a, hash: " + hashA + ", questions: []}", "line 1: questions: the list is empty; leave it out to allow all"},
		{"bad question", "- {name: a, hash: " + hashA + ", questions: [best-5]}", `line 1: questions: "best-5" is not the name of a question`},
		{"admin", "- {name: a, hash: " + hashA + ", admin: yes}", "line 1: admin: it is "},
		{"long line", "- {name: a, hash: " + hashA + "} # " + strings.Repeat("x", maxLine), "line 1: it has 1"},
		{"bombs", "- {name: *a, hash: " + hashA + "}", "line 1: an alias"},
		{"deep", "- {questions: " + strings.Repeat("[", 2000), "line 1: lists and mappings are nested more than 16 deep"},
		{"binary", "- {name: \xff\xfe}", "line 1: it is not UTF-8"},
		{"large", strings.Repeat("#\n", MaxBytes/2) + "#", "it has more than 4194304 bytes"},
	} {
		if _, err := Parse([]byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "lsk_") {
			t.Errorf("%s: %v; want %s", tt.name, err, tt.want)
		}
	}
}

// What a file says is what is written for it, and no text does harm.
func FuzzParse(f *testing.F) {
	f.Add("- {name: a, hash: " + hashA + ", rate: 5/s, burst: 9, questions: [best5], admin: true}\n")
	f.Add("# none\n\n- {name: \"1\", hash: " + hashB + ", rate: 1000/h}")
	f.Add("- {name: true, hash: 0x0, rate: [}")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := Parse([]byte(text))
		if err != nil {
			return
		}
		var b strings.Builder
		for i := range all {
			b.WriteString(all[i].line(time.Now()))
		}
		again, err := Parse([]byte(b.String()))
		if err != nil {
			t.Fatalf("%v of\n%s", err, b.String())
		}
		for i := range all {
			x, y := all[i], again[i]
			near := float64(y.Rate) > float64(x.Rate)*0.9999 && float64(y.Rate) < float64(x.Rate)*1.0001 || x.Rate == y.Rate
			if y.Rate = x.Rate; fmt.Sprintf("%#v", x) != fmt.Sprintf("%#v", y) || !near {
				t.Fatalf("%#v became %#v", x, y)
			}
		}
	})
}

func TestRate(t *testing.T) {
	for text, want := range map[string]string{
		"5": "5/s", "5/s": "5/s", "300/m": "5/s", "100/m": "100/m", "1000/h": "1000/h", "0.5": "30/m", "0.05/h": "0.05/h", "1e6": "1000000/s", "1.5/s": "90/m", "1/m": "1/m",
	} {
		var r Rate
		if err := r.UnmarshalText([]byte(text)); err != nil || r.String() != want {
			t.Errorf("%s: %s %v; want %s", text, r, err, want)
		}
	}
}

// write replaces a file that rested long enough to be read.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	rested := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path+".new", rested, rested); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// entryOf returns the line of a key.
func entryOf(name, secret, more string) string {
	return fmt.Sprintf("- {name: %s, hash: %x%s}\n", name, HashOf(secret), more)
}

func open(t *testing.T, path string) (*File, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	f, err := Open(Config{Path: path, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return f, log
}

// holder returns the name of who has a key, "" if nobody has, as it is after the next look
// at the file.
func holder(f *File, secret string) string {
	f.looked.Store(0)
	if c, _ := f.Client(secret); c != nil {
		return c.Name
	}
	return ""
}

func TestFileIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.yaml")
	write(t, path, entryOf("alice", "a", ""))
	f, log := open(t, path)
	if holder(f, "a") != "alice" || holder(f, "b") != "" || holder(f, "") != "" || log.Len() > 0 {
		t.Fatal(holder(f, "a"), log)
	}
	write(t, path, entryOf("bob", "b", ""))
	if holder(f, "a") != "" || holder(f, "b") != "bob" || strings.Count(log.String(), "read again") != 1 {
		t.Error("the new keys are not in use\n", log)
	}
	log.Reset()
	for _, tt := range []struct {
		what string
		how  func() error
		log  string
	}{
		{"half written", func() error { write(t, path, entryOf("carol", "c", "")[:40]); return nil }, "line 1"},
		{"readable for all", func() error {
			write(t, path, entryOf("carol", "c", ""))
			return os.Chmod(path, 0o644)
		}, "chmod 600"},
		{"gone", func() error { return os.Remove(path) }, "no such file"},
		{"a folder", func() error { return os.Mkdir(path, 0o700) }, "it is not a file"},
	} {
		if err := tt.how(); err != nil {
			t.Fatal(err)
		}
		rested := time.Now().Add(-time.Minute)
		_ = os.Chtimes(path, rested, rested)
		for range 3 {
			if holder(f, "b") != "bob" || holder(f, "c") != "" {
				t.Errorf("%s: the keys did not stay", tt.what)
			}
		}
		if text := log.String(); strings.Count(text, "level=ERROR") != 1 || !strings.Contains(text, tt.log) {
			t.Errorf("%s: the log says\n%s", tt.what, text)
		}
		log.Reset()
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	write(t, path, entryOf("carol", "c", ""))
	if holder(f, "c") != "carol" || holder(f, "b") != "" {
		t.Error("the file that works again is not in use\n", log)
	}
	// A file that is being written is left until it has rested.
	if err := os.WriteFile(path, []byte(entryOf("carol", "c", "")), 0o600); err != nil {
		t.Fatal(err)
	}
	if holder(f, "c") != "carol" {
		t.Error("it did not wait")
	}
	begin := time.Now()
	if err := os.WriteFile(path, []byte(entryOf("carol", "c", "")+entryOf("dave", "d", "")), 0o600); err != nil {
		t.Fatal(err)
	}
	if holder(f, "d") != "" && time.Since(begin) < settle {
		t.Error("it did not wait")
	}
	time.Sleep(settle + 50*time.Millisecond)
	if holder(f, "d") != "dave" {
		t.Error("it waits too long")
	}
}

// Looking at the file costs a request little, and few do it.
func TestFileIsLookedAtNowAndThen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.yaml")
	write(t, path, entryOf("alice", "a", ""))
	begin := time.Now()
	f, _ := open(t, path)
	write(t, path, entryOf("bob", "b", ""))
	if c, _ := f.Client("a"); c == nil && time.Since(begin) < checkEvery {
		t.Error("it looks at each request")
	}
	time.Sleep(checkEvery + 10*time.Millisecond)
	if c, _ := f.Client("b"); c == nil {
		t.Error("it does not look")
	}
}

func TestPermissions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "my keys.yaml")
	write(t, path, entryOf("alice", "a", ""))
	for mode, good := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o644: false, 0o620: false, 0o602: false, 0o700: true} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := Open(Config{Path: path})
		if (err == nil) != good || err != nil && !strings.Contains(err.Error(), "chmod 600 '"+path+"'") {
			t.Errorf("%o: %v", mode, err)
		}
		if _, err := Open(Config{Path: path, Alone: true}); err != nil {
			t.Errorf("%o in a function: %v", mode, err)
		}
	}
	// The group may read a file of another user, as Kubernetes mounts it, and no more.
	for mode, good := range map[os.FileMode]bool{0o440: true, 0o640: true, 0o460: false, 0o444: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := private(path, info, os.Geteuid()+1); (err == nil) != good {
			t.Errorf("%o of another user: %v", mode, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	folder := t.TempDir()
	broken := filepath.Join(folder, "broken.yaml")
	write(t, broken, "\n- {name: a}")
	for path, want := range map[string]string{
		filepath.Join(folder, "none.yaml"): "no such file",
		folder:                             "it is not a file",
		broken:                             "broken.yaml: line 2: hash: it is missing",
	} {
		if _, err := Open(Config{Path: path}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// The wait is true: before it no request is taken, after it one is.
func TestWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.yaml")
	write(t, path, entryOf("alice", "a", ", rate: 1/s, burst: 3")+entryOf("bob", "b", ", rate: 1/m")+entryOf("carol", "c", ""))
	f, _ := open(t, path)
	for i := range 3 {
		if c, wait := f.Client("a"); c == nil || wait != 0 {
			t.Fatal(i, c, wait)
		}
	}
	_, wait := f.Client("a")
	if wait <= 0 || wait > time.Second {
		t.Fatal(wait)
	}
	time.Sleep(wait + time.Millisecond)
	if _, wait := f.Client("a"); wait != 0 {
		t.Error(wait, "after the wait")
	}
	if _, wait := f.Client("a"); wait <= 0 {
		t.Error(wait, "after the request that was waited for")
	}
	if _, wait := f.Client("b"); wait != 0 {
		t.Error("the clients share a rate", wait)
	}
	if _, wait := f.Client("b"); wait < 59*time.Second || wait > time.Minute {
		t.Error(wait)
	}
	for range 1000 {
		if _, wait := f.Client("c"); wait != 0 {
			t.Fatal(wait)
		}
	}
	// A change of the file does not give a client its burst again, unless its rate changes.
	write(t, path, entryOf("renamed", "b", ", rate: 1/m")+entryOf("carol", "c", ", rate: 1/m"))
	f.looked.Store(0)
	if c, wait := f.Client("b"); c.Name != "renamed" || wait < 50*time.Second {
		t.Error(c, wait)
	}
	if _, wait := f.Client("c"); wait != 0 {
		t.Error(wait)
	}
	if _, wait := f.Client("c"); wait == 0 {
		t.Error("the new rate is not in use")
	}
}

// Requests find one state of the file or another, whole, while it changes.
func TestHammer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.yaml")
	write(t, path, entryOf("one", "a", "")+entryOf("two", "b", ""))
	f, err := Open(Config{Path: path, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var over atomic.Bool
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for !over.Load() {
				f.looked.Store(0)
				c, _ := f.Client("a")
				if c == nil || c.Name != "one" && c.Name != "other" {
					t.Error(c)
					return
				}
			}
		})
	}
	for i := range 200 {
		write(t, path, entryOf([]string{"one", "other"}[i%2], "a", ", rate: 1000000, burst: 1000000"))
		if i%10 == 0 {
			write(t, path, "- {")
		}
	}
	over.Store(true)
	group.Wait()
}

func TestEdit(t *testing.T) {
	folder := t.TempDir()
	path, link := filepath.Join(folder, "keys.yaml"), filepath.Join(folder, "link.yaml")
	secret, hash := New()
	if _, other := New(); !strings.HasPrefix(secret, "lsk_") || len(secret) != 47 || hash != HashOf(secret) || hash == other {
		t.Fatal(secret, hash)
	}
	if err := Add(t.Context(), path, Key{Name: "alice", Hash: hash, Rate: 5. / 3600, Burst: 2, Questions: []string{"best5"}, Admin: true}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Error(info.Mode(), err)
	}
	if err := os.Symlink("keys.yaml", link); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, "# Ask ops.\n"+strings.TrimSuffix(string(text), "\n"))
	_, hash = New()
	if err := Add(t.Context(), link, Key{Name: "bob", Hash: hash}); err != nil {
		t.Fatal(err)
	}
	all, err := ReadFile(path)
	if err != nil || len(all) != 2 || all[0].Name != "alice" || all[1].Name != "bob" || all[0].Rate.String() != "5/h" || all[0].Burst != 2 || !all[0].Admin {
		t.Fatal(all, err)
	}
	if err := Add(t.Context(), path, Key{Name: "bob", Hash: HashOf("x")}); err == nil || !strings.Contains(err.Error(), "revoke it first") {
		t.Error(err)
	}
	if err := Revoke(t.Context(), path, "bo"); err == nil || !strings.Contains(err.Error(), `did you mean "bob"?`) {
		t.Error(err)
	}
	if err := Revoke(t.Context(), link, "alice"); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(text), "# Ask ops.\n- {name: bob") || strings.Contains(string(text), "alice") {
		t.Errorf("%s %v", text, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Error("the link is gone", err)
	}
	// A file that cannot be used stays as it is.
	write(t, path, "- {")
	if err := Add(t.Context(), path, Key{Name: "carol", Hash: HashOf("c")}); err == nil {
		t.Error("it was added to a broken file")
	}
	if err := Revoke(t.Context(), filepath.Join(folder, "none.yaml"), "a"); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Error(err)
	}
	if err := Add(t.Context(), filepath.Join(folder, "none", "keys.yaml"), Key{Name: "a"}); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Error(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "- {" {
		t.Errorf("%s %v", text, err)
	}
}

// Several that add keys at the same time lose none.
func TestAddTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.yaml")
	var group sync.WaitGroup
	const many = 20
	for i := range many {
		group.Go(func() {
			_, hash := New()
			if err := Add(t.Context(), path, Key{Name: Name(fmt.Sprint("client-", i)), Hash: hash}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if all, err := ReadFile(path); err != nil || len(all) != many {
		t.Error(len(all), err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Add(ended, path, Key{Name: "late"}); err == nil {
		t.Error("it was added after the end")
	}
}

// BenchmarkClient is what a request pays to find its client: the same among 10 keys as among
// 10,000.
func BenchmarkClient(b *testing.B) {
	for _, n := range []int{10, 1000, MaxKeys} {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "keys.yaml")
			secrets := make([]string, n)
			var text strings.Builder
			for i := range secrets {
				secret, hash := New()
				k := Key{Name: Name(fmt.Sprint("client-", i)), Hash: hash, Rate: maxRate, Burst: maxBurst}
				secrets[i] = secret
				text.WriteString(k.line(time.Now()))
			}
			if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
				b.Fatal(err)
			}
			f, err := Open(Config{Path: path, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				b.Fatal(err)
			}
			i := 0
			for b.Loop() {
				if c, _ := f.Client(secrets[i%n]); c == nil {
					b.Fatal("a key is not known")
				}
				i++
			}
		})
	}
}

// BenchmarkOpen is what a start pays for 1,000 keys.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "keys.yaml")
	var text strings.Builder
	for i := range 1000 {
		_, hash := New()
		k := Key{Name: Name(fmt.Sprint("client-", i)), Hash: hash, Rate: 5, Burst: 20}
		text.WriteString(k.line(time.Now()))
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Open(Config{Path: path}); err != nil {
			b.Fatal(err)
		}
	}
}
