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

// keyless reports whether a path is a probe's, which needs no key.
func keyless(path string) bool { return path == "/healthz" || path == "/readyz" }

// known reports whether a request has the key, where one is asked of it.
func (a *api) known(r *http.Request) bool {
	return a.cfg.ClientKey == "" || keyless(r.URL.Path) || equalSecret(r.Header.Get("X-Api-Key"), a.cfg.ClientKey)
}

// ownHost reports whether a request was meant for this server, by its Host. A page
// of another site whose name was made to resolve to this machine is of the same origin
// to its browser, which protects us from nothing then; but it sends that name.
func (a *api) ownHost(host string) bool {
	if !a.cfg.CheckHost || loopbackHost(host) {
		return true
	}
	name := hostName(host)
	return slices.ContainsFunc(a.cfg.Hosts, func(own string) bool { return hostName(own) == name })
}

func (a *api) strangeHost(host string) error {
	return question.Errorf(question.CodeForbidden,
		"this server does not answer to the host %.100q: it answers to loopback names, such as localhost, and to those given with --allowed-host (LESTATS_ALLOWED_HOST)", host).
		About("Host", "localhost")
}

// checkHostName says what is wrong with a name in Config.Hosts.
func checkHostName(host string) error {
	name := hostName(host)
	_, err := netip.ParseAddr(name)
	plain := strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-._") == "" && strings.Trim(name, ".") != ""
	if port := strings.TrimSuffix(strings.ToLower(host), "."); port != name && port != "["+name+"]" || !plain && err != nil {
		return fmt.Errorf("the allowed host %.100q (--allowed-host): it is a name or an address, in ASCII, without scheme, port or path, such as stats.example.org", host)
	}
	return nil
}

// hostName is a Host header without its port, in lower case.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// loopbackHost reports whether a Host header names this machine: a name that a
// stranger's DNS cannot point here. Browsers do not ask DNS for names under .localhost.
func loopbackHost(host string) bool {
	name := hostName(host)
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Unmap().IsLoopback()
}

// forwarding is in the names of headers by which proxies say that the client is
// somebody else, beside Via: X-Forwarded-For, X-Original-Forwarded-For, X-Real-IP,
// Fly-Client-IP, X-Original-URL, X-Envoy-External-Address, X-Amzn-Trace-Id.
var forwarding = regexp.MustCompile(`^Via$|Forward|(Real|Client|Connecting|User)-?Ip$|^X-(Original|Rewrite|Envoy|Amzn|Remote|Proxy)|^(Proxy|Remote-Addr|Max-Forwards|Cf-Ray)`)

// mayShutDown allows the holder of the admin key. Where there is none, and
// Config.LocalShutdown says so, it allows a client on this machine that is neither a
// proxy, as far as its headers tell, nor a page that some browser here has open.
func (a *api) mayShutDown(r *http.Request) error {
	forbidden := func(format string, args ...any) error {
		return question.Errorf(question.CodeForbidden, format, args...)
	}
	given := r.Header.Get("Authorization")
	switch {
	case a.cfg.AdminKey != "" && given == "":
		return forbidden("a shutdown needs the admin key, sent as `Authorization: Bearer KEY`")
	case a.cfg.AdminKey != "" && equalSecret(given, "Bearer "+a.cfg.AdminKey):
		return nil
	case a.cfg.AdminKey == "" && !a.cfg.LocalShutdown:
		return forbidden("graceful_shutdown is off here: start the server with --admin-key KEY (LESTATS_ADMIN_KEY), which is then asked for, or with --local-shutdown (LESTATS_LOCAL_SHUTDOWN=1), which allows it to every client on this machine")
	case given != "":
		return forbidden("this is not the admin key; it is sent as `Authorization: Bearer KEY`")
	}
	client, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !client.Addr().Unmap().IsLoopback() {
		return forbidden("without an admin key, a shutdown is asked for on this machine itself")
	}
	if !loopbackHost(r.Host) {
		return forbidden("without an admin key, a shutdown is asked for at a loopback address, not at %.100q", r.Host)
	}
	for name := range r.Header {
		if forwarding.MatchString(name) {
			return forbidden("this request was forwarded (%s), and the server has no admin key", name)
		}
	}
	// A page on another port of localhost is "same-site", and a stranger too.
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

// equalSecret compares in a time that tells nothing of where two texts differ, nor
// of their lengths.
func equalSecret(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
