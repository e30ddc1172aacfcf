package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// mark stands before the rows that a snippet got, which a line after it prints. The snippet
// itself runs as it is shown.
const mark = "@@rows@@"

// duck runs a snippet for DuckDB's command line. Its httpfs is from PyPI, as if INSTALL had
// downloaded it, and getenv is the command line's own.
const duck = `
import glob, json, os, shutil, sys, duckdb, duckdb_extension_httpfs
files = glob.glob(os.path.dirname(duckdb_extension_httpfs.__file__) + "/**/*.duckdb_extension*", recursive=True)
db = duckdb.connect(config={"extension_directory": sys.argv[1]})
db.create_function("getenv", lambda name: os.environ.get(name), ["VARCHAR"], "VARCHAR")
platform = db.sql("PRAGMA platform").fetchone()[0]
folder = os.path.join(sys.argv[1], "v" + duckdb.__version__, platform)
os.makedirs(folder)
for f in files: shutil.copy(f, folder)
result = None
for statement in db.extract_statements(sys.stdin.read()):
    result = db.execute(statement)
names = [c[0] for c in result.description]
print("@@rows@@" + json.dumps([dict(zip(names, row)) for row in result.fetchall()], default=str))
`

// TestSnippets runs each program that the page shows and compares what it gets with the
// API's answer.
func TestSnippets(t *testing.T) {
	needs(t, python, "make test-browser")
	for name, tool := range map[string]struct {
		flags []string
		path  string
	}{
		"open":  {nil, q("estimates", "question", obesity, "stratum", "Total", "year", "2023", "_view", "code")},
		"keyed": {[]string{"--api-key", "secret", "--admin-key", "admin"}, q("by_year", "question", obesity, "state", "Ohio", "_view", "code")},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, tool.flags...)
			b := open(t, s.URL, light)
			if name == "keyed" {
				b.run(command("Network.setExtraHTTPHeaders", object{"headers": object{"Authorization": "Basic cmVhZGVyOnNlY3JldA=="}}))
			}
			b.visit(tool.path, 200)
			type snippet struct{ ID, Code string }
			snippets := eval[[]snippet](b, `[...document.querySelectorAll("[data-snippet]")].map(e => ({ID: e.dataset.snippet, Code: e.textContent}))`)
			want := rows(t, s, tool.path)
			ran := []string{}
			for _, c := range snippets {
				ran = append(ran, c.ID)
				t.Run(c.ID, func(t *testing.T) { same(t, run(t, c.ID, c.Code), want) })
			}
			if slices.Sort(ran); !slices.Equal(ran, []string{"curl", "duckdb", "httr2", "javascript", "polars", "python", "r", "requests"}) {
				t.Errorf("the page has snippets for %q", ran)
			}
		})
	}
}

// rows returns the API's answer to the request of a page, in JSON.
func rows(t *testing.T, s *server, path string) []map[string]any {
	t.Helper()
	u, err := url.Parse(s.URL + strings.Replace(path, "/q/", "/api/", 1))
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Del("_view")
	u.RawQuery = query.Encode()
	u.Path += ".json"
	req, _ := http.NewRequest(http.MethodGet, u.String(), nil)
	req.Header.Set("X-Api-Key", "secret")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s: %.300s %v", u, resp.Status, body, err)
	}
	var answer struct{ Data []map[string]any }
	if err := json.Unmarshal(body, &answer); err != nil || len(answer.Data) == 0 {
		t.Fatalf("GET %s: %v: %.300s", u, err, body)
	}
	return answer.Data
}

// run runs a snippet and returns the rows that it got.
func run(t *testing.T, id, code string) (got []map[string]any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := func(name string, args ...string) *exec.Cmd {
		c := exec.CommandContext(ctx, name, args...)
		c.Dir = t.TempDir()
		c.Env = append(c.Environ(), "LESTATS_API_KEY=secret")
		return c
	}
	var c *exec.Cmd
	switch id {
	case "curl":
		c = command("sh", "-c", code)
	case "python":
		c = command(python, "-c", code+"\nprint('"+mark+"' + answer.to_json(orient='records'))")
	case "requests":
		c = command(python, "-c", code+"\nimport json; print('"+mark+"' + json.dumps(answer))")
	case "polars":
		c = command(python, "-c", code+"\nprint('"+mark+"' + answer.write_json())")
	case "r", "httr2":
		c = command("Rscript", "-e", code+"\ncat('\\n"+mark+"csv\\n'); write.csv(answer, row.names = FALSE)")
	case "javascript":
		c = command("node", "--input-type=module", "-e", code+"\nconsole.log('"+mark+"' + JSON.stringify(answer.data));")
	case "duckdb":
		c = command(python, "-c", duck, t.TempDir())
		c.Stdin = strings.NewReader(code)
	default:
		t.Fatalf("no test runs %q", id)
	}
	needs(t, c.Path, "infra/browser/needs")
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %s\n%s", err, stderr.String(), code)
	}
	text := string(out)
	if id == "curl" {
		var answer struct{ Data []map[string]any }
		if err := json.Unmarshal(out, &answer); err != nil {
			t.Fatalf("%v: %.300s", err, out)
		}
		return answer.Data
	}
	_, text, _ = strings.Cut(text, mark)
	if csv, ok := strings.CutPrefix(text, "csv\n"); ok {
		return fromCSV(t, csv)
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%v: %.300s", err, out)
	}
	return got
}

// same compares rows column by column: numbers as numbers, and everything else as text. A
// CSV may have more columns than the answer, such as the mark of generated figures.
func same(t *testing.T, got, want []map[string]any) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d rows, want %d", len(got), len(want))
	}
	for i := range want {
		for name, value := range want[i] {
			if g, w := plainValue(got[i][name]), plainValue(value); g != w {
				t.Fatalf("row %d, %s: %s, want %s", i, name, g, w)
			}
		}
	}
}

func plainValue(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case float64:
		return strconv.FormatFloat(v, 'g', 12, 64)
	case string:
		if f, err := strconv.ParseFloat(v, 64); err == nil {
			return strconv.FormatFloat(f, 'g', 12, 64)
		}
		if v == "" || v == "NA" {
			return "nothing"
		}
		return v
	default:
		return fmt.Sprint(v)
	}
}
