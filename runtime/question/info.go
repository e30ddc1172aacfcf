package question

import (
	"fmt"
	"strings"
)

// DatasetInfo describes a dataset, for people and for provenance.
type DatasetInfo struct {
	Name      string `json:"name"` // [a-z][a-z0-9_]*
	Title     string `json:"title"`
	Source    string `json:"source,omitempty"` // where the figures come from, a URL where there is one
	License   string `json:"license,omitempty"`
	Synthetic bool   `json:"synthetic"` // the figures are generated, not real
	Digest    string `json:"digest"`    // "sha256:" and 64 hex digits, over descriptor and values
	Rows      int    `json:"rows"`
	// Geo maps the name of a column of places to the name of the outlines to draw them on,
	// such as "location" to "us-states".
	Geo map[string]string `json:"geo,omitempty"`
}

// PluginInfo describes a plugin that was found, whether it is served or refused.
type PluginInfo struct {
	Name      string   `json:"name,omitempty"` // from the manifest; "" when there is none
	Version   string   `json:"version,omitempty"`
	Title     string   `json:"title,omitempty"`
	Source    string   `json:"source"`           // "built-in" or the file's path
	Digest    string   `json:"digest,omitempty"` // "sha256:" and 64 hex digits of the .wasm file
	Size      int      `json:"size"`             // bytes of the .wasm file
	Serving   bool     `json:"serving"`          // false: refused, or it does not fit the dataset; see Error
	Questions []string `json:"questions,omitempty"`
	// Unfit are questions that are not served because they do not fit the dataset: of a plugin
	// with Lacks, all.
	Unfit []UnfitQuestion `json:"unfit,omitempty"`
	// Lacks are the columns that the whole plugin needs and the dataset does not have: it does
	// not fit the dataset, and is not served. It is empty if the plugin was refused.
	Lacks []string `json:"lacks,omitempty"`
	Error *Error   `json:"error,omitempty"` // with CodeBadPlugin
}

// Counts is what a plugin did since it was loaded, in one process.
type Counts struct {
	Answers int64       // jobs with a result
	Errors  []CodeCount // jobs without one, in the order of Codes; no zeros
	Fuel    int64       // that all of them took
}

// CodeCount is how often an error occurred.
type CodeCount struct {
	Code  Code
	Count int64
}

// UnfitError is the cause of the error of loading a plugin that does not fit the dataset: one
// that needs columns which the dataset does not have, or has with another type.
type UnfitError struct {
	Manifest *Manifest
	Lacks    []string // the columns, in the manifest's order
	Reason   string   // what it needs
}

// Error is the reason.
func (u *UnfitError) Error() string { return u.Reason }

// UnfitQuestion is a question that the dataset does not have.
type UnfitQuestion struct {
	Name  string   `json:"name"`
	Lacks []string `json:"lacks"` // the columns that it needs and the dataset does not have
}

// Reason is half a sentence: "estimates does not fit this dataset: it needs the columns low,
// high".
func (u *UnfitQuestion) Reason() string {
	columns := "columns"
	if len(u.Lacks) == 1 {
		columns = "column"
	}
	return fmt.Sprintf("%s does not fit this dataset: it needs the %s %s", u.Name, columns, strings.Join(u.Lacks, ", "))
}

// Error returns why the question cannot be asked.
func (u *UnfitQuestion) Error() *Error {
	return Errorf(CodeUnknownQuestion, "%s, which the dataset does not have; the key \"roles\" of its descriptor says which of its columns to use", u.Reason())
}

// FindUnfit returns the question of this name that does not fit the dataset; nil if no plugin
// has one.
func FindUnfit(all []PluginInfo, name string) *UnfitQuestion {
	for i := range all {
		for j := range all[i].Unfit {
			if u := &all[i].Unfit[j]; u.Name == name {
				return u
			}
		}
	}
	return nil
}

// ServedQuestion is a question that a plugin answers now.
type ServedQuestion struct {
	Question *Question `json:"question"` // owned by the plugin's manifest, read-only
	Plugin   string    `json:"plugin"`   // the plugin's name
	Example  Request   `json:"example"`  // a request that can be answered
}

// FindServed returns the question of this name; nil if it is not served.
func FindServed(served []ServedQuestion, name string) *ServedQuestion {
	for i := range served {
		if served[i].Question.Name == name {
			return &served[i]
		}
	}
	return nil
}

// ServedNames returns the names of questions.
func ServedNames(served []ServedQuestion) []string {
	names := make([]string, len(served))
	for i := range served {
		names[i] = served[i].Question.Name
	}
	return names
}
