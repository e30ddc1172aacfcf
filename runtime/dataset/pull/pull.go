// Package pull downloads a published dataset to a file, and installs the file only
// after verifying it. Until then the received bytes are kept in TARGET.part beside the
// target, so that an interrupted download resumes where it stopped.
package pull

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// Verify reads a whole file and returns how many rows it has. An error rejects the file,
// unless the context has ended.
type Verify func(ctx context.Context, path string) (rows int, err error)

// Config says what to download, to where, and how long to retry.
type Config struct {
	Source Source
	Target string // the file; its folder exists
	Verify Verify

	// Digest is "sha256:" and 64 hex digits of the file. A file with another digest is
	// refused. "": any file that Verify accepts.
	Digest string
	// AppToken is sent in the header X-App-Token, only to the host of Source.URL, and only
	// over https or to this machine. It is in no error and in no file. "": none is sent.
	AppToken string
	// Waiting is called with a line for a person at once when Pull waits for its next
	// attempt, and after Quiet when the server keeps it waiting. It is called by several
	// goroutines. nil: nothing is reported.
	Waiting func(line string)
	// Quiet is how long the server may send nothing before Waiting is called. 0: 1.5 s.
	Quiet time.Duration

	// Progress is called at every read, by Pull's goroutine, with the number of bytes so far
	// and in total (-1 if unknown). done decreases when the download restarts. nil: no
	// progress is reported.
	Progress func(done, total int64)
	// Client sends the requests. nil: one that follows no redirect from https to http.
	Client *http.Client
	// Attempts is the maximum number of requests. 0: 8.
	Attempts int
	// Backoff is the wait after the first failure; it doubles with each further one,
	// up to 30 times this. A server's Retry-After counts within that bound. 0: 1 s.
	Backoff time.Duration
	// Stall ends an attempt when no byte arrived for this long. 0: 1 min.
	Stall time.Duration
}

func (c *Config) validate() error {
	if err := c.Source.validate(); err != nil {
		return err
	}
	switch {
	case c.Target == "":
		return errors.New("the target file has no name")
	case c.Verify == nil:
		return errors.New("there is no Verify function")
	case c.Digest != "" && !digestForm.MatchString(c.Digest):
		return fmt.Errorf("%.100q is not a digest; it is sha256: and 64 hex digits, as an earlier download has printed it", c.Digest)
	case c.AppToken != "" && !tokenForm.MatchString(c.AppToken):
		return errors.New("the application token has characters that no token has, such as spaces; it is not shown here")
	case c.AppToken != "" && !private(c.Source.URL):
		return errors.New("the application token is sent over https only; use an address that begins with https://")
	case c.Attempts < 0, c.Backoff < 0, c.Stall < 0:
		return fmt.Errorf("%d attempts, %s of backoff, %s to a stall: none may be negative", c.Attempts, c.Backoff, c.Stall)
	}
	if c.Attempts == 0 {
		c.Attempts = 8
	}
	if c.Backoff == 0 {
		c.Backoff = time.Second
	}
	if c.Stall == 0 {
		c.Stall = time.Minute
	}
	if c.Quiet == 0 {
		c.Quiet = 1500 * time.Millisecond
	}
	return nil
}

var (
	digestForm = regexp.MustCompile(`^sha256:[0-9a-fA-F]{64}$`)
	tokenForm  = regexp.MustCompile(`^[!-~]{1,512}$`)
)

// Result describes a finished download.
type Result struct {
	Rows    int
	Bytes   int64  // of the file
	Digest  string // of the file, as for Config.Digest
	Resumed bool   // part of it came from an earlier attempt or run
}

