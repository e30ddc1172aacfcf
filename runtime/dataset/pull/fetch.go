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
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// keepHTTPS is the redirect policy of http.Client, which does not leave https.
func keepHTTPS(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return &permanent{errors.New("the server redirects in circles: 10 times")}
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return &permanent{fmt.Errorf("the server redirects from https to %s, which anybody on the way can change", req.URL)}
	}
	return nil
}

// permanent is a failure that trying again does not help.
type permanent struct{ error }

func (e *permanent) Unwrap() error { return e.error }

// busy is a failure after which the server has said when to come back.
type busy struct {
	error
	after time.Duration
}

// errAfresh asks for another attempt at once: what was there is of no use.
var errAfresh = errors.New("the file on the server has changed")

// download asks the server until part is complete.
func (p *puller) download(ctx context.Context) error {
	var last error
	for p.asked < p.Attempts {
		if last != nil && !errors.Is(last, errAfresh) {
			if err := p.pause(ctx, last); err != nil {
				return err
			}
		}
		p.asked++
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
	return fmt.Errorf("%w; the server was asked %d times", last, p.asked)
}

// pause waits before the next attempt: as long as the server said, else twice as
// long as the last time.
func (p *puller) pause(ctx context.Context, last error) error {
	most := 30 * p.Backoff
	p.wait = min(max(p.Backoff, 2*p.wait), most)
	wait := p.wait
	if b, ok := errors.AsType[*busy](last); ok {
		wait = min(max(wait, b.after), most)
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// isPermanent is about errors of net/http as well as ours.
func isPermanent(err error) bool {
	var ours *permanent
	var certificate *tls.CertificateVerificationError
	var dns *net.DNSError
	return errors.As(err, &ours) || errors.As(err, &certificate) || errors.As(err, &dns) && dns.IsNotFound
}

// attempt asks the server once, for what is missing, and appends what comes.
func (p *puller) attempt(parent context.Context) (err error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	stalled := fmt.Errorf("nothing came from the server for %s", p.Stall)
	watch := time.AfterFunc(p.Stall, func() { cancel(stalled) })
	defer watch.Stop()
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
	// Compressed on the fly, a file has no length, and none can go on in its middle.
	req.Header.Set("Accept-Encoding", "identity")
	asked := p.have > 0
	if asked {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", p.have))
		req.Header.Set("If-Range", p.version.validator())
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := p.accept(resp, asked)
	if err != nil || body == nil {
		return err
	}
	return p.receive(body, watch)
}

// accept judges the answer and returns what is to be appended; nil: nothing, part
// is complete already. asked: for the rest only.
func (p *puller) accept(resp *http.Response, asked bool) (io.Reader, error) {
	switch {
	case resp.StatusCode == http.StatusOK:
		return p.whole(resp)
	case resp.StatusCode == http.StatusPartialContent && asked:
		return p.rest(resp)
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && asked:
		if total, ok := strings.CutPrefix(resp.Header.Get("Content-Range"), "bytes */"); ok && total == strconv.FormatInt(p.have, 10) {
			p.spliced = true
			return nil, nil
		}
		return nil, p.afresh()
	}
	err := fmt.Errorf("%s answers %s", resp.Request.URL.Redacted(), resp.Status)
	switch code := resp.StatusCode; {
	case code >= 500, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code == http.StatusTooEarly:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // a date counts as nothing
		return nil, &busy{err, time.Duration(min(seconds, 1e6)) * time.Second}
	default:
		return nil, &permanent{err}
	}
}

// afresh throws away what there is and returns errAfresh.
func (p *puller) afresh() error {
	if err := p.reset(); err != nil {
		return &permanent{err}
	}
	return errAfresh
}

// whole accepts an answer with the whole file.
func (p *puller) whole(resp *http.Response) (io.Reader, error) {
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
			return nil, fmt.Errorf("what the server compressed cannot be read: %w", err)
		}
		body, v.Total = z, -1
	default:
		return nil, &permanent{fmt.Errorf("the server sent the file compressed with %q, and was asked not to", encoding)}
	}
	if v.Total > p.Source.MaxBytes {
		return nil, p.tooLong("the server offers " + size(v.Total))
	}
	if err := p.begin(v); err != nil {
		return nil, &permanent{err}
	}
	return body, nil
}

// rest accepts an answer with the bytes that are missing, of the same version.
func (p *puller) rest(resp *http.Response) (io.Reader, error) {
	var first, last, total int64
	n, err := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &total)
	etag, modified := validators(resp.Header)
	same := (etag == "" || p.version.ETag == "" || etag == p.version.ETag) &&
		(modified == "" || p.version.LastModified == "" || modified == p.version.LastModified)
	switch {
	case err != nil, n != 3, first != p.have, last < first, last >= total, !same,
		p.version.Total >= 0 && total != p.version.Total,
		resp.Header.Get("Content-Encoding") != "" && resp.Header.Get("Content-Encoding") != "identity":
		return nil, p.afresh()
	case total > p.Source.MaxBytes:
		return nil, p.tooLong("the server offers " + size(total))
	}
	p.version.Total, p.spliced = total, true
	return resp.Body, nil
}

// validators returns what names this version beyond doubt, one of the two at most.
// A weak ETag does not; a time does where it was old when it was told.
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

func (p *puller) tooLong(what string) error {
	return &permanent{fmt.Errorf("%s; this dataset has at most %s", what, size(p.Source.MaxBytes))}
}

// receive appends body to part, and keeps the watch from firing while bytes come.
func (p *puller) receive(body io.Reader, watch *time.Timer) error {
	p.progress()
	buf := make([]byte, 128<<10)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			watch.Reset(p.Stall)
			if p.have+int64(n) > p.Source.MaxBytes {
				return errors.Join(p.tooLong("the server sends more and more"), p.reset())
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
		case !errors.Is(err, io.EOF): // which a text that ends early is not
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

// received says how much of the file there is.
func (p *puller) received() string {
	have := size(p.have)
	if p.version.Total < 0 {
		return have
	}
	return have + " of " + size(p.version.Total)
}

func size(bytes int64) string { return humanize.IBytes(uint64(max(bytes, 0))) }
