package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Post answers a POST with one message: with JSON, or with 202 and nothing if the message
// wants no response. If it returns an error it has written nothing. There are no sessions.
//
// Before it, the request's host, origin and key have been checked, and its body is bounded:
// the read of a longer one fails with an *http.MaxBytesError.
func (s *Server) Post(w http.ResponseWriter, r *http.Request) error {
	body, c, err := message(r)
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
	s.made().http.ServeHTTP(out, given)
	return out.send(w, c)
}

// message reads one message, and refuses what no version of the protocol sends.
func message(r *http.Request) (body []byte, c envelope, err error) {
	given := r.Header.Get("Content-Type")
	if kind, _, err := mime.ParseMediaType(given); err != nil || kind != jsonType {
		return nil, c, question.Errorf(question.CodeUnsupportedMediaType, "the Content-Type is %.100q; a message is application/json", given).WithParam("Content-Type", "application/json")
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	body, err = io.ReadAll(r.Body)
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, c, question.Errorf(question.CodeBodyTooLarge, "the body is larger than the limit of %d bytes", large.Limit)
	}
	if err != nil {
		return nil, c, question.Errorf(question.CodeBadRequest, "the body ended early or did not arrive in time")
	}
	if bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) {
		return nil, c, question.Errorf(question.CodeMalformedJSON, "the body is a batch of messages; send each in a POST of its own")
	}
	if c, err = checkMessage(body); err == nil && c.method == "" {
		err = question.Errorf(question.CodeBadRequest, `"method" is missing: nothing is asked here, so a response has nowhere to go`).WithParam("method")
	}
	return body, c, err
}

// envelope is what is needed of a message to answer it with an error.
type envelope struct {
	id     any // as the SDK makes an id of it; nil if the message wants no response
	method string
}

// checkMessage refuses what is not one JSON object: of text in UTF-8, without a duplicate
// name, which parsers disagree on, and not nested deeper than any message is; and an id that
// would not come back as it is.
func checkMessage(body []byte) (c envelope, err error) {
	m, err := question.ParseRequest("", body)
	if err != nil {
		return c, err
	}
	if version := m.Params["jsonrpc"]; version != "2.0" {
		return c, question.Errorf(question.CodeBadRequest, `this is not a message of JSON-RPC 2.0: "jsonrpc" is not "2.0"`).WithParam("jsonrpc", "2.0")
	}
	if given, ok := m.Params["method"]; ok {
		if c.method, _ = given.(string); c.method == "" {
			return c, question.Errorf(question.CodeBadRequest, `"method" is %.40q; it takes the name of a method`, fmt.Sprint(given)).WithParam("method")
		}
	}
	switch params := m.Params["params"].(type) {
	case nil, map[string]any:
	default:
		return c, question.Errorf(question.CodeBadRequest, `"params" is %.40q; it takes an object`, fmt.Sprint(params)).WithParam("params")
	}
	given, ok := m.Params["id"]
	if !ok {
		return c, nil
	}
	switch id := given.(type) {
	case string:
		c.id = id
		return c, nil
	case json.Number:
		if n, err := id.Int64(); err == nil && n < question.MaxExact && n > -question.MaxExact {
			c.id = float64(n)
			return c, nil
		}
	}
	return c, question.Errorf(question.CodeBadRequest, "the id is %.40q; it takes a text, or an integer of at most 53 bits", fmt.Sprint(given)).WithParam("id")
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

// send sends the response. What the SDK refuses in plain text is an error as every route
// has it if the HTTP request is wrong, and else the error of this call.
func (b *buffer) send(w http.ResponseWriter, c envelope) error {
	if b.status == 0 { // the client has left
		return question.Errorf(question.CodeTimeLimit, "the answer was not there in time")
	}
	status, kind, body := b.status, b.header.Get("Content-Type"), b.body.Bytes()
	if status >= http.StatusBadRequest && kind != jsonType {
		reason := question.Visible(strings.TrimPrefix(strings.TrimSpace(b.body.String()), "Bad Request: "))
		id, err := jsonrpc.MakeID(c.id)
		switch {
		case strings.Contains(reason, "protocol version"):
			return question.Errorf(question.CodeBadRequest, "%.300s", reason).WithParam("Mcp-Protocol-Version", sdk.SupportedProtocolVersions()...)
		case status != http.StatusBadRequest || err != nil:
			return question.Errorf(question.CodeBadRequest, "%.300s", reason)
		case !id.IsValid(): // JSON-RPC wants no response to a notification, whatever it is
			w.WriteHeader(http.StatusAccepted)
			return nil
		}
		failure := &jsonrpc.Error{Code: jsonrpc.CodeInvalidRequest, Message: reason}
		if strings.HasPrefix(reason, "JSON RPC not handled") {
			failure = &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: fmt.Sprintf("there is no method %.100q", c.method)}
		}
		if body, err = jsonrpc.EncodeMessage(&jsonrpc.Response{ID: id, Error: failure}); err != nil {
			return err
		}
		status, kind = http.StatusOK, jsonType
	}
	if kind != "" {
		w.Header().Set("Content-Type", kind)
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may have left
	return nil
}
