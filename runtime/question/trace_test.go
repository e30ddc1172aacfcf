package question

import (
	"strings"
	"testing"
)

func TestParseTraceparent(t *testing.T) {
	const (
		trace = "4bf92f3577b34da6a3ce929d0e0e4736"
		rest  = "-" + trace + "-00f067aa0ba902b7-01"
	)
	zeros := strings.Repeat("0", 32)
	for given, want := range map[string]string{
		"00" + rest:                            "00" + rest,
		"00" + rest + "-x":                     "", // version 00 has no more
		"01" + rest:                            "00" + rest,
		"cc" + rest + "-x":                     "00" + rest,
		"cc" + rest + "-":                      "00" + rest,
		"cc" + rest + ".x":                     "",
		"ff" + rest:                            "",
		"0x" + rest:                            "",
		"00" + rest[:52]:                       "",
		"":                                     "",
		" 00" + rest:                           "",
		"00" + rest + " ":                      "",
		"00_" + rest[1:]:                       "",
		"00-" + zeros + "-00f067aa0ba902b7-01": "",
		"00-" + trace + "-0000000000000000-01": "",
		"00-" + strings.ToUpper(trace) + "-00f067aa0ba902b7-01":     "",
		"00-" + trace + "-00f067aa0ba902b7-0g":                      "",
		"00-" + trace + "-00f067aa0ba902b7-ff":                      "00-" + trace + "-00f067aa0ba902b7-ff",
		"00-" + strings.Repeat("\x00", 32) + "-00f067aa0ba902b7-01": "",
		strings.Repeat("00"+rest+"-", 1000):                         "",
	} {
		if got := ParseTraceparent([]string{given}); got != want {
			t.Errorf("%.80q: %q, want %q", given, got, want)
		}
	}
	if got := ParseTraceparent([]string{"00" + rest, "00" + rest}); got != "" || ParseTraceparent(nil) != "" {
		t.Errorf("two traceparents: %q", got)
	}
	if got := TraceID("00" + rest); got != trace || TraceID("") != "" || TraceID("00-1") != "" {
		t.Errorf("the trace id is %q", got)
	}
}

// FuzzParseTraceparent checks that what is accepted is accepted again, as it is.
func FuzzParseTraceparent(f *testing.F) {
	f.Add("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	f.Add("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more")
	f.Fuzz(func(t *testing.T, given string) {
		got := ParseTraceparent([]string{given})
		if got == "" {
			return
		}
		if again := ParseTraceparent([]string{got}); again != got || len(TraceID(got)) != 32 || !strings.HasPrefix(given[2:], got[2:]) {
			t.Errorf("%q: %q, then %q", given, got, again)
		}
	})
}
