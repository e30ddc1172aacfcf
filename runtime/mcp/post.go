package mcp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Post answers a POST with one message: with JSON, or with 202 and nothing if the message
// wants no response. If it returns an error it has written nothing. There are no sessions.
//
// Before it, the request's host, origin and key have been checked, and its body is bounded:
// the read of a longer one fails with an *http.MaxBytesError.
func (s *Server) Post(w http.ResponseWriter, r *http.Request) error {
	body, err := message(r)
	if err != nil {
		return err
	}
	given := r.WithContext(context.WithValue(r.Context(), leftKey{}, r.Context()))
	given.Body, given.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	given.Header = maps.Clone(r.Header)
	// The SDK wants a client to accept a stream, too, which it is never sent here.
	given.Header.Set("Accept", "application/json, text/event-stream")
	given.Header.Del("Last-Event-ID")
	out := &buffer{header: http.Header{}}
	s.server().http.ServeHTTP(out, given)
	return out.send(w)
}

// message reads one message, and refuses what no version of the protocol sends.
func message(r *http.Request) ([]byte, error) {
	given := r.Header.Get("Content-Type")
	if kind, _, err := mime.ParseMediaType(given); err != nil || kind != "application/json" {
		return nil, question.Errorf(question.CodeUnsupportedMediaType, "the Content-Type is %.100q; a message is application/json", given).WithParam("Content-Type", "application/json")
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	body, err := io.ReadAll(r.Body)
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, question.Errorf(question.CodeBodyTooLarge, "the body is larger than the limit of %d bytes", large.Limit)
	}
	if err != nil {
		return nil, question.Errorf(question.CodeBadRequest, "the body ended early or did not arrive in time")
	}
	if bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) {
		return nil, question.Errorf(question.CodeMalformedJSON, "the body is a batch of messages; send each in a POST of its own")
	}
	return body, checkMessage(body)
}

// checkMessage refuses what is not one JSON object: of text in UTF-8, without a duplicate
// name, which parsers disagree on, and not nested deeper than any message is.
func checkMessage(body []byte) error {
	_, err := question.ParseRequest("", body)
	if e := question.AsError(err); e != nil && e.Code == question.CodeMalformedJSON {
		return e
	}
	return nil
}

// buffer holds the SDK's response: it is JSON and bounded, except to a client that asks for a
// stream of changes, which ends at once because none are told here.
type buffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (b *buffer) Header() http.Header { return b.header }

// WriteHeader implements http.ResponseWriter.
func (b *buffer) WriteHeader(status int) {
	if b.status == 0 {
		b.status = status
	}
}

// Write implements http.ResponseWriter.
func (b *buffer) Write(p []byte) (int, error) {
	b.WriteHeader(http.StatusOK)
	return b.body.Write(p)
}

// Flush implements http.Flusher.
func (b *buffer) Flush() {}

// send sends the response. What the SDK refuses in plain text is an error as every route has
// it.
func (b *buffer) send(w http.ResponseWriter) error {
	kind := b.header.Get("Content-Type")
	switch {
	case b.status == 0: // the client has left
		return question.Errorf(question.CodeTimeLimit, "the answer was not there in time")
	case b.status >= http.StatusBadRequest && !strings.HasPrefix(kind, "application/json"):
		code := question.CodeBadRequest
		if b.status == http.StatusRequestEntityTooLarge {
			code = question.CodeBodyTooLarge
		}
		reason := strings.TrimPrefix(strings.TrimSpace(b.body.String()), "Bad Request: ")
		e := question.Errorf(code, "%.300s", question.Visible(reason))
		if strings.Contains(reason, "protocol version") {
			e = e.WithParam("Mcp-Protocol-Version", slices.Clone(sdk.SupportedProtocolVersions())...)
		}
		return e
	}
	if kind != "" {
		w.Header().Set("Content-Type", kind)
	}
	w.WriteHeader(b.status)
	_, _ = w.Write(b.body.Bytes()) // the client may have left
	return nil
}
