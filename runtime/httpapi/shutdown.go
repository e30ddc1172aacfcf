package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// shutdown: GET and POST /api/graceful_shutdown. It ends no process: whoever
// serves sees that the jobs are drained.
func (a *api) shutdown(w *response, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	if a.cfg.NoShutdown != "" {
		return question.Errorf(question.CodeNotHere, "there is no graceful shutdown here: %s", a.cfg.NoShutdown)
	}
	if err := a.mayShutDown(r); err != nil {
		return err
	}
	a.cfg.Jobs.Drain()
	status := "running"
	if a.cfg.Jobs.Drained() {
		status = "done"
	}
	w.sendJSON(http.StatusOK, marshal(map[string]string{"status": status}))
	return nil
}

// forwarding are headers by which a proxy says that the client is somebody else;
// X-Forwarded-* are more of them.
var forwarding = []string{"Forwarded", "Via", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "Fastly-Client-Ip"}

// mayShutDown allows the holder of the admin key, and a client on this machine
// that is neither a proxy nor a page that some browser here has open.
func (a *api) mayShutDown(r *http.Request) error {
	forbidden := func(format string, args ...any) error {
		return question.Errorf(question.CodeForbidden, format+"; the admin key, sent as `Authorization: Bearer KEY`, is allowed from anywhere", args...)
	}
	if given := r.Header.Get("Authorization"); given != "" {
		if a.cfg.AdminKey != "" && equalSecret(given, "Bearer "+a.cfg.AdminKey) {
			return nil
		}
		return question.Errorf(question.CodeForbidden, "this is not the admin key; it is sent as `Authorization: Bearer KEY`")
	}
	client, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !client.Addr().Unmap().IsLoopback() {
		return forbidden("a shutdown is asked for on this machine itself")
	}
	if !loopbackHost(r.Host) {
		return forbidden("a shutdown is asked for at a loopback address, not at %.100q", r.Host)
	}
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Forwarded-") || slices.Contains(forwarding, name) {
			return forbidden("this request was forwarded (%s)", name)
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

// loopbackHost reports whether a Host header names this machine: a name that a
// stranger's DNS cannot point here.
func loopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	return err == nil && addr.Unmap().IsLoopback()
}
