package pull

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Source is a published dataset that can be downloaded.
type Source struct {
	Name     string // as in `lestats data pull NAME`
	Title    string
	URL      string // http or https
	V3       string // its address in the third version of Socrata's API, which wants a token; "" if there is none
	MaxBytes int64  // a longer file is refused; 0: 512 MiB
	MinRows  int    // a file with fewer rows is refused
}

// known are the datasets that Find finds, by name.
var known = []Source{{
	Name:     "npao",
	Title:    "Nutrition, Physical Activity, and Obesity - Behavioral Risk Factor Surveillance System (CDC)",
	URL:      "https://data.cdc.gov/api/views/hn4x-zwk7/rows.csv?accessType=DOWNLOAD",
	V3:       "https://data.cdc.gov/api/v3/views/hn4x-zwk7/export.csv", // the whole dataset; /query.csv is for pages of it
	MaxBytes: 512 << 20,                                                // more than ten times the size of 104,000 rows
	MinRows:  50_000,                                                   // about half of the survey's rows
}}

// Find returns the known dataset with this name. Its error has the code
// question.CodeUnknownValue and lists the known names.
func Find(name string) (Source, error) {
	i := slices.IndexFunc(known, func(s Source) bool { return s.Name == name })
	if i >= 0 {
		return known[i], nil
	}
	names := make([]string, 0, len(known))
	for _, s := range known {
		names = append(names, s.Name)
	}
	return Source{}, question.Errorf(question.CodeUnknownValue, "there is no dataset %q to download; the known ones are %s",
		name, strings.Join(names, ", ")).WithParam("name", names...)
}

func (s *Source) validate() error {
	address, err := url.Parse(s.URL)
	switch {
	case err != nil:
		return fmt.Errorf("%.100q is not a download address", s.URL)
	case slices.ContainsFunc(slices.Collect(maps.Keys(address.Query())), func(name string) bool { return strings.HasSuffix(strings.ToLower(name), "app_token") }):
		return errors.New("the address has an application token in it, where errors and files would show it; leave it out and use --app-token")
	case s.Name == "":
		return errors.New("the source has no name")
	case !strings.HasPrefix(s.URL, "http://") && !strings.HasPrefix(s.URL, "https://"):
		return fmt.Errorf("%q is not a download address; it must begin with https:// or http://", s.URL)
	case s.MaxBytes < 0:
		return fmt.Errorf("the size limit is %d bytes; it must not be negative", s.MaxBytes)
	}
	if s.MaxBytes == 0 {
		s.MaxBytes = 512 << 20
	}
	return nil
}
