package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	"github.com/le-stats-sportifs/lestats/runtime/dataset/pull"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

type dataCmd struct {
	Info   dataInfoCmd   `cmd:"" help:"Describe a dataset: its size, source and columns."`
	Values dataValuesCmd `cmd:"" help:"List the values of a column, and how many rows have each."`
	Init   dataInitCmd   `cmd:"" help:"Write a descriptor for a CSV, Parquet or Arrow file of your own."`
	Build  dataBuildCmd  `cmd:"" help:"Convert a CSV, Parquet or Arrow file to a .arrow file that loads in milliseconds."`
	Pull   dataPullCmd   `cmd:"" help:"Download a published dataset."`
}

type dataInfoCmd struct {
	File       string `arg:"" optional:"" help:"A CSV, Parquet or Arrow file; - is standard input. Default: the embedded SYNTHETIC sample."`
	Descriptor string `help:"Descriptor (YAML) of the file. Default: FILE.yaml beside FILE.csv, or the CDC survey's descriptor." placeholder:"FILE"`
	JSON       bool   `name:"json" help:"Print JSON."`
}

// Help is what `lestats data info --help` adds.
func (dataInfoCmd) Help() string {
	return `Examples:

  lestats data info
  lestats data info cdc.csv --json`
}

// Run prints the dataset's identity and columns.
func (c *dataInfoCmd) Run(ctx context.Context, s *streams) (err error) {
	if c.File == "" { // kong takes an argument's default from no variable
		c.File, c.Descriptor = os.Getenv("LESTATS_DATA"), cmp.Or(c.Descriptor, os.Getenv("LESTATS_DESCRIPTOR"))
	}
	ds, err := openDataset(ctx, s, c.File, c.Descriptor)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ds.Close()) }()
	if c.JSON {
		return writeJSON(s.out, inJSON(ds))
	}
	return describe(s.out, ds)
}

// openDataset opens a dataset, and reports how far it is.
func openDataset(ctx context.Context, s *streams, file, descriptor string) (*dataset.Dataset, error) {
	reading := readingFile(s, file)
	defer reading.end()
	return wire.OpenDataset(ctx, wire.EngineConfig{Data: file, Descriptor: descriptor, Progress: reading.set})
}

// datasetJSON is a dataset as `data info --json` prints it.
type datasetJSON struct {
	question.DatasetInfo

	SortedBy string       `json:"sorted_by,omitempty"`
	Columns  []columnJSON `json:"columns"`
}

type columnJSON struct {
	Name    string        `json:"name"`
	Title   string        `json:"title,omitempty"`
	Type    question.Type `json:"type"`
	Role    question.Role `json:"role,omitempty"`
	Unit    string        `json:"unit,omitempty"`
	Missing int           `json:"missing"`          // rows without a value
	Values  *int          `json:"values,omitempty"` // different values, of a column of strings
	First   any           `json:"first,omitempty"`  // the least value
	Last    any           `json:"last,omitempty"`   // the greatest
}

func inJSON(ds *dataset.Dataset) *datasetJSON {
	out := &datasetJSON{DatasetInfo: ds.Info(), SortedBy: ds.SortedBy()}
	columns := ds.Columns()
	for i := range columns {
		c := &columns[i]
		j := columnJSON{Name: c.Name, Title: c.Title, Type: c.Type, Role: c.Role, Unit: c.Unit, Missing: missing(c)}
		if c.Type == question.String {
			n := len(c.Dict)
			j.Values = &n
		}
		if ends := extremes(ds, c); len(ends) > 0 {
			j.First, j.Last = ends[0], ends[len(ends)-1]
		}
		out.Columns = append(out.Columns, j)
	}
	return out
}

// missing counts the rows without a value.
func missing(c *question.Column) int {
	if c.Valid == nil {
		return 0
	}
	return c.Len() - c.Valid.Count(c.Len())
}

// extremes returns the least and the greatest value of a column, if it has any.
func extremes(ds question.Schema, c *question.Column) []any {
	return (&question.Param{Type: question.ParamColumn, Column: c.Name}).Bounds(ds)
}

