package main

import (
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/plugins/sdk/sdktest"
	"github.com/le-stats-sportifs/lestats/runtime/testtool"
)

// columnsOf maps the CDC's headers to the dataset's columns.
var columnsOf = map[string]string{
	"Question": "question", "LocationDesc": "location", "Data_Value": "value",
	"StratificationCategory1": "category", "Stratification1": "stratum",
}

// openSlice opens the CDC's rows, sorted by survey question as a dataset is.
func openSlice(t testing.TB) *sdktest.Session {
	t.Helper()
	f, err := os.Open(filepath.Join(testtool.Slice(t), "cdc_npao_slice.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	header, rows := rows[0], rows[1:]
	if len(rows) != 4583 {
		t.Fatalf("%d rows; the slice has 4583", len(rows))
	}
	for i, name := range header {
		if to, ok := columnsOf[name]; ok {
			header[i] = to
		}
	}
	by := slices.Index(header, "question")
	slices.SortStableFunc(rows, func(a, b []string) int { return strings.Compare(a[by], b[by]) })
	columns, err := sdktest.Columns(plugin, header, rows)
	if err != nil {
		t.Fatal(err)
	}
	session, err := sdktest.Open(plugin, columns...)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// expectation is one of the original's answers.
type expectation struct {
	Endpoint string          `json:"endpoint"`
	Request  map[string]any  `json:"request"`
	Data     json.RawMessage `json:"data"`
}

func expectations(t testing.TB) []expectation {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testtool.Slice(t), "cdc_npao_slice.expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var out []expectation
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	if len(out) != 192 {
		t.Fatalf("%d cases; the file has 192", len(out))
	}
	return out
}

// TestOriginalAnswers compares with the answers of the original's own code.
func TestOriginalAnswers(t *testing.T) {
	session := openSlice(t)
	for _, want := range expectations(t) {
		got, err := session.Ask(want.Endpoint, want.Request)
		if err != nil {
			t.Errorf("%s %v: %v", want.Endpoint, want.Request, err)
			continue
		}
		compare(t, want, asOriginal(want.Endpoint, got))
	}
}

// entry is a key and a mean, in the order of an answer.
type entry struct {
	key  string
	mean float64
}

// asOriginal writes an answer's keys as the original does.
func asOriginal(endpoint string, r *sdktest.Result) []entry {
	keys, values := r.Columns[:len(r.Columns)-1], r.Columns[len(r.Columns)-1]
	out := make([]entry, r.Rows)
	for i := range out {
		parts := make([]string, len(keys))
		for k := range keys {
			parts[k] = keys[k].Value(i).(string)
		}
		out[i].mean = values.Numbers[i]
		switch endpoint {
		case "global_mean":
			out[i].key = endpoint
		case "mean_by_category":
			out[i].key = tuple(parts)
		case "state_mean_by_category":
			out[i].key = parts[0] + " " + tuple(parts[1:])
		default:
			out[i].key = parts[0]
		}
	}
	return out
}

// tuple writes strings as Python writes a tuple of them, where none has a quote.
func tuple(parts []string) string { return "('" + strings.Join(parts, "', '") + "')" }

// compare checks keys and values. The order is checked elsewhere: where groups
// without a value are left out, that of the original is an artifact of sorting NaNs.
func compare(t *testing.T, want expectation, got []entry) {
	t.Helper()
	var flat []entry
	if want.Endpoint == "state_mean_by_category" {
		for _, outer := range members(t, want.Data) {
			for _, p := range numbers(t, outer.value) {
				flat = append(flat, entry{outer.key + " " + p.key, p.mean})
			}
		}
	} else {
		flat = numbers(t, want.Data)
	}
	if len(got) != len(flat) {
		t.Errorf("%s %v: %d rows, want %d", want.Endpoint, want.Request, len(got), len(flat))
		return
	}
	byKey := func(a, b entry) int { return strings.Compare(a.key, b.key) }
	slices.SortFunc(got, byKey)
	slices.SortFunc(flat, byKey)
	for i := range flat {
		if got[i].key != flat[i].key || !near(got[i].mean, flat[i].mean) {
			t.Errorf("%s %v: %v, want %v", want.Endpoint, want.Request, got[i], flat[i])
			return
		}
	}
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b)) }

type member struct {
	key   string
	value json.RawMessage
}

func members(t *testing.T, b json.RawMessage) []member {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(string(b)))
	if _, err := dec.Token(); err != nil {
		t.Fatal(err)
	}
	var out []member
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			t.Fatal(err)
		}
		m := member{key: key.(string)}
		if err := dec.Decode(&m.value); err != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}

func numbers(t *testing.T, b json.RawMessage) []entry {
	t.Helper()
	var out []entry
	for _, m := range members(t, b) {
		p := entry{key: m.key}
		if err := json.Unmarshal(m.value, &p.mean); err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}
