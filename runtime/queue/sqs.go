package queue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/le-stats-sportifs/lestats/runtime/awskeys"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const (
	// MaxMessages is the maximum number of messages in one request to SQS.
	MaxMessages = 10
	// MaxVisibility is the longest visibility timeout that SQS allows.
	MaxVisibility = 12 * time.Hour

	defaultTimeout = 5 * time.Second
	attempts       = 3
	maxWait        = 20 * time.Second // the longest poll that SQS allows
)

// Config names a queue and how to reach it.
type Config struct {
	// URL is the queue's URL, such as https://sqs.eu-west-1.amazonaws.com/123456789012/jobs.
	// Requests go to its host. Required.
	URL string
	// Region is "" for the one in URL's host, else AWS_REGION, else us-east-1.
	Region string
	// Visibility is the visibility timeout: how long a message that was received is kept
	// from other receivers, rounded up to whole seconds; 0 is the queue's own.
	Visibility time.Duration
	// Timeout bounds one attempt, not counting the wait of a poll; 0 is 5 s. A call
	// makes at most three attempts.
	Timeout time.Duration
	Log     *slog.Logger // nil is slog.Default()
}

// bufferedClient sends requests whose body cannot be closed early. The SDK closes the
// body as soon as the response begins; if net/http is still reading it then, it treats
// that as a failure and closes the connection, and the messages in the response are
// lost until their visibility timeout ends. A queue on the same machine is fast enough
// to trigger this.
type bufferedClient struct{ sqs.HTTPClient }

// Do implements sqs.HTTPClient.
func (c bufferedClient) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return c.HTTPClient.Do(r)
}

// SQS is one queue of Amazon SQS or a compatible service. Its methods are safe for
// concurrent use. Their errors are *question.Error with CodeQueueUnavailable, or the
// context's.
type SQS struct {
	client *sqs.Client
	cfg    Config
}

// Open returns a queue without contacting the service. Credentials come from package
// awskeys.
func Open(cfg Config) (*SQS, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.Trim(u.Path, "/") == "" || u.RawQuery != "" || u.User != nil {
		return nil, question.Errorf(question.CodeQueueUnavailable, "the queue %.200q is not the URL of a queue, such as https://sqs.eu-west-1.amazonaws.com/123456789012/jobs", cfg.URL)
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	client := sqs.New(sqs.Options{
		BaseEndpoint: aws.String(u.Scheme + "://" + u.Host),
		Region:       region(cfg.Region, u.Hostname()),
		Credentials:  keys(cfg.Timeout),
		HTTPClient:   bufferedClient{awshttp.NewBuildableClient()},
		Retryer:      retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = attempts, time.Second }),
	})
	return &SQS{client, cfg}, nil
}

// keys caches the process's credentials, and renews a role's five minutes before they expire.
func keys(timeout time.Duration) aws.CredentialsProvider {
	chain := awskeys.New(timeout)
	return aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		v, err := chain.RetrieveWithCredContext(&credentials.CredContext{Context: ctx})
		return aws.Credentials{
			AccessKeyID:     v.AccessKeyID,
			SecretAccessKey: v.SecretAccessKey,
			SessionToken:    v.SessionToken,
			Source:          chain.Name(),
			CanExpire:       !v.Expiration.IsZero(),
			Expires:         v.Expiration,
		}, err
	}), func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = 5 * time.Minute })
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

// Name returns a queue's name, which is the last part of its URL or ARN.
func Name(address string) string {
	name := path.Base(address)
	return name[strings.LastIndexByte(name, ':')+1:]
}

// body is the JSON form of a message.
type body struct {
	Version int    `json:"lestats"`
	Job     string `json:"job"`
}

// Body returns the message for a job.
func Body(job string) string {
	b, err := json.Marshal(body{1, job})
	if err != nil {
		panic(err) // cannot happen: an int and a string
	}
	return string(b)
}

// Job returns the job id in a message's body, without checking that it is a valid
// id. An error means that the message was not made by Body.
func Job(message string) (string, error) {
	var b body
	d := json.NewDecoder(bytes.NewReader([]byte(message)))
	d.DisallowUnknownFields()
	err := d.Decode(&b)
	switch {
	case err != nil:
		// json's error repeats an unknown key whole, and a message may have 256 KB.
		return "", fmt.Errorf("the message %.80q does not name a job: %.200s", message, err.Error())
	case d.More():
		return "", fmt.Errorf("the message %.80q does not name a job: there is data after its JSON", message)
	case b.Version != 1:
		return "", fmt.Errorf("the message %.80q has another version than 1", message)
	case b.Job == "":
		return "", fmt.Errorf("the message %.80q names no job", message)
	}
	return b.Job, nil
}

// Send adds a message for a job. After an error the message may have been added
// nevertheless.
func (q *SQS) Send(ctx context.Context, job string) error {
	ctx, cancel := q.within(ctx, 0)
	defer cancel()
	_, err := q.client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &q.cfg.URL, MessageBody: aws.String(Body(job))})
	return q.explain("send to", err)
}

// Receive waits until there are messages and returns at most limit of them, and at most
// MaxMessages. When ctx ends it returns none. It leaves messages that do not name a job
// to the dead-letter queue.
func (q *SQS) Receive(ctx context.Context, limit int) ([]question.Message, error) {
	for ctx.Err() == nil {
		messages, err := q.poll(ctx, min(max(limit, 1), MaxMessages))
		if ctx.Err() == nil && err != nil {
			return nil, q.explain("receive from", err)
		}
		if len(messages) > 0 {
			return messages, nil
		}
	}
	return nil, nil
}

