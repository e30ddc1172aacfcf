package sandbox

import (
	"context"
	"math"
	"slices"

	"github.com/tetratelabs/wazero/api"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox/rewrite"
)

// Bounds of a profile. A plugin may nest calls and take paths without end; what is beyond
// is counted together.
const (
	maxPaths = 10_000
	maxDepth = 256 // functions within functions
)

// Profile says where a job spent its fuel. The fuel of all paths together is the job's.
type Profile struct {
	Paths []Path // a path's parent comes before it
	// Stopped is where a job that failed was stopped, innermost first, of each function the
	// last place that it told of. It is empty if the plugin returned.
	Stopped []Place
}

// Path is a place together with the calls that led there.
type Path struct {
	Parent int // index of the path that ends with the call, -1 if the host called
	Place  Place
	Fuel   int64 // units spent here, without the functions that were called
	Calls  int64 // how often the function began, at its entry; else 0
}

// Place is a place in a plugin's code, or stands for the host.
type Place struct {
	Func   int    // index of the function in the module; -1: it is none of the plugin's
	Name   string // as the module has it, or of its export; "" if it has none
	Offset uint32 // of the instruction in the module, bytes
	Entry  bool   // it is the function as a whole: what is outside of its loops is paid at its entry
}

// Places that are not sites of the guest; those of host functions go down from placeHost.
const (
	placeRoot   = -1 // the host, between calls of the plugin
	placeHost   = -2
	placeDeeper = math.MinInt32     // calls deeper than maxDepth
	placeOther  = math.MinInt32 + 1 // paths beyond maxPaths
)

// Names of places that stand for several.
const (
	NameHost   = "(the host)"
	NameDeeper = "(deeper calls)"
	NameOther  = "(other paths)"
)

// LoadTraced is Load for a plugin that Profile can follow. It needs time for each call and
// each turn of a loop, 10 to 400 times as much as an ordinary job. Answers and fuel are
// the same. What it compiles is of no use for Load, so the engine should have no cache.
func (e *Engine) LoadTraced(ctx context.Context, wasm []byte) (*Plugin, error) {
	load := e.loading(ctx, wasm, &servedWorld)
	return e.newPlugin(ctx, wasm, func(p *Plugin) error {
		p.traced = true
		return load(p)
	})
}

// Profile is Measure for a plugin of LoadTraced that also says where the fuel was spent. It
// returns the profile of a job that failed too, up to there. The profile depends on nothing
// but the plugin, the dataset and the request.
func (p *Plugin) Profile(ctx context.Context, b *question.BoundRequest, rows []question.Range) (*Profile, *question.Table, question.Usage, error) {
	tr := &tracer{sites: p.info.Sites}
	t, used, err := p.answer(ctx, b, rows, tr)
	profile := tr.profile(p.info)
	if err != nil {
		return profile, nil, used, err
	}
	return profile, t, used, nil
}

// tracer follows one job of an instance. It attributes what is spent between two calls of
// the guest to where the guest was.
type tracer struct {
	sites []rewrite.Site
	in    *instance

	paths  []tracedPath
	index  map[edge]int32 // of a path, by its parent and place
	stack  []tracedCall
	beyond int   // calls that have begun and are deeper than maxDepth
	last   int64 // fuel spent up to where the guest was seen last

	stopped []int32 // places of the calls that did not return
}

// edge identifies a path: by the index of its parent and its place.
type edge struct{ parent, place int32 }

type tracedPath struct {
	edge
	fuel, calls int64
}

// tracedCall is a call that has not returned: the path of its caller, and its own.
type tracedCall struct{ caller, here int32 }

// The first paths.
const (
	rootPath  = 0
	otherPath = 1
)

// begin prepares the tracer for a job of the instance, and end stops it.
func (t *tracer) begin(in *instance) {
	t.in, in.tracer = in, t
	t.paths = []tracedPath{{edge: edge{-1, placeRoot}}, {edge: edge{-1, placeOther}}}
	t.index = map[edge]int32{}
}

func (t *tracer) end() {
	t.returned()
	t.in.tracer = nil
}

