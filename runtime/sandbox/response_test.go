package sandbox

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Addresses in testdata/poke.wat.
const (
	pokePacked   = 0x2ff8 // length, address
	pokeResponse = 0x3000
	pokeTable    = 0x3020
	pokeStates   = 0x3040 // columns
	pokeYears    = 0x3080
	pokeMeans    = 0x30c0
	pokeCodes    = 0x3100
	pokeOffsets  = 0x3110
	pokeText     = 0x3120
	pokeYear     = 0x3140
	pokeMean     = 0x3160
	pokeBitmap   = 0x3180
	pokeError    = 0x3220
)

type word struct{ at, value uint32 }

func poke(t testing.TB, p *Plugin, name string, words ...word) (*question.Table, error) {
	t.Helper()
	params := map[string]any{}
	if len(words) > 0 {
		var at, value []any
		for _, w := range words {
			at, value = append(at, int64(w.at)), append(value, int64(w.value))
		}
		params["at"], params["word"] = at, value
	}
	return ask(t.Context(), p, newFakeDataset(), name, params)
}

func TestPokeUntouched(t *testing.T) {
	p := load(t, Config{}, "poke")
	for _, name := range []string{"rows", "map", "nested"} {
		got, err := poke(t, p, name)
		if err != nil {
			t.Fatal(err)
		}
		want := []question.Column{
			{Name: "state", Type: question.String, Role: question.RoleKey, Dict: []string{"Ohio", "Orégon"}, Codes: []int32{0, 1, 1}},
			{Name: "year", Type: question.Integer, Role: question.RoleKey, Integers: []int64{2020, 2020, 2021}},
			{Name: "mean", Type: question.Number, Role: question.RoleValue, Numbers: []float64{1.5, 2.5, 0}, Valid: question.Bitmap{3}},
		}
		if !reflect.DeepEqual(got.Columns, want) {
			t.Errorf("got %+v; want %+v", got.Columns, want)
		}
	}
}

func TestPokeAllowed(t *testing.T) {
	p := load(t, Config{}, "poke")
	for _, test := range []struct {
		why   string
		words []word
	}{
		{"a later version's response is longer", []word{{pokePacked, 64}, {pokeResponse, 64}}},
		{"buffers may be padded", []word{{pokeStates + 20, 64}, {pokeMeans + 28, 8}}},
		{"flags do not matter", []word{{pokeStates + 12, 0xffffffff}}},
		{"a dictionary may repeat itself", []word{{pokeOffsets + 4, 0}, {pokeOffsets + 8, 0}}},
		{"no rows is an answer", []word{{pokeTable + 4, 0}, {pokeMeans + 32, 0}}},
		{"a name in a result is not looked at", []word{{pokeStates, 0xffffffff}, {pokeStates + 4, 0xffffffff}}},
	} {
		if _, err := poke(t, p, "rows", test.words...); err != nil {
			t.Errorf("%s: %v", test.why, err)
		}
	}
}

