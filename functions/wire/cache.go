package wire

import (
	"cmp"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
)

// cacheFolder returns the folder for compiled plugins from the flag --cache, "" for none.
func cacheFolder(name string, log *slog.Logger) string {
	folder, unsafe := CacheFolder(name)
	if unsafe == "" {
		return folder
	}
	cmp.Or(log, slog.Default()).Warn("the folder for compiled plugins is not used, because others can put machine code there: chmod o-w it, or name a new folder with --cache (LESTATS_CACHE)", "folder", folder, "reason", unsafe)
	return ""
}

// CacheFolder returns the folder for compiled plugins that the flag --cache stands for, ""
// for none, and why it must not be used, "" if it may. A folder in which others can write
// is not used: it holds machine code, which runs with all the rights of this process.
func CacheFolder(name string) (folder, unsafe string) {
	switch name {
	case "off":
		return "", ""
	case "":
		base, err := os.UserCacheDir()
		if err != nil {
			return "", "" // no home folder: compile at every start
		}
		name = filepath.Join(base, "lestats")
	}
	info, err := os.Stat(name)
	if err != nil || !info.IsDir() { // it is created for this user alone, or cannot be used
		return name, ""
	}
	return name, writableByOthers(info)
}

// writableByOthers says why users other than this one and root can write to a folder; ""
// if they cannot. The members of its group may.
func writableByOthers(info fs.FileInfo) string {
	if info.Mode().Perm()&0o002 != 0 {
		return fmt.Sprintf("its mode is %s", info.Mode())
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 && int(stat.Uid) != os.Geteuid() {
		return fmt.Sprintf("it belongs to user %d, and this process is user %d", stat.Uid, os.Geteuid())
	}
	return ""
}
