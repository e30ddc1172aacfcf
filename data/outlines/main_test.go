package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestConvert converts two squares with a common border, which has a small dent: it goes,
// and both sides of the border still are the same points.
func TestConvert(t *testing.T) {
	topo := &topology{}
	if err := json.Unmarshal([]byte(`{"transform":{"scale":[0.1,0.1],"translate":[0,28]},
		"arcs":[[[100,0],[2,50],[-2,50]],[[100,100],[-100,0],[0,-100],[100,0]],[[100,0],[100,0],[0,100],[-100,0]]]}`), topo); err != nil {
		t.Fatal(err)
	}
	arcs := decode(topo)
	for i := range arcs {
		arcs[i] = simplify(arcs[i])
	}
	for _, tt := range []struct{ kind, arcs, want string }{
		{"Polygon", `[[0,1]]`, "M40 0l0 40-40 0 0-40z"},
		{"MultiPolygon", `[[[-1,2]]]`, "M40 40l0-40 40 0 0 40z"},
	} {
		r, err := rings(tt.kind, json.RawMessage(tt.arcs))
		if err != nil {
			t.Fatal(err)
		}
		if got := path(arcs, r); got != tt.want {
			t.Errorf("%s: %s instead of %s", tt.kind, got, tt.want)
		}
	}
	if _, err := rings("Point", nil); err == nil || !strings.Contains(err.Error(), "Point") {
		t.Error(err)
	}
}
