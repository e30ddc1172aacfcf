package dataset

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// tester is what *testing.T and *rapid.T have in common.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

func sprint(v any) string { return fmt.Sprint(v) }

// mustEqual compares identity and every value.
func mustEqual(t tester, got, want *Dataset) {
	t.Helper()
	if !reflect.DeepEqual(got.Info(), want.Info()) {
		t.Errorf("info %+v, want %+v", got.Info(), want.Info())
	}
	sameColumns(t, got, want)
}

func sameColumns(t tester, got, want *Dataset) {
	t.Helper()
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

// checkCanonical checks what Dataset promises: building it again changes nothing.
func checkCanonical(t tester, d *Dataset) {
	t.Helper()
	again, err := assemble(d.desc, d.Columns())
	if err != nil {
		t.Fatalf("%v", err)
	}
	sameColumns(t, d, again)
	for i := range d.columns {
		if got := d.columns[i].Len(); got != d.rows {
			t.Errorf("column %s has %d rows, want %d", d.columns[i].Name, got, d.rows)
		}
	}
	if all := d.Select(nil); len(all) > 1 || d.rows > 0 != (len(all) == 1 && all[0] == question.Range{Count: uint32(d.rows)}) {
		t.Errorf("without conditions %v, want one range of %d rows", all, d.rows)
	}
}
