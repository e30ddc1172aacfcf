package sdk

import "github.com/le-stats-sportifs/lestats/plugins/abi"

// Range is a run of selected rows.
type Range = abi.Range

// Job is one asking of one question. It is good until Answer returns.
type Job struct {
	guest    *Guest
	question *Question
	params   [][]uint64 // the values of each parameter
	ranges   []Range
	rows     int
	outputs  []output // the result's columns: keys, then values

	// What Rows and Blocks yield; nil while it is in use.
	rowBuffer   *[batchRows + 8]uint32
	blockBuffer *[batchBlocks]Block
}

// Ranges returns the selected rows as runs of the dataset's rows, which ascend
// and do not touch; not to be written to. Rows and Blocks are made of them.
func (job *Job) Ranges() []Range { return job.ranges }

// Selected returns the number of selected rows.
func (job *Job) Selected() int { return job.rows }

// Level says how much a line of the log matters.
type Level uint32

// The levels.
const (
	Debug = Level(abi.LogDebug)
	Info  = Level(abi.LogInfo)
	Warn  = Level(abi.LogWarn)
	Err   = Level(abi.LogError)
)

// Log writes a line to the host's log.
func (job *Job) Log(level Level, text string) { job.guest.log(level, text) }

// Progress tells the host that done of total steps are complete.
func (job *Job) Progress(done, total int64) { job.guest.progress(done, total) }

// column returns the data of a column.
func (job *Job) column(c Column) *column {
	for i, declared := range job.guest.plugin.Columns {
		if declared == c {
			return &job.guest.columns[i]
		}
	}
	name, _, _ := c.declare()
	panic("the column \"" + name + "\" is not listed; add its handle to Plugin.Columns")
}

// values returns what was given for a parameter.
func (job *Job) values(p Param) []uint64 {
	for i, declared := range job.question.Params {
		if declared == p {
			return job.params[i]
		}
	}
	panic("the parameter \"" + p.declareParam().name + "\" is not listed; add its handle to Params of the question " + job.question.Name)
}

// output returns a column of the result.
func (job *Job) output(r ResultColumn) *output {
	for i, declared := range job.question.Result.Keys {
		if declared == r {
			return &job.outputs[i]
		}
	}
	for i, declared := range job.question.Result.Values {
		if declared == r {
			return &job.outputs[len(job.question.Result.Keys)+i]
		}
	}
	panic("the result's column \"" + r.declareResult().name + "\" is not listed; add its handle to Keys or Values in the Result of the question " + job.question.Name)
}
