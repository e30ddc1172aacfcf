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
		// What was given is taken.
		{"127.0.0.1:1", "true", "s3://results/lestats", "s3://results/lestats", "http://queue:9324/0/jobs", "http://queue:9324/0/jobs"},
		{"127.0.0.1:1", "true", "/mnt/results", "/mnt/results", "", ""},
		{"127.0.0.1:1", "true", "s3://", "s3://", "", ""},
		// On Lambda, and on a machine that has the variable for other reasons, nothing is guessed.
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
