package sandbox

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/ianlancetaylor/demangle"

	"github.com/le-stats-sportifs/lestats/runtime/sandbox/rewrite"
)

// maxFrames bounds the functions of a call stack.
const maxFrames = 16

// stackError is the cause of an error that happened in a plugin's code. Its text is empty:
// names from a plugin's code are for its author and the log, not for clients.
type stackError struct {
	frames []string
	cause  error // may be nil
}

func (*stackError) Error() string   { return "" }
func (s *stackError) Unwrap() error { return s.cause }

// StackOf returns the functions of a plugin that ran when err happened, innermost first, at
// most 16, with "..." at the end if there were more. nil: err did not happen in a plugin's code.
func StackOf(err error) []string {
	if at, ok := errors.AsType[*stackError](err); ok {
		return at.frames
	}
	return nil
}

// tracedFrame matches a line of wazero's stack trace: a function's name, or $ and its
// index, and its type.
var tracedFrame = regexp.MustCompile(`^\t([^\t].*?)\((?:(?:i32|i64|f32|f64|v128|externref|funcref),?)*\)(?: [a-z0-9(,)]+)?$`)

// frames returns the guest's functions in the stack trace of an error of wazero's. What the
// rewriter and the host have added is left out.
func (p *Plugin) frames(err error) []string {
	_, trace, found := strings.Cut(err.Error(), "\nwasm stack trace:\n")
	if !found {
		return nil
	}
	var frames []string
	for line := range strings.Lines(trace) {
		match := tracedFrame.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if match == nil {
			break
		}
		name, ok := p.frame(match[1])
		if !ok {
			continue
		}
		if len(frames) == maxFrames {
			return append(frames, "...")
		}
		frames = append(frames, name)
	}
	return frames
}

// frame returns the name of a function of wazero's stack trace, which is "module.name". It
// reports false for a function that is not the guest's.
func (p *Plugin) frame(name string) (string, bool) {
	own, isGuest := strings.CutPrefix(name, ".") // guests are instantiated without a name
	if !isGuest {
		return name, !strings.HasPrefix(name, rewrite.Module+".")
	}
	number, unnamed := strings.CutPrefix(own, "$")
	index, err := strconv.Atoi(number)
	if !unnamed || err != nil {
		return Readable(own), true
	}
	for export, f := range p.code.module.ExportedFunctions() {
		if int(f.Index()) == index && !strings.HasPrefix(export, rewrite.Reserved) {
			return export, true
		}
	}
	added := 1
	if p.traced {
		added++
	}
	if index -= added; index >= p.info.Functions {
		return "", false // a helper
	}
	return Unnamed(index), true
}

// rustHash ends the name of a Rust function.
var rustHash = regexp.MustCompile(`::h[0-9a-f]{16}$`)

// Readable returns the name of a function as its author wrote it: demangled if it is one of
// Rust or C++, and otherwise as it is.
func Readable(name string) string {
	return rustHash.ReplaceAllString(demangle.Filter(name, demangle.NoParams), "")
}

// Unnamed is what a function without a name is called: func[12]. The index counts imported
// functions too, as tools for WebAssembly do.
func Unnamed(index int) string { return "func[" + strconv.Itoa(index) + "]" }
