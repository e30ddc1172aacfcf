package api

import (
	"bytes"
	"io"
	"net"
	"net/http"

	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// net/http refuses what it cannot read as a request before any handler, as text with 400,
// 431, 501 or 505, or without text with 417. A listener whose connections rewrite that gives
// these errors the form of all others. Should net/http change its text, it comes as it is.

// listener accepts connections that rewrite the errors of net/http.
type listener struct{ net.Listener }

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		return refusals{tcp}, err
	}
	return conn, err
}

// refusals is a connection that rewrites the errors of net/http.
type refusals struct{ *net.TCPConn }

// Write writes b, or what stands for it.
func (c refusals) Write(b []byte) (int, error) {
	reason := refusal(b)
	if reason == "" {
		return c.TCPConn.Write(b)
	}
	w := &answer{header: http.Header{}}
	httpapi.Fail(w, question.Errorf(question.CodeBadRequest, "the request was refused: %s", reason))
	var out bytes.Buffer
	resp := http.Response{
		StatusCode: w.status, ProtoMajor: 1, ProtoMinor: 1, Header: w.header, Close: true,
		Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()),
	}
	if err := resp.Write(&out); err != nil {
		return 0, err
	}
	if _, err := c.TCPConn.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(b), nil
}

// refusal returns the reason in an error of net/http, "" if b is something else. The
// responses of the handler have other headers before Content-Type.
func refusal(b []byte) string {
	const (
		text   = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
		expect = "HTTP/1.1 417 "
	)
	if !bytes.HasPrefix(b, []byte("HTTP/1.1 4")) && !bytes.HasPrefix(b, []byte("HTTP/1.1 5")) {
		return ""
	}
	if bytes.HasPrefix(b, []byte(expect)) {
		return "the header Expect takes 100-continue only"
	}
	status, reason, ok := bytes.Cut(b, []byte(text))
	if !ok || bytes.Contains(status, []byte("\n")) {
		return ""
	}
	return string(reason)
}
