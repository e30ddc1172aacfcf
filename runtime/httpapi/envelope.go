package httpapi

import (
	"strconv"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// What is sent with every job is appended by hand: encoding/json would take
// several times as long as the answer itself.

// appendDone appends {"status":"done","data":...}, which is the seed's, and after
// it what the seed has not: the job, the units of the columns that have one, and
// what the answer was computed from, synthetic data among it.
func appendDone(data func([]byte, *question.Table) ([]byte, error), job *question.Job) ([]byte, error) {
	t := job.Result
	b := make([]byte, 0, 512+t.Rows()*len(t.Columns)*24)
	b = append(b, `{"status":"done","data":`...)
	b, err := data(b, t)
	if err != nil {
		return nil, err
	}
	b = append(b, `,"job_id":`...)
	b = appendString(b, job.ID)
	b = append(b, `,"question":`...)
	b = appendString(b, job.Request.Question)
	b = appendUnits(b, t)
	if p := job.Provenance; p != nil {
		b = append(b, `,"provenance":`...)
		b = appendProvenance(b, p)
	}
	return append(b, '}', '\n'), nil
}

// appendUnits appends ,"units":{"mean":"%"}, or nothing where nothing has a unit.
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

// appendProvenance appends what json.Marshal(p) would.
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

// appendRunning appends {"status":"running","job_id":"..."}.
func appendRunning(b []byte, job *question.Job) []byte {
	b = append(b, `{"status":"running","job_id":`...)
	b = appendString(b, job.ID)
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
