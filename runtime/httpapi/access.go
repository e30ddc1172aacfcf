package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// hasClientKey reports whether a request has the client key, if it needs one: in its own
// header, or as the password of Basic authentication, which browsers can send.
func (a *api) hasClientKey(r *http.Request) bool {
	if a.cfg.ClientKey == "" || a.isProbe(r.URL.Path) || equalSecret(r.Header.Get("X-Api-Key"), a.cfg.ClientKey) {
		return true
	}
	_, password, ok := r.BasicAuth()
	return ok && equalSecret(password, a.cfg.ClientKey)
}

// errKey is the error of a request without the client key. A browser that opens a page, or
// loads what a page shows, is asked for the key as a password. A program is not: a script's
// request would open a dialog.
func (a *api) errKey(w *response, r *http.Request) error {
	fetch := r.Header.Get("Sec-Fetch-Dest")
	part := r.Header.Get("Sec-Fetch-Site") == "same-origin" &&
		(fetch != "" && fetch != "empty" || r.Header.Get("Accept") == "text/event-stream")
	if read := r.Method == http.MethodGet || r.Method == http.MethodHead; !read || !part && !wantsPage(r.Header) {
		return question.Errorf(question.CodeForbidden, "this service needs a key; send `X-Api-Key: KEY`").WithParam("X-Api-Key")
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="Le Stats Sportifs: the password is the key, the user name does not matter", charset="UTF-8"`)
	return question.Errorf(question.CodeKeyRequired, "this service needs a key; give it as the password, with any user name")
}

// allowsHost reports whether the Host of a request is one of this server. It protects
// against DNS rebinding: a page of another site whose name resolves to this machine has
// the same origin for its browser, but still sends that name as its Host.
func (a *api) allowsHost(host string) bool {
	if !a.cfg.CheckHost || LoopbackHost(host) {
		return true
	}
	name := hostName(host)
	return slices.ContainsFunc(a.cfg.Hosts, func(own string) bool { return hostName(own) == name })
}

func (a *api) errHost(host string) error {
	return question.Errorf(question.CodeForbidden,
		"this server does not answer requests for the host %.100q, only for loopback names, such as localhost, and for names allowed with --allowed-host (LESTATS_ALLOWED_HOST)", host).
		WithParam("Host", "localhost")
}

// checkHostName checks a name in Config.Hosts.
func checkHostName(host string) error {
	name := hostName(host)
	_, err := netip.ParseAddr(name)
	plain := strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-._") == "" && strings.Trim(name, ".") != ""
	if port := strings.TrimSuffix(strings.ToLower(host), "."); port != name && port != "["+name+"]" || !plain && err != nil {
		return fmt.Errorf("the allowed host %.100q (--allowed-host) must be a name or an address in ASCII without scheme, port or path, such as stats.example.org", host)
	}
	return nil
}

// hostName returns a Host header without its port, in lower case.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// LoopbackHost reports whether a Host header names this machine in a way that foreign DNS
// cannot. Browsers do not ask DNS for names under .localhost.
func LoopbackHost(host string) bool {
	name := hostName(host)
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Unmap().IsLoopback()
}

// forwarding matches the names of headers that proxies add, such as Via, Forwarded,
// X-Forwarded-For, X-Original-Forwarded-For, X-Real-IP, Fly-Client-IP, X-Original-URL,
// X-Envoy-External-Address and X-Amzn-Trace-Id.
var forwarding = regexp.MustCompile(`^Via$|Forward|(Real|Client|Connecting|User)-?Ip$|^X-(Original|Rewrite|Envoy|Amzn|Remote|Proxy)|^(Proxy|Remote-Addr|Max-Forwards|Cf-Ray)`)

// mayShutDown allows the holder of the admin key. If there is no such key and
// Config.LocalShutdown is set, it allows clients on this machine, except proxies, as far
// as headers tell, and pages in a browser here.
func (a *api) mayShutDown(r *http.Request) error {
	forbidden := func(format string, args ...any) error {
		return question.Errorf(question.CodeForbidden, format, args...)
	}
	given := r.Header.Get("Authorization")
	switch {
	case a.cfg.AdminKey != "" && given == "":
		return forbidden("a shutdown needs the admin key; send `Authorization: Bearer KEY`")
	case a.cfg.AdminKey != "" && equalSecret(given, "Bearer "+a.cfg.AdminKey):
		return nil
	case a.cfg.AdminKey == "" && !a.cfg.LocalShutdown:
		return forbidden("graceful_shutdown is off here; start the server with --admin-key KEY (LESTATS_ADMIN_KEY) to require that key, or with --local-shutdown (LESTATS_LOCAL_SHUTDOWN=1) to allow every client on this machine")
	case given != "":
		return forbidden("this is not the admin key; send `Authorization: Bearer KEY`")
	}
	client, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !client.Addr().Unmap().IsLoopback() {
		return forbidden("without an admin key, a shutdown must be requested on this machine itself")
	}
	if !LoopbackHost(r.Host) {
		return forbidden("without an admin key, a shutdown must be requested at a loopback address, not at %.100q", r.Host)
	}
	for name := range r.Header {
		if forwarding.MatchString(name) {
			return forbidden("this request was forwarded (%s), and the server has no admin key", name)
		}
	}
	// A page on another port of localhost is "same-site", but not trusted.
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "none" && site != "same-origin" {
		return forbidden("a page of another origin may not shut this down")
	}
	for _, name := range []string{"Origin", "Referer"} { // browsers that do not send Sec-Fetch-Site
		if from := r.Header.Get(name); from != "" {
			if u, err := url.Parse(from); err != nil || u.Host != r.Host {
				return forbidden("a page of another origin may not shut this down")
			}
		}
	}
	return nil
}

// equalSecret compares two texts in a time that reveals neither where they differ nor
// their lengths.
func equalSecret(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
