package question

import (
	"slices"
	"testing"
)

func TestPart(t *testing.T) {
	known := []string{"DE", "NEW YORK", "New Mexico", "New York", "Ohio", "Virginia", "West Virginia", "Éire"}
	tests := []struct {
		text, want string
		candidates []string
	}{
		{"Virginia", "Virginia", nil},
		{"virginia", "Virginia", nil},
		{"west", "West Virginia", nil},
		{"éi", "Éire", nil},
		{"New York", "New York", nil},
		{"new york", "", []string{"NEW YORK", "New York"}},
		{"new", "", []string{"NEW YORK", "New Mexico", "New York"}},
		{"UK", "", nil},
		{"South Korea", "", nil},
		{"Ohioo", "", nil},
		{"", "", nil},
	}
	for _, tt := range tests {
		got, candidates := Part(tt.text, known)
		if got != tt.want || !slices.Equal(candidates, tt.candidates) {
			t.Errorf("Part(%q) = %q, %q; want %q, %q", tt.text, got, candidates, tt.want, tt.candidates)
		}
	}
}
