package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/results/storetest/minio"
	"github.com/le-stats-sportifs/lestats/runtime/testtool"
)

// originalCase is one answer of the original program's pandas code.
type originalCase struct {
	Endpoint string
	Request  json.RawMessage
	Data     map[string]any
}

func originalCases(t testing.TB, folder string) []originalCase {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(folder, "cdc_npao_slice.expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []originalCase
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

// TestAnswersEqualTheOriginal asks the program, over HTTP, on real CDC rows and with either
// store, what the original program was asked, and compares all answers.
func TestAnswersEqualTheOriginal(t *testing.T) {
	folder := testtool.Slice(t)
	cases := originalCases(t, folder)
	if len(cases) != 192 {
		t.Fatalf("%d cases, want 192", len(cases))
	}
	csv := filepath.Join(folder, "cdc_npao_slice.csv")
	t.Run("folder store", func(t *testing.T) {
		compareAll(t, serve(t, nil, "--data", csv), cases)
	})
	t.Run("MinIO", func(t *testing.T) {
		if testing.Short() {
			t.Skip("-short: the answers do not depend on the store")
		}
		server := minio.Start(t)
		env := []string{"AWS_ACCESS_KEY_ID=" + server.AccessKey, "AWS_SECRET_ACCESS_KEY=" + server.SecretKey}
		compareAll(t, serve(t, env, "--data", csv, "--store", "s3://"+server.Bucket+"/lestats", "--s3-endpoint", server.Endpoint, "--s3-make-bucket"), cases)
	})
}

func compareAll(t *testing.T, p *process, cases []originalCase) {
	t.Helper()
	for _, c := range cases {
		got := p.ask(c.Endpoint, string(c.Request))
		if got["status"] != "done" {
			t.Fatalf("%s %s: %v", c.Endpoint, c.Request, got)
		}
		if err := equalAnswers(got["data"], c.Data); err != nil {
			t.Errorf("%s %s: %v", c.Endpoint, c.Request, err)
		}
	}
	if _, left := p.call("GET", "/api/num_jobs", ""); left["data"] != 0.0 {
		t.Errorf("num_jobs: %v, want 0", left)
	}
}

// equalAnswers compares numbers with a relative tolerance of 1e-9, because the original
// adds them up in another order.
func equalAnswers(got, want any) error {
	switch want := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(want) {
			return fmt.Errorf("%v, want %d entries", got, len(want))
		}
		for k, w := range want {
			if err := equalAnswers(g[k], w); err != nil {
				return fmt.Errorf("%s: %w", k, err)
			}
		}
	case float64:
		g, ok := got.(float64)
		if !ok || math.Abs(g-want) > 1e-9*math.Max(math.Abs(g), math.Abs(want))+1e-12 {
			return fmt.Errorf("%v, want %v", got, want)
		}
	default:
		return fmt.Errorf("the expectation holds a %T", want)
	}
	return nil
}
