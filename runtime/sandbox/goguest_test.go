package sandbox

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// builtGuests are the .wasm files that buildGo has made, by folder.
var builtGuests sync.Map

// buildGo compiles the Go plugin in a folder, once a test run.
func buildGo(t testing.TB, folder string) []byte {
	t.Helper()
	if wasm, ok := builtGuests.Load(folder); ok {
		return wasm.([]byte)
	}
	out := filepath.Join(t.TempDir(), "guest.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", out, folder)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	builtGuests.Store(folder, wasm)
	return wasm
}

func TestGoGuest(t *testing.T) {
	var log bytes.Buffer
	ds := newFakeDataset()
	p, err := newEngine(t, Config{CacheDir: goCache, Limits: Limits{Memory: 16 << 20}, Log: textLog(&log)}, ds).Load(t.Context(), buildGo(t, "./testdata/goguest"))
	if err != nil {
		t.Fatal(err)
	}
	all := question.Range{Start: 0, Count: 8}
	got, err := ask(t.Context(), p, ds, "mean", nil, all)
	if err != nil {
		t.Fatal(err)
	}
	want := []question.Column{
		{Name: "state", Type: question.String, Role: question.RoleKey, Dict: []string{"Iowa", "Ohio", "Orégon"}, Codes: []int32{0, 1, 2}},
		{Name: "mean", Type: question.Number, Role: question.RoleValue, Unit: "%", Numbers: []float64{1.5, 15.5 / 3, -8}},
	}
	if !reflect.DeepEqual(got.Columns, want) {
		t.Errorf("got %+v; want %+v", got.Columns, want)
	}

	got, err = ask(t.Context(), p, ds, "optional", nil, all)
	if err != nil {
		t.Fatal(err)
	}
	if said := got.Columns[1].Dict[0]; got.Columns[0].Present(0) || said != "8 8 8 8 8 8 0 false 8 true" {
		t.Errorf("of optional columns that the dataset does not have it says %q", said)
	}

	first, err := ask(t.Context(), p, ds, "world", nil, all)
	if err != nil {
		t.Fatal(err)
	}
	said := first.Columns[0].Dict[0]
	if want := "2021-01-01, slept 3h0m0s; read: true, write: true, list: true, input: 0 EOF; args 0, env 0; "; !strings.HasPrefix(said, want) {
		t.Errorf("it said %q; want %q", said, want)
	}
	if !strings.Contains(log.String(), `msg="said on standard output" plugin=goguest`) {
		t.Errorf("the log has %q", log.String())
	}
	if again, err := ask(t.Context(), p, ds, "world", nil, all); err != nil || again.Columns[0].Dict[0] != said {
		t.Errorf("%v: %q, then %q", err, said, again.Columns[0].Dict[0])
	}

	for _, test := range []struct {
		question string
		code     question.Code
		part     string
	}{
		{"panics", question.CodePluginError, "panic: on purpose"},
		{"panics_aside", question.CodePluginTrap, `"panic: in a goroutine"`},
		{"eats", question.CodeMemoryLimit, "16 MiB"},
		{"exits", question.CodePluginTrap, "proc_exit(7)"},
		{"waits", question.CodePluginTrap, "deadlock"},
	} {
		_, err := ask(t.Context(), p, ds, test.question, nil, all)
		wantError(t, err, test.code, test.part)
	}
}

func TestGoGuestHammer(t *testing.T) {
	ds := newFakeDataset()
	p, err := newEngine(t, Config{CacheDir: goCache}, ds).Load(t.Context(), buildGo(t, "./testdata/goguest"))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 8 {
				start := uint32((g + i) % 8)
				got, err := ask(context.Background(), p, ds, "mean", nil, question.Range{Start: start, Count: 1})
				want, _ := ds.columns[2].Value(int(start)).(float64)
				if !ds.columns[2].Present(int(start)) {
					if question.CodeOf(err) != question.CodeNoData {
						t.Error(err)
					}
				} else if err != nil || got.Rows() != 1 || got.Columns[1].Numbers[0] != want {
					t.Errorf("row %d: %+v, %v", start, got, err)
				}
			}
		})
	}
	wg.Wait()
}
