package sdk_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"unsafe"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
	"github.com/le-stats-sportifs/lestats/plugins/sdk"
)

// The plugins of plugins/abi/testdata, which each SDK's tests have in their
// language.

var examplePlugin = func() *sdk.Plugin {
	location, value := &sdk.StringColumn{Name: "location"}, &sdk.NumberColumn{Name: "value"}
	state := &sdk.StringParam{Name: "state", Title: "State", Of: location, Required: true}
	key := &sdk.CodeResult{Of: location, Title: "State"}
	mean := &sdk.NumberResult{Name: "mean", UnitOf: value}
	return &sdk.Plugin{
		Name: "example", Version: "1.0.0", Title: "Example", License: "Apache-2.0",
		Columns: []sdk.Column{location, value},
		Questions: []*sdk.Question{{
			Name: "state_mean", Title: "Mean of one state", Params: []sdk.Param{state},
			Result: sdk.Result{
				Keys: []sdk.ResultColumn{key}, Values: []sdk.ResultColumn{mean}, Layout: sdk.LayoutMap, Chart: sdk.ChartBar,
			},
			Answer: func(job *sdk.Job) error {
				code, _ := state.Get(job)
				values, sum, n := value.Values(job), 0.0, 0
				for rows := range job.Rows(value, location.Is(code)) {
					for _, row := range rows {
						sum += values[row]
						n++
					}
				}
				if n == 0 {
					return &sdk.Error{Code: abi.ErrNoData, Param: state, Text: "no value for " + location.Text(job, code)}
				}
				key.Column(job).Append(code)
				mean.Column(job).Append(sum / float64(n))
				return nil
			},
		}},
	}
}()

var kindsPlugin = func() *sdk.Plugin {
	city, score, year := &sdk.StringColumn{Name: "city"}, &sdk.NumberColumn{Name: "score"}, &sdk.IntegerColumn{Name: "year", Optional: true}
	remark := &sdk.StringColumn{Name: "remark", Optional: true}
	cityParam := &sdk.StringParam{Name: "city", Title: "City", Description: "Some.", Of: city, Required: true, List: true}
	least := &sdk.NumberParam{Name: "least", Min: new(0.5), Max: new(99.5), Default: new(10.5)}
	yearParam := &sdk.IntegerParam{Name: "year", Min: new(int64(-5)), Max: new(int64(9))}
	mode := &sdk.ChoiceParam{Name: "mode", Choices: []string{"plain", "loud"}, Default: "plain"}
	exact := &sdk.BooleanParam{Name: "exact", Default: new(false)}
	scoreParam := &sdk.NumberParam{Name: "score", Of: score, Select: true}
	cityResult, note := &sdk.CodeResult{Of: city}, &sdk.StringResult{Name: "note", Title: "Note"}
	scoreResult, n := &sdk.NumberResult{Name: "score", UnitOf: score, Shows: sdk.ShowsMean}, &sdk.IntegerResult{Name: "n", Unit: "rows", Shows: sdk.ShowsCount}
	return &sdk.Plugin{
		Name: "kinds", Version: "1.0.0", Description: "Every kind: \"quoted\" \\ \t.", Homepage: "about:blank",
		Columns: []sdk.Column{city, score, year, remark},
		Questions: []*sdk.Question{
			{Name: "first", Result: sdk.Result{Values: []sdk.ResultColumn{n}, Layout: sdk.LayoutRecord}, Needs: []sdk.Column{year, remark}},
			{
				Name: "echo", Title: "Echo", Description: "Says what it was given.",
				Params: []sdk.Param{cityParam, least, yearParam, mode, exact, scoreParam},
				Result: sdk.Result{
					Keys: []sdk.ResultColumn{cityResult, note}, Values: []sdk.ResultColumn{scoreResult, n},
					Layout: sdk.LayoutRows, Chart: sdk.ChartNone,
				},
				Needs:   []sdk.Column{year},
				Example: `{"city":["Oslo"],"where":{"year":{"min":-5}}}`,
				Answer: func(job *sdk.Job) error {
					if y, given := yearParam.Get(job); given {
						return sdk.BadParam(yearParam, "the year "+strconv.FormatInt(y, 10)+" is not to be given")
					}
					bound, _ := least.Get(job)
					ending := ""
					if loud, _ := mode.Get(job); loud == 1 {
						ending = "!"
					}
					if is, given := exact.Get(job); !is || !given {
						return sdk.Failed("exact is false")
					}
					if wanted, _ := scoreParam.Get(job); wanted != 7.25 || score.Unit(job) != "%" || year.Missing(job) != 4 {
						return sdk.Failed("the score's, its unit or the missing years are wrong")
					}
					if _, found := remark.Code(job, "none"); found || remark.Count(job) != 0 || remark.Missing(job) != len(remark.Codes(job)) {
						return sdk.Failed("the remarks, which the dataset does not have, have values")
					}
					for range job.Rows(remark) {
						return sdk.Failed("a row has a remark")
					}
					for i := range cityParam.Len(job) {
						code := cityParam.At(job, i)
						for rows := range job.Rows(score, year, city.Is(code)) {
							for _, row := range rows {
								cityResult.Column(job).Append(code)
								if v := score.Values(job)[row]; v < bound {
									note.Column(job).AppendMissing()
								} else {
									note.Column(job).Append(city.Text(job, code) + ending)
								}
								scoreResult.Column(job).Append(score.Values(job)[row])
								n.Column(job).Append(year.Values(job)[row])
							}
						}
					}
					cityResult.Column(job).AppendMissing()
					note.Column(job).AppendMissing()
					scoreResult.Column(job).AppendMissing()
					n.Column(job).AppendMissing()
					return nil
				},
			},
		},
	}
}()

