package browser

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Names that a stranger's file may have. Each is text wherever it is shown.
var hostileNames = []string{
	"<script>alert(1)</script>",
	`"><img src=x onerror=alert(2)>`,
	"'; DROP TABLE x; --",
	"\u202egnp.exe",
	"bell\x07\x1b[31mred",
	"javascript:alert(3)",
	"{{.Secret}} ${7*7}",
	"</svg></style></textarea><script>alert(4)</script>",
	"]]>&lt;!--",
	"القاهرة",
	strings.Repeat("x", 10_000),
	"\u200b\ufeff zero",
	"=1+1",
}

// hostile returns a server with hostile names, in headers too.
func hostile(t testing.TB) *server {
	t.Helper()
	return withFile(t, "hostile", []string{"--group", "pl<b>ace"}, func(w *csv.Writer) error {
		if err := w.Write([]string{"pl<b>ace", `to"pic'`, "fig&ure"}); err != nil {
			return err
		}
		for i, name := range hostileNames {
			for j, topic := range []string{"<i>a</i>", `b"'`} {
				if err := w.Write([]string{name, topic, strconv.Itoa(3*i + j)}); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// elsewhere returns a server with places that are on no map.
func elsewhere(t testing.TB) *server {
	t.Helper()
	return withFile(t, "marks", nil, func(w *csv.Writer) error {
		return w.WriteAll([][]string{
			{"school", "subject", "mark"},
			{"Curie", "Maths", "12"}, {"Curie", "Sport", "15"}, {"Pasteur", "Maths", "14.5"}, {"Pasteur", "Sport", ""}, {"Sand", "Maths", "9"}, {"Sand", "Sport", "11"},
		})
	})
}

// large returns a server whose answers have 100,000 rows.
func large(t testing.TB) *server {
	t.Helper()
	return withFile(t, "large", nil, func(w *csv.Writer) error {
		if err := w.Write([]string{"place", "figure"}); err != nil {
			return err
		}
		for i := range 100_000 {
			if err := w.Write([]string{fmt.Sprintf("place %06d", i), fmt.Sprintf("%.2f", float64(i*7919%100_003)/100)}); err != nil {
				return err
			}
		}
		return nil
	})
}

// files are the datasets that were written, by name.
var files = map[string]string{}

// withFile returns a server with the dataset that fill writes.
func withFile(t testing.TB, name string, flags []string, fill func(*csv.Writer) error) *server {
	t.Helper()
	needs(t, binary, "make build")
	if files[name] == "" {
		folder, err := os.MkdirTemp("", "lestats-browser-") //nolint:usetesting // other tests use it, too
		if err != nil {
			t.Fatal(err)
		}
		shared.stop = append(shared.stop, func() { _ = os.RemoveAll(folder) })
		path := filepath.Join(folder, name+".csv")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		w := csv.NewWriter(f)
		err = fill(w)
		w.Flush()
		if err := errors.Join(err, w.Error(), f.Close()); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(binary, append([]string{"data", "init", path}, flags...)...).CombinedOutput(); err != nil {
			t.Fatalf("data init: %v: %s", err, out)
		}
		files[name] = path
	}
	return serve(t, "--data", files[name])
}

// folder returns a folder of plugins: those of the sandbox's tests with these names, and
// files that are refused for the other names.
func folder(t testing.TB, names ...string) string {
	t.Helper()
	key := strings.Join(names, " ")
	if files[key] != "" {
		return files[key]
	}
	dir, err := os.MkdirTemp("", "lestats-browser-") //nolint:usetesting // other tests use it, too
	if err != nil {
		t.Fatal(err)
	}
	shared.stop = append(shared.stop, func() { _ = os.RemoveAll(dir) })
	for _, name := range names {
		wasm, err := os.ReadFile(fromRoot("", "runtime/sandbox/testdata/"+name+".wasm"))
		if err != nil {
			wasm = []byte("not a module")
		}
		if err := os.WriteFile(filepath.Join(dir, name+".wasm"), wasm, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files[key] = dir
	return dir
}

// fromCSV returns the rows of a CSV by the names in its header.
func fromCSV(t testing.TB, text string) (rows []map[string]any) {
	t.Helper()
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(records) == 0 {
		t.Fatalf("%v: %.300s", err, text)
	}
	for _, record := range records[1:] {
		row := map[string]any{}
		for i, value := range record {
			row[records[0][i]] = value
		}
		rows = append(rows, row)
	}
	return rows
}
