package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Keys are the keys of named clients. It is safe for concurrent use.
type Keys interface {
	// Client returns who has a key; nil if nobody does. wait is 0 if the client may send a
	// request now, which counts; else it is the time until it may.
	Client(key string) (client *question.Client, wait time.Duration)
}

// keyed reports whether requests need a key.
func (a *api) keyed() bool { return a.cfg.ClientKey != "" || a.cfg.Keys != nil }

// client returns who sends a request. Where a key is needed, it is in its own header, or a
// bearer's token, or the password of Basic authentication, which browsers can send. Whoever
// has the admin key needs no other.
func (a *api) client(w *response, r *http.Request) (question.Client, error) {
	if a.hasAdminKey(r) {
		return question.Client{Admin: true}, nil
	}
	if !a.keyed() || a.isProbe(r.URL.Path) {
		return question.Client{}, nil
	}
	bearer, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !isBearer {
		bearer = ""
	}
	_, password, _ := r.BasicAuth()
	wrong := false
	for _, key := range []string{r.Header.Get("X-Api-Key"), bearer, password} {
		if key == "" {
			continue
		}
		if a.cfg.ClientKey != "" && equalSecret(key, a.cfg.ClientKey) {
			return question.Client{}, nil
		}
		if a.cfg.Keys != nil {
			if client, wait := a.cfg.Keys.Client(key); client != nil {
				return *client, a.errRate(w, client, wait)
			}
		}
		wrong = true
	}
	return question.Client{}, a.errKey(w, r, wrong)
}

// errRate is the error of a client that has to wait; nil if wait is 0.
func (a *api) errRate(w *response, client *question.Client, wait time.Duration) error {
	if wait <= 0 {
		return nil
	}
	seconds := int(math.Ceil(wait.Seconds()))
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	return question.Errorf(question.CodeRateLimited, "the key %q sends more requests than it may; the next one is taken in %d s", client.Name, seconds)
}

// errKey is the error of a request without a key, or with a wrong one. A browser that opens a page, or
// loads what a page shows, is asked for the key as a password. A program is not: a script's
// request would open a dialog.
func (a *api) errKey(w *response, r *http.Request, wrong bool) error {
	needs := "this service needs a key"
	if wrong {
		needs = "this is not a key of this service"
	}
	fetch := r.Header.Get("Sec-Fetch-Dest")
	part := r.Header.Get("Sec-Fetch-Site") == "same-origin" &&
		(fetch != "" && fetch != "empty" || r.Header.Get("Accept") == "text/event-stream")
	if read := r.Method == http.MethodGet || r.Method == http.MethodHead; !read || !part && !wantsPage(r.Header) {
		return question.Errorf(question.CodeForbidden, "%s; send `X-Api-Key: KEY`", needs).WithParam("X-Api-Key")
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="Le Stats Sportifs: the password is the key, the user name does not matter", charset="UTF-8"`)
	return question.Errorf(question.CodeKeyRequired, "%s; give it as the password, with any user name", needs)
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

// hasAdminKey reports whether a request has Config.AdminKey.
func (a *api) hasAdminKey(r *http.Request) bool {
	return a.cfg.AdminKey != "" && equalSecret(r.Header.Get("Authorization"), "Bearer "+a.cfg.AdminKey)
}

// mayOperate allows the holder of an admin key: of Config.AdminKey, or of Config.Keys.
func (a *api) mayOperate(r *http.Request) error {
	switch {
	case question.OriginOf(r.Context()).Client.Admin:
		return nil
	case a.cfg.AdminKey == "" && a.cfg.Keys == nil:
		return question.Errorf(question.CodeForbidden, "this is off here; start the server with --admin-key KEY (LESTATS_ADMIN_KEY), and send `Authorization: Bearer KEY`")
	default:
		return question.Errorf(question.CodeForbidden, "this needs an admin key; send `Authorization: Bearer KEY`")
	}
}

// mayShutDown allows the holder of an admin key. If there is no such key and
// Config.LocalShutdown is set, it allows clients on this machine, except proxies, as far
// as headers tell, and pages in a browser here.
func (a *api) mayShutDown(r *http.Request) error {
	forbidden := func(format string, args ...any) error {
		return question.Errorf(question.CodeForbidden, format, args...)
	}
	given := r.Header.Get("Authorization")
	switch {
	case question.OriginOf(r.Context()).Client.Admin:
		// A browser that was given the key as a password sends it with a GET that a page of
		// any site makes it send. A POST of another site has been refused by now.
		if _, _, isPassword := r.BasicAuth(); isPassword && r.Method != http.MethodPost && r.Header.Get("X-Api-Key") == "" {
			return forbidden("a shutdown by GET does not take the key as a password, which browsers send by themselves; use POST, or send `Authorization: Bearer KEY`")
		}
		return nil
	case a.cfg.AdminKey != "" && given == "":
		return forbidden("a shutdown needs the admin key; send `Authorization: Bearer KEY`")
	case a.cfg.Keys != nil && !a.cfg.LocalShutdown:
		return forbidden("a shutdown needs an admin key; send `Authorization: Bearer KEY`")
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
