package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/dustin/go-humanize"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// maxAnswer bounds a saved answer in bytes: as values it takes ten times as much memory.
const maxAnswer = 64 << 20

// savedAnswer is an answer in JSON, as the API and ask --json give it.
type savedAnswer struct {
	Status     string               `json:"status"`
	JobID      string               `json:"job_id"`
	Question   string               `json:"question"`
	Provenance *question.Provenance `json:"provenance"`
	Request    *question.Request    `json:"request"`
	Receipt    *question.Receipt    `json:"receipt"`

	all map[string]any // every key, with numbers as json.Number
}

// unclearError says why a file is not an answer that can be computed again.
type unclearError string

func (e unclearError) Error() string { return string(e) }

// readAnswer reads the answer in a file; "-" is standard input. The error is an
// unclearError if the file could be read and is not such an answer.
func readAnswer(ctx context.Context, path string) (*savedAnswer, error) {
	if path == "-" {
		return wire.WithStdin(ctx, func(file string) (*savedAnswer, error) { return readAnswer(ctx, file) })
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	b, err := io.ReadAll(io.LimitReader(f, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(b) > maxAnswer {
		return nil, unclearError("it has more than " + humanize.IBytes(maxAnswer))
	}
	return parseAnswer(b)
}

func parseAnswer(b []byte) (*savedAnswer, error) {
	a := &savedAnswer{}
	for _, to := range []any{a, &a.all} {
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		if err := d.Decode(to); err != nil {
			return nil, unclearError("it is not an answer in JSON: " + question.Visible(err.Error()))
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return nil, unclearError("there is text after the JSON")
		}
	}
	switch {
	case a.Status != "done":
		return nil, unclearError(fmt.Sprintf("its status is %.40q; only an answer that is done has figures", a.Status))
	case a.Receipt == nil || a.Request == nil:
		return nil, unclearError("it has no receipt and request; earlier versions did not give them, and other formats than JSON cannot")
	}
	return a, nil
}

// keys returns the keys that have one value in all rows of a saved answer, such as the year
// that was used because the request names none, as a table of one row. It is nil if the
// answer is not a list of rows. q is nil if the question is not served.
func (a *savedAnswer) keys(q *question.Question) *question.Table {
	rows, _ := a.all["data"].([]any)
	if q == nil || len(rows) == 0 {
		return nil
	}
	t := &question.Table{}
	for _, key := range q.Result.Keys {
		first := cell(rows[0], key.Name)
		if slices.ContainsFunc(rows, func(row any) bool { return cell(row, key.Name) != first }) {
			continue
		}
		c := question.Column{Name: key.Name, Title: key.Title, Role: question.RoleKey}
		switch v := first.(type) {
		case string:
			c.Type, c.Dict, c.Codes = question.String, []string{v}, []int32{0}
		case json.Number:
			if n, err := v.Int64(); err == nil {
				c.Type, c.Integers = question.Integer, []int64{n}
			} else if f, err := v.Float64(); err == nil {
				c.Type, c.Numbers = question.Number, []float64{f}
			} else {
				continue
			}
		default:
			continue
		}
		t.Columns = append(t.Columns, c)
	}
	return t
}

// cell returns a string or a number of a row of JSON, nil for everything else.
func cell(row any, name string) any {
	object, _ := row.(map[string]any)
	switch v := object[name].(type) {
	case string, json.Number:
		return v
	default:
		return nil
	}
}
