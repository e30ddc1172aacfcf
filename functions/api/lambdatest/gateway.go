package lambdatest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// MostAnswer is what Lambda takes of an answer, in bytes.
const MostAnswer = 6_291_556

// Gateway does with a request what a gateway in front of a function does: it makes
// an event of it, invokes the function and makes a response of the answer. What
// Lambda or the gateway would not take becomes 502, as there. It is an
// http.RoundTripper, safe for concurrent use if Invoke is.
type Gateway struct {
	// Version is "2.0" (HTTP API, function URL), "1.0" (HTTP API with the old
	// payload) or "" (REST API, which sends no version).
	Version string
	// Stage is the name of the stage, which is before the path in requests; "" is
	// the default one, which is not.
	Stage  string
	Invoke func(ctx context.Context, event []byte) ([]byte, error)
	// NoHost leaves out by which name the client came.
	NoHost bool
}

// RoundTrip implements http.RoundTripper.
func (g *Gateway) RoundTrip(r *http.Request) (*http.Response, error) {
	event, err := g.Event(r)
	if err != nil {
		return nil, err
	}
	out, err := g.Invoke(r.Context(), event)
	if ctxErr := r.Context().Err(); ctxErr != nil {
		return nil, ctxErr
	}
	if err != nil {
		return response(r, http.StatusBadGateway, nil, []byte(`{"message":"Internal Server Error"}`)), nil //nolint:nilerr // as a gateway does
	}
	return g.response(r, out), nil
}

// Event returns the event that a request becomes, and consumes its body.
func (g *Gateway) Event(r *http.Request) ([]byte, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close()
	}
	text, is64 := any(string(body)), false
	switch kind := r.Header.Get("Content-Type"); {
	case len(body) == 0:
		text = nil
	case !utf8.Valid(body) || kind != "" && !strings.HasPrefix(kind, "text/") && !strings.HasPrefix(kind, "application/json"):
		text, is64 = base64.StdEncoding.EncodeToString(body), true
	}
	header := r.Header.Clone()
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	if g.NoHost {
		host = ""
	} else {
		header.Set("Host", host)
		header.Set("X-Forwarded-Proto", "https")
		header.Set("X-Forwarded-For", "203.0.113.9")
	}
	path, stage := r.URL.Path, g.Stage
	if g.Version == "2.0" {
		if stage == "" {
			stage = "$default"
		}
		single := map[string]string{}
		for name, values := range header {
			if name != "Cookie" {
				single[strings.ToLower(name)] = strings.Join(values, ",")
			}
		}
		event := map[string]any{
			"version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": r.URL.RawQuery,
			"headers": single, "isBase64Encoded": is64,
			"requestContext": map[string]any{
				"stage": stage, "domainName": host, "requestId": uuid.NewString(), "timeEpoch": time.Now().UnixMilli(),
				"http": map[string]any{"method": r.Method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.9", "userAgent": r.UserAgent()},
			},
		}
		if cookies := header.Values("Cookie"); len(cookies) > 0 {
			event["cookies"] = strings.Split(strings.Join(cookies, "; "), "; ")
		}
		if text != nil {
			event["body"] = text
		}
		return json.Marshal(event)
	}
	full := path
	if g.Version == "" { // a REST API takes the stage off
		if stage == "" {
			stage, full = "Prod", "/Prod"+path
		} else {
			path = strings.TrimPrefix(path, "/"+stage)
		}
	}
	single, queries := map[string]string{}, map[string]string{}
	for name, values := range header {
		single[name] = values[len(values)-1]
	}
	query := r.URL.Query()
	for name, values := range query {
		queries[name] = values[len(values)-1]
	}
	event := map[string]any{
		"resource": "/{proxy+}", "path": path, "httpMethod": r.Method,
		"headers": single, "multiValueHeaders": header,
		"queryStringParameters": queries, "multiValueQueryStringParameters": query,
		"body": text, "isBase64Encoded": is64,
		"requestContext": map[string]any{
			"stage": stage, "domainName": host, "path": full, "httpMethod": r.Method, "requestId": uuid.NewString(),
			"identity": map[string]any{"sourceIp": "203.0.113.9", "userAgent": r.UserAgent()},
		},
	}
	if g.Version != "" {
		event["version"] = g.Version
	}
	return json.Marshal(event)
}

// response makes a response of what a function answered.
func (g *Gateway) response(r *http.Request, out []byte) *http.Response {
	var a struct {
		StatusCode        int
		Headers           map[string]string
		MultiValueHeaders map[string][]string
		Body              string
		IsBase64Encoded   bool
		Cookies           []string
	}
	bad := func(why string) *http.Response {
		return response(r, http.StatusBadGateway, nil, fmt.Appendf(nil, `{"message":"Internal Server Error","why":%q}`, why))
	}
	if len(out) > MostAnswer {
		return bad(fmt.Sprintf("the answer has %d bytes", len(out)))
	}
	if err := json.Unmarshal(out, &a); err != nil || a.StatusCode < 100 || a.StatusCode > 599 {
		return bad(fmt.Sprintf("the answer is malformed: %.200s", out))
	}
	body := []byte(a.Body)
	if a.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(a.Body); err != nil {
			return bad("the body is no base64")
		}
	}
	h := http.Header{}
	for name, value := range a.Headers {
		h.Set(name, value)
	}
	if g.Version != "2.0" {
		for name, values := range a.MultiValueHeaders {
			h[http.CanonicalHeaderKey(name)] = values
		}
	}
	for _, c := range a.Cookies {
		h.Add("Set-Cookie", c)
	}
	return response(r, a.StatusCode, h, body)
}

func response(r *http.Request, status int, h http.Header, body []byte) *http.Response {
	if h == nil {
		h = http.Header{"Content-Type": {"application/json"}}
	}
	if r.Method == http.MethodHead {
		body = nil
	}
	return &http.Response{
		Status: strconv.Itoa(status) + " " + http.StatusText(status), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}
}