func TestPokeLies(t *testing.T) {
	const far, beyond = 0x7ffffff0, 0xfffffff0 // addresses outside of memory
	p := load(t, Config{}, "poke")
	nanHigh, infHigh := uint32(math.Float64bits(math.NaN())>>32), uint32(math.Float64bits(math.Inf(-1))>>32)
	for _, test := range []struct {
		question string
		words    []word
		part     string
	}{
		{"rows", []word{{pokePacked, 0}, {pokePacked + 4, 0}}, "the response has 0 bytes"},
		{"rows", []word{{pokePacked + 4, far}}, "the response, 32 bytes at 0x7ffffff0, is outside"},
		{"rows", []word{{pokePacked + 4, beyond}}, "the response, 32 bytes at 0xfffffff0, is outside"},
		{"rows", []word{{pokePacked, 0xffffffff}}, "the response, 4294967295 bytes"},
		{"rows", []word{{pokePacked, 31}}, "31 bytes; the minimum is 32"},
		{"rows", []word{{pokeResponse, 31}}, "size of 31"},
		{"rows", []word{{pokeResponse, 33}}, "size of 33"},
		{"rows", []word{{pokeResponse + 4, 2}}, "version 2"},
		{"rows", []word{{pokeResponse + 8, 2}}, "status 2"},
		{"rows", []word{{pokeResponse + 12, 0}}, "0 tables"},
		{"rows", []word{{pokeResponse + 12, 2}}, "2 tables"},
		{"rows", []word{{pokeResponse + 16, 28}}, "tables of 28 bytes"},
		{"rows", []word{{pokeResponse + 16, 0xffffffff}}, "the table, 4294967295 bytes"},
		{"rows", []word{{pokeResponse + 20, beyond}}, "the table, 32 bytes at 0xfffffff0"},
		{"rows", []word{{pokeTable, 2}}, "kind 2"},
		{"rows", []word{{pokeTable + 8, 2}}, "2 columns; the manifest declares 3"},
		{"rows", []word{{pokeTable + 8, 0xffffffff}}, "4294967295 columns"},
		{"rows", []word{{pokeTable + 12, 60}}, "structs of 60 bytes"},
		{"rows", []word{{pokeTable + 12, 0xffffffff}}, "the table's array of columns"},
		{"rows", []word{{pokeTable + 16, beyond}}, "the table's array of columns, 192 bytes at 0xfffffff0"},
		{"record", []word{{pokeTable + 4, 3}}, "3 rows; the layout record"},
		{"record", []word{{pokeTable + 4, 0}}, "0 rows; the layout record"},
		{"rows", []word{{pokeStates + 8, 1}}, "column 0 (state) has type 1; the manifest declares string"},
		{"rows", []word{{pokeYears + 8, 99}}, "column 1 (year) has type 99"},
		{"rows", []word{{pokeStates + 20, 11}}, "column 0 (state) has 11 bytes of data; 3 rows need 12"},
		{"rows", []word{{pokeStates + 16, beyond}}, "column 0 (state): its data, 12 bytes at 0xfffffff0"},
		{"rows", []word{{pokeYears + 16, far}}, "column 1 (year): its data, 24 bytes at 0x7ffffff0"},
		{"rows", []word{{pokeMeans + 24, beyond}}, "column 2 (mean): its bitmap"},
		{"rows", []word{{pokeMeans + 28, 0}}, "bitmap of 0 bytes; 3 rows need 1"},
		{"rows", []word{{pokeMeans + 32, 0}}, "states 0 missing values; its bitmap has 1"},
		{"rows", []word{{pokeYears + 32, 1}}, "states 1 missing values; its bitmap has 0"},
		{"rows", []word{{pokeStates + 36, 0}}, "column 0 (state), row 0: the code is 0; the dictionary has 0 entries"},
		{"rows", []word{{pokeStates + 40, beyond}}, "its dictionary's offsets, 12 bytes at 0xfffffff0"},
		{"rows", []word{{pokeStates + 44, beyond}}, "its dictionary's bytes, 11 bytes at 0xfffffff0"},
		{"rows", []word{{pokeStates + 48, 10}}, "offset 2 is 11"},
		{"rows", []word{{pokeOffsets, 1}}, "first offset is 1"},
		{"rows", []word{{pokeOffsets + 4, 12}}, "offset 1 is 12"},
		{"rows", []word{{pokeOffsets + 8, 3}}, "offset 2 is 3"},
		{"rows", []word{{pokeOffsets + 8, 0xffffffff}}, "offset 2 is -1"},
		{"rows", []word{{pokeOffsets + 4, 7}}, "entry 0 is not UTF-8"}, // cuts the é in two
		{"rows", []word{{pokeText, 0xfffefdfc}}, "entry 0 is not UTF-8"},
		{"rows", []word{{pokeCodes + 4, 2}}, "row 1: the code is 2; the dictionary has 2 entries"},
		{"rows", []word{{pokeCodes + 4, 0xffffffff}}, "row 1: the code is -1"},
		{"rows", []word{{pokeMean + 12, nanHigh}}, "column 2 (mean), row 1: the value is NaN"},
		{"rows", []word{{pokeMean + 8, 0}, {pokeMean + 12, infHigh}}, "column 2 (mean), row 1: the value is -Inf"},
		{"map", []word{{pokeYear + 16, 2020}}, "rows 1 and 2 have the same key"},
		{"nested", []word{{pokeYear + 16, 2020}}, "rows 1 and 2 have the same key"},
		{"map", []word{{pokeStates + 24, pokeBitmap}, {pokeStates + 28, 1}, {pokeStates + 32, 1}}, "column 0 (state), row 2: the key is missing"},
		{"rows", []word{{pokeResponse + 8, 1}, {pokeResponse + 24, beyond}}, "the error, 32 bytes at 0xfffffff0"},
		{"rows", []word{{pokeResponse + 8, 1}, {pokeError, 16}}, "the error states a size of 16"},
		{"rows", []word{{pokeResponse + 8, 1}, {pokeError + 4, 9}}, "version 9"},
		{"rows", []word{{pokeResponse + 8, 1}, {pokeError + 8, 5}}, "code 5"},
		{"rows", []word{{pokeResponse + 8, 1}, {pokeError + 8, 0}}, "code 0"},
		{"rows", []word{{pokeResponse + 8, 1}, {pokeError + 12, 2}}, "about parameter 2; there are only 2"},
		{"rows", []word{{pokeResponse + 8, 1}, {pokeError + 16, beyond}}, "the error's text, 21 bytes at 0xfffffff0"},
		{"rows", []word{{pokeResponse + 8, 1}, {pokeError + 20, 0xffffffff}}, "the error's text, 4294967295 bytes"},
	} {
		table, err := poke(t, p, test.question, test.words...)
		if table != nil {
			t.Errorf("%x: there is a table", test.words)
			continue
		}
		wantError(t, err, question.CodeBadResult, test.part)
	}
}

