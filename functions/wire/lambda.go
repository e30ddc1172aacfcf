package wire

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const (
	// EnvRuntimeAPI is host:port of what sends the events of a function; it is set in
	// every function of AWS Lambda, and nowhere else.
	EnvRuntimeAPI = "AWS_LAMBDA_RUNTIME_API"
	// EnvMemory is the memory of such a function, in MiB.
	EnvMemory = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
	// EnvEmulator is "true" in a function that SAM's emulator (sam local) runs.
	EnvEmulator = "AWS_SAM_LOCAL"

	// FunctionClose is how long a function may take to close: it leaves the 500 ms
	// from SIGTERM to SIGKILL something for the rest.
	FunctionClose = 300 * time.Millisecond

	margin = time.Second

	// functionCompile is the processor time that a function compiles one plugin for: it
	// may last four times as long, and Lambda gives a start 10 s.
	functionCompile = 2 * time.Second
)

// InFunction reports whether this process is a function of AWS Lambda.
func InFunction() bool { return os.Getenv(EnvRuntimeAPI) != "" }

// inEmulator reports whether SAM's emulator runs this function.
func inEmulator() bool { return InFunction() && os.Getenv(EnvEmulator) == "true" }

// QueueURL returns the URL of a queue as the function's variable has it, and "", which
// is no queue, where SAM's emulator left the queue's name in template.yaml instead: the
// emulator makes no queues.
func QueueURL(value string) string {
	if inEmulator() && !strings.Contains(value, "://") {
		return ""
	}
	return value
}

// emulatorStore returns a folder for the store at location in SAM's emulator, where
// there is none: without a location, or where the emulator left the bucket's name in
// template.yaml, which begins with a capital as no bucket's name does. Otherwise, and
// outside the emulator, it returns location.
func emulatorStore(location string, log *slog.Logger) string {
	bucket, isBucket := strings.CutPrefix(location, "s3://")
	unset := location == "" || location == DefaultStore
	unresolved := isBucket && bucket != "" && unicode.IsUpper(rune(bucket[0]))
	if !inEmulator() || !unset && !unresolved {
		return location
	}
	folder := filepath.Join(os.TempDir(), DefaultStore)
	log.Warn("SAM's emulator makes no bucket: results live in this container and are lost with it; make sam-local runs MinIO beside it",
		"store", location, "instead", folder)
	return folder
}

// Due is when an invocation has to have done its work, if it ends at deadline: a
// second is kept for storing, handing over and sending, of a short one a quarter.
func Due(deadline time.Time) time.Time {
	return deadline.Add(-min(margin, time.Until(deadline)/4))
}

// small fits a base to a function: one job at a time, in the function's memory.
func (c *BaseConfig) small() error {
	c.Store.Location = emulatorStore(c.Store.Location, c.Log)
	if c.Store.Location == "" || c.Store.Location == DefaultStore {
		return errors.New("LESTATS_STORE is not set: each request may meet another process of a function, so its results go into a bucket: LESTATS_STORE=s3://bucket/prefix")
	}
	if c.MemoryMiB == 0 {
		given := os.Getenv(EnvMemory)
		n, err := strconv.Atoi(cmp.Or(given, "512"))
		if err != nil || n < 1 {
			return fmt.Errorf("%s is %q; it takes MiB, such as 512", EnvMemory, given)
		}
		c.MemoryMiB = n
	}
	c.Pool.Workers, c.Pool.Frozen = 1, true
	// A quarter is for Go: its heap, the dataset's pages that are read, the answer.
	c.Questions.Budget = uint64(c.MemoryMiB) << 20 / 4 * 3
	c.Questions.CompileTime = cmp.Or(c.Questions.CompileTime, functionCompile)
	c.Questions.MemoryMiB = min(cmp.Or(c.Questions.MemoryMiB, 64), max(1, c.MemoryMiB/4))
	debug.SetMemoryLimit(int64(c.MemoryMiB) << 20 / 2)
	return nil
}

// ReportInit tells Lambda why there will be no function.
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
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+at+"/2018-06-01/runtime/init/error", bytes.NewReader(body)) //nolint:gosec // Lambda says where
	if err != nil {
		return err
	}
	req.Header.Set("Lambda-Runtime-Function-Error-Type", kind)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req) //nolint:gosec // see above
	if err != nil {
		return fmt.Errorf("the Lambda Runtime API cannot be told: %w", err)
	}
	return resp.Body.Close()
}