// poll waits up to maxWait for messages.
func (q *SQS) poll(ctx context.Context, limit int) ([]question.Message, error) {
	ctx, cancel := q.within(ctx, maxWait)
	defer cancel()
	out, err := q.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl:                    &q.cfg.URL,
		MaxNumberOfMessages:         int32(limit),
		WaitTimeSeconds:             int32(maxWait / time.Second),
		VisibilityTimeout:           seconds(q.cfg.Visibility),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount},
	})
	if err != nil {
		return nil, err
	}
	var messages []question.Message
	for _, m := range out.Messages {
		id, err := Job(aws.ToString(m.Body))
		if err != nil {
			q.cfg.Log.Warn("a message that does not name a job is left to the dead-letter queue", "queue", Name(q.cfg.URL), "message", aws.ToString(m.MessageId), "error", err)
			continue
		}
		messages = append(messages, question.Message{ID: id, Receipt: aws.ToString(m.ReceiptHandle), ReceiveCount: Count(m.Attributes)})
	}
	return messages, nil
}

// Count returns the number of deliveries that a message's attributes tell, 1 if they do
// not.
func Count(attributes map[string]string) int {
	n, err := strconv.Atoi(attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
	if err != nil {
		return 1
	}
	return n
}

// Delete removes a message. One that was removed already is not an error.
func (q *SQS) Delete(ctx context.Context, m question.Message) error {
	ctx, cancel := q.within(ctx, 0)
	defer cancel()
	_, err := q.client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &q.cfg.URL, ReceiptHandle: &m.Receipt})
	return q.explain("delete from", heldNoLonger(err))
}

// ChangeVisibility makes a message available again after d, rounded up to whole seconds.
// It does nothing if the message is available already, or was removed.
func (q *SQS) ChangeVisibility(ctx context.Context, m question.Message, d time.Duration) error {
	ctx, cancel := q.within(ctx, 0)
	defer cancel()
	_, err := q.client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: &q.cfg.URL, ReceiptHandle: &m.Receipt, VisibilityTimeout: seconds(d)})
	return q.explain("change visibility in", heldNoLonger(err))
}

// heldNoLonger returns err unless it says that a receipt is out of date.
func heldNoLonger(err error) error {
	if answer, ok := errors.AsType[smithy.APIError](err); ok {
		code := answer.ErrorCode()
		switch strings.ToLower(code[strings.LastIndexAny(code, ".#")+1:]) {
		case "receipthandleisinvalid", "messagenotinflight", "queueexists": // the last is goaws's
			return nil
		}
	}
	return err
}

// Ping returns an error if the queue cannot be reached or does not exist.
func (q *SQS) Ping(ctx context.Context) error {
	ctx, cancel := q.within(ctx, 0)
	defer cancel()
	_, err := q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &q.cfg.URL, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn}})
	return q.explain("query", err)
}

// Attributes is how a queue is set up.
type Attributes struct {
	Visibility  time.Duration // visibility timeout of messages whose receiver sets none
	Dead        string        // name of the dead-letter queue; "" if there is none
	MaxReceives int           // deliveries after which a message moves there
	Waiting     int           // messages that nobody has received, about
}

// Attributes asks for the attributes of the queue.
func (q *SQS) Attributes(ctx context.Context) (a Attributes, err error) {
	ctx, cancel := q.within(ctx, 0)
	defer cancel()
	out, err := q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &q.cfg.URL, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil {
		return a, q.explain("query", err)
	}
	number := func(name types.QueueAttributeName) int {
		n, _ := strconv.Atoi(out.Attributes[string(name)]) // 0 where the service does not say it
		return n
	}
	a.Visibility = time.Duration(number(types.QueueAttributeNameVisibilityTimeout)) * time.Second
	a.Waiting = number(types.QueueAttributeNameApproximateNumberOfMessages)
	policy := out.Attributes[string(types.QueueAttributeNameRedrivePolicy)]
	if policy == "" {
		return a, nil
	}
	var redrive struct {
		Target   string      `json:"deadLetterTargetArn"`
		Receives json.Number `json:"maxReceiveCount"` // a number, or one in quotes
	}
	if err := json.Unmarshal([]byte(policy), &redrive); err != nil {
		return a, q.explain("query", fmt.Errorf("its redrive policy %.200q: %w", policy, err))
	}
	a.Dead = Name(redrive.Target)
	a.MaxReceives, _ = strconv.Atoi(redrive.Receives.String())
	return a, nil
}

func (q *SQS) within(ctx context.Context, wait time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, wait+attempts*q.cfg.Timeout)
}

func seconds(d time.Duration) int32 {
	d = min(max(d, 0), MaxVisibility)
	return int32((d + time.Second - 1) / time.Second) // at most 43,200
}

func (q *SQS) explain(action string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return question.Errorf(question.CodeQueueUnavailable, "cannot %s the queue %s: %s%w", action, Name(q.cfg.URL), advice(err), err)
}

// advice says what an operator can do about the usual errors, with a colon and a space at the
// end; "" about others.
func advice(err error) string {
	var dns *net.DNSError
	var missing *types.QueueDoesNotExist
	var api smithy.APIError
	switch {
	case errors.Is(err, awskeys.ErrNone):
		return "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or have ~/.aws/credentials, or run with an IAM role: "
	case errors.As(err, &dns):
		return "the name " + dns.Name + " is not known: check the queue's URL: "
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: start the service, or check the queue's URL: "
	case errors.As(err, &missing):
		return "it does not exist: create it, or check the queue's URL: "
	case errors.As(err, &api) && strings.Contains(api.ErrorCode(), "AccessDenied"):
		return "these credentials may not do it: allow it in their policy: "
	}
	return ""
}
