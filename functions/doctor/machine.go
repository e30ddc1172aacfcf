package doctor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
)

// otherFiles is what a server may have open beside its clients: connections to a bucket,
// files of the store, plugins.
const otherFiles = 512

func checkCache(flag string) []Finding {
	const check = "cache"
	folder, unsafe := wire.CacheFolder(flag)
	switch {
	case unsafe != "":
		return []Finding{{Check: check, Seen: fmt.Sprintf("%s is not used, because others can put machine code there: %s", folder, unsafe), Do: "chmod o-w it, or name a folder of this user's with --cache (LESTATS_CACHE)"}}
	case folder == "" && flag == "":
		return []Finding{{Check: check, Seen: "this user has no home folder, so plugins are compiled at every start", Do: "name a folder with --cache (LESTATS_CACHE), or say off"}}
	case folder == "":
		return []Finding{good(check, "off: plugins are compiled at every start")}
	}
	if err := canWrite(folder); err != nil {
		if entries, _ := os.ReadDir(folder); len(entries) > 0 { // as in our image
			return []Finding{good(check, "%s can be read, and not written by this user: a plugin that it lacks is compiled at every start", folder)}
		}
		return []Finding{{Check: check, Seen: err.Error(), Do: "name a folder that this user can write with --cache (LESTATS_CACHE), or say off: plugins are compiled at every start now"}}
	}
	return []Finding{good(check, "%s can be written, and not by others", folder)}
}

func checkLogFile(file string) []Finding {
	if file == "" {
		return nil
	}
	if err := canWrite(filepath.Dir(file)); err != nil {
		return []Finding{{Check: "log file", Seen: err.Error(), Do: "name a file in a folder that this user can write (--log-file): it is rotated, which needs new files there"}}
	}
	return []Finding{good("log file", "%s can be written", file)}
}

// canWrite returns nil if this user can create files in a folder, or could if the folder
// were made. It writes nothing.
func canWrite(folder string) error {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	for at := folder; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist) && at != filepath.Dir(at):
			continue
		case err != nil:
			return err
		case !info.IsDir():
			return fmt.Errorf("%s is not a folder", at)
		}
		if err := unix.Access(at, unix.W_OK|unix.X_OK); err != nil {
			return fmt.Errorf("this user cannot write to %s: %w", at, err)
		}
		return nil
	}
}

func checkFiles() []Finding {
	const check, need = "files", httpapi.DefaultMaxStreams + otherFiles
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return []Finding{failed(check, fmt.Errorf("the limit of open files is not known: %w", err))}
	}
	if limit.Cur < need {
		return []Finding{{Check: check, Seen: fmt.Sprintf("%d files may be open, and a server with %d clients that follow events needs %d", limit.Cur, httpapi.DefaultMaxStreams, need), Do: fmt.Sprintf("raise the limit: ulimit -n %d, or LimitNOFILE=%[1]d of a systemd unit", 4096)}}
	}
	return []Finding{good(check, "%d files may be open; a server needs at most %d", limit.Cur, need)}
}

// checkMemory compares the budget for plugins and jobs, in bytes, with what this process
// can get. A quarter is for Go: its heap, the dataset's pages, answers.
func checkMemory(budget uint64) Finding {
	const check = "memory"
	have, of := memory("/")
	switch most := have / 4 * 3; {
	case have == 0:
		return good(check, "plugins and jobs may use %s; how much there is, is not known here", size(budget))
	case budget > most:
		return Finding{Check: check, Seen: fmt.Sprintf("plugins and jobs may use %s, and %s has %s", size(budget), of, size(have)), Do: fmt.Sprintf("set budget: %s, three quarters of it, in the file of --limits (infra/limits.yaml has an example), or give the process more memory", size(most))}
	}
	return good(check, "plugins and jobs may use %s of the %s of %s", size(budget), size(have), of)
}

// memory returns what this process can get, in bytes, and of what that is the memory: the
// control group with the least, or the machine. 0: it is not known. The files of Linux are
// below root.
func memory(root string) (bytes uint64, of string) {
	if b, err := os.ReadFile(filepath.Join(root, "proc/meminfo")); err == nil {
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "MemTotal:" {
				kib, _ := strconv.ParseUint(f[1], 10, 64) // 0 is not known
				bytes, of = kib<<10, "the machine"
			}
		}
	}
	f, err := os.Open(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return bytes, of
	}
	defer func() { _ = f.Close() }() // nothing was written
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// hierarchy:controllers:path; version 2 has no controllers
		_, rest, _ := strings.Cut(lines.Text(), ":")
		controllers, group, _ := strings.Cut(rest, ":")
		mount, file := "sys/fs/cgroup", "memory.max"
		switch controllers {
		case "":
		case "memory":
			mount, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		for at := path.Clean("/" + group); ; at = path.Dir(at) { // a limit of a group above holds, too
			b, err := os.ReadFile(filepath.Join(root, mount, at, file))
			if limit, bad := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64); err == nil && bad == nil && (bytes == 0 || limit < bytes) {
				bytes, of = limit, "the control group (container)"
			}
			if at == "/" {
				break
			}
		}
	}
	return bytes, of
}

// checkAddress checks that an address is free, or that a server like this one has it: then
// the body of a path has this text. other is a flag with another address.
func checkAddress(ctx context.Context, check, address, other, path, text string) Finding {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	switch {
	case err == nil:
		_ = l.Close() // nobody has connected
		return good(check, "%s is free", address)
	case !errors.Is(err, unix.EADDRINUSE):
		return Finding{Check: check, Seen: err.Error(), Do: "choose an address of this machine, such as " + other}
	case says(ctx, address, path, text):
		return good(check, "%s is in use by a server of this program", address)
	}
	return Finding{Check: check, Seen: address + " is in use by another program: it does not answer " + path + " as a server does", Do: "stop that program, or choose another address, such as " + other}
}

// says reports whether a server answers a path with a body whose first 64 KiB have this
// text.
func says(ctx context.Context, address, path, text string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, wire.LocalURL(address)+path, nil)
	if err != nil {
		return false
	}
	transport := &http.Transport{DisableKeepAlives: true} // and no proxy
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return err == nil && strings.Contains(string(body), text)
}
