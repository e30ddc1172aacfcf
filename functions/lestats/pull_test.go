package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// release is a file like the CDC's, large enough to be one.
func release() []byte {
	var b bytes.Buffer
	b.WriteString("YearStart,YearEnd,LocationAbbr,LocationDesc,Class,Topic,Question,Data_Value,Low_Confidence_Limit,High_Confidence_Limit ,Sample_Size,StratificationCategory1,Stratification1,Datasource\n")
	for i := range 50_000 {
		fmt.Fprintf(&b, "2020,2020,OH,Ohio,C,T,Q%d,%d.5,1,60,100,Total,Total,BRFSS\n", i%9, i%50)
	}
	return b.Bytes()
}

// `data pull` gets a release, pins it, sends the token to its host only, and says why it
// waits.
func TestDataPull(t *testing.T) {
	t.Chdir(t.TempDir())
	const token = "s3cret-T0ken"
	file := release()
	var mu sync.Mutex
	var tokens []string
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		requests++
		tokens = append(tokens, r.Header.Get("X-App-Token"))
		switch requests {
		case 1:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		case 2:
			time.Sleep(2 * time.Second)
			fallthrough
		default:
			_, _ = w.Write(file)
		}
	}))
	defer server.Close()
	t.Setenv("LESTATS_APP_TOKEN", token)
	code, out, errs := lestats(t, "data", "pull", "npao", "--url", server.URL, "-o", "cdc.csv", "--json")
	var got pulled
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitOK {
		t.Fatalf("%d, %v, %s%s", code, err, out, errs)
	}
	want := pulled{File: "cdc.csv", Digest: fmt.Sprintf("sha256:%x", sha256.Sum256(file)), Rows: 50_000, Bytes: int64(len(file))}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	for _, line := range []string{"429 Too Many Requests; retrying in 1s", "has the request and sends nothing yet"} {
		if !strings.Contains(errs, line) {
			t.Errorf("%q is not in\n%s", line, errs)
		}
	}
	if strings.Contains(out+errs, token) || len(tokens) != 2 || tokens[0] != token || tokens[1] != token {
		t.Errorf("the tokens are %q\n%s%s", tokens, out, errs)
	}

	before, err := os.ReadFile("cdc.csv")
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	file = bytes.Replace(file, []byte("BRFSS"), []byte("other"), 1)
	mu.Unlock()
	t.Setenv("LESTATS_APP_TOKEN", "")
	code, _, errs = lestats(t, "data", "pull", "npao", "--url", server.URL, "-o", "cdc.csv", "--digest", want.Digest)
	if after, err := os.ReadFile("cdc.csv"); err != nil || code != exitFailed || !bytes.Equal(after, before) || !strings.Contains(errs, "is another release") || !strings.Contains(errs, want.Digest) {
		t.Errorf("%d, %v, %s", code, err, errs)
	}
	code, _, errs = lestats(t, "data", "pull", "npao", "--url", server.URL, "-o", "cdc.csv")
	if digest := fmt.Sprintf("--digest sha256:%x", sha256.Sum256(file)); code != exitOK || !strings.Contains(errs, digest) || tokens[len(tokens)-1] != "" {
		t.Errorf("%d, %s; want %s", code, errs, digest)
	}
	if code, _, errs = lestats(t, "data", "pull", "npao", "--url", "http://data.example/x.csv", "--app-token", token); code != exitFailed || !strings.Contains(errs, "https only") || strings.Contains(errs, token) {
		t.Errorf("%d, %s", code, errs)
	}
}
