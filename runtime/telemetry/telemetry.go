// Package telemetry sets up the log: structured lines (log/slog) with times in UTC,
// to a stream and, where it is asked for, to a file that is rotated.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Formats of a line.
const (
	JSON = "json" // one object per line, for programs
	Text = "text" // key=value, for people
)

// Config says what is logged and where. The zero value is JSON at level Info to
// the standard error output.
type Config struct {
	Format string     // JSON or Text; "" is JSON
	Level  slog.Level // lines below it are dropped; the zero value is Info
	Output io.Writer  // nil is os.Stderr; io.Discard for a file alone

	// File, if not "", gets every line too. It is opened for appending, and its folder
	// is created. When the next line would make it larger than MaxSize, it is renamed to
	// name-<time in UTC>.ext and a new file is started.
	File       string
	MaxSize    int // megabytes (2^20 bytes); 0 is 10
	MaxBackups int // how many renamed files are kept, the newest; 0 is 5
}

func (c *Config) validate() error {
	if c.Format == "" {
		c.Format = JSON
	}
	if c.Output == nil {
		c.Output = os.Stderr
	}
	if c.MaxSize == 0 {
		c.MaxSize = 10
	}
	if c.MaxBackups == 0 {
		c.MaxBackups = 5
	}
	switch {
	case c.Format != JSON && c.Format != Text:
		return fmt.Errorf("telemetry: the log format %q: use %s or %s", c.Format, JSON, Text)
	case c.MaxSize < 0:
		return fmt.Errorf("telemetry: a log file of %d MB: the size must be positive, or 0 for 10", c.MaxSize)
	case c.MaxBackups < 0:
		return fmt.Errorf("telemetry: %d old log files: the number must be positive, or 0 for 5", c.MaxBackups)
	}
	return nil
}

// Log is a logger and the file that has to be closed after use. Safe for concurrent use.
type Log struct {
	*slog.Logger
	file *lumberjack.Logger // nil: none
}

// New opens a log. It fails if the file cannot be written to.
func New(cfg Config) (*Log, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	l := &Log{}
	out := cfg.Output
	if cfg.File != "" {
		if err := check(cfg.File); err != nil {
			return nil, err
		}
		l.file = &lumberjack.Logger{Filename: cfg.File, MaxSize: cfg.MaxSize, MaxBackups: cfg.MaxBackups}
		out = both{cfg.Output, l.file}
	}
	options := &slog.HandlerOptions{Level: cfg.Level}
	if cfg.Format == Text {
		l.Logger = slog.New(inUTC{slog.NewTextHandler(out, options)}) // it quotes what is not printable
	} else {
		options.ReplaceAttr = visible
		l.Logger = slog.New(inUTC{slog.NewJSONHandler(out, options)})
	}
	return l, nil
}

// inUTC is a handler that writes the times of lines in UTC.
type inUTC struct{ slog.Handler }

// Handle implements slog.Handler.
func (h inUTC) Handle(ctx context.Context, r slog.Record) error {
	r.Time = r.Time.UTC()
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h inUTC) WithAttrs(attrs []slog.Attr) slog.Handler { return inUTC{h.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (h inUTC) WithGroup(name string) slog.Handler { return inUTC{h.Handler.WithGroup(name)} }

// Close closes the file. Logging afterwards would open it again.
func (l *Log) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// check creates the file and its folder, if they do not exist.
func check(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("telemetry: the log file's folder: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("telemetry: the log file: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("telemetry: the log file: %w", err)
	}
	return nil
}

// visible escapes control characters in strings and errors, which may come from others:
// names of files, values or plugins. JSON leaves some of them as they are.
func visible(_ []string, a slog.Attr) slog.Attr {
	switch v := a.Value; {
	case v.Kind() == slog.KindString:
		a.Value = slog.StringValue(question.Visible(v.String()))
	case v.Kind() == slog.KindAny:
		if err, ok := v.Any().(error); ok {
			a.Value = slog.StringValue(question.Visible(err.Error()))
		}
	}
	return a
}

// both writes to two writers, even if one of them fails.
type both [2]io.Writer

func (w both) Write(b []byte) (int, error) {
	_, err0 := w[0].Write(b)
	_, err1 := w[1].Write(b)
	return len(b), errors.Join(err0, err1)
}
