package tabular

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// thriftWalk walks a structure in Thrift's compact protocol, the format of Parquet's
// metadata. It never allocates.
type thriftWalk struct {
	left   []byte
	cost   int64 // approximate bytes of the decoded lists of structures
	failed bool
}

const thriftDepth = 64

// Types of thrift's compact protocol.
const (
	thriftTrue, thriftFalse, thriftByte, thriftDouble, thriftBinary = 1, 2, 3, 7, 8
	thriftList, thriftSet, thriftMap, thriftStruct                  = 9, 10, 11, 12
)

func (w *thriftWalk) byte() byte {
	if len(w.left) == 0 {
		w.failed = true
		return 0
	}
	b := w.left[0]
	w.left = w.left[1:]
	return b
}

func (w *thriftWalk) varint() uint64 {
	v, n := binary.Uvarint(w.left)
	if n <= 0 {
		w.failed = true
		return 0
	}
	w.left = w.left[n:]
	return v
}

// integer reads an i16, i32 or i64.
func (w *thriftWalk) integer() int64 { return unzigzag(w.varint()) }

func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

func (w *thriftWalk) skip(n uint64) {
	if n > uint64(len(w.left)) {
		w.failed = true
		return
	}
	w.left = w.left[n:]
}

// structure walks a structure. field, if not nil, is called with each field's id and type
// and returns whether it has read the value; otherwise structure skips it.
func (w *thriftWalk) structure(depth int, field func(id int64, kind byte) bool) {
	id := int64(0)
	for !w.failed {
		head := w.byte()
		if head == 0 {
			return
		}
		kind := head & 15
		if head>>4 == 0 {
			id = w.integer()
		} else {
			id += int64(head >> 4)
		}
		if field != nil && field(id, kind) {
			continue
		}
		if kind != thriftTrue && kind != thriftFalse { // they have no bytes here
			w.value(kind, depth+1)
		}
	}
}

// costs is the approximate memory of a structure, by how many lists it is nested in:
// schema elements and row groups, column chunks, statistics.
var costs = []int64{512, 1024, 64}

func (w *thriftWalk) value(kind byte, depth int) {
	if depth > thriftDepth {
		w.failed = true
	}
	if w.failed {
		return
	}
	switch kind {
	case thriftTrue, thriftFalse, thriftByte:
		w.skip(1)
	case 4, 5, 6: // integers
		w.varint()
	case thriftDouble:
		w.skip(8)
	case thriftBinary:
		w.skip(w.varint())
	case thriftList, thriftSet:
		n, of := w.list()
		w.values(n, []byte{of}, depth)
	case thriftMap:
		if n := w.varint(); n > 0 {
			kinds := w.byte()
			w.values(n, []byte{kinds >> 4, kinds & 15}, depth)
		}
	case thriftStruct:
		w.structure(depth, nil)
	default:
		w.failed = true
	}
}

// list reads the header of a list: the number and type of its values.
func (w *thriftWalk) list() (n uint64, kind byte) {
	head := w.byte()
	n = uint64(head >> 4)
	if n == 15 {
		n = w.varint()
	}
	if n > uint64(len(w.left)) { // a value has at least one byte
		w.failed = true
	}
	return n, head & 15
}

// values skips n groups of values of the given kinds.
func (w *thriftWalk) values(n uint64, kinds []byte, depth int) {
	if n > uint64(len(w.left)) {
		w.failed = true
	}
	for i := uint64(0); i < n && !w.failed; i++ {
		for _, kind := range kinds {
			if kind == thriftStruct {
				w.cost += costs[min(depth/3, len(costs)-1)] // a list and its structure add 2 or 3 to the depth
			}
			w.value(kind, depth+1)
		}
	}
}

// checkFileMetadata refuses a footer whose decoding would take memory or stack out of
// proportion to its size: the library trusts the lengths of lists and the nesting of
// columns.
func checkFileMetadata(footer []byte) error {
	w := thriftWalk{left: footer}
	var err error
	w.structure(0, func(id int64, kind byte) bool {
		if id != 2 || kind != thriftList || err != nil {
			return false
		}
		err = w.schema()
		return true
	})
	switch {
	case err != nil:
		return err
	case w.failed || w.cost > 64<<20+64*int64(len(footer)):
		return errors.New("its footer is damaged")
	}
	return nil
}

// schema walks the elements of a schema, each of which says how many of the following
// elements are its children.
func (w *thriftWalk) schema() error {
	n, kind := w.list()
	if w.failed = w.failed || kind != thriftStruct; w.failed {
		return nil
	}
	if n > maxFields {
		return fmt.Errorf("it has %d columns, nested ones included; at most %d", n, maxFields)
	}
	var open []int64 // remaining children, from the outside in
	for range n {
		for len(open) > 0 && open[len(open)-1] == 0 {
			open = open[:len(open)-1]
		}
		if len(open) > 0 {
			open[len(open)-1]--
		}
		children := int64(0)
		w.structure(1, func(id int64, kind byte) bool {
			if id != 5 || kind != 5 {
				return false
			}
			children = w.integer()
			return true
		})
		if w.failed {
			return nil
		}
		if children < 0 || children > maxFields {
			return fmt.Errorf("its footer is damaged: a column has %d children", children)
		}
		if children > 0 {
			open = append(open, children)
		}
		if len(open) > maxNested {
			return fmt.Errorf("its columns are nested more than %d deep", maxNested)
		}
	}
	return nil
}
