package dataset

import (
	"slices"
)

// mustEqual compares identity and every value.
func mustEqual(t interface {
	Helper()
	Errorf(string, ...any)
}, got, want *Dataset,
) {
	t.Helper()
	if got.Info() != want.Info() {
		t.Errorf("info %+v, want %+v", got.Info(), want.Info())
	}
	for i := range want.columns {
		g, w := &got.columns[i], &want.columns[i]
		if g.Name != w.Name || g.Type != w.Type || g.Title != w.Title || g.Unit != w.Unit || g.Role != w.Role {
			t.Errorf("column %d is %s, want %s", i, g.Name, w.Name)
		}
		if !slices.Equal(g.Numbers, w.Numbers) || !slices.Equal(g.Integers, w.Integers) || !slices.Equal(g.Codes, w.Codes) ||
			!slices.Equal(g.Dict, w.Dict) || !slices.Equal(g.Valid, w.Valid) || (g.Valid == nil) != (w.Valid == nil) {
			t.Errorf("column %s differs", w.Name)
		}
	}
	if !slices.Equal(got.starts, want.starts) {
		t.Errorf("index %v, want %v", got.starts, want.starts)
	}
}
