package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/metrics"
)

// profileLimit is the longest that a profile or a trace may take.
const profileLimit = 2 * time.Minute

// admin serves what operators look at, on an address of its own that asks for no key.
type admin struct {
	listener net.Listener
	server   *http.Server
	ended    chan struct{}
}

// adminPages are the paths of an admin address, for people.
var adminPages = []struct{ path, text string }{
	{"/metrics", "metrics, for Prometheus"},
	{"/debug/pprof/", "profiles, for go tool pprof"},
	{"/debug/goroutines", "what each goroutine does"},
	{"/debug/buildinfo", "the program's version and modules, JSON"},
}

// openAdmin listens on an address and serves there until close.
func openAdmin(ctx context.Context, address, version string, m *metrics.Prometheus, log *slog.Logger) (*admin, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on the admin address %s: %w; choose another one, such as --admin-listen 127.0.0.1:9091", address, err)
	}
	at, ok := l.Addr().(*net.TCPAddr)
	loopback := ok && at.IP.IsLoopback()
	if !loopback {
		log.Warn("the admin address is not a loopback address, and asks for no key: only a private network may reach it", "address", l.Addr().String())
	}
	a := &admin{listener: l, ended: make(chan struct{}), server: &http.Server{
		Handler:           httpapi.Compress(guard(loopback, adminMux(version, m))),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      profileLimit + 10*time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}}
	go func() {
		defer close(a.ended)
		if err := a.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the admin address is no longer served", "error", err)
		}
	}()
	log.Info("the admin address is served", "address", l.Addr().String())
	return a, nil
}

// guard refuses what a page of another site has a browser send, and all methods that
// change something. On a loopback address it refuses foreign host names, too, which
// protects against DNS rebinding.
func guard(loopback bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		site := r.Header.Get("Sec-Fetch-Site")
		switch {
		case loopback && !httpapi.LoopbackHost(r.Host):
			http.Error(w, fmt.Sprintf("The admin address does not answer requests for the host %.100q, only for loopback names, such as localhost.", r.Host), http.StatusForbidden)
		case site != "" && site != "none" && site != "same-origin":
			http.Error(w, "A page of another site may not read this.", http.StatusForbidden)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "Use GET.", http.StatusMethodNotAllowed)
		default:
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("X-Content-Type-Options", "nosniff")
			next.ServeHTTP(w, r)
		}
	})
}

func adminMux(version string, m *metrics.Prometheus) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "Le Stats Sportifs %s\n\n", version)
		for _, p := range adminPages {
			if p.path == "/metrics" && m == nil {
				continue
			}
			fmt.Fprintf(w, "%-18s %s\n", p.path, p.text)
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "There is nothing here; / lists what there is.", http.StatusNotFound)
	})
	if m != nil {
		mux.HandleFunc("/metrics", func(w http.ResponseWriter, r *http.Request) {
			if err := m.Serve(w, r); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		})
	}
	mux.HandleFunc("/debug/pprof/", bounded(pprof.Index)) // cmdline is left out: a key may be among the flags
	mux.HandleFunc("/debug/pprof/profile", bounded(pprof.Profile))
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", bounded(pprof.Trace))
	mux.HandleFunc("/debug/goroutines", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		q.Set("debug", "2")
		r.URL.RawQuery = q.Encode()
		pprof.Handler("goroutine").ServeHTTP(w, r)
	})
	mux.HandleFunc("/debug/buildinfo", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(readBuild(version)) // the client may have left
	})
	return mux
}

// bounded refuses profiles and traces that take longer than profileLimit. net/http/pprof does
// not: it puts off the server's WriteTimeout by as many seconds as were asked for.
func bounded(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if text := r.URL.Query().Get("seconds"); text != "" {
			if n, err := strconv.ParseFloat(text, 64); err != nil || !(n > 0 && n <= profileLimit.Seconds()) {
				http.Error(w, fmt.Sprintf("seconds is %.40q; it takes a number up to %.0f.", text, profileLimit.Seconds()), http.StatusBadRequest)
				return
			}
		}
		next(w, r)
	}
}

// build is what /debug/buildinfo shows.
type build struct {
	Version  string            `json:"version"`
	Go       string            `json:"go"`
	Settings map[string]string `json:"settings"` // of the compiler, such as GOARCH
	Modules  map[string]string `json:"modules"`  // versions by path
}

func readBuild(version string) build {
	b := build{Version: version, Settings: map[string]string{}, Modules: map[string]string{}}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Go = info.GoVersion
	for _, s := range info.Settings {
		b.Settings[strings.TrimPrefix(s.Key, "-")] = s.Value
	}
	for _, d := range info.Deps {
		if d.Replace != nil {
			d = d.Replace
		}
		b.Modules[d.Path] = d.Version
	}
	return b
}

// url is where clients on this machine find it.
func (a *admin) url() string { return LocalURL(a.listener.Addr().String()) }

// LocalURL is where clients on this machine find a server that listens on an address
// (HOST:PORT): no client asks for every address, but for the loopback one.
func LocalURL(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "http://" + address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// close stops serving. It gives clients until ctx ends to read their responses; a profile
// that takes longer is cut off.
func (a *admin) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	err := a.server.Shutdown(ctx)
	if err != nil {
		err = a.server.Close() // a client was still reading, which is no error of ours
	}
	<-a.ended
	return err
}
