// Package queue takes jobs from the process that accepted them to one that runs
// them, through Amazon SQS or a service like it. A message is a job's id and
// nothing else: the job is in the store. A message comes at least once, in any order.
package queue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const (
	// MostMessages is how many messages SQS gives or takes in one request.
	MostMessages = 10
	// MostHidden is how long SQS can hide a message.
	MostHidden = 12 * time.Hour

	defaultTimeout = 5 * time.Second
	attempts       = 3
	maxWait        = 20 * time.Second // the longest poll that SQS knows
)

// Config says which queue, and how to reach it.
type Config struct {
	// URL is the queue's, as SQS tells it: https://sqs.eu-west-1.amazonaws.com/123456789012/jobs.
	// Requests go to its host. Required.
	URL string
	// Region is "" for the one in URL's host, else AWS_REGION, else us-east-1.
	Region string
	// Timeout is how long to wait for one answer, beyond what a poll waits; 0 is 5 s.
	// A call takes three times as much at the most.
	Timeout time.Duration
}

// calm sends requests whose body nobody closes. The SDK closes one when the answer
// begins; if net/http is just then looking whether it has ended, it takes that for a
// failure and closes the connection, and the messages in the answer are lost until
// their time is up. A queue on the same machine is quick enough for that.
type calm struct{ sqs.HTTPClient }

// Do implements sqs.HTTPClient.
func (c calm) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return c.HTTPClient.Do(r)
}

// Queue is one queue. Its methods are safe for concurrent use. Their errors are
// *question.Error with CodeQueueUnavailable, or say that ctx ended.
type Queue struct {
	client  *sqs.Client
	url     string
	timeout time.Duration
}

// Open returns a queue; it asks nothing of the service. Credentials are those of
// the environment, the shared files, or the role of the function, task or machine.
func Open(ctx context.Context, cfg Config) (*Queue, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.Trim(u.Path, "/") == "" || u.RawQuery != "" || u.User != nil {
		return nil, question.Errorf(question.CodeQueueUnavailable, "the queue %.200q is no URL of a queue, such as https://sqs.eu-west-1.amazonaws.com/123456789012/jobs", cfg.URL)
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	loaded, err := config.LoadDefaultConfig(ctx, config.WithRegion(region(cfg.Region, u.Hostname())), config.WithRetryer(func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = attempts, time.Second })
	}))
	if err != nil {
		return nil, question.Errorf(question.CodeQueueUnavailable, "the credentials for the queue cannot be read: %w", err)
	}
	client := sqs.NewFromConfig(loaded, func(o *sqs.Options) {
		o.BaseEndpoint, o.HTTPClient = aws.String(u.Scheme+"://"+u.Host), calm{o.HTTPClient}
	})
	return &Queue{client, cfg.URL, cfg.Timeout}, nil
}

func region(given, host string) string {
	if given != "" {
		return given
	}
	if parts := strings.Split(host, "."); len(parts) > 3 && parts[0] == "sqs" && strings.Contains(host, ".amazonaws.com") {
		return parts[1]
	}
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if v := os.Getenv(name); v != "" {
			return v
		}
	}
	return "us-east-1"
}

// Name is a queue's name: the end of its URL or its ARN.
func Name(address string) string {
	name := path.Base(address)
	return name[strings.LastIndexByte(name, ':')+1:]
}

// Message is one delivery of a message.
type Message struct {
	ID       string // the service's; another delivery has it too
	Body     string
	Receives int // how often it was delivered, this time included

	receipt string
}

// body is what a message of ours says.
type body struct {
	Version int    `json:"lestats"`
	Job     string `json:"job"`
}

// Body returns what the message of a job says.
func Body(job string) string {
	b, err := json.Marshal(body{1, job})
	if err != nil {
		panic(err) // a number and a text
	}
	return string(b)
}

