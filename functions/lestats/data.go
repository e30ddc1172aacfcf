package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/google/renameio/v2"
	"github.com/schollz/progressbar/v3"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	"github.com/le-stats-sportifs/lestats/runtime/dataset/pull"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

type dataCmd struct {
	Info  dataInfoCmd  `cmd:"" help:"Say what a dataset holds."`
	Init  dataInitCmd  `cmd:"" help:"Write a descriptor for a CSV, Parquet or Arrow file of your own."`
	Build dataBuildCmd `cmd:"" help:"Make one .arrow file of a CSV, Parquet or Arrow file: it loads in milliseconds."`
	Pull  dataPullCmd  `cmd:"" help:"Download a published dataset."`
}

type dataInfoCmd struct {
	File       string `arg:"" optional:"" help:"A CSV, Parquet or Arrow file. Without it: the embedded SYNTHETIC sample."`
	Descriptor string `help:"YAML that describes the file. Without it: FILE.yaml beside FILE.csv, or the CDC survey's." placeholder:"FILE"`
}

// Run prints the dataset's identity and its columns.
func (c *dataInfoCmd) Run(ctx context.Context, s *streams) (err error) {
	ds, err := wire.OpenDataset(ctx, c.File, c.Descriptor)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ds.Close()) }()
	return describe(s.out, ds)
}

func describe(out io.Writer, ds *dataset.Dataset) error {
	info := ds.Info()
	fmt.Fprintf(out, "%s: %s\n", info.Name, info.Title)
	if info.Synthetic {
		fmt.Fprintln(out, "SYNTHETIC: these figures are generated, not real.")
	}
	fmt.Fprintf(out, "rows     %s\n", sortedBy(info, ds.SortedBy()))
	fmt.Fprintf(out, "source   %s\nlicence  %s\ndigest   %s\n\n", info.Source, info.License, info.Digest)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "COLUMN\tTYPE\tROLE\tUNIT\tMISSING\tVALUES")
	columns := ds.Columns()
	for i := range columns {
		col := &columns[i]
		missing := 0
		for row := range col.Len() {
			if !col.Present(row) {
				missing++
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", col.Name, col.Type, col.Role, col.Unit, humanize.Comma(int64(missing)), extent(col))
	}
	return w.Flush()
}

// extent says what values a column has: how many strings, or from where to where.
func extent(c *question.Column) string {
	if c.Type == question.String {
		switch len(c.Dict) {
		case 0:
			return "none"
		case 1:
			return fmt.Sprintf("%q", c.Dict[0])
		default:
			return fmt.Sprintf("%d, %q to %q", len(c.Dict), short(c.Dict[0]), short(c.Dict[len(c.Dict)-1]))
		}
	}
	var lo, hi any
	for i := range c.Len() {
		v := c.Value(i)
		if v == nil {
			continue
		}
		if lo == nil || less(v, lo) {
			lo = v
		}
		if hi == nil || less(hi, v) {
			hi = v
		}
	}
	if lo == nil {
		return "none"
	}
	return fmt.Sprintf("%v to %v", lo, hi)
}

func less(a, b any) bool {
	if x, ok := a.(int64); ok {
		return x < b.(int64)
	}
	return a.(float64) < b.(float64)
}

func short(s string) string {
	const most = 40
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return string(runes[:most]) + "..."
}

type dataBuildCmd struct {
	File       string `arg:"" help:"The CSV, Parquet or Arrow file." type:"existingfile"`
	Out        string `short:"o" help:"The file to write. Without it: FILE with .arrow for its ending." placeholder:"FILE"`
	Descriptor string `help:"YAML that describes the file. Without it: FILE.yaml beside FILE.csv, or the CDC survey's." placeholder:"FILE"`
}

// Run converts. The file appears complete or not at all.
func (c *dataBuildCmd) Run(ctx context.Context, s *streams) (err error) {
	if c.Out == "" {
		c.Out = strings.TrimSuffix(c.File, filepath.Ext(c.File)) + ".arrow"
	}
	if same, err := sameFile(c.File, c.Out); err != nil {
		return err
	} else if same {
		return fmt.Errorf("%s is the file that is read; name another one with -o", c.Out)
	}
	size := int64(-1)
	if info, err := os.Stat(c.File); err == nil && info.Mode().IsRegular() {
		size = info.Size()
	}
	bar := newBar(exact(s.err), size, "reading "+c.File)
	ds, err := wire.OpenDatasetWatched(ctx, c.File, c.Descriptor, func(n int64) { _ = bar.Set64(n) })
	_ = bar.Finish()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ds.Close()) }()
	if err := writeArrow(c.Out, ds); err != nil {
		return err
	}
	fmt.Fprintf(s.err, "\n%s is written. Serve it with: lestats serve --data %s\n", c.Out, c.Out)
	return describe(s.out, ds)
}

func writeArrow(path string, ds *dataset.Dataset) error {
	f, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o644))
	if err != nil {
		return err
	}
	defer f.Cleanup() //nolint:errcheck // after the replace there is nothing left to clean
	w := bufio.NewWriterSize(f, 1<<20)
	if err := dataset.WriteArrow(w, ds); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
}

type dataPullCmd struct {
	Name string `arg:"" help:"Which dataset: npao (the CDC survey)."`
	Out  string `short:"o" help:"The file to write; a good one is never replaced by a bad one." placeholder:"FILE"`
	URL  string `help:"Another address to download it from." placeholder:"URL"`
}

// Run downloads, checks, and says what to do with the file.
func (c *dataPullCmd) Run(ctx context.Context, s *streams) error {
	source, err := pull.Find(c.Name)
	if err != nil {
		return err
	}
	if c.URL != "" {
		source.URL = c.URL
	}
	if c.Out == "" {
		c.Out = c.Name + ".csv"
	}
	d, err := wire.OpenDescriptor("")
	if err != nil {
		return err
	}
	bar := newBar(exact(s.err), -1, "downloading")
	got, err := pull.Pull(ctx, pull.Config{
		Source: source,
		Target: c.Out,
		Progress: func(done, total int64) {
			if total > 0 && bar.GetMax64() != total {
				bar.ChangeMax64(total)
			}
			_ = bar.Set64(done)
		},
		Verify: func(ctx context.Context, path string) (int, error) {
			ds, err := dataset.Open(ctx, path, d)
			if err != nil {
				return 0, err
			}
			return ds.Rows(), ds.Close()
		},
	})
	if err != nil {
		return err
	}
	_ = bar.Finish()
	fmt.Fprintf(s.err, "\n%s: %s rows. Make it load in milliseconds with: lestats data build %s -o %s.arrow\n",
		c.Out, humanize.Comma(int64(got.Rows)), c.Out, c.Name)
	return nil
}

// newBar draws on the error stream where that is a terminal, and is silent elsewhere.
func newBar(w io.Writer, total int64, what string) *progressbar.ProgressBar {
	visible := false
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		visible = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetVisibility(visible),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(true),
		progressbar.OptionShowCount(),
		progressbar.OptionThrottle(100_000_000),
		progressbar.OptionClearOnFinish(),
	)
}
