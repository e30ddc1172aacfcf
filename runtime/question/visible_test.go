package question

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// invisible has characters of each kind that a manifest must not contain.
const invisible = "\x00\x07\x1b\x7f\u0085\u009b\u00ad\u034f\u061c\u115f\u180e\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e" +
	"\u2060\u2063\u2066\u2067\u2068\u2069\u206a\u3164\ufeff\uffa0\ufff9\ue000\ufffe\U000e0001\U000e0041\U000e0100\U000f0000"

func TestVisible(t *testing.T) {
	for _, r := range invisible {
		got := Visible("a" + string(r) + "b")
		if !Invisible(r) || len(got) < 4 || strings.ContainsFunc(got, Invisible) {
			t.Errorf("%U is %q", r, got)
		}
	}
	for text, want := range map[string]string{
		"Ohio":           "Ohio",
		"São Tomé, N° 5": "São Tomé, N° 5",
		"שלום مرحبا 日本 👍🏽 ☺️": "שלום مرحبا 日本 👍🏽 ☺️",
		`back\slash "x"`: `back\slash "x"`,
		"a\u202eb":       `a\u202eb`,
		"\x1b[31mred\n":  `\x1b[31mred\n`,
		"\x9b31m\xff":    `\x9b31m\xff`,
	} {
		if got := Visible(text); got != want {
			t.Errorf("Visible(%q) = %q, want %q", text, got, want)
		}
	}
}

// No text of a manifest may contain an invisible character. The test tries all of them.
func TestManifestTextsAreVisible(t *testing.T) {
	const manifest = `{"name":"p","version":"1X","title":"X","description":"X","license":"X","homepage":"X","requires":[],
		"columns":[{"name":"cX","type":"string"},{"name":"v","type":"number"}],
		"questions":[{"name":"q","title":"X","description":"X",
			"params":[{"name":"n","type":"choice","title":"X","description":"X","choices":["aX"],"default":"aX"},
				{"name":"m","type":"column","column":"cX","list":true,"default":["X"]}],
			"result":{"layout":"map","chart":"X","keys":[{"name":"k","type":"string","title":"X"}],
				"values":[{"name":"w","type":"number","title":"X","unit":"X"},{"name":"u","type":"number","unit_of":"v"}]}}]}`
	lines := strings.NewReplacer(`"description":"X"`, `"description":"\u00e9\n\tX"`, `"license":"X"`, `"license":"\n"`)
	if _, err := ParseManifest([]byte(strings.ReplaceAll(lines.Replace(manifest), "X", `\u00e9`))); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(manifest, "X")
	for _, r := range invisible {
		text, err := json.Marshal(string(r))
		if err != nil {
			t.Fatal(err)
		}
		escaped := string(text[1 : len(text)-1])
		for i := 1; i < len(parts); i++ {
			bad := strings.Join(parts[:i], "") + escaped + strings.Join(parts[i:], "")
			_, err := ParseManifest([]byte(bad))
			if CodeOf(err) != CodeBadPlugin || strings.ContainsFunc(err.Error(), Invisible) {
				t.Errorf("%U after %q: %v", r, parts[i-1], err)
			}
		}
	}
}

// A shell reads each word as it was.
func TestShellWord(t *testing.T) {
	words := []string{"", "plain", "a=b,c", "two words", "it's", "a&b;c|d", "<5>", "`x`", "$(x)${y}", "*?[a]{b,c}", "~", "#", "!", `\`, "é", "a\nb", "-n"}
	line := "printf '%s\\0' --"
	for _, w := range words {
		line += " " + ShellWord(w)
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", line).Output()
	if want := "--\x00" + strings.Join(words, "\x00") + "\x00"; err != nil || string(out) != want {
		t.Errorf("%q, %v, want %q", out, err, want)
	}
	if got := ShellWord("question=a"); got != "question=a" {
		t.Errorf("quotes where none are needed: %s", got)
	}
}