// returned is called when the host's call of the guest has ended, in whatever way.
func (t *tracer) returned() {
	t.spend()
	for _, call := range slices.Backward(t.stack) {
		t.stopped = append(t.stopped, t.paths[call.here].place)
	}
	t.stack, t.beyond = t.stack[:0], 0
}

// here is the path where the guest is.
func (t *tracer) here() int32 {
	if len(t.stack) == 0 {
		return rootPath
	}
	return t.stack[len(t.stack)-1].here
}

// spend attributes what was spent since the guest was seen last.
func (t *tracer) spend() {
	now := t.in.meter.total()
	t.paths[t.here()].fuel += now - t.last
	t.last = now
}

// path returns the path that leads from another to a place.
func (t *tracer) path(parent, place int32) int32 {
	at := edge{parent, place}
	n, ok := t.index[at]
	switch {
	case ok:
	case len(t.paths) >= maxPaths:
		return otherPath
	default:
		n = int32(len(t.paths))
		t.paths = append(t.paths, tracedPath{edge: at})
		t.index[at] = n
	}
	return n
}

// enter begins a call.
func (t *tracer) enter(place int32) {
	t.spend()
	if len(t.stack) >= maxDepth {
		if t.beyond++; t.beyond > 1 {
			t.paths[t.here()].calls++
			return
		}
		place = placeDeeper
	}
	caller := t.here()
	n := t.path(caller, place)
	t.paths[n].calls++
	t.stack = append(t.stack, tracedCall{caller, n})
}

// at tells that the function that runs has got to a place.
func (t *tracer) at(place int32) {
	if t.beyond > 0 || len(t.stack) == 0 {
		return
	}
	t.spend()
	top := &t.stack[len(t.stack)-1]
	top.here = t.path(top.caller, place)
}

// leave ends the innermost call.
func (t *tracer) leave() {
	t.spend()
	if t.beyond > 1 {
		t.beyond--
		return
	}
	t.beyond = 0
	if n := len(t.stack); n > 0 {
		t.stack = t.stack[:n-1]
	}
}

// profile returns what was seen. Paths that nothing was spent on are left out, unless they
// lead to one.
func (t *tracer) profile(info *rewrite.Info) *Profile {
	used := make([]bool, len(t.paths))
	for i := len(t.paths) - 1; i >= 0; i-- {
		n := &t.paths[i]
		used[i] = used[i] || n.fuel > 0 || n.calls > 0
		if used[i] && n.parent >= 0 {
			used[n.parent] = true
		}
	}
	out, moved := &Profile{}, make([]int, len(t.paths))
	for i := range t.paths {
		n := &t.paths[i]
		if !used[i] || i == rootPath && n.fuel == 0 {
			moved[i] = -1
			continue
		}
		moved[i] = len(out.Paths)
		parent := -1
		if n.parent > rootPath {
			parent = moved[n.parent]
		}
		out.Paths = append(out.Paths, Path{parent, t.place(info, n.place), n.fuel, n.calls})
	}
	for _, place := range t.stopped[:min(len(t.stopped), maxFrames)] {
		out.Stopped = append(out.Stopped, t.place(info, place))
	}
	return out
}

// place describes a place.
func (t *tracer) place(info *rewrite.Info, n int32) Place {
	switch {
	case n >= 0:
		s := t.sites[n]
		return Place{int(s.Func), info.Names[s.Func], s.Offset, s.Entry}
	case n == placeDeeper:
		return Place{Func: -1, Name: NameDeeper}
	case n == placeOther:
		return Place{Func: -1, Name: NameOther}
	case n == placeRoot:
		return Place{Func: -1, Name: NameHost}
	default:
		f := &hostFuncs[placeHost-n]
		return Place{Func: -1, Name: f.module + "." + f.name}
	}
}

// trace is the function by which guests of LoadTraced tell where they are.
func trace(ctx context.Context, _ api.Module, stack []uint64) {
	in, ok := ctx.Value(instanceKey{}).(*instance)
	if !ok {
		panic(misuse("a guest ran outside of a job"))
	}
	t, site := in.tracer, int32(stack[0])
	switch {
	case t == nil: // while it is opened
	case site == rewrite.Leave:
		t.leave()
	case t.sites[site].Entry:
		t.enter(site)
	default:
		t.at(site)
	}
}