// Pull downloads cfg.Source to cfg.Target: it resumes what an earlier run left, retries
// after temporary failures, verifies, and replaces the target in one step that survives a
// power loss. Until then an existing target does not change, whatever happens. Two pulls
// of one target exclude each other, across processes: the second one fails immediately.
// Pull is safe for concurrent use.
//
// Errors are *Error; an error caused by the context wraps the context's cause.
func Pull(ctx context.Context, cfg Config) (Result, error) {
	p := &puller{Config: cfg}
	err := p.validate()
	if err == nil {
		err = p.open()
	}
	if err != nil {
		return Result{}, &Error{Source: cfg.Source.Name, Reason: err}
	}
	defer p.close()
	rows, err := p.run(ctx)
	if err != nil {
		return Result{}, p.explain(err)
	}
	return Result{Rows: rows, Bytes: p.have, Digest: p.digest, Resumed: p.resumed}, nil
}

// puller is one download.
type puller struct {
	Config
	client   *http.Client
	part     *os.File // what was received; nil once it is in place
	unlock   func()
	have     int64   // bytes in part
	version  version // the version of the file that part is a prefix of
	resumed  bool    // part was received in more than one piece
	digest   string  // of part, once it is complete
	requests int     // how often the server was asked
	wait     time.Duration
}

// run downloads, verifies and puts in place.
func (p *puller) run(ctx context.Context) (rows int, err error) {
	if p.Client != nil {
		client := *p.Client // with a policy of its own
		p.client = &client
	} else {
		transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		p.client = &http.Client{Transport: transport}
	}
	p.client.CheckRedirect = redirects(p.client.CheckRedirect)
	for {
		if err := p.download(ctx); err != nil {
			return 0, err
		}
		rows, err := p.verify(ctx)
		if err == nil {
			return rows, p.install()
		}
		if ctx.Err() != nil {
			return 0, err
		}
		// A bad file is useless. If it was assembled from several pieces, that may be the
		// cause, so it gets one more attempt in a single piece.
		again := p.resumed && p.requests < p.Attempts
		if err := errors.Join(err, p.reset()); !again {
			return 0, err
		}
	}
}

// verify checks what was received. If the context ended first, ctx.Err() is not nil.
func (p *puller) verify(ctx context.Context) (rows int, err error) {
	if err := p.sniff(); err != nil {
		return 0, &refusal{err}
	}
	if p.digest, err = p.sum(ctx); err != nil {
		return 0, err
	}
	if p.Digest != "" && !strings.EqualFold(p.digest, p.Digest) {
		return 0, &refusal{fmt.Errorf("the received file is another release: its digest is %s, and %s was asked for", p.digest, strings.ToLower(p.Digest))}
	}
	rows, err = p.Verify(ctx, p.part.Name())
	switch {
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case err != nil:
		return 0, &refusal{fmt.Errorf("the received file is not this dataset: %w", err)}
	case rows < p.Source.MinRows:
		return 0, &refusal{fmt.Errorf("the received file has %s rows; this dataset has at least %s",
			humanize.Comma(int64(rows)), humanize.Comma(int64(p.Source.MinRows)))}
	}
	return rows, nil
}

// sum returns the digest of part.
func (p *puller) sum(ctx context.Context) (string, error) {
	h := sha256.New()
	file := io.NewSectionReader(p.part, 0, p.have)
	for ctx.Err() == nil {
		if _, err := io.CopyN(h, file, 16<<20); errors.Is(err, io.EOF) {
			return fmt.Sprintf("sha256:%x", h.Sum(nil)), nil
		} else if err != nil {
			return "", err
		}
	}
	return "", context.Cause(ctx)
}

// install replaces the target by the verified part.
func (p *puller) install() error {
	part := p.part
	if err := part.Sync(); err != nil {
		return err
	}
	if err := os.Rename(part.Name(), p.Target); err != nil {
		return err
	}
	p.part = nil
	// It is installed; errors from here on do not matter.
	_ = part.Close()
	_ = os.Remove(p.versionPath())
	_ = syncFolder(filepath.Dir(p.Target))
	return nil
}

// syncFolder makes a rename in a folder survive a power loss, where the file system
// supports it.
func syncFolder(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
