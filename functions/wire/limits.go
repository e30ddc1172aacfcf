package wire

import (
	"fmt"
	"math"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/goccy/go-yaml"

	"github.com/le-stats-sportifs/lestats/runtime/boundedyaml"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

// Limits is what plugins may use: all of them, and single ones by their name.
type Limits struct {
	Budget  uint64         // memory of all plugins and jobs together, in bytes; 0 is the sandbox's default
	Default sandbox.Limits // fields that are 0 are the sandbox's defaults
	// Compile is what compiling one plugin may take: memory in bytes, and processor
	// time. 0 is the sandbox's default.
	Compile struct {
		Memory uint64
		Time   time.Duration
	}
	Plugins map[string]sandbox.Limits
}

// limitsFile is the YAML of a limits file.
type limitsFile struct {
	Budget  size        `yaml:"budget"`
	Default limitsEntry `yaml:"default"`
	Compile struct {
		Memory size     `yaml:"memory"`
		Time   duration `yaml:"time"`
	} `yaml:"compile"`
	Plugins map[string]limitsEntry `yaml:"plugins"`
}

type limitsEntry struct {
	Memory size     `yaml:"memory"`
	Fuel   fuel     `yaml:"fuel"`
	Time   duration `yaml:"time"`
	Stack  size     `yaml:"stack"`
	Result size     `yaml:"result"`
	Log    size     `yaml:"log"`
}

func (e limitsEntry) limits() sandbox.Limits {
	return sandbox.Limits{
		Memory: uint64(e.Memory), Fuel: int64(e.Fuel), Time: time.Duration(e.Time),
		Stack: uint64(e.Stack), Result: uint64(e.Result), Log: uint64(e.Log),
	}
}

// The kinds of values in a limits file, each above 0.
type (
	size     uint64        // "64 MiB", "500kB", or a number of bytes
	fuel     int64         // 2_000_000_000 or 2e9
	duration time.Duration // "5s"
)

// UnmarshalYAML implements yaml.InterfaceUnmarshaler.
func (s *size) UnmarshalYAML(unmarshal func(any) error) error {
	var text string
	if err := unmarshal(&text); err != nil {
		return err
	}
	n, err := humanize.ParseBytes(text)
	if err != nil || n == 0 {
		return fmt.Errorf("%q is no size above 0; write one such as 64 MiB", text)
	}
	*s = size(n)
	return nil
}

// UnmarshalYAML implements yaml.InterfaceUnmarshaler.
func (f *fuel) UnmarshalYAML(unmarshal func(any) error) error {
	var n float64
	if err := unmarshal(&n); err != nil {
		return err
	}
	if !(n >= 1 && n <= math.MaxInt64/2) {
		return fmt.Errorf("%v is no amount of fuel; write one such as 2e9, which a core burns in 2 s or less", n)
	}
	*f = fuel(n)
	return nil
}

// UnmarshalYAML implements yaml.InterfaceUnmarshaler.
func (d *duration) UnmarshalYAML(unmarshal func(any) error) error {
	var text string
	if err := unmarshal(&text); err != nil {
		return err
	}
	t, err := time.ParseDuration(text)
	if err != nil || t <= 0 {
		return fmt.Errorf("%q is no time above 0; write one such as 500ms or 2s", text)
	}
	*d = duration(t)
	return nil
}

// ReadLimits reads a limits file; "" is no file, and no limits but the defaults.
// What it means is in infra/limits.yaml.
func ReadLimits(path string) (Limits, error) {
	if path == "" {
		return Limits{}, nil
	}
	text, err := boundedyaml.ReadFile(path)
	if err != nil {
		return Limits{}, fmt.Errorf("limits: %w", err)
	}
	bodies, err := boundedyaml.Parse(text)
	if err != nil {
		return Limits{}, fmt.Errorf("limits %s: %w", path, err)
	}
	var f limitsFile
	switch len(bodies) {
	case 0: // nothing but comments
	case 1:
		if err := yaml.NodeToValue(bodies[0], &f, yaml.Strict()); err != nil {
			return Limits{}, fmt.Errorf("limits %s: %s", path, yaml.FormatError(err, false, true))
		}
	default:
		return Limits{}, fmt.Errorf("limits %s: it holds %d YAML documents; one", path, len(bodies))
	}
	l := Limits{Budget: uint64(f.Budget), Default: f.Default.limits(), Plugins: map[string]sandbox.Limits{}}
	l.Compile.Memory, l.Compile.Time = uint64(f.Compile.Memory), time.Duration(f.Compile.Time)
	for name, e := range f.Plugins {
		l.Plugins[name] = e.limits()
	}
	return l, nil
}
