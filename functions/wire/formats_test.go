package wire_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/data"
	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/chart"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// TestUSStates checks the outlines that the program has: 50 states, the district and five
// territories, found by each of their names, with the licence of those who made them.
func TestUSStates(t *testing.T) {
	o, err := chart.ParseOutlines(data.USStates)
	if err != nil {
		t.Fatal(err)
	}
	if o.Name != "us-states" || len(o.Shapes) != 56 {
		t.Errorf("%q has %d shapes", o.Name, len(o.Shapes))
	}
	if n := len(data.USStates); n > 40<<10 {
		t.Errorf("%d bytes", n)
	}
	if !bytes.Contains(data.USStates, []byte("Copyright 2019 Brendan Ratter")) || !bytes.Contains(data.USStates, []byte("Copyright 2013-2019 Michael Bostock")) {
		t.Error("the licence is missing")
	}
}

// TestPicture writes a map as the command line and the server do.
func TestPicture(t *testing.T) {
	f, ok := wire.FindFormat("svg")
	if !ok {
		t.Fatal("no format svg")
	}
	places := []string{"Ohio", "VI", "Virgin Islands of Old"}
	var b bytes.Buffer
	err := f.Write(&b, &question.Table{Chart: "map", Columns: []question.Column{
		{Name: "location", Type: question.String, Role: question.RoleKey, Dict: places, Codes: []int32{0, 1, 2}},
		{Name: "mean", Type: question.Number, Role: question.RoleValue, Numbers: []float64{31, 32, 33}},
	}}, question.WriteOptions{Caption: &question.Caption{Dataset: question.DatasetInfo{Geo: map[string]string{"location": "us-states"}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Ohio: 31", "VI: 32", "no outline has this name"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the map does not say %q", want)
		}
	}
}
