package results

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// The folders of the layout.
const (
	pendingFolder = "pending/"
	jobsFolder    = "jobs/"
	sharedFolder  = "shared/"
	outcomeSuffix = ".json"
	hourFormat    = "2006-01-02T15" // UTC; its order as text is its order in time
)

// parseID checks an id and returns the instant in it. Only the canonical form of
// a UUID version 7 (36 characters, lower case) becomes part of a key.
func parseID(id string) (time.Time, bool) {
	u, err := uuid.Parse(id)
	if err != nil || u.Version() != 7 || u.Variant() != uuid.RFC4122 || u.String() != id {
		return time.Time{}, false
	}
	var ms int64
	for _, b := range u[:6] {
		ms = ms<<8 | int64(b)
	}
	return time.UnixMilli(ms).UTC(), true
}

func badID(id string) error {
	return question.Errorf(question.CodeBadID,
		"job id %.60q: a job's id is a UUID of version 7 in lower case, such as 01936ac2-5b00-7c3e-9a41-6f0de1b4a7f2", id).About("id")
}

// bound returns a text that is below the ids of t and above all earlier ones.
func bound(t time.Time) string {
	hex := fmt.Sprintf("%012x", max(t.UnixMilli(), 0))
	return hex[:8] + "-" + hex[8:]
}

func pendingKey(id string) string { return pendingFolder + id }

func outcomeKey(id string, at time.Time) string {
	return jobsFolder + at.Format(hourFormat) + "/" + id + outcomeSuffix
}

// pendingID returns the id of a name in pendingFolder.
func pendingID(name string) (string, bool) {
	_, ok := parseID(name)
	return name, ok
}

// outcomeID returns the id of a name in the folder of an hour.
func outcomeID(hour time.Time, name string) (string, bool) {
	id, ok := strings.CutSuffix(name, outcomeSuffix)
	if !ok {
		return "", false
	}
	at, ok := parseID(id)
	return id, ok && at.Truncate(time.Hour).Equal(hour)
}

// parseHour reads a name in jobsFolder.
func parseHour(name string) (time.Time, bool) {
	name, ok := strings.CutSuffix(name, "/")
	if !ok {
		return time.Time{}, false
	}
	hour, err := time.Parse(hourFormat, name)
	return hour, err == nil && hour.Format(hourFormat) == name
}
