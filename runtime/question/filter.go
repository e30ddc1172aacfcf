package question

import "time"

// JobFilter selects jobs of a listing. The zero value selects all.
type JobFilter struct {
	Client   string    // only those that were sent with the key of this name; "": all
	Status   Status    // only those with this status; "": all
	Question string    // only those that ask this question; "": all
	Since    time.Time // only those whose id was made at this time or later, to the millisecond; zero: all
}

// Reads reports whether a job has to be read to tell whether it is selected: its id does
// not say so.
func (f *JobFilter) Reads() bool { return f.Client != "" || f.Status != "" || f.Question != "" }

// May reports whether the job with a valid id may be selected, by what the id says.
func (f *JobFilter) May(id string) bool {
	if f.Client != "" && id[len(id)-tagLen:] != clientTag(f.Client) {
		return false
	}
	if f.Since.IsZero() {
		return true
	}
	at, _ := ParseID(id)
	return at.UnixMilli() >= f.Since.UnixMilli()
}

// Selects reports whether a job is selected whose id may be.
func (f *JobFilter) Selects(job *Job) bool {
	return (f.Client == "" || f.Client == job.Client) && (f.Status == "" || f.Status == job.Status) &&
		(f.Question == "" || f.Question == job.Request.Question)
}

// JobPage is a part of a listing of jobs, newest first.
type JobPage struct {
	Jobs []*Job // without their results
	// Next is the id below which the listing goes on, which need not be that of a selected
	// job; "" if there are no more. A page with fewer jobs than were asked for may have one,
	// because what a page costs is bounded.
	Next string
}