// Two rows with one key are found however the rows are sorted and however their
// dictionary spells it.
func TestKeysAreUnique(t *testing.T) {
	p := load(t, Config{}, "poke")
	same := []word{{pokeOffsets + 4, 0}, {pokeOffsets + 8, 0}, {pokeYear + 8, 2021}} // two codes, one text: ""
	_, err := poke(t, p, "map", same...)
	wantError(t, err, question.CodeBadResult, "the same key")
	descending := []word{{pokeCodes, 1}, {pokeCodes + 4, 0}, {pokeCodes + 8, 0}}
	if _, err := poke(t, p, "map", descending...); err != nil {
		t.Error(err)
	}
	_, err = poke(t, p, "map", append(descending, word{pokeYear + 16, 2020})...)
	wantError(t, err, question.CodeBadResult, "rows 1 and 2 have the same key")
}

func TestErrorsOfPlugins(t *testing.T) {
	p := load(t, Config{}, "poke")
	for _, test := range []struct {
		code  uint32
		param uint32
		want  question.Code
		about string
	}{
		{abi.ErrFailed, abi.NoIndex, question.CodePluginError, ""},
		{abi.ErrBadParam, 1, question.CodeBadParameter, "word"},
		{abi.ErrNoData, 0, question.CodeNoData, "at"},
		{abi.ErrDataset, abi.NoIndex, question.CodePluginError, ""},
	} {
		_, err := poke(t, p, "rows", word{pokeResponse + 8, abi.StatusError}, word{pokeError + 8, test.code}, word{pokeError + 12, test.param})
		wantError(t, err, test.want)
		if e := question.AsError(err); e.Param != test.about || e.Reason != "no  luck \uFFFD with that" {
			t.Errorf("code %d: %+v", test.code, e)
		}
	}
	_, err := poke(t, p, "rows", word{pokeResponse + 8, abi.StatusError}, word{pokeError + 20, 0})
	wantError(t, err, question.CodePluginError, "gave no reason")
}

