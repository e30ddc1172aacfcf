package httpapi

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// basePaths are those that need no escaping in a URL, a header or a shell.
var basePaths = regexp.MustCompile(`^(/[0-9A-Za-z_~-][0-9A-Za-z._~-]*)+$`)

// checkBase refuses a base path that is malformed, or that begins as a route of the
// service does: whether a request that arrives without the base path begins with it could
// not be told then.
func (a *api) checkBase() error {
	base := a.cfg.BasePath
	if base == "" {
		return nil
	}
	if !basePaths.MatchString(base) {
		return fmt.Errorf("base path %.100q: it begins with a slash and does not end with one, and has only letters, digits and -._~ between slashes, such as /stats", base)
	}
	for i := range a.routes {
		if first := firstSegment(a.routes[i].Path); first == firstSegment(base) {
			return fmt.Errorf("base path %.100q: the service has paths of its own under /%s; choose another, such as /stats", base, first)
		}
	}
	return nil
}

func firstSegment(path string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return first
}

// underBase removes the base path from requests that begin with it. Others are served as
// they are: a proxy may have removed it, and probes of a container do not know it.
func (a *api) underBase(w http.ResponseWriter, r *http.Request) {
	u, ok := cutBase(r.URL, a.cfg.BasePath)
	if !ok {
		a.ServeHTTP(w, r)
		return
	}
	inner := *r
	inner.URL = u
	a.ServeHTTP(w, &inner)
}

// cutBase returns a URL without the base path, if its path is that, or below it. The base
// path may have escapes where none are needed; an escaped slash does not end it.
func cutBase(u *url.URL, base string) (rest *url.URL, ok bool) {
	path, ok := strings.CutPrefix(u.Path, base)
	if !ok {
		return nil, false
	}
	raw := u.EscapedPath()
	for range base {
		if raw[0] == '%' {
			raw = raw[2:]
		}
		raw = raw[1:]
	}
	if raw != "" && raw[0] != '/' {
		return nil, false
	}
	out := *u
	out.Path, out.RawPath = path, raw
	if path == "" {
		out.Path, out.RawPath = "/", ""
	}
	return &out, true
}

// link returns the path by which clients reach a path of the service, except for what a
// gateway adds to it.
func (a *api) link(path string) string { return a.cfg.BasePath + path }

// under returns what clients put before a path of the service: what a gateway or a proxy
// adds, such as /prod, which it says in a header, and the base path.
func (a *api) under(h http.Header) string {
	under := h.Get("X-Forwarded-Prefix")
	// Two slashes at the beginning of a link would be followed by the name of a host.
	if !strings.HasPrefix(under, "/") || strings.HasPrefix(under, "//") || strings.Trim(under, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_/") != "" {
		under = ""
	}
	return strings.TrimRight(under, "/") + a.cfg.BasePath
}

// baseURL returns the URL at which the client reached the server. A Host with characters
// that mean something to a shell is replaced.
func (a *api) baseURL(r *http.Request) string {
	host := r.Host
	if host == "" || strings.Trim(host, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.-_:[]") != "" {
		host = "localhost"
	}
	host += a.under(r.Header)
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		return "https://" + host
	}
	return "http://" + host
}
