package main

import (
	"fmt"
	"io"

	"github.com/alecthomas/kong"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// asksJSON reports whether the output of the command is JSON: by --json, or by a format
// of JSON.
func asksJSON(command *kong.Context) bool {
	for _, f := range command.Flags() {
		switch value := command.FlagValue(f).(type) {
		case bool:
			if f.Name == "json" && value {
				return true
			}
		case string:
			if f.Name == "format" && isJSON(value) {
				return true
			}
		}
	}
	return false
}

// isJSON reports whether a format of results is JSON.
func isJSON(format string) bool {
	f, ok := wire.FindFormat(format)
	return ok && f.Value != nil
}

// printError writes the error as HTTP has it. An error that is none of a question, a job
// or a store has the code question.CodeCommandFailed.
func printError(w io.Writer, err error) {
	e := question.AsError(err)
	if e.Code == question.CodeInternal {
		e = question.Errorf(question.CodeCommandFailed, "%s", err)
	}
	_, _ = fmt.Fprintf(w, "%s\n", httpapi.ErrorBody(e, "")) // there is nowhere to report its failure
}
