package s3_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/s3"
	"github.com/le-stats-sportifs/lestats/runtime/results/storetest"
	"github.com/le-stats-sportifs/lestats/runtime/results/storetest/minio"
)

// What is shared can be read without credentials, with its headers, until it is
// swept; its address cannot be bent to anything else.
func TestShare(t *testing.T) {
	cfg := config(minio.Start(t))
	cfg.URL += "/share" + time.Now().Format("150405.000000000")
	objects := open(t, cfg)
	store := results.New(objects)
	large := bytes.Repeat([]byte{0xff, 0, 1, 2}, 1<<20)
	address, err := store.Share(t.Context(), large, "application/x-test", `attachment; filename="x.bin"`)
	if err != nil {
		t.Fatal(err)
	}
	get := func(address string) (*http.Response, []byte) {
		t.Helper()
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
		resp, err := client.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, body
	}
	resp, body := get(address)
	if resp.StatusCode != http.StatusOK || !bytes.Equal(body, large) {
		t.Fatalf("%d, %d bytes", resp.StatusCode, len(body))
	}
	if h := resp.Header; h.Get("Content-Type") != "application/x-test" || h.Get("Content-Disposition") != `attachment; filename="x.bin"` {
		t.Errorf("%v", h)
	}
	if resp, _ := get(strings.Replace(address, "/shared/", "/pending/", 1)); resp.StatusCode != http.StatusForbidden {
		t.Errorf("another object at a bent address: %d", resp.StatusCode)
	}
	if n, err := store.Sweep(t.Context(), time.Hour, time.Time{}); n != 0 || err != nil {
		t.Errorf("Sweep of this hour: %d, %v", n, err)
	}
	if n, err := store.Sweep(t.Context(), -time.Hour, time.Time{}); n != 1 || err != nil {
		t.Errorf("Sweep: %d, %v", n, err)
	}
	if resp, _ := get(address); resp.StatusCode != http.StatusNotFound {
		t.Errorf("after the sweep: %d", resp.StatusCode)
	}
	if _, err := results.New(&storetest.Memory{}).Share(t.Context(), large, "", ""); !errors.Is(err, results.ErrNotShared) {
		t.Errorf("of objects without addresses: %v", err)
	}
}

// SAM's stand-in for credentials is told apart from wrong ones.
func TestCredentialsOfSAM(t *testing.T) {
	server := minio.Start(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "defaultkey")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "defaultsecret")
	cfg := config(server)
	cfg.AccessKey, cfg.SecretKey = "", ""
	_, err := s3.Open(t.Context(), cfg)
	if err == nil || !strings.Contains(err.Error(), "defaultkey") || !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID") {
		t.Errorf("%v", err)
	}
}
