package pull

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
)

// keepHTTPS is a redirect policy for http.Client that never leaves https.
func keepHTTPS(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return &permanent{errors.New("the server redirected 10 times")}
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return &permanent{fmt.Errorf("the server redirects from https to %s, which is not protected against tampering", req.URL)}
	}
	return nil
}

// tokenHeader is the header of an application token.
const tokenHeader = "X-App-Token" //nolint:gosec // a name

// redirects returns the policy, keepHTTPS if it is nil, for requests that may have a token:
// it goes to no other host than the first, and not from https to http.
func redirects(policy func(*http.Request, []*http.Request) error) func(*http.Request, []*http.Request) error {
	if policy == nil {
		policy = keepHTTPS
	}
	return func(req *http.Request, via []*http.Request) error {
		if req.URL.Host != via[0].URL.Host || req.URL.Scheme != via[0].URL.Scheme {
			req.Header.Del(tokenHeader)
		}
		return policy(req, via)
	}
}

// private reports whether nobody on the way can read a request to the address.
func private(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// permanent is a failure for which a retry is useless.
type permanent struct{ error }

func (e *permanent) Unwrap() error { return e.error }

// retryLaterError is a failure for which the server said when to retry.
type retryLaterError struct {
	error
	after time.Duration
}

// errRestart asks for another attempt without a wait: what was received is useless.
var errRestart = errors.New("the file on the server has changed")

// download sends requests until part is complete.
func (p *puller) download(ctx context.Context) error {
	var last error
	for p.requests < p.Attempts {
		if last != nil && !errors.Is(last, errRestart) {
			if err := p.pause(ctx, last); err != nil {
				return err
			}
		}
		p.requests++
		last = p.attempt(ctx)
		if last == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if isPermanent(last) {
			return last
		}
	}
	return fmt.Errorf("%w; gave up after %d requests", last, p.requests)
}

// pause waits before the next attempt: as long as the server asked for, otherwise twice
// as long as the last time.
func (p *puller) pause(ctx context.Context, last error) error {
	most := 30 * p.Backoff
	p.wait = min(max(p.Backoff, 2*p.wait), most)
	wait := p.wait
	if b, ok := errors.AsType[*retryLaterError](last); ok {
		wait = min(max(wait, b.after), most)
	}
	p.tell(fmt.Sprintf("%v; retrying in %s", last, wait))
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// tell reports a line to Waiting.
func (p *puller) tell(line string) {
	if p.Waiting != nil {
		p.Waiting(line)
	}
}

// isPermanent covers errors of net/http as well as ours.
func isPermanent(err error) bool {
	var ours *permanent
	var certificate *tls.CertificateVerificationError
	var dns *net.DNSError
	return errors.As(err, &ours) || errors.As(err, &certificate) || errors.As(err, &dns) && dns.IsNotFound
}

// attempt sends one request for the missing bytes and appends what arrives.
func (p *puller) attempt(parent context.Context) (err error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	stalled := fmt.Errorf("the server sent nothing for %s", p.Stall)
	watch := time.AfterFunc(p.Stall, func() { cancel(stalled) })
	defer watch.Stop()
	quiet := newSilence(p)
	defer quiet.Stop()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { quiet.state.Store(asked) }})
	defer func() {
		if err != nil && errors.Is(context.Cause(ctx), stalled) {
			err = stalled
		}
	}()
	if p.have > 0 && p.version.validator() == "" {
		if err := p.reset(); err != nil {
			return &permanent{err}
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Source.URL, nil)
	if err != nil {
		return &permanent{err}
	}
	req.Header.Set("User-Agent", "lestats-data-pull")
	// A file compressed on the fly has no known length and cannot be resumed.
	req.Header.Set("Accept-Encoding", "identity")
	if p.AppToken != "" {
		req.Header.Set(tokenHeader, p.AppToken)
	}
	rest := p.have > 0
	if rest {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", p.have))
		req.Header.Set("If-Range", p.version.validator())
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := p.accept(resp, rest)
	if err != nil || body == nil {
		return err
	}
	quiet.state.Store(answered)
	return p.receive(body, func() {
		watch.Reset(p.Stall)
		quiet.Reset(p.Quiet)
	})
}

// silence calls Waiting when a server was silent for some time.
type silence struct {
	*time.Timer

	state atomic.Int32
}

// The states of an attempt.
const (
	connecting int32 = iota
	asked
	answered
)

func newSilence(p *puller) *silence {
	host := ""
	if u, err := url.Parse(p.Source.URL); err == nil {
		host = u.Host
	}
	q := &silence{}
	q.Timer = time.AfterFunc(p.Quiet, func() {
		what := "waiting for a connection to " + host
		switch q.state.Load() {
		case asked:
			what = host + " has the request and sends nothing yet"
		case answered:
			what = host + " sends nothing at the moment"
		}
		p.tell(fmt.Sprintf("%s; waiting up to %s", what, p.Stall))
	})
	return q
}

// accept checks the response and returns what to append; nil means that part is already
// complete. rest says that only the rest was requested.
func (p *puller) accept(resp *http.Response, rest bool) (io.Reader, error) {
	switch {
	case resp.StatusCode == http.StatusOK:
		return p.acceptFull(resp)
	case resp.StatusCode == http.StatusPartialContent && rest:
		return p.acceptPartial(resp)
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && rest:
		if total, ok := strings.CutPrefix(resp.Header.Get("Content-Range"), "bytes */"); ok && total == strconv.FormatInt(p.have, 10) {
			p.resumed = true
			return nil, nil
		}
		return nil, p.restart()
	}
	err := fmt.Errorf("%s answers %s", resp.Request.URL.Redacted(), resp.Status)
	v3 := strings.Contains(resp.Request.URL.Path, "/api/v3/")
	switch code := resp.StatusCode; {
	case (code == http.StatusUnauthorized || code == http.StatusForbidden) && v3 && p.AppToken == "":
		err = fmt.Errorf("%w; the third version of Socrata's API wants an application token (--app-token)", err)
	case (code == http.StatusUnauthorized || code == http.StatusForbidden) && p.AppToken != "":
		err = fmt.Errorf("%w, with the application token that was given", err)
	case code == http.StatusTooManyRequests && p.AppToken == "":
		err = fmt.Errorf("%w: too many requests come from this network; an application token (--app-token) has a limit of its own", err)
	}
	switch code := resp.StatusCode; {
	case code == http.StatusAccepted: // Socrata is still preparing the file
		return nil, &retryLaterError{fmt.Errorf("%w: the server prepares the file", err), 0}
	case code >= 500, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code == http.StatusTooEarly:
		return nil, &retryLaterError{err, retryAfter(resp.Header.Get("Retry-After"))}
	default:
		return nil, &permanent{err}
	}
}

// retryAfter returns the wait that a header asks for: seconds, or a date. What is neither
// counts as 0.
func retryAfter(header string) time.Duration {
	if seconds, err := strconv.Atoi(header); err == nil {
		return time.Duration(min(seconds, 1e6)) * time.Second
	}
	if date, err := http.ParseTime(header); err == nil {
		return time.Until(date)
	}
	return 0
}

// restart discards what was received and returns errRestart.
func (p *puller) restart() error {
	if err := p.reset(); err != nil {
		return &permanent{err}
	}
	return errRestart
}

// acceptFull accepts a response with the whole file.
func (p *puller) acceptFull(resp *http.Response) (io.Reader, error) {
	if err := p.reset(); err != nil {
		return nil, &permanent{err}
	}
	v := version{URL: p.Source.URL, Total: resp.ContentLength}
	body := io.Reader(resp.Body)
	switch encoding := strings.ToLower(resp.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
		v.ETag, v.LastModified = validators(resp.Header)
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, fmt.Errorf("the compressed response cannot be read: %w", err)
		}
		body, v.Total = z, -1
	default:
		return nil, &permanent{fmt.Errorf("the server sent the file compressed with %q although it was asked not to", encoding)}
	}
	if v.Total > p.Source.MaxBytes {
		return nil, p.tooLarge("the server offers " + size(v.Total))
	}
	if err := p.begin(v); err != nil {
		return nil, &permanent{err}
	}
	return body, nil
}

// acceptPartial accepts a response with the missing bytes of the same version.
func (p *puller) acceptPartial(resp *http.Response) (io.Reader, error) {
	var first, last, total int64
	n, err := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &total)
	etag, modified := validators(resp.Header)
	same := (etag == "" || p.version.ETag == "" || etag == p.version.ETag) &&
		(modified == "" || p.version.LastModified == "" || modified == p.version.LastModified)
	switch {
	case err != nil, n != 3, first != p.have, last < first, last >= total, !same,
		p.version.Total >= 0 && total != p.version.Total,
		resp.Header.Get("Content-Encoding") != "" && resp.Header.Get("Content-Encoding") != "identity":
		return nil, p.restart()
	case total > p.Source.MaxBytes:
		return nil, p.tooLarge("the server offers " + size(total))
	}
	p.version.Total, p.resumed = total, true
	return resp.Body, nil
}

