package pull

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Source is a published dataset that can be downloaded.
type Source struct {
	Name     string // as in `lestats data pull NAME`
	Title    string
	URL      string // http or https
	MaxBytes int64  // a longer file is refused; 0: 512 MiB
	MinRows  int    // a file with fewer rows is refused
}

// known are the datasets that Find knows, by name.
var known = []Source{{
	Name:     "npao",
	Title:    "Nutrition, Physical Activity, and Obesity - Behavioral Risk Factor Surveillance System (CDC)",
	URL:      "https://data.cdc.gov/api/views/hn4x-zwk7/rows.csv?accessType=DOWNLOAD",
	MaxBytes: 512 << 20, // ten times what 104,000 rows take, and more
	MinRows:  50_000,    // about half of what the survey has
}}

// Find returns the known dataset of this name. The error, with
// question.CodeUnknownValue, lists the names that there are.
func Find(name string) (Source, error) {
	i := slices.IndexFunc(known, func(s Source) bool { return s.Name == name })
	if i >= 0 {
		return known[i], nil
	}
	names := make([]string, 0, len(known))
	for _, s := range known {
		names = append(names, s.Name)
	}
	return Source{}, question.Errorf(question.CodeUnknownValue, "there is no dataset %q to download; known: %s",
		name, strings.Join(names, ", ")).About("name", names...)
}

func (s *Source) validate() error {
	switch {
	case s.Name == "":
		return errors.New("the source has no name")
	case !strings.HasPrefix(s.URL, "http://") && !strings.HasPrefix(s.URL, "https://"):
		return fmt.Errorf("%q is no address to download from; one begins with https:// or http://", s.URL)
	case s.MaxBytes < 0:
		return fmt.Errorf("the size bound is %d bytes; 0 or more", s.MaxBytes)
	}
	if s.MaxBytes == 0 {
		s.MaxBytes = 512 << 20
	}
	return nil
}