func describe(out io.Writer, ds *dataset.Dataset) error {
	info := ds.Info()
	fmt.Fprintf(out, "%s: %s\n", info.Name, info.Title)
	if info.Synthetic {
		fmt.Fprintln(out, "SYNTHETIC: these figures are generated, not real.")
	}
	fmt.Fprintf(out, "rows     %s\n", sortedBy(info, ds.SortedBy()))
	fmt.Fprintf(out, "source   %s\nlicence  %s\ndigest   %s\n\n", info.Source, info.License, info.Digest)
	return aligned(out, func(w io.Writer) {
		fmt.Fprintln(w, "COLUMN\tTYPE\tROLE\tUNIT\tMISSING\tVALUES")
		columns := ds.Columns()
		for i := range columns {
			c := &columns[i]
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", c.Name, c.Type, c.Role, c.Unit, humanize.Comma(int64(missing(c))), extent(ds, c))
		}
	})
}

// extent summarises the values of a column: the number of strings, or the range.
func extent(ds question.Schema, c *question.Column) string {
	const most = 40
	if c.Type == question.String {
		switch len(c.Dict) {
		case 0:
			return "none"
		case 1:
			return fmt.Sprintf("%q", c.Dict[0])
		default:
			return fmt.Sprintf("%d, %q to %q", len(c.Dict), question.Cut(c.Dict[0], most), question.Cut(c.Dict[len(c.Dict)-1], most))
		}
	}
	ends := extremes(ds, c)
	if len(ends) == 0 {
		return "none"
	}
	return fmt.Sprintf("%v to %v", ends[0], ends[len(ends)-1])
}

type dataBuildCmd struct {
	File       string `arg:"" help:"The CSV, Parquet or Arrow file; - is standard input." type:"existingfile"`
	Out        string `short:"o" help:"The file to write; - is standard output. Default: FILE with the extension .arrow." placeholder:"FILE"`
	Descriptor string `help:"Descriptor (YAML) of the file. Default: FILE.yaml beside FILE.csv, or the CDC survey's descriptor." placeholder:"FILE"`
	JSON       bool   `name:"json" help:"Describe the dataset as JSON."`
}

// Help is what `lestats data build --help` adds.
func (dataBuildCmd) Help() string {
	return `Examples:

  lestats data build cdc.csv
  lestats data build cdc.csv -o cdc.arrow --descriptor cdc.yaml
  zcat cdc.csv.gz | lestats data build - -o cdc.arrow`
}

// Run converts the file. The output is written atomically.
func (c *dataBuildCmd) Run(ctx context.Context, s *streams) (err error) {
	switch {
	case c.Out == "" && c.File == "-":
		return errors.New("standard input has no name; name the output file with -o FILE")
	case c.Out == "-" && c.JSON:
		return errors.New("-o - and --json both write to standard output; choose one")
	case c.Out == "":
		c.Out = strings.TrimSuffix(c.File, filepath.Ext(c.File)) + ".arrow"
	}
	if c.File != "-" && c.Out != "-" {
		if same, err := sameFile(c.File, c.Out); err != nil {
			return err
		} else if same {
			return fmt.Errorf("%s is the input file; name another output file with -o", c.Out)
		}
	}
	var out io.Writer
	if c.Out == "-" {
		if out, err = binary(s.out, "an Arrow file"); err != nil {
			return err
		}
	}
	ds, err := openDataset(ctx, s, c.File, c.Descriptor)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ds.Close()) }()
	if out != nil {
		return dataset.WriteArrow(&whileIn{ctx, out}, ds)
	}
	if err := writeArrow(ctx, c.Out, ds); err != nil {
		return err
	}
	fmt.Fprintf(s.err, "\nwrote %s. Serve it with: %s serve --data %s\n", c.Out, program(), question.ShellWord(c.Out))
	if c.JSON {
		return writeJSON(s.out, inJSON(ds))
	}
	return describe(s.out, ds)
}

