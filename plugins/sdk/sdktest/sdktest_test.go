package sdktest_test

import (
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/plugins/sdk/sdktest"
)

// What a test asks wrongly is told, before the plugin is asked.
func TestMisuse(t *testing.T) {
	bern := sdktest.Strings("city", "Bern")
	for want, columns := range map[string][]sdktest.Column{
		`no column "score" of type number`:            {bern},
		`no column "city" of type string`:             {sdktest.Integers("city", 1), sdktest.Numbers("score", 1)},
		`the column "score" has 2 rows, "city" has 1`: {bern, sdktest.Numbers("score", 1, 2)},
	} {
		if _, err := sdktest.Open(plugin, columns...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open: %v, want %s", err, want)
		}
	}
	session, err := sdktest.Open(plugin, bern, sdktest.Numbers("score", 1))
	if err != nil {
		t.Fatal(err)
	}
	for want, ask := range map[string]struct {
		name string
		args map[string]any
	}{
		`no question "sum"`:                   {"sum", nil},
		`"city" is required`:                  {"total", nil},
		`total has no parameter "town"`:       {"total", map[string]any{"city": "Bern", "town": "Bern"}},
		`"city" takes no list`:                {"total", map[string]any{"city": []string{"Bern"}}},
		`the parameter "city" cannot be 7`:    {"total", map[string]any{"city": 7}},
		`the parameter "city" cannot be true`: {"total", map[string]any{"city": true}},
		`cannot be struct {}{} (struct {})`:   {"total", map[string]any{"city": struct{}{}}},
	} {
		if _, err := session.Ask(ask.name, ask.args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Ask: %v, want %s", err, want)
		}
	}
}
