package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const (
	// EnvRuntimeAPI holds host:port of the Lambda Runtime API. It is set in every
	// function of AWS Lambda and nowhere else.
	EnvRuntimeAPI = "AWS_LAMBDA_RUNTIME_API"
	// EnvMemory holds the memory of a function, in MiB.
	EnvMemory = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
	// EnvFunction holds the name of a function.
	EnvFunction = "AWS_LAMBDA_FUNCTION_NAME"
	// EnvEmulator is "true" in SAM's emulator (sam local).
	EnvEmulator = "AWS_SAM_LOCAL"

	// FunctionClose is how long a function may take to close. Lambda sends SIGKILL 500 ms
	// after SIGTERM.
	FunctionClose = 300 * time.Millisecond

	margin = time.Second

	// functionCompile limits the processor time for compiling one plugin in a function.
	// The wall clock may reach four times that, and Lambda gives a start 10 s.
	functionCompile = 2 * time.Second
)

// InFunction reports whether this process is an AWS Lambda function.
func InFunction() bool { return os.Getenv(EnvRuntimeAPI) != "" }

// inEmulator reports whether this function runs in SAM's emulator.
func inEmulator() bool { return InFunction() && os.Getenv(EnvEmulator) == "true" }

// QueueURL returns the URL of a queue from a function's variable. It returns "", which
// means no queue, where SAM's emulator, which has no queues, put in the queue's name in
// template.yaml instead.
func QueueURL(value string) string {
	if inEmulator() && !strings.Contains(value, "://") {
		return ""
	}
	return value
}

// emulatorStore returns a folder in place of location in SAM's emulator, if location is
// not set, or if the emulator put in the bucket's name in template.yaml, which begins
// with a capital letter, as no bucket's real name does. In all other cases it returns
// location.
func emulatorStore(location string, log *slog.Logger) string {
	bucket, isBucket := strings.CutPrefix(location, "s3://")
	unset := location == "" || location == DefaultStore
	unresolved := isBucket && bucket != "" && unicode.IsUpper(rune(bucket[0]))
	if !inEmulator() || !unset && !unresolved {
		return location
	}
	folder := filepath.Join(os.TempDir(), DefaultStore)
	log.Warn("SAM's emulator creates no bucket: results are stored in this container and lost with it; make sam-local runs MinIO beside it",
		"store", location, "instead", folder)
	return folder
}

// Due returns when an invocation that ends at deadline must have finished its work. It
// reserves a second for storing and sending, or a quarter of what is left if that is
// shorter.
func Due(deadline time.Time) time.Time {
	return deadline.Add(-min(margin, time.Until(deadline)/4))
}

// IsTestEvent reports whether an event is one that people, schedules and services send to
// see whether a function is there, and that brings no data: an empty object, templates of
// Lambda's console, S3's s3:TestEvent, a schedule of EventBridge or what keeps a function
// warm. Whatever may come from a queue or a stream is none, because an answer would delete
// its messages.
func IsTestEvent(event []byte) bool {
	var e map[string]json.RawMessage
	if err := json.Unmarshal(event, &e); err != nil || e == nil {
		return false
	}
	is := func(name string, values ...string) bool {
		var text string
		return json.Unmarshal(e[name], &text) == nil && slices.Contains(values, text)
	}
	if records, ok := e["Records"]; ok {
		return len(e) == 1 && isTemplate(records)
	}
	switch {
	case len(e) == 0, is("Event", "s3:TestEvent"), is("detail-type", "Scheduled Event"), is("source", "serverless-plugin-warmup"):
		return true
	case is("key1", "value1"): // the template hello-world
		return is("key2", "value2") && is("key3", "value3") && len(e) == 3
	}
	return len(e) <= 2 && (string(e["warmer"]) == "true" || string(e["warmup"]) == "true")
}

// isTemplate reports whether records are those of the console's templates of SQS and S3,
// which hold placeholders where real ones have the handle of a receipt, or an identity.
func isTemplate(records json.RawMessage) bool {
	var all []struct {
		EventSource   string `json:"eventSource"`
		ReceiptHandle string `json:"receiptHandle"`
		UserIdentity  struct {
			PrincipalID string `json:"principalId"`
		} `json:"userIdentity"`
	}
	if err := json.Unmarshal(records, &all); err != nil || len(all) != 1 {
		return false
	}
	switch r := all[0]; r.EventSource {
	case "aws:sqs":
		return r.ReceiptHandle == "MessageReceiptHandle"
	case "aws:s3":
		return r.UserIdentity.PrincipalID == "EXAMPLE"
	}
	return false
}

// ReportInit reports to Lambda why the function could not start.
func ReportInit(ctx context.Context, why error) error {
	at := os.Getenv(EnvRuntimeAPI)
	if at == "" {
		return nil
	}
	kind := "lestats." + string(question.CodeOf(why))
	body, err := json.Marshal(map[string]any{"errorMessage": Explain(why), "errorType": kind, "stackTrace": []string{}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), FunctionClose)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+at+"/2018-06-01/runtime/init/error", bytes.NewReader(body)) //nolint:gosec // the address comes from Lambda
	if err != nil {
		return err
	}
	req.Header.Set("Lambda-Runtime-Function-Error-Type", kind)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req) //nolint:gosec // see above
	if err != nil {
		return fmt.Errorf("reporting to the Lambda Runtime API: %w", err)
	}
	return resp.Body.Close()
}
