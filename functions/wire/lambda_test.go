package wire

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
)

func TestEmulator(t *testing.T) {
	instead := filepath.Join(os.TempDir(), DefaultStore)
	for _, test := range []struct{ api, emulator, store, wantStore, queue, wantQueue string }{
		{"127.0.0.1:1", "true", "s3://Results/lestats", instead, "Jobs", ""},
		{"127.0.0.1:1", "true", "s3://Results", instead, "", ""},
		{"127.0.0.1:1", "true", "", instead, "DeadJobs", ""},
		{"127.0.0.1:1", "true", DefaultStore, instead, "Jobs", ""},
		// Real values are kept.
		{"127.0.0.1:1", "true", "s3://results/lestats", "s3://results/lestats", "http://queue:9324/0/jobs", "http://queue:9324/0/jobs"},
		{"127.0.0.1:1", "true", "/mnt/results", "/mnt/results", "", ""},
		{"127.0.0.1:1", "true", "s3://", "s3://", "", ""},
		// On Lambda, and outside of it, values are not replaced.
		{"127.0.0.1:1", "", "s3://Results/lestats", "s3://Results/lestats", "Jobs", "Jobs"},
		{"", "true", "s3://Results/lestats", "s3://Results/lestats", "Jobs", "Jobs"},
	} {
		t.Setenv(EnvRuntimeAPI, test.api)
		t.Setenv(EnvEmulator, test.emulator)
		var said bytes.Buffer
		if got := emulatorStore(test.store, slog.New(slog.NewTextHandler(&said, nil))); got != test.wantStore || (got == test.store) != (said.Len() == 0) {
			t.Errorf("store of %+v: %q, and the log says %q", test, got, &said)
		}
		if got := QueueURL(test.queue); got != test.wantQueue {
			t.Errorf("queue of %+v: %q", test, got)
		}
	}
}

// What may hold data is no test, however much it looks like one.
func TestIsTestEvent(t *testing.T) {
	for event, want := range map[string]bool{
		`{}`: true, `{"key1":"value1","key2":"value2","key3":"value3"}`: true, `{"warmup":true}`: true, `{"Event":"s3:TestEvent","Bucket":"b"}`: true,
		`{"Records":[{"eventSource":"aws:sqs","receiptHandle":"MessageReceiptHandle"}]}`: true,

		``: false, `null`: false, `[]`: false, `1`: false, `{"key1":"value1"}`: false, `{"key1":"value1","key2":"value2","key3":"value3","key4":"4"}`: false,
		`{"Records":[]}`: false, `{"Records":{}}`: false, `{"Records":null}`: false, `{"Records":[],"Event":"s3:TestEvent"}`: false,
		`{"Records":[{"eventSource":"aws:sqs","receiptHandle":"AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a"}]}`:                                                    false,
		`{"Records":[{"eventSource":"aws:sqs","receiptHandle":"MessageReceiptHandle"},{"eventSource":"aws:sqs","receiptHandle":"AQEBwJnKyrHigUMZj6rY"}]}`: false,
		`{"Records":[{"eventSource":"aws:kinesis","userIdentity":{"principalId":"EXAMPLE"}}]}`:                                                            false,
		`{"Records":[{"eventSource":"aws:s3","userIdentity":{"principalId":"AWS:AIDAJ"}}]}`:                                                               false,
		`{"records":{}}`: false, `{"rmqMessagesByQueue":{}}`: false, `{"detail-type":"Object Created","source":"aws.s3"}`: false,
	} {
		if got := IsTestEvent([]byte(event)); got != want {
			t.Errorf("%s: %t", event, got)
		}
	}
}
