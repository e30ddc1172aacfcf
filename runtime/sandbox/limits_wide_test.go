package sandbox

import (
	"runtime"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// A recursion with frames of several KiB ends at the limit on native stack too, and
// allocates no more than a job is charged for it.
func TestWideFrames(t *testing.T) {
	p := load(t, Config{}, "runaway_wide")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := askRunaway(t.Context(), p, "recurse")
	runtime.ReadMemStats(&after)
	wantError(t, err, question.CodeDepthLimit, "4 MiB of native stack")
	grown := after.TotalAlloc - before.TotalAlloc
	if grown > 4*p.limits.Stack {
		t.Errorf("it allocated %d KiB", grown>>10)
	}
	t.Logf("%d KiB", grown>>10)
}
