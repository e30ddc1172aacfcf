package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal: what is written to it can be read.
type terminal struct {
	*os.File

	mu   sync.Mutex
	text bytes.Buffer
}

func newTerminal(t *testing.T, columns uint16) *terminal {
	t.Helper()
	main, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	fd := int(main.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: 24})
	}
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{File: file}
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := main.Read(b)
			term.mu.Lock()
			term.text.Write(b[:n])
			term.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { _, _ = file.Close(), main.Close() })
	return term
}

// until waits for a text on the terminal and returns all of it.
func (t *terminal) until(text string) string {
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		t.mu.Lock()
		all := t.text.String()
		t.mu.Unlock()
		if strings.Contains(all, text) || time.Now().After(end) {
			return all
		}
	}
}

// On a terminal, tables are as wide as it is; a file has them whole.
func TestTablesFitTheTerminal(t *testing.T) {
	t.Setenv("COLUMNS", "")
	args := []string{"data", "values", "question"}
	_, whole, _ := lestats(t, args...)
	if !strings.Contains(whole, "on 2 or more days a week") {
		t.Fatal(whole)
	}
	t.Setenv("COLUMNS", "30") // counts on a terminal only
	if _, again, _ := lestats(t, args...); again != whole {
		t.Errorf("COLUMNS changes what a program reads: %s", again)
	}
	for _, tt := range []struct {
		args    []string
		columns string
		width   int
	}{{args, "", 60}, {args, "40", 40}, {[]string{"data", "info"}, "", 60}, {append(args, "-f", "csv"), "", 0}} {
		t.Setenv("COLUMNS", tt.columns)
		term := newTerminal(t, 60)
		if code := run(t.Context(), tt.args, term.File, io.Discard); code != exitOK {
			t.Fatal(code)
		}
		fmt.Fprintln(term, "END")
		widest := 0
		out, _, _ := strings.Cut(term.until("END\r\n"), "END")
		for _, head := range []string{"COLUMN ", "question "} { // what precedes the table is whole
			if at := strings.Index(out, head); at > 0 {
				out = out[at:]
				break
			}
		}
		for line := range strings.Lines(out) {
			widest = max(widest, len([]rune(strings.TrimRight(line, "\r\n"))))
		}
		if cut := strings.Contains(out, "…"); tt.width > 0 && (!cut || widest > tt.width || widest < tt.width-30) || tt.width == 0 && (cut || widest < 200) {
			t.Errorf("%v in %q columns is %d wide:\n%s", tt.args, tt.columns, widest, out)
		}
	}
}

// A file of bytes does not go to a terminal.
func TestNoBytesOnTerminal(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("m.csv", []byte("place,share\nUtah,1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"ask", "global_mean", "question=obesity", "-f", "arrow"}, {"data", "build", "m.csv", "-o", "-"}} {
		term := newTerminal(t, 80)
		var errs bytes.Buffer
		if code := run(t.Context(), args, term.File, &errs); code != exitFailed || !strings.Contains(errs.String(), "-o FILE") {
			t.Errorf("%v: %d, %s", args, code, &errs)
		}
	}
}

// Values cannot control a terminal in any format. A pipe gets every byte.
func TestValuesCannotControlTheTerminal(t *testing.T) {
	t.Setenv("LESTATS_CACHE", compiled(t))
	t.Chdir(t.TempDir())
	const evil = "Utah\x1b]0;title\a\u009b31m\u202e"
	if err := os.WriteFile("m.csv", []byte("place,share\n"+evil+",1.5\nOhio,2.25\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := lestats(t, "data", "init", "m.csv"); code != exitOK {
		t.Fatal(errs)
	}
	ask, values := []string{"ask", "states_mean", "--data", "m.csv"}, []string{"data", "values", "place", "--data", "m.csv"}
	for _, args := range [][]string{append(ask, "-f", "csv"), append(ask, "-f", "json"), append(ask, "-f", "rows"), append(values, "-f", "csv"), append(values, "-f", "json")} {
		term := newTerminal(t, 200)
		if code := run(t.Context(), args, term.File, io.Discard); code != exitOK {
			t.Fatal(code)
		}
		fmt.Fprintln(term, "END")
		out := term.until("END\r\n")
		if strings.ContainsAny(out, "\x1b\a\u009b\u202e") || !strings.Contains(out, `Utah\`) || strings.Contains(out, `\r`) {
			t.Errorf("%v: %q", args, out)
		}
		if _, out, _ := lestats(t, args...); !strings.Contains(out, "\u009b31m\u202e") {
			t.Errorf("%v in a pipe: %q", args, out)
		}
	}
}

// Work that takes long says how far it is, in one line on a terminal and in lines
// elsewhere; short work says nothing.
func TestProgress(t *testing.T) {
	var quick, file bytes.Buffer
	startProgress(&quick, "reading x", 10).end()
	if quick.Len() > 0 {
		t.Errorf("short work says %q", &quick)
	}
	term := newTerminal(t, 40)
	p := startProgress(&visible{to: term.File}, "reading a file with a very long name indeed.csv", 4<<20)
	p.set(1 << 20)
	if out := term.until("reading a file"); strings.Contains(out, "\n") || !strings.HasPrefix(out, "\r\x1b[K") || !strings.Contains(out, "…") {
		t.Errorf("a terminal shows %q", out)
	}
	p.say("waiting")
	if out := term.until("waiting\r\n"); !strings.Contains(out, "\r\x1b[Kwaiting\r\n") {
		t.Errorf("a terminal shows %q", out)
	}
	p.end()
	fmt.Fprintln(term, "END")
	if out := term.until("END\r\n"); !strings.HasSuffix(out, "\r\x1b[KEND\r\n") {
		t.Errorf("the line is left: %q", out)
	}
	p = startProgress(&file, "reading y", 4<<20)
	p.set(1 << 20)
	time.Sleep(progressAfter + progressAfter/2)
	p.end()
	if got := file.String(); !strings.HasPrefix(got, "reading y: 1.0 MiB of 4.0 MiB (25 %), ") || !strings.HasSuffix(got, " s\n") {
		t.Errorf("a file gets %q", got)
	}
}
