package httpapi

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// anyOrigin is the origin that stands for all.
const anyOrigin = "*"

// The request headers that a page of another origin may set. A page that may only read
// needs neither a key nor a body.
const (
	readHeaders = "Accept, If-None-Match, Prefer, X-Request-Id"
	askHeaders  = readHeaders + ", Content-Type, " + onceHeader + ", X-Api-Key"
)

// preflightAge is how long browsers may remember the answer to a preflight, in seconds.
const preflightAge = "600"

// exposed are the response headers that a page of another origin may read.
var exposed = strings.Join(slices.Sorted(maps.Keys(headerTexts)), ", ")

// trustOrigins checks Config.Origins. It exempts them from the protection against requests
// of other sites.
func (a *api) trustOrigins() error {
	if slices.Contains(a.cfg.Origins, anyOrigin) {
		switch {
		case len(a.cfg.Origins) > 1:
			return errors.New("the origin * (--cors-origin) stands for all, and no other can be listed with it")
		case a.keyed():
			return errors.New("the origin * (--cors-origin) and API keys exclude each other: list the origins whose pages have a key, such as https://stats.example.org")
		}
		return nil
	}
	for _, origin := range a.cfg.Origins {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || checkHostName(u.Hostname()) != nil || origin != strings.ToLower(u.Scheme+"://"+u.Host) ||
			u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80" || a.csrf.AddTrustedOrigin(origin) != nil {
			return fmt.Errorf("the origin %.100q (--cors-origin) must be as browsers send it: a scheme, a host in lower case and a port if it is not the usual one, without a path, such as https://stats.example.org; or *", origin)
		}
	}
	return nil
}

// share lets the page that sent a request read the response, if its origin is listed, and
// reports whether it is.
func (a *api) share(w *response, r *http.Request) bool {
	if len(a.cfg.Origins) == 0 || a.isAdmin(r.URL.Path) {
		return false
	}
	h, origin := w.Header(), a.cfg.Origins[0]
	if origin != anyOrigin {
		h.Add("Vary", "Origin")
		if origin = r.Header.Get("Origin"); !slices.Contains(a.cfg.Origins, origin) {
			return false
		}
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", exposed)
	return true
}

// preflight reports whether a browser asks what a page of another origin may send.
func preflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// permit answers a preflight if the response is shared.
func (a *api) permit(w *response, methods []string) {
	h, headers := w.Header(), askHeaders
	switch h.Get("Access-Control-Allow-Origin") {
	case "":
		return
	case anyOrigin:
		headers = readHeaders
		methods = slices.DeleteFunc(slices.Clone(methods), func(m string) bool { return m != http.MethodGet && m != http.MethodHead })
	}
	h.Set("Access-Control-Allow-Methods", strings.Join(methods, ", "))
	h.Set("Access-Control-Allow-Headers", headers)
	h.Set("Access-Control-Max-Age", preflightAge)
}
