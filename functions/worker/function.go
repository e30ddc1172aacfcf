package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/queue"
)

// takes says which events are handled.
const takes = "this function takes SQS messages and a schedule's events; the API function takes requests"

// Invoke handles the messages of one SQS event. Its response lists the messages that
// SQS has to deliver again (the event source mapping needs ReportBatchItemFailures).
// An event of a schedule has it look for lost jobs. One that somebody sends as a test gets
// JSON that says what this function takes. Any other event is an error. It implements
// lambda.Handler and is safe for concurrent use.
func (m *Main) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	var e struct {
		events.SQSEvent

		DetailType string `json:"detail-type"`
	}
	if err := json.Unmarshal(event, &e); err != nil {
		return nil, fmt.Errorf("the event is not the JSON of SQS messages: %w", err)
	}
	if m.base != nil {
		defer m.base.EventEnded()
	}
	batch := wire.Batch{Size: len(e.Records)}
	if deadline, ok := ctx.Deadline(); ok {
		batch.Timeout = time.Until(deadline.Add(time.Second)).Truncate(time.Second)
		batch.Visibility = batch.Timeout
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, wire.Due(deadline))
		defer cancel()
	}
	if e.DetailType == "Scheduled Event" {
		taken, err := m.pool.Recover(ctx, 0)
		m.cfg.Log.Info("lost jobs were looked for", "count", taken, "error", err)
		return []byte("{}"), err
	}
	if wire.IsTestEvent(event) {
		m.cfg.Log.Info("a test event was answered")
		return json.Marshal(map[string]any{
			"reason":  "this is a test event: " + takes,
			"example": json.RawMessage(`{"detail-type":"Scheduled Event"}`), // lost jobs are looked for
		})
	}
	if len(e.Records) == 0 {
		return nil, errors.New("the event has no Records: " + takes)
	}
	if err := batch.Check(m.cfg.TimeLimit); err != nil && batch.Timeout > 0 {
		if due, _ := ctx.Deadline(); time.Until(due) < m.cfg.TimeLimit { // not even one
			return nil, fmt.Errorf("%w; or lower LESTATS_TIME_LIMIT", err)
		}
		m.cfg.Log.Error("jobs may not get the time that their limit allows, and then come again", "error", err)
	}
	if m.base != nil {
		m.base.Fresh(ctx)
	}
	return m.deliver(ctx, e.Records)
}

// deliver runs the jobs of messages, and returns the response that lists those that have
// to be delivered again.
func (m *Main) deliver(ctx context.Context, records []events.SQSMessage) ([]byte, error) {
	for i := range records {
		if source := records[i].EventSource; source != "aws:sqs" {
			return nil, fmt.Errorf("record %d of the event comes from %.40q: this function takes records of aws:sqs", i, source)
		}
	}
	again := make([]bool, len(records))
	var wg sync.WaitGroup
	for i := range records {
		r := &records[i]
		wg.Go(func() {
			id, err := queue.Job(r.Body)
			if err != nil {
				m.cfg.Log.Warn("a message that does not name a job is left to the dead-letter queue", "message", r.MessageId, "error", err)
				again[i] = true
				return
			}
			done, _ := m.pool.Deliver(ctx, question.Message{ID: id, Receipt: r.ReceiptHandle, ReceiveCount: queue.Count(r.Attributes)})
			again[i] = !done
		})
	}
	wg.Wait()
	answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for i, failed := range again {
		if failed {
			answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: records[i].MessageId})
		}
	}
	return json.Marshal(answer)
}

// runFunction takes events until ctx ends, which SIGTERM does, and releases what
// is held. Lambda ends a process that has not ended 500 ms later.
func (m *Main) runFunction(ctx context.Context) error {
	// It does not return; that its service went away ends the process. SIGTERM is sent
	// only to those who ask for it.
	go lambda.StartWithOptions(m, lambda.WithEnableSIGTERM())
	<-ctx.Done()
	err := m.Close()
	m.base = nil
	return err
}
