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

// What Lambda takes of an answer, and a load balancer, in bytes.
const (
	MostAnswer = 6_291_556
	MostOfALB  = 1 << 20
)

// Gateway does with a request what a gateway in front of a function does: it makes
// an event of it, invokes the function and makes a response of the answer. What
// Lambda or the gateway would not take becomes 502, as there. It is an
// http.RoundTripper, safe for concurrent use if Invoke is.
type Gateway struct {
	// Version is "2.0" (HTTP API, function URL), "1.0" (HTTP API with the old
	// payload), "" (REST API, which sends no version) or ALB.
	Version string
	// Stage is the name of the stage, which is before the path in requests; "" is
	// the default one, which is not.
	Stage string
	// URL makes a function URL of version 2.0, which does not decode the path, as an
	// HTTP API does.
	URL bool
	// Multi is the attribute lambda.multi_value_headers.enabled of an ALB's target group.
	Multi bool
	// Mapped is a custom domain: the first part of the path belongs to its API mapping and
	// stays in the path, and the stage is not in it.
	Mapped bool
	Invoke func(ctx context.Context, event []byte) ([]byte, error)
	// NoHost leaves out by which name the client came.
	NoHost bool
}

// ALB is the Version of an Application Load Balancer, whose events have none.
const ALB = "ALB"

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
	if g.Version == ALB {
		return g.albEvent(r, header, string(body))
	}
	path, stage := r.URL.EscapedPath(), g.Stage
	if g.Version != "" && !g.URL { // an HTTP API decodes the path, and cuts it where it has a "?" then
		path, _, _ = strings.Cut(r.URL.Path, "?")
	}
	if g.Version == "2.0" {
		if stage == "" {
			stage = "$default"
		}
		if g.URL {
			host = "abcdefghijklmnop.lambda-url.eu-central-1.on.aws"
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
		switch {
		case g.Mapped:
			stage = "Prod"
		case stage == "":
			stage, full = "Prod", "/Prod"+path
		default:
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

// albEvent returns the event of a load balancer, which decodes nothing: of a name that
// occurs several times it sends the last value, if it does not send all.
func (g *Gateway) albEvent(r *http.Request, header http.Header, body string) ([]byte, error) {
	event := map[string]any{
		"requestContext": map[string]any{"elb": map[string]any{"targetGroupArn": "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/lestats/6d0ecf831eec9f09"}},
		"httpMethod":     r.Method, "path": r.URL.EscapedPath(), "body": body, "isBase64Encoded": false,
	}
	if kind := header.Get("Content-Type"); !utf8.ValidString(body) || !strings.HasPrefix(kind, "text/") && !strings.HasPrefix(kind, "application/json") {
		event["body"], event["isBase64Encoded"] = base64.StdEncoding.EncodeToString([]byte(body)), true
	}
	headers, queries := map[string][]string{}, map[string][]string{}
	for name, values := range header {
		headers[strings.ToLower(name)] = values
	}
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		if name, value, _ := strings.Cut(pair, "="); pair != "" {
			queries[name] = append(queries[name], value)
		}
	}
	if g.Multi {
		event["multiValueHeaders"], event["multiValueQueryStringParameters"] = headers, queries
		return json.Marshal(event)
	}
	last := func(all map[string][]string) map[string]string {
		single := map[string]string{}
		for name, values := range all {
			single[name] = values[len(values)-1]
		}
		return single
	}
	event["headers"], event["queryStringParameters"] = last(headers), last(queries)
	return json.Marshal(event)
}

// response makes a response of what a function answered.
func (g *Gateway) response(r *http.Request, out []byte) *http.Response {
	var a struct {
		StatusCode        int
		StatusDescription string
		Headers           map[string]string
		MultiValueHeaders map[string][]string
		Body              string
		IsBase64Encoded   bool
		Cookies           []string
	}
	bad := func(why string) *http.Response {
		return response(r, http.StatusBadGateway, nil, fmt.Appendf(nil, `{"message":"Internal Server Error","why":%q}`, why))
	}
	if len(out) > MostAnswer || g.Version == ALB && len(out) > MostOfALB {
		return bad(fmt.Sprintf("the answer has %d bytes", len(out)))
	}
	if err := json.Unmarshal(out, &a); err != nil || a.StatusCode < 100 || a.StatusCode > 599 {
		return bad(fmt.Sprintf("the answer is malformed: %.200s", out))
	}
	body := []byte(a.Body)
	if a.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(a.Body); err != nil {
			return bad("the body is not base64")
		}
	}
	if d := a.StatusDescription; g.Version == ALB && !strings.HasPrefix(d, strconv.Itoa(a.StatusCode)+" ") {
		return bad(fmt.Sprintf("the status is %d, and its description %q", a.StatusCode, d))
	}
	h := http.Header{}
	for name, value := range a.Headers {
		if g.Version != ALB || !g.Multi {
			h.Set(name, value)
		}
	}
	if g.Version != "2.0" && (g.Version != ALB || g.Multi) {
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
