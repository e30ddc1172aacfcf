package question

import (
	"encoding/json"
	"strings"
	"testing"
)

// invisible are characters of each kind that is refused in a manifest.
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

// No text of a manifest holds a character that cannot be seen: every place where one
// may stand is tried.
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
