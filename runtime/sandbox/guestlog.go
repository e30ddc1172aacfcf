package sandbox

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"unicode"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// What one job may write to the log.
const (
	maxLogLines = 100
	maxLogBytes = 16 << 10 // of all lines together
	maxLogLine  = 1 << 10  // longer lines are cut
	maxWords    = 400      // of the last words in an error
)

// guestLog forwards a guest's lines to the host's log, within bounds.
type guestLog struct {
	log *slog.Logger // with the plugin's name

	lines, bytes int // written so far
	dropped      int // lines over the limit
	pending      [2]pendingLine
	words        string // last error: on standard error or of level error, or the first that mentions a panic
}

// pendingLine is an incomplete line on standard output or error.
type pendingLine struct{ text []byte }

func slogLevel(level uint32) slog.Level {
	switch level {
	case abi.LogDebug:
		return slog.LevelDebug
	case abi.LogWarn:
		return slog.LevelWarn
	case abi.LogError:
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}

// reset clears the state at the start of a job.
func (g *guestLog) reset() {
	*g = guestLog{log: g.log, pending: [2]pendingLine{{g.pending[0].text[:0]}, {g.pending[1].text[:0]}}}
}

// open reports whether another line would be logged.
func (g *guestLog) open() bool { return g.lines < maxLogLines && g.bytes < maxLogBytes }

// line logs one line. It does not retain text.
func (g *guestLog) line(ctx context.Context, level slog.Level, text []byte) {
	if level >= slog.LevelError {
		g.heed(text)
	}
	if !g.open() {
		g.dropped++
		return
	}
	text = text[:min(len(text), maxLogLine, maxLogBytes-g.bytes)]
	g.lines++
	g.bytes += len(text)
	g.log.Log(ctx, level, printable(text), "from", "plugin")
}

// write takes what a guest writes to standard output or error, and logs each line
// when it is complete.
func (g *guestLog) write(ctx context.Context, stderr bool, text []byte) {
	p, level := &g.pending[0], slog.LevelInfo
	if stderr {
		p, level = &g.pending[1], slog.LevelWarn
	}
	for len(text) > 0 {
		part, rest, ended := bytes.Cut(text, []byte("\n"))
		p.text = append(p.text, part[:min(len(part), maxLogLine-len(p.text))]...)
		text = rest
		if ended {
			g.end(ctx, p, level, stderr)
		}
	}
}

func (g *guestLog) end(ctx context.Context, p *pendingLine, level slog.Level, stderr bool) {
	if len(bytes.TrimSpace(p.text)) > 0 {
		if stderr {
			g.heed(p.text)
		}
		g.line(ctx, level, p.text)
	}
	p.text = p.text[:0]
}

// heed keeps what may be the guest's last words. Of a panic, the first line says most.
func (g *guestLog) heed(text []byte) {
	if !mentionsPanic(g.words) {
		g.words = strings.TrimSpace(printable(text[:min(len(text), maxWords)]))
	}
}

func mentionsPanic(line string) bool {
	return strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "abort:") || strings.HasPrefix(line, "fatal error:") || strings.Contains(line, "panicked at")
}

// close logs incomplete lines, and how many lines were dropped.
func (g *guestLog) close(ctx context.Context) {
	g.end(ctx, &g.pending[0], slog.LevelInfo, false)
	g.end(ctx, &g.pending[1], slog.LevelWarn, true)
	if g.dropped > 0 {
		g.log.WarnContext(ctx, "the plugin exceeded a job's log limit; lines were dropped", "dropped", g.dropped, "lines", maxLogLines, "bytes", maxLogBytes)
		g.dropped = 0
	}
}

// printable returns text as valid UTF-8 without control or invisible characters.
func printable(text []byte) string {
	return question.Visible(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.TrimRight(strings.ToValidUTF8(string(text), "\uFFFD"), "\r\n")))
}
