package httpapi

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// The JSON that is sent for each job is written by hand, because encoding/json would take
// several times as long as the answer itself.

// DoneBody returns the original's {"status":"done","data":...}, extended by the job, the
// units of columns, the provenance, the request, coverage, caveats and receipt, as far as
// they are known, and a line end. data appends the result, as
// question.Format.Value does; its error is returned. A job without an id, which only the
// command line has, gets no job_id.
func DoneBody(data func([]byte, *question.Table) ([]byte, error), job *question.Job) ([]byte, error) {
	t := job.Result
	b := make([]byte, 0, 512+t.Rows()*len(t.Columns)*24)
	b = append(b, `{"status":"done","data":`...)
	b, err := data(b, t)
	if err != nil {
		return nil, err
	}
	if job.ID != "" {
		b = appendString(append(b, `,"job_id":`...), job.ID)
	}
	b = append(b, `,"question":`...)
	b = appendString(b, job.Request.Question)
	b = appendUnits(b, t)
	if p := job.Provenance; p != nil {
		b = append(b, `,"provenance":`...)
		b = appendProvenance(b, p)
	}
	if job.Receipt != nil { // with the request, the answer can be computed again
		b = appendRequest(append(b, `,"request":`...), &job.Request)
	}
	if c := job.Coverage; c != nil {
		b = appendCoverage(append(b, `,"coverage":`...), c)
		b = appendCaveats(append(b, `,"caveats":`...), job.Caveats)
	}
	if r := job.Receipt; r != nil {
		b = appendReceipt(append(b, `,"receipt":`...), r)
	}
	return append(b, '}', '\n'), nil
}

// appendRequest appends the same as json.Marshal(r).
func appendRequest(b []byte, r *question.Request) []byte {
	b = appendString(append(b, `{"question":`...), r.Question)
	if len(r.Params) > 0 {
		b = appendValue(append(b, `,"params":`...), r.Params)
	}
	if len(r.Where) > 0 {
		b = appendValue(append(b, `,"where":`...), r.Where)
	}
	return append(b, '}')
}

// appendValue appends a value of a request.
func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return appendString(b, v)
	case json.Number:
		return append(b, v...)
	case []any:
		b = append(b, '[')
		for i := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValue(b, v[i])
		}
		return append(b, ']')
	case map[string]any:
		b = append(b, '{')
		for i, name := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValue(append(appendString(b, name), ':'), v[name])
		}
		return append(b, '}')
	default:
		return append(b, marshal(v)...)
	}
}

// appendCoverage appends the same as json.Marshal(c).
func appendCoverage(b []byte, c *question.Coverage) []byte {
	b = strconv.AppendInt(append(b, `{"rows":`...), int64(c.Rows), 10)
	b = strconv.AppendInt(append(b, `,"missing":`...), int64(c.Missing), 10)
	b = append(b, `,"mixed":[`...)
	for i, m := range c.Mixed {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(append(b, `{"column":`...), m.Column)
		b = appendString(append(b, `,"title":`...), m.Title)
		b = append(strconv.AppendInt(append(b, `,"values":`...), int64(m.Values), 10), '}')
	}
	return append(b, ']', '}')
}

// appendCaveats appends an array, also of none.
func appendCaveats(b []byte, caveats []question.Caveat) []byte {
	b = append(b, '[')
	for i, c := range caveats {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(append(b, `{"code":`...), c.Code)
		b = append(appendString(append(b, `,"text":`...), c.Text), '}')
	}
	return append(b, ']')
}

// appendReceipt appends the same as json.Marshal(r).
func appendReceipt(b []byte, r *question.Receipt) []byte {
	b = appendString(append(b, `{"dataset":`...), r.Dataset)
	b = appendString(append(b, `,"plugin":`...), r.Plugin)
	b = appendString(append(b, `,"request":`...), r.Request)
	b = appendString(append(b, `,"result":`...), r.Result)
	b = strconv.AppendInt(append(b, `,"fuel":`...), r.Fuel, 10)
	return append(appendString(append(b, `,"build":`...), r.Build), '}')
}

// appendUnits appends ,"units":{"mean":"%"}, or nothing if no column has a unit.
func appendUnits(b []byte, t *question.Table) []byte {
	open := `,"units":{`
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Unit != "" {
			b = append(b, open...)
			b = append(appendString(b, c.Name), ':')
			b = appendString(b, c.Unit)
			open = ","
		}
	}
	if open == "," {
		b = append(b, '}')
	}
	return b
}

// appendProvenance appends the same as json.Marshal(p).
func appendProvenance(b []byte, p *question.Provenance) []byte {
	b = append(b, `{"dataset":`...)
	b = appendString(b, p.Dataset)
	b = append(b, `,"dataset_digest":`...)
	b = appendString(b, p.DatasetDigest)
	b = append(b, `,"synthetic":`...)
	b = strconv.AppendBool(b, p.Synthetic)
	b = append(b, `,"plugin":`...)
	b = appendString(b, p.Plugin)
	b = append(b, `,"plugin_version":`...)
	b = appendString(b, p.PluginVersion)
	b = append(b, `,"plugin_digest":`...)
	b = appendString(b, p.PluginDigest)
	b = append(b, `,"rows_selected":`...)
	b = strconv.AppendInt(b, int64(p.RowsSelected), 10)
	return append(b, '}')
}

// RunningBody returns {"status":"running","job_id":"..."}.
func RunningBody(job *question.Job) []byte {
	b := appendString([]byte(`{"status":"running","job_id":`), job.ID)
	if job.RetryOf != "" {
		b = append(b, `,"retry_of":`...)
		b = appendString(b, job.RetryOf)
	}
	return append(b, '}')
}

// appendString appends s as a JSON string.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return append(b, marshal(s)...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