func TestResultLimit(t *testing.T) {
	const exact = 3*4 + 3*4 + 11 + 3*8 + 3*8 + 1 // codes, offsets, text, years, means, bitmap
	if _, err := poke(t, load(t, Config{Limits: Limits{Result: exact}}, "poke"), "rows"); err != nil {
		t.Error(err)
	}
	_, err := poke(t, load(t, Config{Limits: Limits{Result: exact - 1}}, "poke"), "rows")
	wantError(t, err, question.CodeResultTooLarge, "84 bytes", "limit is 83")
	p := load(t, Config{}, "poke")
	_, err = poke(t, p, "rows", word{pokeTable + 4, 0xffffffff})
	wantError(t, err, question.CodeResultTooLarge, "limit is 4194304")
	for _, at := range []uint32{pokeStates + 36, pokeStates + 48} { // a dictionary of 4 GiB
		_, err := poke(t, p, "rows", word{at, 0xffffffff})
		wantError(t, err, question.CodeBadResult, "its dictionary's")
	}
}

// Of a dictionary that is large beside its rows only what they have is looked at,
// counted and kept, each entry once, in its order.
func TestDictionaryOfFewRows(t *testing.T) {
	const entries, size = 3000, 12 // "entry 000012"
	var b []byte
	for i := range entries + 1 {
		b = binary.LittleEndian.AppendUint32(b, uint32(i*size))
	}
	text := uint32(len(b))
	for i := range entries {
		b = fmt.Appendf(b, "entry %06d", i)
	}
	codes := []int32{2999, 7, 0, 7, 2999}
	out := question.Column{Type: question.String, Codes: slices.Clone(codes), Valid: question.Bitmap{0b11011}}
	c := resultColumn{abiColumn: abi.Column{Type: abi.TypeString, DictCount: entries, DictBytes: text, DictBytesLen: entries * size}, name: "s"}
	got, err := c.decodeDict(b, nowhere{}, 1<<10, &out)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"entry 000007", "entry 002999"}; !slices.Equal(out.Dict, want) || got != 2*size+4*3 {
		t.Errorf("%d bytes, %q; want %q", got, out.Dict, want)
	}
	for i, code := range codes {
		if out.Present(i) && out.Value(i) != fmt.Sprintf("entry %06d", code) {
			t.Errorf("row %d is %v; its code was %d", i, out.Value(i), code)
		}
	}
	out.Codes, out.Dict = slices.Clone(codes), nil
	if got, err := c.decodeDict(b, nowhere{}, size, &out); err != nil || got <= size {
		t.Errorf("%d bytes, %v; more than the limit of %d is due", got, err, size)
	}
	copy(b[text+7*size:], "\xff") // of an entry that a row has
	out.Codes, out.Dict = slices.Clone(codes), nil
	_, err = c.decodeDict(b, nowhere{}, 1<<10, &out)
	wantError(t, err, question.CodeBadResult, "entry 7 is not UTF-8")
}

// fuzzQuestions has every type and every layout.
var fuzzQuestions = func() []question.Question {
	col := func(name string, t question.Type) question.ResultColumn {
		return question.ResultColumn{Name: name, Type: t}
	}
	s, n, i := col("s", question.String), col("n", question.Number), col("i", question.Integer)
	params := []question.Param{{Name: "p"}}
	return []question.Question{
		{Name: "rows", Params: params, Result: question.Result{Layout: question.LayoutRows, Values: []question.ResultColumn{s, i, n}}},
		{Name: "map", Params: params, Result: question.Result{Layout: question.LayoutMap, Keys: []question.ResultColumn{s, i}, Values: []question.ResultColumn{n}}},
		{Name: "record", Result: question.Result{Layout: question.LayoutRecord, Values: []question.ResultColumn{s, i, n}}},
	}
}()

// nowhere is an empty source.
type nowhere struct{}

func (nowhere) unitOf(string) string        { return "" }
func (nowhere) dictAt(*abi.Column) []string { return nil }

