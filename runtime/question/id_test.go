package question

import (
	"regexp"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseID(t *testing.T) {
	const id = "01936ac2-5b00-7c3e-9a41-6f0de1b4a7f2"
	if at, err := ParseID(id); err != nil || !at.Equal(time.UnixMilli(0x01936ac25b00)) || at.Location() != time.UTC {
		t.Errorf("%v, %v", at, err)
	}
	for _, bad := range []string{
		"", "1", "../../etc", id[:35], id + " ", "01936AC2-5b00-7c3e-9a41-6f0de1b4a7f2", "{" + id + "}", "urn:uuid:" + id,
		"01936ac25b007c3e9a416f0de1b4a7f2", "01936ac2-5b00-4c3e-9a41-6f0de1b4a7f2", "01936ac2-5b00-7c3e-ca41-6f0de1b4a7f2",
	} {
		if _, err := ParseID(bad); CodeOf(err) != CodeBadID || AsError(err).Param != "id" {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// The pattern that programs are told matches exactly the ids that are taken.
func TestIDPattern(t *testing.T) {
	pattern := regexp.MustCompile(IDPattern)
	rapid.Check(t, func(t *rapid.T) {
		id := []byte("01936ac2-5b00-7c3e-9a41-6f0de1b4a7f2")
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			id[rapid.IntRange(0, len(id)-1).Draw(t, "at")] = rapid.SampledFrom([]byte("0123456789abcdefABCDEFg-{ \n")).Draw(t, "to")
		}
		if _, err := ParseID(string(id)); (err == nil) != pattern.Match(id) {
			t.Errorf("%q: %v", id, err)
		}
	})
}
