package sandbox

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
)

func TestWire(t *testing.T) {
	b := make([]byte, abi.ColumnSize)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	same := func(name string, got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("%s: got %+v; want %+v", name, got, want)
		}
	}
	response, err1 := abi.Decode[abi.Response](b)
	table, err2 := abi.Decode[abi.Table](b)
	column, err3 := abi.Decode[abi.Column](b)
	request, err4 := abi.Decode[abi.Request](b)
	param, err5 := abi.Decode[abi.Param](b)
	for _, err := range []error{err1, err2, err3, err4, err5} {
		if err != nil {
			t.Fatal(err)
		}
	}
	same("response", readResponse(b), response)
	same("table", readTable(b), table)
	same("column", readColumn(b), column)
	if got := appendRequest(nil, &request); !bytes.Equal(got, abi.Append(nil, request)) {
		t.Errorf("request: %x", got)
	}
	if got := appendParam(nil, &param); !bytes.Equal(got, abi.Append(nil, param)) {
		t.Errorf("param: %x", got)
	}
}
