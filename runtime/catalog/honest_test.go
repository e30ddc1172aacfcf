package catalog

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// asked is a dataset that says when, and how many were asked.
type asked struct{ *fakeDataset }

func (d asked) Column(name string) (*question.Column, bool) {
	if name == askedColumn || name == timeColumn {
		return &question.Column{Name: name, Type: question.Integer}, true
	}
	return d.fakeDataset.Column(name)
}

// notAYear is asked, and its rows are of one year.
type notAYear struct{ asked }

func (d notAYear) Groups(rows []question.Range, by []string) int {
	return d.asked.Groups(rows, slices.DeleteFunc(slices.Clone(by), func(name string) bool { return name == timeColumn }))
}

// Means that mix figures say so: by what the manifest declares, and whatever the plugin.
func TestCaveats(t *testing.T) {
	manifest := func(params, keys, values string) string {
		return `{"name":"p","version":"1","columns":[{"name":"year","type":"integer"},{"name":"state","type":"string"}],"questions":[{"name":"q","params":[` + params +
			`],"result":{"keys":[` + keys + `],"values":[` + values + `]}}]}`
	}
	const (
		mean     = `{"name":"m","type":"number","shows":"mean"}`
		byYear   = `{"name":"year","type":"integer"}`
		byState  = `{"name":"state","type":"string"}`
		ofYear   = `{"name":"year","type":"column","column":"year","required":true}`
		selected = `{"name":"year","type":"column","column":"year","required":true,"select":true}`
		years    = `{"name":"year","type":"column","column":"year","required":true,"list":true}`
	)
	one := map[string]any{"year": 2020.0}
	for name, tt := range map[string]struct {
		manifest string
		params   map[string]any
		ds       Dataset
		want     string // of the plain mean; "" without
		mixed    string // the columns with the dataset's own caveats
	}{
		"mean of all":                  {manifest("", "", mean), nil, nil, "of 4 figures; no interval", "year state"},
		"of people":                    {manifest("", "", mean), nil, notAYear{asked{newFakeDataset()}}, "of 4 published figures; people are counted several times; no interval", "year state"},
		"of people, each of one year":  {manifest("", "", mean), nil, asked{newFakeDataset()}, "of 4 published figures; no interval", "year state"},
		"by a key that leaves several": {manifest("", byState, mean), nil, nil, "of 4 figures", "year"},
		"one figure per key":           {manifest("", byYear, mean), nil, nil, "", "state"},
		"one figure per parameter":     {manifest(ofYear, "", mean), one, nil, "", "state"},
		"the host selects":             {manifest(selected, "", mean), one, nil, "of 2 figures", "year state"},
		"a list of values is mixed":    {manifest(years, "", mean), map[string]any{"year": []any{2020.0, 2021.0}}, nil, "of 4 figures", "year state"},
		"a difference from all":        {manifest("", byYear, `{"name":"m","type":"number","shows":"mean_difference"}`), nil, nil, "of 4 figures", "year state"},
		"an interval beside it":        {manifest("", "", mean+`,{"name":"l","type":"number","shows":"low"}`), nil, nil, "", "year state"},
		"a value that shows it":        {manifest("", "", `{"name":"n","type":"number"},{"name":"year","type":"integer"}`), nil, nil, "", "state"},
		"not declared as a mean":       {manifest("", "", `{"name":"m","type":"number"}`), nil, nil, "", "year state"},
	} {
		if tt.ds == nil {
			tt.ds = newFakeDataset()
		}
		c, err := Open(t.Context(), Config{
			Dataset: tt.ds, Load: (&loader{}).load, Build: "7",
			Sources: []Source{{Name: "/p", FS: folder(map[string][]byte{"p.wasm": []byte(tt.manifest)})}},
		})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := c.Answer(t.Context(), question.Request{Question: "q", Params: tt.params})
		if err != nil {
			t.Fatalf("%s: %v (%+v)", name, err, c.Plugins())
		}
		var got []string
		for _, caveat := range answer.Caveats {
			got = append(got, caveat.Code)
			if caveat.Code == question.CaveatMean && (tt.want == "" || !strings.Contains(caveat.Text, tt.want)) {
				t.Errorf("%s: %q; want %q", name, caveat.Text, tt.want)
			}
		}
		want := []string{question.CaveatSynthetic}
		if tt.want != "" {
			want = append(want, question.CaveatMean)
		}
		for column := range strings.FieldsSeq(tt.mixed) {
			want = append(want, "mixed_"+column)
		}
		want = append(want, "own")
		if !slices.Equal(got, want) {
			t.Errorf("%s: caveats %q; want %q", name, got, want)
		}
		if r := answer.Receipt; r.Fuel != 17 || r.Build != "7" || r.Dataset != "sha256:d" || r.Plugin != answer.Provenance.PluginDigest ||
			r.Result != answer.Table.Digest() || !strings.HasPrefix(r.Request, "sha256:") {
			t.Errorf("%s: receipt %+v", name, r)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// Rows are counted once per selection, however it is written.
func TestCoverageIsRemembered(t *testing.T) {
	ds := newFakeDataset()
	c, err := Open(t.Context(), Config{Dataset: ds, Load: (&loader{}).load,
		Sources: []Source{{Name: "/p", FS: folder(map[string][]byte{"p.wasm": manifest("p", "one", "two")})}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(t.Context()) }()
	range1, range2 := map[string]any{"min": 2018.0, "max": 2019.0}, map[string]any{"min": 2018.0, "max": 2020.0}
	for i, tt := range []struct {
		question string
		where    map[string]any
		counted  int32
	}{
		{"one", nil, 1},
		{"two", nil, 1}, // another question about the same rows
		{"one", map[string]any{"topic": []any{"Diet", "Sport"}}, 2},
		{"one", map[string]any{"topic": []any{"Sport", "Diet", "Sport"}}, 2},
		{"one", map[string]any{"topic": "Sport"}, 3},
		{"one", map[string]any{"year": range1}, 4},
		{"one", map[string]any{"year": range2}, 5},
		{"one", map[string]any{"year": []any{2020.0, 2018.0}}, 6},
		{"one", map[string]any{"year": []any{2018.0, 2020.0, 2018.0}}, 6},
		{"two", map[string]any{"year": range1, "topic": "Sport"}, 7},
	} {
		if _, err := c.Answer(t.Context(), question.Request{Question: tt.question, Where: tt.where}); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		if got := ds.counted.Load(); got != tt.counted {
			t.Errorf("%d: counted %d times; want %d", i, got, tt.counted)
		}
	}
}

// However many selections there are, some are remembered and not all.
func TestDescribedIsBounded(t *testing.T) {
	var m memory
	key := func(n int) (k [32]byte) {
		binary.LittleEndian.PutUint64(k[:], uint64(n))
		return k
	}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for n := range 10 * maxDescribed {
				k := key(n*4 + worker)
				m.put(k, honest{coverage: &question.Coverage{Rows: n}})
				if h, ok := m.get(k); ok && h.coverage.Rows != n {
					t.Errorf("%d: %d rows", n, h.coverage.Rows)
				}
				m.get(key(-1))
			}
		})
	}
	m.put(key(-1), honest{coverage: &question.Coverage{}})
	wg.Wait()
	if n := len(m.young) + len(m.former); n > 2*maxDescribed {
		t.Errorf("%d selections are remembered", n)
	}
	for n := range maxDescribed { // one that is used stays
		m.put(key(math.MaxInt32+n), honest{})
		m.get(key(math.MaxInt32))
	}
	if _, ok := m.get(key(math.MaxInt32)); !ok {
		t.Error("the last ones are forgotten")
	}
}
