package wire

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/le-stats-sportifs/lestats/data"
	"github.com/le-stats-sportifs/lestats/runtime/results/s3"
	testminio "github.com/le-stats-sportifs/lestats/runtime/results/storetest/minio"
)

const marks = `name: marks
title: Marks
columns:
  - {name: school, type: string, role: dimension}
  - {name: mark, type: number, role: measure}
`

// A dataset is read from a bucket, with a descriptor in it, beside it or elsewhere, by a
// role that may read nothing else. No temporary file stays.
func TestDatasetInABucket(t *testing.T) {
	server := testminio.Start(t)
	t.Setenv("AWS_ENDPOINT_URL_S3", server.Endpoint)
	t.Setenv("AWS_REGION", "us-east-1")
	keys := func(id, secret, token string) {
		t.Setenv("AWS_ACCESS_KEY_ID", id)
		t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
		t.Setenv("AWS_SESSION_TOKEN", token)
	}
	keys(server.AccessKey, server.SecretKey, "")
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	bucket := fmt.Sprintf("data-%d", time.Now().UnixNano())
	at := "s3://" + bucket + "/own/"
	objects, err := OpenObjects(t.Context(), StoreConfig{Location: at, S3MakeBucket: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer objects.Close()
	sample, err := data.Sample()
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"npao.arrow": string(sample), "marks.csv": "school,mark\nCurie,13.5\n", "marks.yaml": marks, "alone.csv": "school,mark\nSand,10\n", "other.csv": "a,b\n1,2\n", "secret.csv": "school,mark\n",
	} {
		if err := objects.Put(t.Context(), name, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	beside := filepath.Join(t.TempDir(), "local.yaml")
	if err := os.WriteFile(beside, []byte(marks), 0o600); err != nil {
		t.Fatal(err)
	}
	open := func(cfg EngineConfig) (name, digest string, err error) {
		cfg.Cache, cfg.Log = "off", slog.New(slog.DiscardHandler)
		w, err := OpenWorkbench(t.Context(), cfg)
		if err != nil {
			return "", "", err
		}
		info := w.Dataset.Info()
		return info.Name, info.Digest, w.Close(t.Context())
	}
	_, digest, err := open(EngineConfig{})
	if err != nil {
		t.Fatal(err)
	}
	var policy strings.Builder
	policy.WriteString(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":[`)
	for i, name := range []string{"npao.arrow", "marks.csv", "marks.yaml", "alone.csv", "other.csv"} {
		fmt.Fprintf(&policy, `%.*s"arn:aws:s3:::%s/own/%s"`, min(i, 1), ",", bucket, name)
	}
	policy.WriteString(`]}]}`)
	role, err := credentials.NewSTSAssumeRole(server.Endpoint, credentials.STSAssumeRoleOptions{AccessKey: server.AccessKey, SecretKey: server.SecretKey, Policy: policy.String()})
	if err != nil {
		t.Fatal(err)
	}
	value, err := role.GetWithContext(&credentials.CredContext{Client: http.DefaultClient})
	if err != nil {
		t.Fatal(err)
	}
	for _, reader := range []bool{false, true} {
		if reader {
			keys(value.AccessKeyID, value.SecretAccessKey, value.SessionToken)
		}
		for _, tt := range []struct {
			cfg        EngineConfig
			name, want string // want: in the error
		}{
			{EngineConfig{Data: at + "npao.arrow"}, "npao_sample", ""},
			{EngineConfig{Data: at + "npao.arrow", DataDigest: digest}, "npao_sample", ""},
			{EngineConfig{Data: at + "npao.arrow", s3: s3.Config{Endpoint: server.Endpoint, Region: "us-east-1"}}, "npao_sample", ""},
			{EngineConfig{DataDigest: digest}, "npao_sample", ""},
			{EngineConfig{Data: at + "marks.csv"}, "marks", ""},
			{EngineConfig{Data: at + "alone.csv", Descriptor: at + "marks.yaml"}, "marks", ""},
			{EngineConfig{Data: at + "alone.csv", Descriptor: beside}, "marks", ""},
			{EngineConfig{Data: at + "marks.csv", DataDigest: digest}, "", digest},
			{EngineConfig{DataDigest: "sha256:0"}, "", `asks for "sha256:0"`},
			{EngineConfig{Data: at + "other.csv"}, "", at + "other.csv: "},
			{EngineConfig{Data: at + "none.csv"}, "", at + "none.csv: "},
			{EngineConfig{Data: at + "marks.csv", Descriptor: at + "none.yaml"}, "", at + "none.yaml: "},
			{EngineConfig{Data: "s3://" + bucket}, "", "s3://bucket/key"},
			{EngineConfig{Data: at}, "", "s3://bucket/key"},
			{EngineConfig{Data: at + ".."}, "", "s3://bucket/key"},
			{EngineConfig{Data: "s3://no-such-bucket-here/x.csv"}, "", "no-such-bucket-here"},
			{EngineConfig{Data: at + "marks.csv", s3: s3.Config{Endpoint: "http://127.0.0.1:1"}}, "", "127.0.0.1:1"},
		} {
			name, _, err := open(tt.cfg)
			if name != tt.name || (err != nil) != (tt.want != "") || err != nil && (!strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), temporary)) {
				t.Errorf("%+v: %q, %v; want %q, %q", tt.cfg.Data, name, err, tt.name, tt.want)
			}
		}
	}
	if _, _, err := open(EngineConfig{Data: at + "secret.csv"}); err == nil || !strings.Contains(err.Error(), "s3:GetObject on s3://"+bucket+"/own/secret.csv") {
		t.Errorf("what the role may not read: %v", err)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	t.Setenv("TMPDIR", "/nowhere")
	if _, _, err := open(EngineConfig{Data: at + "marks.csv"}); err == nil || !strings.Contains(err.Error(), "TMPDIR") {
		t.Errorf("without a folder for temporary files: %v", err)
	}
}
