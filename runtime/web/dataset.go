package web

import (
	"cmp"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// The bounds of what /dataset lists.
const (
	listedValues  = 200 // of a column of text
	listedNumbers = 100 // different numbers, of which a column may have no more to be listed
)

// datasetPage is the data of the template "dataset".
type datasetPage struct {
	frame

	Columns   []columnView
	Maps      []fact
	Downloads []link
}

// columnView describes a column of the dataset.
type columnView struct {
	Name, Title, Type, Unit, Role string

	Range   string // smallest to largest number; "" of text
	Missing int    // rows without a value
	Number  int    // how many different values; 0 if that is not known
	Values  []valueView
	More    int // values that are not listed
	Where   bool
}

type valueView struct {
	Text string
	Rows int
}

// describeColumns counts what the columns have. The dataset does not change, so it is done
// once.
func (s *Site) describeColumns() []columnView {
	s.counting.Do(func() {
		columns := s.cfg.Schema.Columns()
		for i := range columns {
			s.columns = append(s.columns, describeColumn(&columns[i]))
		}
	})
	return s.columns
}

func describeColumn(c *question.Column) columnView {
	v := columnView{Name: c.Name, Title: c.Title, Type: string(c.Type), Unit: c.Unit, Role: string(c.Role), Where: c.Role == question.RoleDimension}
	for i := range c.Len() {
		if !c.Present(i) {
			v.Missing++
		}
	}
	switch c.Type {
	case question.Number:
		describeNumbers(&v, c, c.Numbers, func(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) })
	case question.Integer:
		describeNumbers(&v, c, c.Integers, func(n int64) string { return strconv.FormatInt(n, 10) })
	default:
		rows := make([]int, len(c.Dict))
		for i, code := range c.Codes {
			if c.Present(i) {
				rows[code]++
			}
		}
		v.Number = len(c.Dict)
		v.More = max(len(c.Dict)-listedValues, 0)
		for code, text := range c.Dict[:len(c.Dict)-v.More] {
			v.Values = append(v.Values, valueView{text, rows[code]})
		}
	}
	return v
}

// describeNumbers sets the range, and the values if they are few.
func describeNumbers[N int64 | float64](v *columnView, c *question.Column, numbers []N, text func(N) string) {
	var least, most N
	rows, found := map[N]int{}, false
	for i, n := range numbers {
		if !c.Present(i) {
			continue
		}
		if !found {
			least, most, found = n, n, true
		}
		least, most = min(least, n), max(most, n)
		if rows != nil {
			if rows[n]++; len(rows) > listedNumbers {
				rows = nil
			}
		}
	}
	if found {
		v.Range = text(least) + " to " + text(most)
		if !v.Where { // such as years
			v.Range = thousands(text(least)) + " to " + thousands(text(most))
		}
	}
	v.Number = len(rows)
	for n, k := range rows {
		v.Values = append(v.Values, valueView{text(n), k})
	}
	slices.SortFunc(v.Values, func(a, b valueView) int {
		x, _ := strconv.ParseFloat(a.Text, 64)
		y, _ := strconv.ParseFloat(b.Text, 64)
		return cmp.Compare(x, y)
	})
}

// dataset: GET /dataset.
func (s *Site) dataset(w http.ResponseWriter, _ *http.Request, v View) error {
	p := &datasetPage{frame: s.frame(v, "/dataset", "Dataset"), Columns: s.describeColumns()}
	for column, outlines := range s.cfg.Dataset.Geo {
		p.Maps = append(p.Maps, fact{column, outlines})
	}
	slices.SortFunc(p.Maps, func(a, b fact) int { return cmp.Compare(a.Name, b.Name) })
	for _, f := range s.files() {
		p.Downloads = append(p.Downloads, link{v.Under + "/dataset." + f.Extension, strings.ToUpper(f.Extension[:1]) + f.Extension[1:] + " (" + f.Title + ")"})
	}
	return s.send(w, http.StatusOK, "dataset", p)
}

// files are the formats that the whole dataset can be downloaded in.
func (s *Site) files() (formats []*question.Format) {
	for i := range s.cfg.Formats {
		if f := &s.cfg.Formats[i]; f.MediaType != "" && (f.Extension == "csv" || f.Extension == "arrow") {
			formats = append(formats, f)
		}
	}
	return formats
}

// download returns the page that sends the dataset in a format.
func (s *Site) download(f *question.Format) func(http.ResponseWriter, *http.Request, View) error {
	return func(w http.ResponseWriter, r *http.Request, _ View) error {
		ds := s.cfg.Dataset
		name := ds.Name
		if ds.Synthetic {
			name += ".synthetic"
		}
		tag := `W/"` + strings.TrimPrefix(ds.Digest, "sha256:") + `"`
		h := w.Header()
		h.Set("ETag", tag)
		h.Set("Lestats-Dataset", ds.Name)
		h.Set("Lestats-Synthetic", strconv.FormatBool(ds.Synthetic))
		if strings.Contains(r.Header.Get("If-None-Match"), tag) {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
		h.Set("Content-Type", f.MediaType)
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name + "." + f.Extension}))
		w.WriteHeader(http.StatusOK)
		if r.Method == http.MethodHead {
			return nil
		}
		t := &question.Table{Layout: question.LayoutRows, Columns: s.cfg.Schema.Columns()}
		if err := f.Write(parts{w, http.NewResponseController(w)}, t, question.WriteOptions{Provenance: &question.Provenance{Dataset: ds.Name, DatasetDigest: ds.Digest, Synthetic: ds.Synthetic}}); err != nil {
			panic(http.ErrAbortHandler) // the status is sent: the client must see that the file is not whole
		}
		return nil
	}
}

// The bounds of one part of a download.
const (
	partSize = 64 << 10
	partTime = 30 * time.Second // who reads slower is cut off
)

// parts writes a file part by part, each of which has its time: the whole file may take longer
// than a response otherwise may.
type parts struct {
	w  http.ResponseWriter
	to *http.ResponseController
}

// Write implements io.Writer.
func (p parts) Write(b []byte) (n int, err error) {
	for part := range slices.Chunk(b, partSize) {
		_ = p.to.SetWriteDeadline(time.Now().Add(partTime)) // a response that is kept in memory has none
		k, err := p.w.Write(part)
		if n += k; err != nil {
			return n, err
		}
	}
	return n, nil
}