// image is a memory of bytes.
type image []byte

func (m image) u32(at uint32) uint32 { return binary.LittleEndian.Uint32(m[at:]) }

func (m image) text(at, n uint32) string { return string(m[at : at+n]) }

// load puts a golden file in place and returns what travels.
func (m image) load(t *testing.T, name string) (ptr, n uint32) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "abi", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	ptr, n = abi.Unpack(binary.LittleEndian.Uint64(b))
	for b = b[8:]; len(b) > 0; {
		at, size := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
		copy(m[at:], b[8:8+size])
		b = b[8+size:]
	}
	return ptr, n
}

// flat is a response with what its pointers point to in their place.
func (m image) flat(packed uint64) (out []string) {
	at, n := abi.Unpack(packed)
	response, _ := abi.Decode[abi.Response](m[at : at+n])
	if e := response.Error; e != 0 {
		// Pointers are not part of it: text is at 16, and the response's at 20 and 24.
		return append(out, m.text(at, 20), m.text(e, 16), m.text(m.u32(e+16), m.u32(e+20)), m.text(e+24, 8))
	}
	table, _ := abi.Decode[abi.Table](m[response.Tables:])
	out = append(out, m.text(at, 20), m.text(at+24, 8), m.text(response.Tables, 16), m.text(response.Tables+20, 12))
	for i := range table.ColumnCount {
		c, _ := abi.Decode[abi.Column](m[table.Columns+i*table.ColumnSize:])
		out = append(out, m.text(c.Data, c.DataLen), m.text(c.Validity, c.ValidityLen), m.text(c.DictBytes, c.DictBytesLen))
		if c.Type == abi.TypeString {
			out = append(out, m.text(c.DictOffsets, 4*c.DictCount+4))
		}
		if c.Validity == 0 != (c.ValidityLen == 0) {
			out = append(out, "a validity without bytes")
		}
		c.Data, c.Validity, c.DictBytes, c.DictOffsets = 0, 0, 0, 0
		out = append(out, string(abi.Append(nil, c)))
	}
	return out
}

// TestGolden opens and asks the golden plugins, and compares their answers.
func TestGolden(t *testing.T) {
	for name, plugin := range map[string]*sdk.Plugin{"example": examplePlugin, "kinds": kindsPlugin} {
		block := make([]uint64, 1<<18)
		memory := image(unsafe.Slice((*byte)(unsafe.Pointer(&block[0])), 8*len(block)))
		g := sdk.NewGuest(plugin, memory)
		if want, err := os.ReadFile("../abi/testdata/" + name + "_manifest.json"); err != nil || string(want) != string(g.Manifest()) {
			t.Errorf("%s: %v, the manifest is %s", name, err, g.Manifest())
		}
		if packed := g.Open(memory.load(t, name+"_directory.bin")); packed != 0 {
			t.Fatalf("%s: %q", name, memory.flat(packed))
		}
		for _, question := range []string{"_", "_error_", "_"} {
			got := memory.flat(g.Answer(memory.load(t, name+question+"request.bin")))
			want := memory.flat(abi.Pack(memory.load(t, name+question+"response.bin")))
			if len(got) != len(want) {
				t.Fatalf("%s%s: got %q, want %q", name, question, got, want)
			}
			for i := range got {
				if got[i] != want[i] {
					t.Errorf("%s%s, part %d: got %q, want %q", name, question, i, got[i], want[i])
				}
			}
		}
	}
}