// Job returns the id of the job that a message's body names. The error says that
// the message is not one of ours. Whether the id is one is not looked at.
func Job(message string) (string, error) {
	var b body
	d := json.NewDecoder(bytes.NewReader([]byte(message)))
	d.DisallowUnknownFields()
	err := d.Decode(&b)
	switch {
	case err != nil:
		return "", fmt.Errorf("the message %.80q is no job's: %w", message, err)
	case d.More():
		return "", fmt.Errorf("the message %.80q is no job's: something follows it", message)
	case b.Version != 1:
		return "", fmt.Errorf("the message %.80q is no job's of version 1", message)
	case b.Job == "":
		return "", fmt.Errorf("the message %.80q names no job", message)
	}
	return b.Job, nil
}

// Send tells the queue of a job. After an error it may have been told all the same.
func (q *Queue) Send(ctx context.Context, job string) error {
	ctx, cancel := q.within(ctx, 0)
	defer cancel()
	_, err := q.client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: aws.String(Body(job))})
	return q.explain("send to", err)
}

// Receive waits up to 20 s for messages and returns MostMessages at the most, none
// if none came. Others do not see them for `hidden`, in whole seconds: whoever has
// not called Done by then finds them delivered to another.
func (q *Queue) Receive(ctx context.Context, hidden time.Duration) ([]Message, error) {
	ctx, cancel := q.within(ctx, maxWait)
	defer cancel()
	out, err := q.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl:                    &q.url,
		MaxNumberOfMessages:         MostMessages,
		WaitTimeSeconds:             int32(maxWait / time.Second),
		VisibilityTimeout:           seconds(hidden),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount},
	})
	if err != nil {
		return nil, q.explain("receive from", err)
	}
	messages := make([]Message, len(out.Messages))
	for i, m := range out.Messages {
		n, err := strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
		if err != nil {
			n = 1 // the service did not say
		}
		messages[i] = Message{ID: aws.ToString(m.MessageId), Body: aws.ToString(m.Body), Receives: n, receipt: aws.ToString(m.ReceiptHandle)}
	}
	return messages, nil
}

// Done removes messages, MostMessages at the most. One that the service could not
// remove comes again.
func (q *Queue) Done(ctx context.Context, messages []Message) error {
	if len(messages) == 0 {
		return nil
	}
	entries := make([]types.DeleteMessageBatchRequestEntry, len(messages))
	for i := range messages {
		entries[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: &messages[i].receipt}
	}
	ctx, cancel := q.within(ctx, 0)
	defer cancel()
	out, err := q.client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &q.url, Entries: entries})
	if err == nil && len(out.Failed) > 0 {
		err = fmt.Errorf("%d of %d were not removed, the first because: %s %s", len(out.Failed), len(messages), aws.ToString(out.Failed[0].Code), aws.ToString(out.Failed[0].Message))
	}
	return q.explain("remove from", err)
}

// Return gives a message back, to be delivered again after a while, in whole seconds.
func (q *Queue) Return(ctx context.Context, m Message, after time.Duration) error {
	ctx, cancel := q.within(ctx, 0)
	defer cancel()
	_, err := q.client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: &q.url, ReceiptHandle: &m.receipt, VisibilityTimeout: seconds(after)})
	return q.explain("return to", err)
}

// Ping reports why the queue cannot be used, if it cannot.
func (q *Queue) Ping(ctx context.Context) error {
	ctx, cancel := q.within(ctx, 0)
	defer cancel()
	_, err := q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &q.url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn}})
	return q.explain("ask", err)
}

func (q *Queue) within(ctx context.Context, wait time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, wait+attempts*q.timeout)
}

func seconds(d time.Duration) int32 {
	d = min(max(d, 0), MostHidden)
	return int32((d + time.Second - 1) / time.Second) // 43,200 at the most
}

func (q *Queue) explain(what string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return question.Errorf(question.CodeQueueUnavailable, "cannot %s the queue %s: %w", what, Name(q.url), err)
}
