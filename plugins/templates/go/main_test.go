package main

import (
	"testing"

	"github.com/le-stats-sportifs/lestats/plugins/sdk/sdktest"
)

// The same code runs natively, in a test, where a debugger works.
func TestAnswer(t *testing.T) {
	session, err := sdktest.Open(plugin,
		sdktest.Strings("question", "obesity", "obesity", "obesity", "obesity"),
		sdktest.Strings("location", "Ohio", "Utah", "Ohio", "Utah"),
		sdktest.Numbers("value", 30, 20, 34.5, sdktest.Missing))
	if err != nil {
		t.Fatal(err)
	}
	result, err := session.Ask("my_plugin", map[string]any{"question": "obesity", "least": 1})
	if err != nil {
		t.Fatal(err)
	}
	if result.Rows != 1 || result.Columns[0].Value(0) != "Ohio" || result.Columns[1].Value(0) != 4.5 {
		t.Errorf("the result is %+v", result.Columns)
	}
}