// pokeMemory is the memory of poke.wat as answer leaves it, shortened.
func pokeMemory(t testing.TB) memory {
	t.Helper()
	p := load(t, Config{}, "poke")
	in, failed := p.acquire(t.Context(), nil)
	if failed != nil {
		t.Fatal(failed)
	}
	defer p.giveBack(t.Context(), in, true)
	return append(memory(nil), in.view()[:0x3400]...)
}

// checkDecoded makes sure that whatever was decoded holds what it promises.
func checkDecoded(t *testing.T, q *question.Question, table *question.Table, err *question.Error) {
	t.Helper()
	if (table == nil) == (err == nil) {
		t.Fatalf("table %v, error %v", table, err)
	}
	if err != nil {
		return
	}
	b, failed := json.Marshal(table)
	if failed != nil {
		t.Fatal(failed)
	}
	var again question.Table
	if failed := json.Unmarshal(b, &again); failed != nil {
		t.Fatal(failed)
	}
	for i := range table.Columns {
		if c := &table.Columns[i]; c.Len() != table.Rows() || c.Type != q.Result.Columns()[i].Type {
			t.Fatalf("column %+v", c)
		}
		for r := range table.Rows() {
			table.Columns[i].Value(r)
		}
	}
}

func FuzzDecodeAnswer(f *testing.F) {
	good := pokeMemory(f)
	f.Add([]byte(good[0x2000:]), uint64(0x1000<<32|32), uint8(0))
	f.Add([]byte{}, uint64(0), uint8(1))
	f.Fuzz(func(t *testing.T, mem []byte, packed uint64, which uint8) {
		q := &fuzzQuestions[int(which)%len(fuzzQuestions)]
		table, _, err := decodeAnswer(mem, packed, q, nowhere{}, 1<<16)
		checkDecoded(t, q, table, err)
		if err := decodeOpen(mem, packed); err == nil {
			t.Fatal("an open that failed has no error")
		}
	})
}

// Good answers with a few words overwritten reach deeper than random bytes do.
func TestDecodeOverwritten(t *testing.T) {
	good := pokeMemory(t)
	mem := make(memory, len(good))
	r := rand.New(rand.NewPCG(1, 2))
	interesting := []uint32{0, 1, 2, 3, 4, 7, 8, 32, 64, 0x2ff8, 0x3000, 0x33ff, 0x3400, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff}
	decoded := 0
	for range 20_000 {
		copy(mem, good)
		for range 1 + r.IntN(3) {
			at := 0x2ff8 + 4*r.IntN((0x3260-0x2ff8)/4)
			v := interesting[r.IntN(len(interesting))]
			for b := range 4 {
				mem[at+b] = byte(v >> (8 * b))
			}
		}
		packed := uint64(pokeResponse)<<32 | abi.ResponseSize
		q := &fuzzQuestions[r.IntN(len(fuzzQuestions))]
		table, _, err := decodeAnswer(mem, packed, q, nowhere{}, 1<<16)
		checkDecoded(t, q, table, err)
		if err == nil {
			decoded++
		}
	}
	if decoded < 300 {
		t.Errorf("only %d answers were good", decoded)
	}
}

// A difference of percentages is in percentage points. That of means, which came before, keeps
// the unit that its programs know.
func TestSharedUnit(t *testing.T) {
	for _, c := range []struct {
		shows             question.Shows
		own, shared, want string
	}{
		{"", "", "%", "%"},
		{question.ShowsEstimate, "", "%", "%"},
		{question.ShowsMeanDifference, "", "%", "%"},
		{question.ShowsDifference, "", "%", "percentage points"},
		{question.ShowsDifference, "", "kg", "kg"},
		{question.ShowsDifference, "", "", ""},
		{question.ShowsDifference, "years", "", "years"},
	} {
		if got := sharedUnit(&question.ResultColumn{Unit: c.own, Shows: c.shows}, c.shared); got != c.want {
			t.Errorf("%q of %q: %q, want %q", c.shows, c.shared, got, c.want)
		}
	}
}
