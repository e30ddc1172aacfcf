package data

import _ "embed" // for the outlines

// USStates are the outlines of the US states and territories, for chart.ParseOutlines.
// Command data/outlines made them. They must not be modified.
//
//go:embed us-states.json
var USStates []byte