func writeArrow(ctx context.Context, path string, ds *dataset.Dataset) error {
	return replaceFile(path, func(to io.Writer) error {
		w := bufio.NewWriterSize(&whileIn{ctx, to}, 1<<20)
		if err := dataset.WriteArrow(w, ds); err != nil {
			return err
		}
		return w.Flush()
	})
}

// whileIn writes until the context ends.
type whileIn struct {
	ctx context.Context
	to  io.Writer
}

// Write implements io.Writer.
func (w *whileIn) Write(p []byte) (int, error) {
	if w.ctx.Err() != nil {
		return 0, context.Cause(w.ctx)
	}
	return w.to.Write(p)
}

type dataPullCmd struct {
	Name     string `arg:"" help:"Name of the dataset: npao (the CDC survey)."`
	Out      string `short:"o" help:"The file to write. Default: NAME.csv. It is replaced only after the download has been verified." placeholder:"FILE"`
	URL      string `help:"Download from this address instead." placeholder:"URL"`
	Digest   string `help:"Accept only the release with this digest, which an earlier download has printed. Any other file is refused before it is put in place." placeholder:"sha256:HEX"`
	AppToken string `name:"app-token" help:"Application token of Socrata, with which the download uses the third version of its API. It is sent as X-App-Token, over https only, and to no other host." placeholder:"TOKEN" env:"LESTATS_APP_TOKEN"`
	JSON     bool   `name:"json" help:"Print the file, its digest and its size as JSON."`
}

// Help is what `lestats data pull --help` adds.
func (dataPullCmd) Help() string {
	return `An interrupted download resumes when the same command runs again. The output cannot be standard output: what was received is kept beside the file, to resume and to verify it.

Without --app-token the download uses the address that needs none. The third version of Socrata's API (/api/v3/) refuses requests without a token. https://dev.socrata.com/docs/app-tokens says how to get one.

Examples:

  lestats data pull npao
  lestats data pull npao -o cdc.csv --digest sha256:...`
}

// pulled is what `data pull --json` prints.
type pulled struct {
	File    string `json:"file"`
	Digest  string `json:"digest"` // of the file: the value of --digest
	Rows    int    `json:"rows"`
	Bytes   int64  `json:"bytes"`
	Resumed bool   `json:"resumed"`
}

// Run downloads and verifies the file, and prints what to do next.
func (c *dataPullCmd) Run(ctx context.Context, s *streams) error {
	source, err := pull.Find(c.Name)
	if err != nil {
		return err
	}
	switch {
	case c.URL != "":
		source.URL = c.URL
	case c.AppToken != "":
		source.URL = source.V3
	}
	switch c.Out {
	case "":
		c.Out = c.Name + ".csv"
	case "-":
		return errors.New("-o -: a download cannot go to standard output, because what was received is kept beside the file, to resume and to verify it; name a file")
	}
	d, err := wire.OpenDescriptor("")
	if err != nil {
		return err
	}
	bar := startProgress(s.err, "downloading "+c.Name, -1)
	defer bar.end()
	got, err := pull.Pull(ctx, pull.Config{
		Source:   source,
		Target:   c.Out,
		Digest:   c.Digest,
		AppToken: c.AppToken,
		Progress: func(done, total int64) {
			bar.total.Store(total)
			bar.set(done)
		},
		Waiting: bar.say,
		Verify: func(ctx context.Context, path string) (int, error) {
			ds, err := dataset.Open(ctx, path, d)
			if err != nil {
				return 0, err
			}
			return ds.Rows(), ds.Close()
		},
	})
	bar.end()
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(s.out, pulled{c.Out, got.Digest, got.Rows, got.Bytes, got.Resumed})
	}
	fmt.Fprintf(s.err, "\n%s: %s rows. To get this release again, and no other: --digest %s\nTo make it load in milliseconds: %s data build %s -o %s.arrow\n",
		c.Out, humanize.Comma(int64(got.Rows)), got.Digest, program(), question.ShellWord(c.Out), c.Name)
	return nil
}
