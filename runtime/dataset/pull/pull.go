// Package pull downloads a published dataset to a file, and puts the file in place
// only when it is good. What was received is kept in TARGET.part beside the target
// until then, so that an interrupted download goes on where it stopped.
package pull

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/dustin/go-humanize"
)

// Verify says whether a file is what it should be, by reading all of it, and how
// many rows it has. An error refuses the file, unless the context has ended.
type Verify func(ctx context.Context, path string) (rows int, err error)

// Config says what to download, where to, and how patiently.
type Config struct {
	Source Source
	Target string // the file; its folder exists
	Verify Verify

	// Progress is told at every read, by Pull's goroutine, how many bytes there are,
	// and how many there will be (-1 while that is unknown). done goes back when the
	// download starts afresh. nil: nobody is told.
	Progress func(done, total int64)
	// Client asks the server. nil: one that follows no redirect from https to http.
	Client *http.Client
	// Attempts is how often the server is asked before giving up. 0: 8.
	Attempts int
	// Backoff is the wait after the first failure; it doubles with each further one,
	// up to 30 times this. A server's Retry-After counts within that bound. 0: 1 s.
	Backoff time.Duration
	// Stall ends an attempt when no byte came for so long. 0: 1 min.
	Stall time.Duration
}

func (c *Config) validate() error {
	if err := c.Source.validate(); err != nil {
		return err
	}
	switch {
	case c.Target == "":
		return errors.New("there is no name for the file to write")
	case c.Verify == nil:
		return errors.New("there is no way to verify the file")
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
	return nil
}

// Result is what a finished download has put in place.
type Result struct {
	Rows    int
	Bytes   int64 // of the file
	Resumed bool  // a part came from an earlier attempt or run
}

// Pull downloads cfg.Source to cfg.Target: it goes on with what an earlier run
// left, tries again after failures that may pass, verifies, and replaces the target
// in one step that survives a loss of power. A target that is there stays as it was
// until then, whatever happens. Two pulls of one target exclude each other, in any
// process: the second one fails at once. It is safe for concurrent use.
//
// Errors are *Error; one that the context caused satisfies errors.Is with its cause.
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
	return Result{Rows: rows, Bytes: p.have, Resumed: p.spliced}, nil
}

// puller is one download.
type puller struct {
	Config
	client  *http.Client
	part    *os.File // what was received; nil once it is in place
	unlock  func()
	have    int64   // bytes in part
	version version // what part is a beginning of
	spliced bool    // part was received in more than one piece
	asked   int     // how often the server was asked
	wait    time.Duration
}

// run downloads, verifies and puts in place.
func (p *puller) run(ctx context.Context) (rows int, err error) {
	p.client = p.Client
	if p.client == nil {
		transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		p.client = &http.Client{Transport: transport, CheckRedirect: keepHTTPS}
	}
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
		// Nothing of a bad file is of use. One that was put together from pieces may
		// be bad for that alone, and gets a second chance in one piece.
		again := p.spliced && p.asked < p.Attempts
		if err := errors.Join(err, p.reset()); !again {
			return 0, err
		}
	}
}

// verify checks what was received. ctx.Err() is not nil where it could not tell.
func (p *puller) verify(ctx context.Context) (rows int, err error) {
	if err := p.sniff(); err != nil {
		return 0, &refusal{err}
	}
	rows, err = p.Verify(ctx, p.part.Name())
	switch {
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case err != nil:
		return 0, &refusal{fmt.Errorf("what the server sent is not this dataset: %w", err)}
	case rows < p.Source.MinRows:
		return 0, &refusal{fmt.Errorf("what the server sent has %s rows; this dataset has at least %s",
			humanize.Comma(int64(rows)), humanize.Comma(int64(p.Source.MinRows)))}
	}
	return rows, nil
}

// install puts the verified part in the target's place.
func (p *puller) install() error {
	part := p.part
	if err := part.Sync(); err != nil {
		return err
	}
	if err := os.Rename(part.Name(), p.Target); err != nil {
		return err
	}
	p.part = nil
	// It is in place: what follows is no reason to say that it is not.
	_ = part.Close()
	_ = os.Remove(p.versionPath())
	_ = syncFolder(filepath.Dir(p.Target))
	return nil
}

// syncFolder makes a rename in a folder survive a loss of power, where the file
// system can.
func syncFolder(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
