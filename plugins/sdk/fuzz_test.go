package sdk_test

import (
	"testing"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
	"github.com/le-stats-sportifs/lestats/plugins/sdk"
)

// answerAll touches whatever a job offers.
func answerAll(job *sdk.Job) error {
	sum := 0.0
	for rows := range job.Rows(score, city) {
		for _, row := range rows {
			sum += score.Values(job)[row] + float64(year.Values(job)[row]) + float64(len(city.Text(job, city.Codes(job)[row])))
		}
	}
	everything.averageOut.Column(job).Append(sum)
	return nil
}

const room = 1 << 15

// seed is a directory, a request, and the bytes from address 512 on that the two
// point to.
func seed() (directory, request, data []byte) {
	data = make([]byte, 1024)
	columns := abi.Append(nil, abi.Column{Type: abi.TypeString, Data: 1024, DataLen: 12, DictCount: 1, DictOffsets: 1152, DictBytes: 1216, DictBytesLen: 2})
	columns = abi.Append(columns, abi.Column{Type: abi.TypeInt64, Data: 1280, DataLen: 24})
	columns = abi.Append(columns, abi.Column{Type: abi.TypeFloat64, Data: 1344, DataLen: 24, Validity: 1408, ValidityLen: 1, NullCount: 1})
	copy(data, columns)
	copy(data[896-512:], abi.Append(nil, abi.Range{Count: 3}))
	data[1156-512] = 2 // the end of the dictionary's only entry
	data[1408-512] = 5 // the first and the third row have a value
	directory = abi.Append(nil, abi.Directory{Size: abi.DirectorySize, Version: 1, Rows: 3, ColumnCount: 3, ColumnSize: abi.ColumnSize, Columns: 512})
	request = abi.Append(nil, abi.Request{
		Size: abi.RequestSize, Version: 1, Question: 1, ParamSize: abi.ParamSize, RangeCount: 1, Ranges: 896, Rows: 3,
	})
	return directory, request, data
}

// run has a guest open a directory and answer a request, and returns both
// responses.
func run(t *testing.T, d, r, data []byte) (opened, answered abi.Response) {
	block := make([]byte, room)
	g := sdk.NewGuest(everythingPlugin(answerAll), block)
	g.Alloc(room/2, 1) // what the input may fill: place takes the other half
	copy(block[128:], d)
	copy(block[256:], r)
	copy(block[512:], data)
	response := func(packed uint64) (out abi.Response) {
		ptr, n := abi.Unpack(packed)
		if int(ptr)+int(n) > len(block) {
			t.Fatalf("a response of %d bytes at %#x", n, ptr)
		}
		out, err := abi.Decode[abi.Response](block[ptr:][:n])
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if packed := g.Open(128, uint32(len(d))); packed != 0 {
		opened = response(packed)
	}
	return opened, response(g.Answer(256, uint32(len(r))))
}

func TestSeedOfFuzz(t *testing.T) {
	d, r, data := seed()
	if opened, answered := run(t, d, r, data); opened != (abi.Response{}) || answered.Status != abi.StatusOK || answered.TableCount != 1 {
		t.Errorf("%+v, %+v", opened, answered)
	}
}

// The bytes of a directory or a request, whatever they say, lead to an answer or
// to an error: the decoder neither reads outside of the memory nor panics past
// Open and Answer.
func FuzzGuest(f *testing.F) {
	d, r, data := seed()
	f.Add(d, r, data)
	f.Add([]byte{}, []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, d, r, data []byte) {
		if len(d) > 128 || len(r) > 128 || len(data) > 4096 {
			return
		}
		run(t, d, r, data)
	})
}
