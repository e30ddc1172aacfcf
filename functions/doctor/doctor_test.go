package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a process can get is the least of the machine's memory and the limits of its control
// group and those above it.
func TestMemory(t *testing.T) {
	const machine = "MemTotal:        8388608 kB\n"
	for name, tt := range map[string]struct {
		files map[string]string
		want  uint64
		of    string
	}{
		"unknown":   {nil, 0, ""},
		"machine":   {map[string]string{"proc/meminfo": machine}, 8 << 30, "machine"},
		"unlimited": {map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"}, 8 << 30, "machine"},
		"group":     {map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "1073741824\n"}, 1 << 30, "container"},
		"above":     {map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "1048576\n"}, 1 << 20, "container"},
		"container": {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1048576\n"}, 1 << 20, "container"},
		"version 1": {map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "5:cpu:/x\n4:memory:/x\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "1048576\n"}, 1 << 20, "container"},
		"no limit":  {map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "4:memory:/x\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "9223372036854771712\n"}, 8 << 30, "machine"},
	} {
		root := t.TempDir()
		for file, text := range tt.files {
			file = filepath.Join(root, file)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got, of := memory(root); got != tt.want || !strings.Contains(of, tt.of) {
			t.Errorf("%s: %d of %q, want %d of %q", name, got, of, tt.want, tt.of)
		}
	}
}

func TestCheckMemory(t *testing.T) {
	if f := checkMemory(1 << 20); !f.Good {
		t.Errorf("%+v", f)
	}
	if f := checkMemory(1 << 50); f.Good && !strings.Contains(f.Seen, "not known") || !f.Good && !strings.Contains(f.Do, "three quarters") {
		t.Errorf("%+v", f)
	}
}

// A folder that is missing can be written if the one above it can.
func TestCanWrite(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for folder, want := range map[string]string{dir: "", filepath.Join(dir, "a/b"): "", file: "is not a folder", filepath.Join(file, "a"): "not a directory"} {
		err := canWrite(folder)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", folder, err, want)
		}
	}
	if len(checkLogFile("")) != 0 || !checkLogFile(filepath.Join(dir, "log"))[0].Good {
		t.Error("a log file in a folder that can be written")
	}
}
