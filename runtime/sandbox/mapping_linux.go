package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	goruntime "runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// reserve maps n zero bytes, which take up memory only when they are written to. The
// caller releases them.
func reserve(n uint64) ([]byte, error) {
	p, err := unix.MmapPtr(-1, 0, nil, uintptr(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("reserving %d bytes of addresses: %w", n, err)
	}
	return unsafe.Slice((*byte)(p), n), nil
}

// release unmaps what reserve returned. Any later access ends the process.
func release(space []byte) {
	if len(space) > 0 {
		_ = unix.MunmapPtr(unsafe.Pointer(&space[0]), uintptr(len(space))) // fails only for what reserve did not return
	}
}

// file is sealed memory that many mappings share.
type file struct{ fd int }

// newFile returns a file of n bytes with the given contents. The hole, in whole
// WebAssembly pages, stays zero whatever they have there. The caller closes the file.
func newFile(name string, n uint64, hole span, contents ...buffer) (_ *file, err error) {
	fd, err := unix.MemfdCreate("lestats "+name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("a file in memory: %w", err)
	}
	f := &file{fd}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	if err := unix.Ftruncate(fd, int64(n)); err != nil {
		return nil, fmt.Errorf("a file of %d bytes in memory: %w", n, err)
	}
	for _, c := range contents {
		for at := 0; at < len(c.bytes); at += wasmPage {
			part, to := c.bytes[at:min(len(c.bytes), at+wasmPage)], c.at+uint64(at)
			if hole.start <= to && to < hole.end || isZero(part) {
				continue
			}
			for done := 0; done < len(part); {
				k, err := unix.Pwrite(fd, part[done:], int64(to)+int64(done))
				if err != nil {
					return nil, fmt.Errorf("writing a file in memory: %w", err)
				}
				done += k
			}
		}
	}
	// F_SEAL_FUTURE_WRITE (Linux 5.1), not F_SEAL_WRITE: nothing maps the file yet, so it
	// forbids the same. F_SEAL_WRITE waits for pages that the kernel uses just then, and fails
	// with EBUSY after 0.15 s, which happens on a busy machine; and many kernels before 6.7
	// refuse to map such a file read-only.
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_FUTURE_WRITE|unix.F_SEAL_GROW|unix.F_SEAL_SHRINK|unix.F_SEAL_SEAL); err != nil {
		return nil, fmt.Errorf("sealing a file in memory: %w", err)
	}
	return f, nil
}

// mapPrivate maps the file over a part of a reserved space, copy-on-write.
func (f *file) mapPrivate(over []byte) error {
	return f.mapOver(over, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_NORESERVE)
}

// mapShared maps the file read-only: a write there ends the process.
func (f *file) mapShared(over []byte) error {
	return f.mapOver(over, unix.PROT_READ, unix.MAP_SHARED)
}

func (f *file) mapOver(over []byte, prot, flags int) error {
	_, err := unix.MmapPtr(f.fd, 0, unsafe.Pointer(&over[0]), uintptr(len(over)), prot, flags|unix.MAP_FIXED)
	if err != nil {
		return fmt.Errorf("mapping %d bytes: %w", len(over), err)
	}
	return nil
}

func (f *file) close() { _ = unix.Close(f.fd) }

// discard drops what was written to a part of a reserved space: mapped pages have the
// file's bytes again, the others zeros.
func discard(part []byte) error {
	return unix.Madvise(part, unix.MADV_DONTNEED)
}

// pagemap finds the pages of a private mapping that were written to.
type pagemap struct {
	fd   int
	scan bool // the kernel supports PAGEMAP_SCAN
}

func openPagemap() (*pagemap, error) {
	fd, err := unix.Open("/proc/self/pagemap", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("/proc/self/pagemap: %w", err)
	}
	return &pagemap{fd: fd}, nil
}

func (m *pagemap) close() { _ = unix.Close(m.fd) }

// pages is the buffers of one slot's calls of written.
type pages struct {
	arg  scanArg
	runs [64]scanRun
	buf  []byte
}

// scanArg is struct pm_scan_arg, and scanRun struct page_region, of linux/fs.h.
type (
	scanArg struct {
		size, flags, start, end, walkEnd, vec, vecLen, maxPages, invert, all, anyOf, returned uint64
	}
	scanRun struct{ start, end, categories uint64 }
)

const (
	pagemapScan = 0xc0606610 // _IOWR('f', 16, struct pm_scan_arg)

	// Categories of the scan.
	pageIsFile, pageIsPresent, pageIsSwapped = 1 << 2, 1 << 3, 1 << 4
	// Bits of an entry of the pagemap.
	entryFile, entryHere = 1 << 61, 3 << 62 // present or swapped out
)

// written calls each for every run of private pages in part. A page of a private
// mapping is private from when it is written to until it is discarded.
func (m *pagemap) written(part []byte, s *pages, each func(from, to uint64)) error {
	if len(part) == 0 {
		return nil
	}
	if !m.scan {
		return m.read(part, s, each)
	}
	base := uint64(uintptr(unsafe.Pointer(&part[0])))
	end := base + uint64(len(part))
	for start := base; start < end; {
		s.arg = scanArg{
			size: uint64(unsafe.Sizeof(scanArg{})), start: start, end: end,
			vec: uint64(uintptr(unsafe.Pointer(&s.runs[0]))), vecLen: uint64(len(s.runs)),
			invert: pageIsFile, all: pageIsFile, anyOf: pageIsPresent | pageIsSwapped, returned: pageIsFile,
		}
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(m.fd), pagemapScan, uintptr(unsafe.Pointer(&s.arg)))
		goruntime.KeepAlive(s)
		if errno != 0 {
			return fmt.Errorf("scanning the pagemap: %w", errno)
		}
		for _, run := range s.runs[:n] {
			each(run.start-base, run.end-base)
		}
		if s.arg.walkEnd <= start {
			return errors.New("scanning the pagemap: it made no progress")
		}
		start = s.arg.walkEnd
	}
	return nil
}

// read does the same on kernels without PAGEMAP_SCAN, by reading every page's entry.
func (m *pagemap) read(part []byte, s *pages, each func(from, to uint64)) error {
	size := uint64(os.Getpagesize())
	n := (uint64(len(part)) + size - 1) / size
	if uint64(len(s.buf)) < 8*n {
		s.buf = make([]byte, 8*n)
	}
	buf := s.buf[:8*n]
	for done := 0; done < len(buf); {
		k, err := unix.Pread(m.fd, buf[done:], int64(uint64(uintptr(unsafe.Pointer(&part[0])))/size*8)+int64(done))
		if err != nil || k == 0 {
			return fmt.Errorf("reading the pagemap: %d bytes of %d: %w", done, len(buf), err)
		}
		done += k
	}
	for i := range n {
		if e := binary.LittleEndian.Uint64(buf[8*i:]); e&entryFile == 0 && e&entryHere != 0 {
			each(i*size, min((i+1)*size, uint64(len(part))))
		}
	}
	return nil
}
