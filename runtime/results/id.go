package results

import (
	"fmt"
	"strings"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// The folders of the layout.
const (
	pendingFolder = "pending/"
	jobsFolder    = "jobs/"
	sharedFolder  = "shared/"
	outcomeSuffix = ".json"
	hourFormat    = "2006-01-02T15" // UTC; sorts by time
)

// Folders returns the folders of a store in which objects are created, each with a slash at
// its end. Permissions may differ between them.
func Folders() []string { return []string{jobsFolder, pendingFolder, sharedFolder, keysFolder} }

// bound returns a string that sorts below the ids made at t and above all earlier ids.
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
	_, err := question.ParseID(name)
	return name, err == nil
}

// outcomeID returns the id of a name in the folder of an hour.
func outcomeID(hour time.Time, name string) (string, bool) {
	id, ok := strings.CutSuffix(name, outcomeSuffix)
	if !ok {
		return "", false
	}
	at, err := question.ParseID(id)
	return id, err == nil && at.Truncate(time.Hour).Equal(hour)
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
