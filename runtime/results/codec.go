package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// headSize is how much of an outcome a listing reads. Request, provenance, coverage,
// caveats, receipt and times take about 2 KiB; a longer request costs a second read.
const headSize = 4 << 10

// encode writes a job as JSON with the result as its last field, whatever the order of
// question.Job's fields, because a listing reads only what precedes the result.
func encode(job *question.Job) ([]byte, error) {
	head := *job
	head.Result = nil
	b, err := json.Marshal(&head)
	if err != nil || job.Result == nil {
		return b, err
	}
	out, err := job.Result.AppendJSON(append(b[:len(b)-1], `,"result":`...))
	if err != nil {
		return nil, err
	}
	return append(out, '}'), nil
}

// decode reads what encode writes and checks that it is the job with that id. Numbers
// in the request stay json.Number.
func decode(id string, data []byte) (*question.Job, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	job := new(question.Job)
	if err := d.Decode(job); err != nil {
		return nil, fmt.Errorf("it is not a job in JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is data after the JSON of the job")
	}
	if job.ID != id {
		return nil, fmt.Errorf("it holds the job %.60q", job.ID)
	}
	return job, nil
}

// cutHead returns the job without its result, given the beginning of an outcome. It is
// false when data ends before the result begins.
func cutHead(data []byte) ([]byte, bool) {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	var end int64
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, false
		}
		if name == "result" {
			return append(data[:end:end], '}'), true
		}
		var skipped json.RawMessage
		if err := d.Decode(&skipped); err != nil {
			return nil, false
		}
		end = d.InputOffset()
	}
	return nil, false
}
