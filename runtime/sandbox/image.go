package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tetratelabs/wazero/api"
)

// resetStrategy is how a memory is restored to its image after a job. All strategies
// give the same guarantee; RATIONALE.md has what each costs.
type resetStrategy int

const (
	resetBest       resetStrategy = iota // the fastest that the platform supports
	resetCopy                            // copy the whole image: works everywhere
	resetRemap                           // map the image privately, and discard written pages
	resetDirtyPages                      // map the image privately, and copy back written pages
)

func (w resetStrategy) String() string {
	return [...]string{"any", "copy", "remap", "dirty pages"}[w]
}

// platform is what the operating system supports for images.
type platform struct {
	strategy resetStrategy
	pagemap  *pagemap // resetDirtyPages
	missing  error    // why way is not the best; nil: it is
}

// probe finds out what the operating system supports by trying it. most is the
// fastest strategy to consider.
func probe(most resetStrategy) (p platform) {
	if most == resetCopy {
		return platform{strategy: resetCopy}
	}
	const size = 4 * wasmPage
	content := make([]byte, wasmPage)
	content[0], content[wasmPage-1] = 1, 2
	p.strategy = resetCopy
	f, err := newFile("probe", size, span{}, buffer{0, content})
	if err != nil {
		p.missing = err
		return p
	}
	defer f.close()
	all, err := reserve(3 * size)
	if err != nil {
		p.missing = err
		return p
	}
	defer release(all)
	space, shared := all[:2*size], all[2*size:]
	if p.missing = f.mapShared(shared); p.missing != nil {
		return p
	}
	if p.missing = errors.New("a shared mapping does not have the bytes of its file"); !bytes.Equal(shared[:wasmPage], content) {
		return p
	}
	if p.missing = f.mapPrivate(space[:size]); p.missing != nil {
		return p
	}
	clean := func() bool {
		return space[0] == 1 && space[wasmPage-1] == 2 && isZero(space[1:wasmPage-1]) && isZero(space[wasmPage:size]) && space[size] == 0
	}
	scribble := func() { space[0], space[wasmPage-1], space[2*wasmPage], space[size] = 9, 9, 9, 9 }
	if p.missing = errors.New("a private mapping does not have the bytes of its file"); !clean() {
		return p
	}
	scribble()
	if p.missing = discard(space); p.missing != nil {
		return p
	}
	if p.missing = errors.New("discarding a private mapping does not restore its file's bytes"); !clean() {
		return p
	}
	p.strategy, p.missing = resetRemap, nil
	if most == resetRemap {
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
		// Every written page must be reported, and no page that was only read.
		if err == nil && clean() && total < size {
			p.strategy, p.pagemap = resetDirtyPages, m
			return p
		}
		p.missing = orElse(err, "the pagemap does not show which pages were written to")
		_ = discard(space)
	}
	m.close()
	return p
}

func orElse(err error, otherwise string) error {
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

// image is the state in which every job begins: memory and globals of the plugin
// after it was initialised and opened. It never changes.
type image struct {
	bytes   []byte   // the memory, columns included; read-only
	globals []uint64 // as in rewrite.Info.Globals

	// If memories are mapped: everything but the columns. base is the block's address.
	file          *file
	base          uint32
	parts         []blockPart
	given         []span
	requestBuffer uint32 // address
	now           uint64 // the guest's clock
}

// takeImage takes the image of an opened instance.
func (p *Plugin) takeImage(in *instance) (*image, error) {
	img := &image{base: in.base, parts: p.block.parts, given: slices.Clone(in.given), requestBuffer: in.requestBuffer, now: in.opened}
	for _, g := range in.globals {
		img.globals = append(img.globals, g.Get())
	}
	view := in.view()
	if p.strategy == resetCopy {
		img.bytes = slices.Clone(view)
		return img, nil
	}
	// The block is mapped from the columns' own files, so there is one copy of them.
	size, base := uint64(len(view)), uint64(img.base)
	var err error
	if img.file, err = newFile("image", size, span{base, base + p.block.size}, buffer{0, view}); err != nil {
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

// keptPages is how many bytes of private memory a slot keeps between jobs. It will
// most likely write to the same pages again, and copying a page is cheaper than a page
// fault. A slot with more is remapped.
const keptPages = 4 << 20

// fill gives the image's content to a memory that has not been instantiated yet.
func (m *linearMemory) fill(img *image) error {
	m.start = uint64(len(img.bytes))
	if m.space != nil {
		return img.lay(m.space, (*file).mapPrivate)
	}
	m.buf = slices.Clone(img.bytes)
	return nil
}

// reset restores the memory to the image and returns how many private bytes the slot
// keeps. mod is the memory's module. After an error the instance must be closed.
func (m *linearMemory) reset(mod api.Module, img *image, p *platform, w resetStrategy, s *pages) (kept uint64, err error) {
	size := len(img.bytes)
	switch w {
	case resetDirtyPages:
		// The guest could not write beyond m.buf.
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
	case resetRemap:
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
		// wazero cannot shrink a memory. Growing it by a page makes wazero call
		// Reallocate, and it uses whatever buffer that returns.
		m.buf, m.keep = m.buf[:size], true
		_, ok := mod.Memory().Grow(1)
		m.keep = false
		if !ok {
			return 0, errors.New("the memory is at its maximum and cannot shrink")
		}
	}
	if got := mod.Memory().Size(); uint64(got) != uint64(size) {
		return 0, fmt.Errorf("the memory has %d bytes after its reset; expected %d", got, size)
	}
	return kept, nil
}

// discard drops everything that was written, and shrinks the memory to size bytes.
func (m *linearMemory) discard(size int) error {
	err := discard(m.space[:m.top])
	m.top, m.above = uint64(size), 0
	return err
}

// slot returns a new instance that starts from the plugin's image.
func (p *Plugin) slot(ctx context.Context) (*instance, error) {
	in := p.newInstance()
	if p.strategy != resetCopy {
		var err error
		if in.memory.space, err = reserve(p.memoryCeiling()); err != nil {
			return nil, err
		}
	}
	if err := in.memory.fill(p.image); err != nil {
		in.memory.release()
		return nil, err
	}
	in.meter.start(ctx, nil, &p.limits)
	if err := in.instantiateModule(ctx); err != nil {
		in.memory.release()
		return nil, err
	}
	in.given, in.requestBuffer, in.opened = append(in.given, p.image.given...), p.image.requestBuffer, p.image.now
	if got := in.mod.Memory().Size(); uint64(got) != uint64(len(p.image.bytes)) {
		in.close(ctx)
		return nil, fmt.Errorf("the memory has %d bytes; expected %d", got, len(p.image.bytes))
	}
	in.restoreGlobals()
	return in, nil
}

func (in *instance) restoreGlobals() {
	for i, g := range in.globals {
		g.Set(in.plugin.image.globals[i])
	}
}

// reset restores the instance to the image.
func (in *instance) reset() error {
	p := in.plugin
	var err error
	if in.kept, err = in.memory.reset(in.mod, p.image, &p.engine.platform, p.strategy, &in.pages); err != nil {
		return err
	}
	in.kept = min(in.kept, p.jobCost()) // kept is an upper bound
	in.restoreGlobals()
	in.given = in.given[:len(p.image.given)]
	return nil
}
