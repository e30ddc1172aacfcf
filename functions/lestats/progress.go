package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// progress tells a person how far a long work is: on a terminal in one line, which is
// drawn again and at last removed, otherwise in a line every few seconds. Work that ends
// within progressAfter is silent.
type progress struct {
	what     string
	total    atomic.Int64 // bytes; 0 or less: not known
	done     atomic.Int64
	begin    time.Time
	terminal bool
	columns  int

	mu    sync.Mutex // guards w
	w     io.Writer
	stop  chan struct{}
	ended chan struct{}
}

const (
	progressAfter = time.Second
	progressDraw  = 200 * time.Millisecond // on a terminal
	progressPrint = 5 * time.Second        // elsewhere
)

// startProgress begins to report on what, such as "reading x.csv". The caller ends it.
func startProgress(w io.Writer, what string, total int64) *progress {
	p := &progress{what: what, begin: time.Now(), w: w, columns: columns(w), stop: make(chan struct{}), ended: make(chan struct{})}
	p.terminal = p.columns > 0
	p.total.Store(total)
	go p.run()
	return p
}

// readingFile begins to report on the reading of a file. "" is the embedded sample.
func readingFile(s *streams, file string) *progress {
	size := int64(-1)
	if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
		size = info.Size()
	}
	switch file {
	case "":
		file = "the embedded sample"
	case "-":
		file = "standard input"
	}
	return startProgress(s.err, "reading "+file, size)
}

// set says how many bytes are done. It is safe for concurrent use.
func (p *progress) set(done int64) { p.done.Store(done) }

// say prints a line at once. It is safe for concurrent use.
func (p *progress) say(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	fmt.Fprintln(p.w, line)
}

// end stops the reports. It may be called again.
func (p *progress) end() {
	select {
	case <-p.ended:
		return
	default:
	}
	close(p.stop)
	<-p.ended
}

func (p *progress) run() {
	defer close(p.ended)
	every := progressPrint
	if p.terminal {
		every = progressDraw
	}
	timer := time.NewTimer(progressAfter)
	defer timer.Stop()
	for drawn := false; ; drawn = true {
		select {
		case <-p.stop:
			if drawn {
				p.mu.Lock()
				p.clear()
				p.mu.Unlock()
			}
			return
		case <-timer.C:
			timer.Reset(every)
		}
		p.mu.Lock()
		if p.terminal {
			p.clear()
			fmt.Fprint(p.w, question.Cut(p.line(), p.columns-1))
		} else {
			fmt.Fprintln(p.w, p.line())
		}
		p.mu.Unlock()
	}
}

// clear empties the line on a terminal.
func (p *progress) clear() {
	if p.terminal {
		_, _ = io.WriteString(exact(p.w), "\r\x1b[K")
	}
}

func (p *progress) line() string {
	line, done, total := p.what, p.done.Load(), p.total.Load()
	switch {
	case done > 0 && total > 0:
		line += fmt.Sprintf(": %s of %s (%d %%)", humanize.IBytes(uint64(done)), humanize.IBytes(uint64(total)), min(done*100/total, 100))
	case done > 0:
		line += ": " + humanize.IBytes(uint64(done))
	}
	return line + fmt.Sprintf(", %d s", int(time.Since(p.begin).Seconds()))
}
