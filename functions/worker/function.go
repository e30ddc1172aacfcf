package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/queue"
)

// Invoke handles the messages of one event of SQS and answers with those that have to
// come again ("partial batch failures", which the source of events has to be told to
// heed). Any other event is an error. It implements lambda.Handler and is safe for
// concurrent use.
func (m *Main) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	var e events.SQSEvent
	if err := json.Unmarshal(event, &e); err != nil {
		return nil, fmt.Errorf("the event is no JSON of messages of SQS: %w", err)
	}
	if len(e.Records) == 0 {
		return nil, errors.New("the event has no Records: this function takes messages of SQS; requests are the API's")
	}
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, wire.Due(deadline))
		defer cancel()
	}
	messages := make([]queue.Message, len(e.Records))
	for i := range e.Records {
		r := &e.Records[i]
		if r.EventSource != "aws:sqs" {
			return nil, fmt.Errorf("record %d of the event is of %.40q: this function takes those of aws:sqs", i, r.EventSource)
		}
		receives, err := strconv.Atoi(r.Attributes["ApproximateReceiveCount"])
		if err != nil {
			receives = 1
		}
		messages[i] = queue.Message{ID: r.MessageId, Body: r.Body, Receives: receives}
	}
	handle := m.run
	if m.cfg.Dead != "" && queue.Name(e.Records[0].EventSourceARN) == queue.Name(m.cfg.Dead) { // all are of one queue
		handle = m.giveUp
	}
	answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for i, again := range m.each(ctx, messages, handle) {
		if again {
			answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: messages[i].ID})
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
