// Package dataset reads a CSV, Parquet or Arrow file into an immutable table in
// memory: typed columns in Arrow's layout, strings as codes into a sorted
// dictionary, rows sorted by one column (which makes it an index), and a digest
// of everything.
package dataset

import (
	"fmt"
	"slices"
	"sync"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Dataset is an immutable table. All methods but Close are safe for concurrent
// use; none may be called after Close.
//
// Its columns have the names, titles, units, roles and order of its descriptor.
// Numbers are finite. Dictionaries ascend bytewise and contain neither an
// empty string nor an unused one. A missing row holds 0, and a column without
// missing rows has no validity bitmap.
type Dataset struct {
	desc    *Descriptor
	digest  string
	rows    int
	columns []question.Column // the descriptor's, then those that bindRoles added
	byName  map[string]int    // by name, header, alias, and the name under which plugins ask for a role
	sorted  int               // index of the sort column, -1 without one
	starts  []uint32          // of the sort column: the first row of each code, then the number of rows
	release func() error      // of the mapping; nil without one
	closed  sync.Once

	compared sync.Once          // guards what follows
	distinct []*question.Column // see distinctDimensions
}

var _ question.Schema = (*Dataset)(nil)

// Info describes the dataset.
func (d *Dataset) Info() question.DatasetInfo {
	return question.DatasetInfo{
		Name: d.desc.Name, Title: d.desc.Title, Source: d.desc.Source, License: d.desc.License,
		Synthetic: d.desc.Synthetic.All, Digest: d.digest, Rows: d.rows, Geo: d.desc.Geo,
	}
}

// Rows returns the number of rows, at most 2^31-1.
func (d *Dataset) Rows() int { return d.rows }

// Digest returns "sha256:" and 64 hex digits: a hash of the descriptor and every
// value. It does not depend on the format of the file that the dataset came from.
func (d *Dataset) Digest() string { return d.digest }

// SortedBy returns the name of the column by which the rows ascend (rows without
// a value first), or "".
func (d *Dataset) SortedBy() string { return d.desc.Sort }

// Descriptor returns a copy of the descriptor.
func (d *Dataset) Descriptor() *Descriptor { return d.desc.clone() }

// Columns returns all columns in the descriptor's order. They belong to the dataset
// and must not be modified.
func (d *Dataset) Columns() []question.Column {
	return d.columns[:len(d.desc.Columns):len(d.desc.Columns)]
}

// Column returns the column with this name, CSV header or alias, or the one that
// plays the role that plugins know by this name, which need not be one of Columns.
// It belongs to the dataset and must not be modified.
func (d *Dataset) Column(nameOrAlias string) (*question.Column, bool) {
	i, ok := d.byName[nameOrAlias]
	if !ok {
		return nil, false
	}
	return &d.columns[i], true
}

// Verify recomputes the digest, which takes about 5 ms for 100,000 rows, and returns
// an error when it differs from Digest: the file was changed or damaged.
func (d *Dataset) Verify() error {
	got, err := digest(d.desc, d.Columns(), d.rows)
	if err != nil {
		return err
	}
	if got != d.digest {
		return fmt.Errorf("the values have the digest %s, but the file says %s: it was changed or damaged", got, d.digest)
	}
	return nil
}

// Close releases the mapping that Open made, if any. Strings stay valid; buffers do
// not. A second call does nothing.
func (d *Dataset) Close() (err error) {
	d.closed.Do(func() {
		if d.release != nil {
			err = d.release()
		}
	})
	return err
}

// newDataset makes a dataset of columns that are already canonical and in the
// descriptor's order. It sets their names, titles, units and roles.
func newDataset(desc *Descriptor, columns []question.Column, rows int) *Dataset {
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
	d.bindRoles()
	d.addKinds()
	return d
}

// firstRows returns the first row of each code, followed by the number of rows. c is
// sorted, missing rows first.
func firstRows(c *question.Column, rows int) []uint32 {
	missing := missingCount(c.Valid, rows)
	starts := make([]uint32, len(c.Dict)+1)
	for code := range starts {
		at, _ := slices.BinarySearch(c.Codes[missing:], int32(code))
		starts[code] = uint32(missing + at)
	}
	return starts
}
