// Package dataset turns a CSV file or an Arrow file into an immutable table in
// memory: typed columns in Arrow's layout, strings as codes into a sorted
// dictionary, rows sorted by one column, which is thereby an index, and a digest
// over all of it.
package dataset

import (
	"fmt"
	"sync"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Dataset is an immutable table. All methods but Close are safe for concurrent
// use; none may be called after Close.
//
// Its columns have the names, titles, units, roles and order of its descriptor.
// Their buffers start on 64-byte boundaries, unless ReadArrow was given bytes that
// do not. Numbers are finite. Dictionaries ascend bytewise and hold neither an
// empty string nor one that no row has. A row that is missing holds 0, and a
// column in which nothing is missing has no validity bitmap.
type Dataset struct {
	desc    *Descriptor
	digest  string
	rows    int
	columns []question.Column // the descriptor's, then what play added
	byName  map[string]int    // names, headers, aliases and the names that plugins know the roles by
	sorted  int               // index of the sort column, -1 without one
	starts  []uint32          // of the sort column: the first row of each code, then the number of rows
	release func() error      // of the mapping; nil without one
	closed  sync.Once
}

var _ question.Schema = (*Dataset)(nil)

// Info says what the dataset is.
func (d *Dataset) Info() question.DatasetInfo {
	return question.DatasetInfo{
		Name: d.desc.Name, Title: d.desc.Title, Source: d.desc.Source, License: d.desc.License,
		Synthetic: d.desc.Synthetic, Digest: d.digest, Rows: d.rows,
	}
}

// Rows returns the number of rows, at most 2^31-1.
func (d *Dataset) Rows() int { return d.rows }

// Digest returns "sha256:" and 64 hex digits, over the descriptor and every value.
// It does not depend on the file that the dataset came from.
func (d *Dataset) Digest() string { return d.digest }

// SortedBy returns the name of the column by which the rows ascend (rows without
// a value first), or "".
func (d *Dataset) SortedBy() string { return d.desc.Sort }

// Descriptor returns a copy of the descriptor.
func (d *Dataset) Descriptor() *Descriptor { return d.desc.clone() }

// Columns returns all columns in the descriptor's order. They are the dataset's
// own: not to be written to.
func (d *Dataset) Columns() []question.Column {
	return d.columns[:len(d.desc.Columns):len(d.desc.Columns)]
}

// Column returns the column with this name, CSV header or alias, or the one that
// plays the role that plugins know by this name, which may be none of Columns. It is
// the dataset's own: not to be written to.
func (d *Dataset) Column(nameOrAlias string) (*question.Column, bool) {
	i, ok := d.byName[nameOrAlias]
	if !ok {
		return nil, false
	}
	return &d.columns[i], true
}

// Verify computes the digest afresh, about 5 ms for 100,000 rows, and returns an
// error when it is not Digest: the file was changed or damaged.
func (d *Dataset) Verify() error {
	got, err := digest(d.desc, d.Columns(), d.rows)
	if err != nil {
		return err
	}
	if got != d.digest {
		return fmt.Errorf("the values have the digest %s, not %s as the file says: it was changed or damaged", got, d.digest)
	}
	return nil
}

// Close releases the mapping that Open made, if any; strings stay valid, buffers
// do not. A second call does nothing.
func (d *Dataset) Close() (err error) {
	d.closed.Do(func() {
		if d.release != nil {
			err = d.release()
		}
	})
	return err
}

// newDataset puts a dataset together from columns that are canonical already, in
// the descriptor's order. Names, titles, units and roles are set here.
func newDataset(desc *Descriptor, columns []question.Column, rows int) (*Dataset, error) {
	d := &Dataset{desc: desc, rows: rows, columns: columns, byName: map[string]int{}, sorted: -1}
	for i := range desc.Columns {
		spec, c := &desc.Columns[i], &columns[i]
		c.Name, c.Title, c.Type, c.Unit, c.Role = spec.Name, spec.Title, spec.Type, spec.Unit, spec.Role
		for _, n := range spec.names() {
			d.byName[n] = i
		}
		if spec.Name == desc.Sort {
			d.sorted = i
		}
	}
	if d.sorted >= 0 {
		d.starts = firstRows(&columns[d.sorted], rows)
	}
	if err := d.play(); err != nil {
		return nil, err
	}
	return d, nil
}

// firstRows returns where the run of each code starts, and at the end the number
// of rows. c is sorted, missing rows first.
func firstRows(c *question.Column, rows int) []uint32 {
	starts := make([]uint32, len(c.Dict)+1)
	row := missingCount(c.Valid, rows)
	for code := range c.Dict {
		starts[code] = uint32(row)
		for row < rows && c.Codes[row] == int32(code) {
			row++
		}
	}
	starts[len(c.Dict)] = uint32(rows)
	return starts
}
