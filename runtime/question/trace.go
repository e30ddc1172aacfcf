package question

import "strings"

// traceparentLen is the length of a W3C traceparent of version 00: version, trace id, parent
// id and flags, as in 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.
const traceparentLen = 55

// ParseTraceparent checks the values of a request's traceparent headers, as W3C's Trace
// Context says, and returns the traceparent as version 00 has it. It returns "" if there
// is not exactly one, or if it is not valid: then the request has no trace.
func ParseTraceparent(values []string) string {
	if len(values) != 1 || len(values[0]) < traceparentLen {
		return ""
	}
	t := values[0]
	version, trace, parent, flags := t[:2], t[3:35], t[36:52], t[53:55]
	switch {
	case t[2] != '-' || t[35] != '-' || t[52] != '-':
	case !lowerHex(version) || !lowerHex(trace) || !lowerHex(parent) || !lowerHex(flags):
	case version == "ff" || strings.Trim(trace, "0") == "" || strings.Trim(parent, "0") == "":
	case len(t) > traceparentLen && (version == "00" || t[traceparentLen] != '-'): // later versions may add fields
	default:
		return "00" + t[2:traceparentLen]
	}
	return ""
}

// TraceID returns the trace id of a traceparent that ParseTraceparent returned, "" of "". It
// is what a log names the trace by.
func TraceID(traceparent string) string {
	if len(traceparent) != traceparentLen {
		return ""
	}
	return traceparent[3:35]
}

func lowerHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }
