package sandbox

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tetratelabs/wazero/api"
)

// way is how a memory is put back to its image after a job. The promise is the
// same whichever it is; RATIONALE has what each costs.
type way int

const (
	wayAny   way = iota // the best that the platform has
	wayCopy             // copy all of the image: works everywhere
	wayRemap            // map the image privately, and discard what was written to
	wayDirty            // the same, but copy the pages that were written to
)

func (w way) String() string {
	return [...]string{"any", "copy", "remap", "dirty pages"}[w]
}

// platform is what the system offers for images.
type platform struct {
	way     way
	pagemap *pagemap // wayDirty
	missing error    // why way is not the best; nil: it is
}

// probe finds out what the system offers, by doing it. most is the best way that
// is wanted.
func probe(most way) (p platform) {
	if most == wayCopy {
		return platform{way: wayCopy}
	}
	const size = 4 * wasmPage
	content := make([]byte, wasmPage)
	content[0], content[wasmPage-1] = 1, 2
	p.way = wayCopy
	f, err := newFile("probe", size, content, span{})
	if err != nil {
		p.missing = err
		return p
	}
	defer f.close()
	space, err := reserve(2 * size)
	if err != nil {
		p.missing = err
		return p
	}
	defer release(space)
	if p.missing = f.mapPrivate(space[:size]); p.missing != nil {
		return p
	}
	clean := func() bool {
		return space[0] == 1 && space[wasmPage-1] == 2 && isZero(space[1:wasmPage-1]) && isZero(space[wasmPage:size]) && space[size] == 0
	}
	scribble := func() { space[0], space[wasmPage-1], space[2*wasmPage], space[size] = 9, 9, 9, 9 }
	if p.missing = errors.New("a private mapping has not the bytes of its file"); !clean() {
		return p
	}
	scribble()
	if p.missing = discard(space); p.missing != nil {
		return p
	}
	if p.missing = errors.New("discarding a private mapping does not bring back its file's bytes"); !clean() {
		return p
	}
	p.way, p.missing = wayRemap, nil
	if most == wayRemap {
		return p
	}
	m, err := openPagemap()
	if err != nil {
		p.missing = err
		return p
	}
	for _, m.scan = range []bool{true, false} {
		scribble()
		var s pages
		total := uint64(0)
		err := m.written(space, &s, func(from, to uint64) {
			total += to - from
			clear(space[from:to])
			if from < wasmPage {
				copy(space[from:min(to, wasmPage)], content[from:])
			}
		})
		// All that was written to, and not what was only read.
		if err == nil && clean() && total < size {
			p.way, p.pagemap = wayDirty, m
			return p
		}
		p.missing = cmpErr(err, "the pagemap does not tell which pages were written to")
		_ = discard(space)
	}
	m.close()
	return p
}

func cmpErr(err error, otherwise string) error {
	if err != nil {
		return err
	}
	return errors.New(otherwise)
}

func (p *platform) close() {
	if p.pagemap != nil {
		p.pagemap.close()
	}
}

func isZero(b []byte) bool {
	for len(b) >= 8 {
		if b[0]|b[1]|b[2]|b[3]|b[4]|b[5]|b[6]|b[7] != 0 {
			return false
		}
		b = b[8:]
	}
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}

// image is a plugin as it is when a job begins: initialised and opened, its
// memory and its globals. It never changes.
type image struct {
	bytes   []byte   // the memory, columns included: not to be written to
	globals []uint64 // as in rewrite.Info.Globals

	// Where memories are mapped: what is not the columns, and where the block lies.
	file  *file
	base  uint32
	parts []blockPart
	given []span
	room  uint32 // address of what the plugin handed out for requests
	now   uint64 // what the clock showed
}

// takeImage takes the image of an instance that was opened.
func (p *Plugin) takeImage(in *instance) (*image, error) {
	img := &image{base: in.base, parts: p.block.parts, given: slices.Clone(in.given), room: in.room, now: in.opened}
	for _, g := range in.globals {
		img.globals = append(img.globals, g.Get())
	}
	view := in.view()
	if p.way == wayCopy {
		img.bytes = slices.Clone(view)
		return img, nil
	}
	// The block is the columns' own files', so that there is one copy of them.
	size, base := uint64(len(view)), uint64(img.base)
	var err error
	if img.file, err = newFile("image", size, view, span{base, base + p.block.size}); err != nil {
		return nil, err
	}
	if img.bytes, err = reserve(size); err != nil {
		img.release()
		return nil, err
	}
	if err := img.lay(img.bytes, (*file).mapShared); err != nil {
		img.release()
		return nil, err
	}
	return img, nil
}

// lay maps the image over a space.
func (img *image) lay(space []byte, mapOver func(*file, []byte) error) error {
	if len(img.bytes) == 0 {
		return nil
	}
	if err := mapOver(img.file, space[:len(img.bytes)]); err != nil {
		return err
	}
	for _, part := range img.parts {
		at := uint64(img.base) + uint64(part.offset)
		if err := mapOver(part.segment.file, space[at:at+part.segment.size]); err != nil {
			return err
		}
	}
	return nil
}

func (img *image) release() {
	if img.file == nil {
		return // Go's collector takes the bytes
	}
	img.file.close()
	release(img.bytes)
	img.bytes = nil
}

// keptPages is how many bytes of memory of its own a slot keeps from job to job:
// what it has written to once it will most likely write to again, and a copy is
// cheaper than a page fault. Above it the slot starts afresh.
const keptPages = 4 << 20

// fill makes a memory that is yet to be instantiated the image's.
func (m *linearMemory) fill(img *image) error {
	m.start = uint64(len(img.bytes))
	if m.space != nil {
		return img.lay(m.space, (*file).mapPrivate)
	}
	m.buf = slices.Clone(img.bytes)
	return nil
}

// reset puts the memory back to the image and returns how many bytes of its own
// the slot keeps. mod is the memory's module. After an error the instance is of no
// use any more.
func (m *linearMemory) reset(mod api.Module, img *image, p *platform, w way, s *pages) (kept uint64, err error) {
	size := len(img.bytes)
	switch w {
	case wayDirty:
		// What lies beyond m.buf was not the guest's to write to.
		var above uint64
		err = p.pagemap.written(m.buf, s, func(from, to uint64) {
			kept += to - from
			if kept > keptPages {
				return
			}
			n := uint64(copy(m.buf[from:to], img.bytes[min(from, uint64(size)):]))
			clear(m.buf[from+n : to])
			above += to - from - n
		})
		kept += max(m.above, above) - above
		m.above = max(m.above, above)
		if err == nil && kept > keptPages {
			kept, err = 0, m.discard(size)
		}
	case wayRemap:
		err = m.discard(size)
	default:
		if 2*size+keptPages < cap(m.buf) {
			return 0, errors.New("the memory has grown too large to be kept")
		}
		copy(m.buf, img.bytes)
		clear(m.buf[min(size, len(m.buf)):])
		kept = uint64(cap(m.buf))
	}
	if err != nil {
		return 0, err
	}
	m.refused = false
	if len(m.buf) != size {
		// wazero has no way to make a memory smaller; growing by a page makes it ask for
		// its buffer, and it takes the one it gets.
		m.buf, m.keep = m.buf[:size], true
		_, ok := mod.Memory().Grow(1)
		m.keep = false
		if !ok {
			return 0, errors.New("the memory is at its maximum, and cannot become smaller")
		}
	}
	if got := mod.Memory().Size(); uint64(got) != uint64(size) {
		return 0, fmt.Errorf("the memory has %d bytes after its reset; %d", got, size)
	}
	return kept, nil
}

// discard forgets all that was written, and more than size bytes.
func (m *linearMemory) discard(size int) error {
	err := discard(m.space[:m.top])
	m.top, m.above = uint64(size), 0
	return err
}

// slot returns an instance over the plugin's image.
func (p *Plugin) slot(ctx context.Context) (*instance, error) {
	in := p.newInstance()
	if p.way != wayCopy {
		var err error
		if in.memory.space, err = reserve(p.reach()); err != nil {
			return nil, err
		}
	}
	if err := in.memory.fill(p.image); err != nil {
		in.memory.release()
		return nil, err
	}
	in.meter.start(ctx, farAway, &p.limits)
	if err := in.instantiate(ctx); err != nil {
		in.memory.release()
		return nil, err
	}
	in.given, in.room, in.opened = append(in.given, p.image.given...), p.image.room, p.image.now
	if got := in.mod.Memory().Size(); uint64(got) != uint64(len(p.image.bytes)) {
		in.close(ctx)
		return nil, fmt.Errorf("the memory has %d bytes; %d", got, len(p.image.bytes))
	}
	in.restoreGlobals()
	return in, nil
}

func (in *instance) restoreGlobals() {
	for i, g := range in.globals {
		g.Set(in.plugin.image.globals[i])
	}
}

// reset makes the instance what it was before its job.
func (in *instance) reset() error {
	p := in.plugin
	var err error
	if in.kept, err = in.memory.reset(in.mod, p.image, &p.engine.platform, p.way, &in.pages); err != nil {
		return err
	}
	in.kept = min(in.kept, p.jobCost()) // an estimate that errs upwards
	in.restoreGlobals()
	in.given = in.given[:len(p.image.given)]
	return nil
}
