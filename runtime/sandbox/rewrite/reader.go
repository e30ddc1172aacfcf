package rewrite

import (
	"fmt"
	"unicode/utf8"
)

// Error says why a module is refused, and where.
type Error struct {
	Offset int // byte offset in the original module
	Reason string
}

func (e *Error) Error() string { return fmt.Sprintf("at byte %#x: %s", e.Offset, e.Reason) }

// reader reads a module. The first error sticks: later reads return zero values, so a
// loop needs to check for an error only once per iteration.
type reader struct {
	b   []byte // the module up to where this reader may read
	pos int
	err *Error
}

// refusef records an error at offset at, unless there is one already.
func (r *reader) refusef(at int, format string, args ...any) {
	if r.err == nil {
		r.err = &Error{at, fmt.Sprintf(format, args...)}
	}
}

func (r *reader) failed() bool { return r.err != nil }
func (r *reader) done() bool   { return r.err != nil || r.pos >= len(r.b) }

func (r *reader) byte() byte {
	if r.err != nil || r.pos >= len(r.b) {
		r.refusef(r.pos, "the module ends unexpectedly")
		return 0
	}
	r.pos++
	return r.b[r.pos-1]
}

// bytes returns the next n bytes, which alias the module and are read-only.
func (r *reader) bytes(n uint32) []byte {
	if r.err != nil || uint64(n) > uint64(len(r.b)-r.pos) {
		r.refusef(r.pos, "the module ends unexpectedly")
		return nil
	}
	r.pos += int(n)
	return r.b[r.pos-int(n) : r.pos]
}

// u32 reads an unsigned LEB128 number of at most 32 bits.
func (r *reader) u32() uint32 {
	if r.err == nil && r.pos < len(r.b) && r.b[r.pos] < 0x80 { // nearly always
		r.pos++
		return uint32(r.b[r.pos-1])
	}
	return uint32(r.unsigned(32))
}

// unsigned reads an unsigned LEB128 number of at most bits bits: 32 or 64.
func (r *reader) unsigned(bits int) uint64 {
	at, v := r.pos, uint64(0)
	for shift := 0; shift < bits; shift += 7 {
		c := r.byte()
		if left := bits - shift; left < 7 && c>>left != 0 {
			break
		}
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	r.refusef(at, "a number does not fit %d bits", bits)
	return 0
}

// signed reads a signed LEB128 number of at most bits bits: 32, 33 or 64.
func (r *reader) signed(bits int) int64 {
	at, v := r.pos, int64(0)
	for shift := 0; shift < bits; shift += 7 {
		c := r.byte()
		if left := bits - shift; left < 7 {
			// The last byte: the bits beyond the number repeat its sign.
			if rest := int8(c<<1) >> left; c >= 0x80 || rest != 0 && rest != -1 {
				break
			}
		}
		v |= int64(c&0x7f) << shift
		if c < 0x80 {
			if shift += 7; shift < 64 && c&0x40 != 0 {
				v |= -1 << shift
			}
			return v
		}
	}
	r.refusef(at, "a number does not fit %d bits", bits)
	return 0
}

// count reads the number of items that follow: at most limit, and at most as many as
// the remaining bytes can hold at size bytes each. So a short module cannot make us
// allocate much memory.
func (r *reader) count(what string, limit, size int) int {
	at := r.pos
	n := int64(r.u32())
	switch {
	case r.err != nil:
		return 0
	case n > int64(limit):
		r.refusef(at, "%d %s; the limit is %d", n, what, limit)
		return 0
	case n*int64(size) > int64(len(r.b)-r.pos):
		r.refusef(at, "%d %s, more than there are bytes", n, what)
		return 0
	}
	return int(n)
}

// index reads an index into a space of n items.
func (r *reader) index(what string, n int) uint32 {
	at := r.pos
	i := r.u32()
	if r.err == nil && int64(i) >= int64(n) {
		r.refusef(at, "%s %d of %d", what, i, n)
		return 0
	}
	return i
}

func (r *reader) name() string {
	at := r.pos
	b := r.bytes(r.u32())
	if !utf8.Valid(b) {
		r.refusef(at, "a name is not UTF-8")
	}
	return string(b)
}

// noVectors says that vectors are refused and how to build without them. RATIONALE.md
// has the reason.
const noVectors = "vector instructions (SIMD) are not supported; build without them: " +
	"clang -mno-simd128, rustc -C target-feature=-simd128"

// valType is a value type as encoded in the binary format.
type valType byte

const (
	i32       valType = 0x7f
	i64       valType = 0x7e
	f32       valType = 0x7d
	f64       valType = 0x7c
	v128      valType = 0x7b // refused: see noVectors
	funcref   valType = 0x70
	externref valType = 0x6f
)

var valTypeNames = map[valType]string{
	i32: "i32", i64: "i64", f32: "f32", f64: "f64", funcref: "funcref", externref: "externref",
}

func (t valType) String() string { return valTypeNames[t] }

func (t valType) isRef() bool { return t == funcref || t == externref }

func (r *reader) valType() valType {
	at := r.pos
	t := valType(r.byte())
	if t == v128 {
		r.refusef(at, "value type v128: %s", noVectors)
	}
	if _, ok := valTypeNames[t]; !ok {
		r.refusef(at, "value type %#x is not part of WebAssembly 2.0", byte(t))
	}
	return t
}

func (r *reader) refType() valType {
	at := r.pos
	t := r.valType()
	if !t.isRef() {
		r.refusef(at, "%s where a reference type is required", t)
	}
	return t
}
