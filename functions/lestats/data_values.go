package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/render"
)

type dataValuesCmd struct {
	Column     string   `arg:"" help:"Name of the column; lestats data info lists them."`
	Data       string   `help:"Dataset: a CSV, Parquet or Arrow file; - is standard input. Default: the embedded SYNTHETIC sample." placeholder:"FILE" env:"LESTATS_DATA"`
	Descriptor string   `help:"Descriptor (YAML) of the file. Default: FILE.yaml beside FILE.csv, or the CDC survey's descriptor." placeholder:"FILE" env:"LESTATS_DESCRIPTOR"`
	Where      []string `sep:"none" help:"Count only rows with this value in a dimension, as for lestats ask." placeholder:"COLUMN=VALUE"`
	Limit      int      `short:"n" help:"The most values to list, from 1." default:"100"`
	Format     string   `short:"f" help:"Output format: table, csv or json." enum:"table,csv,json" default:"table"`
	JSON       bool     `name:"json" help:"The same as --format json."`
}

// Help is what `lestats data values --help` adds.
func (dataValuesCmd) Help() string {
	return `The values are those that parameters and --where take, in order.

Examples:

  lestats data values location
  lestats data values year --where location=Guam
  lestats data values question --data cdc.csv -f csv > questions.csv`
}

// columnValues are the values of a column as `data values --json` prints them.
type columnValues struct {
	Dataset   string        `json:"dataset"`
	Synthetic bool          `json:"synthetic"` // the rows are generated, not real
	Column    string        `json:"column"`
	Type      question.Type `json:"type"`
	Unit      string        `json:"unit,omitempty"`
	Values    []valueRows   `json:"values"`
	LeftOut   int           `json:"left_out"` // values beyond --limit
	Missing   int           `json:"missing"`  // rows without a value
}

type valueRows struct {
	Value any `json:"value"`
	Rows  int `json:"rows"`
}

// Run lists the values.
func (c *dataValuesCmd) Run(ctx context.Context, s *streams) (err error) {
	if c.Limit < 1 {
		return fmt.Errorf("--limit %d: it takes 1 or more", c.Limit)
	}
	ds, err := openDataset(ctx, s, c.Data, c.Descriptor)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ds.Close()) }()
	col, ok := ds.Column(c.Column)
	if !ok {
		return unknownColumn(ds, c.Column)
	}
	w := words{schema: ds, notes: s.err}
	where, err := assignments(c.Where, w.where)
	if err != nil {
		return err
	}
	// A question without parameters checks the conditions as every question does.
	bound, err := (&question.Manifest{Questions: []question.Question{{Name: "values"}}}).Bind(question.Request{Question: "values", Where: where}, ds)
	if err != nil {
		return err
	}
	found := count(col, ds.Select(bound.Where), c.Limit)
	found.Dataset, found.Synthetic = ds.Info().Name, ds.Info().Synthetic
	if c.JSON || c.Format == "json" {
		return writeJSON(s.out, found)
	}
	options := question.WriteOptions{
		Provenance: &question.Provenance{Dataset: found.Dataset, Synthetic: found.Synthetic}, Note: question.NoteColumn, People: true, Width: columns(s.out),
	}
	if c.Format == "csv" {
		var b bytes.Buffer
		if err := render.CSV(&b, found.table(), options); err != nil {
			return err
		}
		_, err = unchanged(s.out).Write(b.Bytes())
	} else {
		err = render.Text(s.out, found.table(), options)
	}
	if found.LeftOut > 0 {
		fmt.Fprintf(s.err, "Values left out: %s; -n %d lists all.\n", humanize.Comma(int64(found.LeftOut)), len(found.Values)+found.LeftOut)
	}
	if found.Missing > 0 {
		fmt.Fprintf(s.err, "Rows without a value: %s.\n", humanize.Comma(int64(found.Missing)))
	}
	return err
}

// unknownColumn is the error of a name that no column has.
func unknownColumn(ds *dataset.Dataset, name string) error {
	names := question.ColumnNames(ds.Columns())
	near := question.Nearest(name, names)
	if most := 20; len(names) > most {
		names = append(names[:most:most], fmt.Sprintf("... (%d in all)", len(names)))
	}
	return question.Errorf(question.CodeUnknownParameter, "the dataset has no column %.100q; its columns are %s", name, strings.Join(names, ", ")).Suggest("column", near)
}

// count counts the rows of each value, and lists the first values in order.
func count(c *question.Column, ranges []question.Range, limit int) *columnValues {
	out := &columnValues{Column: c.Name, Type: c.Type, Unit: c.Unit, Values: []valueRows{}}
	switch c.Type {
	case question.Number:
		counted(out, c, ranges, limit, c.Numbers, func(v float64) any { return v })
	case question.Integer:
		counted(out, c, ranges, limit, c.Integers, func(v int64) any { return v })
	default: // codes are in the order of the values
		counted(out, c, ranges, limit, c.Codes, func(code int32) any { return c.Dict[code] })
	}
	return out
}

func counted[T cmp.Ordered](out *columnValues, c *question.Column, ranges []question.Range, limit int, cells []T, value func(T) any) {
	rows := map[T]int{}
	for _, r := range ranges {
		for i := int(r.Start); i < int(r.Start+r.Count); i++ {
			if c.Present(i) {
				rows[cells[i]]++
			} else {
				out.Missing++
			}
		}
	}
	all := slices.Sorted(maps.Keys(rows))
	for _, v := range all[:min(len(all), limit)] {
		out.Values = append(out.Values, valueRows{value(v), rows[v]})
	}
	out.LeftOut = len(all) - len(out.Values)
}

// table returns the values and their rows as two columns.
func (v *columnValues) table() *question.Table {
	values := question.Column{Name: v.Column, Type: v.Type, Unit: v.Unit, Role: question.RoleKey}
	rows := question.Column{Name: "rows", Type: question.Integer, Role: question.RoleValue}
	if v.Column == rows.Name {
		rows.Name = "rows_"
	}
	for i, one := range v.Values {
		switch value := one.Value.(type) {
		case float64:
			values.Numbers = append(values.Numbers, value)
		case int64:
			values.Integers = append(values.Integers, value)
		case string:
			values.Codes = append(values.Codes, int32(i))
			values.Dict = append(values.Dict, value)
		}
		rows.Integers = append(rows.Integers, int64(one.Rows))
	}
	return &question.Table{Layout: question.LayoutRows, Columns: []question.Column{values, rows}}
}
