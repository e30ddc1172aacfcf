// Command gen makes the sample that is served where no other dataset is named: a
// table with the columns, the names and the size of the CDC's survey on nutrition,
// physical activity and obesity, and with figures that are all made up. It makes
// the same bytes on every machine.
package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/le-stats-sportifs/lestats/data"
	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "gen:", err)
		}
		os.Exit(1)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("gen", flag.ContinueOnError)
	flags.SetOutput(stderr)
	out := flags.String("o", "", "write the sample to this `file`, as Arrow")
	asCSV := flags.String("csv", "", "write the sample to this `file`, as CSV in the CDC's form")
	check := flags.Bool("check", false, "fail, and write nothing, when the sample is not the one that -sum names")
	update := flags.Bool("update", false, "write what the sample is to the file that -sum names")
	sum := flags.String("sum", "data/sample.sha256", "`file` that says what the sample must be, as sha256sum does")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("%q is no flag", flags.Arg(0))
	case *out == "" && *asCSV == "" && !*check && !*update:
		return errors.New("say what to do: -o FILE, -csv FILE, -check or -update")
	}

	all := rows()
	sample, arrow, err := build(all)
	if err != nil {
		return err
	}
	line := fmt.Sprintf("%x  built/sample.arrow\n", sha256.Sum256(arrow))
	if *update {
		if err := renameio.WriteFile(*sum, []byte(line), 0o644); err != nil {
			return err
		}
	}
	if *check {
		want, err := os.ReadFile(*sum)
		if err != nil {
			return err
		}
		if line != string(want) {
			return fmt.Errorf("the sample is not what %s says, %s; it is %s: where that is meant, run `go run ./data/gen -update`",
				*sum, strings.TrimSpace(string(want)), strings.TrimSpace(line))
		}
	}
	var table bytes.Buffer
	if err := writeCSV(&table, all); err != nil {
		return err
	}
	if *out != "" {
		if err := renameio.WriteFile(*out, arrow, 0o644); err != nil {
			return err
		}
	}
	if *asCSV != "" {
		if err := renameio.WriteFile(*asCSV, table.Bytes(), 0o644); err != nil {
			return err
		}
	}
	_, err = io.WriteString(stdout, summary(all, sample, len(arrow), table.Len()))
	return err
}

// build makes the dataset and its Arrow file.
func build(all []row) (*dataset.Dataset, []byte, error) {
	d, err := descriptor()
	if err != nil {
		return nil, nil, err
	}
	sample, err := dataset.Build(d, columns(all))
	if err != nil {
		return nil, nil, err
	}
	var b bytes.Buffer
	if err := dataset.WriteArrow(&b, sample); err != nil {
		return nil, nil, err
	}
	return sample, b.Bytes(), nil
}

// descriptor returns that of the CDC's survey, under a name and a title that say
// what the sample is.
func descriptor() (*dataset.Descriptor, error) {
	d, err := dataset.ParseDescriptor(data.NPAO)
	if err != nil {
		return nil, err
	}
	d.Name = "npao_sample"
	d.Title = "SYNTHETIC sample: made-up figures in the form of the CDC's survey on nutrition, physical activity and obesity"
	d.Source = "data/gen of Le Stats Sportifs"
	d.License = "Apache-2.0"
	// Its rows say so too, under the published header, for those who save them as
	// something that does not keep what an Arrow file says of itself.
	d.Columns = append(d.Columns, dataset.Column{Name: "datasource", Title: "Data source", Type: question.String, Header: d.Synthetic.Column})
	d.Synthetic = dataset.Synthetic{All: true}
	return d, nil
}

// summary says what the sample is, as data/README.md has it.
func summary(all []row, sample *dataset.Dataset, arrowSize, csvSize int) string {
	missing := 0
	for i := range all {
		if !all[i].present {
			missing++
		}
	}
	return fmt.Sprintf("rows             %d\nwithout a value  %d (%d.%d %%)\nas Arrow         %d bytes\nas CSV           %d bytes\ndigest           %s\n",
		len(all), missing, missing*100/len(all), missing*1000/len(all)%10, arrowSize, csvSize, sample.Digest())
}