// validators returns what identifies this version reliably, at most one of the two. A
// weak ETag does not; a modification time does if it was old when it was sent.
func validators(h http.Header) (etag, modified string) {
	etag = h.Get("ETag")
	if strings.HasPrefix(etag, `"`) {
		return etag, ""
	}
	modified = h.Get("Last-Modified")
	then, err1 := http.ParseTime(modified)
	now, err2 := http.ParseTime(h.Get("Date"))
	if err1 != nil || err2 != nil || now.Sub(then) < time.Second {
		return "", ""
	}
	return "", modified
}

func (p *puller) tooLarge(what string) error {
	return &permanent{fmt.Errorf("%s; this dataset has at most %s", what, size(p.Source.MaxBytes))}
}

// receive appends body to part, and calls arrived whenever bytes have arrived.
func (p *puller) receive(body io.Reader, arrived func()) error {
	p.progress()
	buf := make([]byte, 128<<10)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			arrived()
			if p.have+int64(n) > p.Source.MaxBytes {
				return errors.Join(p.tooLarge("the server keeps sending"), p.reset())
			}
			written, err := p.part.Write(buf[:n])
			p.have += int64(written)
			if err != nil {
				return &permanent{err}
			}
			p.progress()
		}
		switch {
		case err == nil:
		case !errors.Is(err, io.EOF): // a text that ends early is not io.EOF
			return fmt.Errorf("the connection broke after %s: %w", p.received(), err)
		case p.version.Total >= 0 && p.have != p.version.Total:
			return fmt.Errorf("the server stopped after %s", p.received())
		default:
			return nil
		}
	}
}

func (p *puller) progress() {
	if p.Progress != nil {
		p.Progress(p.have, p.version.Total)
	}
}

// received says how much of the file was received.
func (p *puller) received() string {
	have := size(p.have)
	if p.version.Total < 0 {
		return have
	}
	return have + " of " + size(p.version.Total)
}

func size(bytes int64) string { return humanize.IBytes(uint64(max(bytes, 0))) }
