package question

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"time"

	"github.com/google/uuid"
)

// NamePattern matches valid names, without the limit of their length, as a regular
// expression for JSON schemas.
const NamePattern = `^[a-z][a-z0-9_]*$`

var namePattern = regexp.MustCompile(NamePattern)

// ValidName reports whether name may be the name of a plugin, question, parameter,
// result column or dataset: a lower-case letter followed by lower-case letters, digits
// and _, at most MaxNameLen bytes in all.
func ValidName(name string) bool { return len(name) <= MaxNameLen && namePattern.MatchString(name) }

// IDPattern matches the ids that ParseID takes, as a regular expression for JSON schemas.
const IDPattern = `^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`

// ParseID checks the id of a job and returns the time in it, in UTC. Only the canonical
// form of a UUID of version 7 is valid (36 characters, lower case), so that a valid id is
// safe as a part of a file name or an object's key. The error has CodeBadID.
func ParseID(id string) (time.Time, error) {
	u, err := uuid.Parse(id)
	if err != nil || u.Version() != 7 || u.Variant() != uuid.RFC4122 || u.String() != id {
		return time.Time{}, Errorf(CodeBadID,
			"job id %.60q: a job id is a UUID of version 7 in lower case, such as 01936ac2-5b00-7c3e-9a41-6f0de1b4a7f2", id).WithParam("id")
	}
	var ms int64
	for _, b := range u[:6] {
		ms = ms<<8 | int64(b)
	}
	return time.UnixMilli(ms).UTC(), nil
}

// tagLen is how many hex digits at the end of an id tell whose job it is.
const tagLen = 4

// TagID returns the id with the tag of a client in its last 16 bits, so that a listing of
// one client's jobs reads those of few others. They are random bits of a UUIDv7, which
// do not count for the order of ids; 46 others stay random. Without a client's name the id
// stays as it is.
func TagID(id, client string) string {
	if client == "" {
		return id
	}
	return id[:len(id)-tagLen] + clientTag(client)
}

// UntagID returns the id with zeros in place of a tag. It sorts below the id, and not below
// earlier ones.
func UntagID(id string) string { return id[:len(id)-tagLen] + "0000" }

// clientTag returns the tag of a client: the same for one of 65,536 others.
func clientTag(client string) string {
	sum := sha256.Sum256([]byte(client))
	return hex.EncodeToString(sum[:tagLen/2])
}
