package wire

import (
	"fmt"
	"time"
)

// A function of AWS Lambda that takes jobs from a queue.
const (
	maxBatch    = 10               // messages that Lambda reads from SQS without a waiting window
	maxTimeout  = 15 * time.Minute // of a function
	batchTime   = 50 * time.Second // for the jobs of a batch, if each takes its limit; a longer job is alone
	batchSpare  = 10 * time.Second // a start, reading and storing
	perDelivery = 6                // visibility timeouts are that many function timeouts, as AWS advises
)

// Batch says how a function takes jobs from a queue. It runs one after the other.
type Batch struct {
	Size       int           // messages at once
	Timeout    time.Duration // of the function
	Visibility time.Duration // the queue's visibility timeout
}

// BatchFor returns the batch for jobs with this time limit. The error says why there is
// none.
func BatchFor(limit time.Duration) (Batch, error) {
	b := Batch{Size: int(min(max(batchTime/max(limit, 1), 1), maxBatch))}
	b.Timeout = b.needs(limit)
	b.Visibility = perDelivery * b.Timeout
	return b, b.Check(limit)
}

// Check returns why a job of such a batch might not get the time of its limit, if it
// might not.
func (b Batch) Check(limit time.Duration) error {
	switch {
	case limit <= 0:
		return fmt.Errorf("time limit %s: it must be above zero", limit)
	case b.Timeout > maxTimeout:
		return fmt.Errorf("time limit %s: a function of AWS Lambda has at most %s, so a job may take at most %s", limit, maxTimeout, maxTimeout-batchSpare)
	case b.needs(limit) > b.Timeout:
		return fmt.Errorf("%d jobs that may take %s each do not fit into the function's timeout of %s: give it %s, or batches of at most %d",
			b.Size, limit, b.Timeout.Round(time.Second), b.needs(limit), max(0, (b.Timeout-batchSpare)/limit))
	case b.Visibility < b.Timeout:
		return fmt.Errorf("the queue's visibility timeout of %s is shorter than the function's timeout of %s: jobs would be delivered again while they run", b.Visibility, b.Timeout)
	}
	return nil
}

// needs returns the timeout, in whole seconds, within which all jobs can take their limit.
func (b Batch) needs(limit time.Duration) time.Duration {
	return (time.Duration(b.Size)*limit + batchSpare + time.Second - 1).Truncate(time.Second)
}
