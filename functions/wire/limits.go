package wire

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/le-stats-sportifs/lestats/runtime/boundedyaml"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

// Limits bounds what plugins may use, by default and by plugin.
type Limits struct {
	Budget  uint64         // memory of all plugins and jobs together, and of rendered answers that a server keeps, in bytes; 0 is the sandbox's default
	Default sandbox.Limits // fields that are 0 are the sandbox's defaults
	// Compile bounds the compilation of one plugin: memory in bytes, and processor time.
	// 0 is the sandbox's default.
	Compile struct {
		Memory uint64
		Time   time.Duration
	}
	Plugins map[string]sandbox.Limits // by name; fields that are 0 are those of Default
}

// apply fills in what the command line says. No job takes longer than its time limit,
// whatever the file says.
func (l *Limits) apply(cfg EngineConfig) {
	l.Default = l.Default.Over(sandbox.Limits{Memory: uint64(cfg.MemoryMiB) << 20, Time: cfg.TimeLimit})
	if cfg.TimeLimit <= 0 {
		return
	}
	l.Default.Time = min(l.Default.Time, cfg.TimeLimit)
	for name, own := range l.Plugins {
		own.Time = min(own.Time, cfg.TimeLimit) // 0 stands for the default
		l.Plugins[name] = own
	}
}

// limitsFile is the structure of a limits file.
type limitsFile struct {
	Budget  size        `json:"budget"`
	Default limitsEntry `json:"default"`
	Compile struct {
		Memory size     `json:"memory"`
		Time   duration `json:"time"`
	} `json:"compile"`
	Plugins map[string]limitsEntry `json:"plugins"`
}

type limitsEntry struct {
	Memory size     `json:"memory"`
	Fuel   Fuel     `json:"fuel"`
	Time   duration `json:"time"`
	Stack  size     `json:"stack"`
	Result size     `json:"result"`
	Log    size     `json:"log"`
}

func (e limitsEntry) limits() sandbox.Limits {
	return sandbox.Limits{
		Memory: uint64(e.Memory), Fuel: int64(e.Fuel), Time: time.Duration(e.Time),
		Stack: uint64(e.Stack), Result: uint64(e.Result), Log: uint64(e.Log),
	}
}

// The types of values in a limits file. All are above 0.
type (
	size     uint64        // "64 MiB", "500kB", or a number of bytes
	duration time.Duration // "5s"
)

// Fuel is an amount of fuel as people write it, above 0: 2_000_000_000 or 2e9.
type Fuel int64

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *size) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(string(text))
	if err != nil || n == 0 {
		return fmt.Errorf("%q is not a size above 0, such as 64 MiB", text)
	}
	*s = size(n)
	return nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *Fuel) UnmarshalText(text []byte) error {
	n, err := strconv.ParseFloat(strings.ReplaceAll(string(text), "_", ""), 64)
	if err != nil || !(n >= 1 && n <= math.MaxInt64/2) {
		return fmt.Errorf("%q is not an amount of fuel, such as 2e9, which one core uses in 2 s or less", text)
	}
	*f = Fuel(n)
	return nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *duration) UnmarshalText(text []byte) error {
	t, err := time.ParseDuration(string(text))
	if err != nil || t <= 0 {
		return fmt.Errorf("%q is not a duration above 0, such as 500ms or 2s", text)
	}
	*d = duration(t)
	return nil
}

// ReadLimits reads a limits file, whose format infra/limits.yaml explains. Without a path
// it returns no limits, which stands for the defaults.
func ReadLimits(path string) (Limits, error) {
	if path == "" {
		return Limits{}, nil
	}
	text, err := boundedyaml.ReadFile(path)
	if err != nil {
		return Limits{}, fmt.Errorf("limits: %w", err)
	}
	var f limitsFile
	if _, err := boundedyaml.Decode(text, &f); err != nil {
		return Limits{}, fmt.Errorf("limits %s: %w", path, err)
	}
	l := Limits{Budget: uint64(f.Budget), Default: f.Default.limits(), Plugins: map[string]sandbox.Limits{}}
	l.Compile.Memory, l.Compile.Time = uint64(f.Compile.Memory), time.Duration(f.Compile.Time)
	for name, e := range f.Plugins {
		l.Plugins[name] = e.limits()
	}
	return l, nil
}
