package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/le-stats-sportifs/lestats/data"
	"github.com/le-stats-sportifs/lestats/functions/api/contract"
	"github.com/le-stats-sportifs/lestats/functions/api/lambdatest"
	"github.com/le-stats-sportifs/lestats/runtime/queue"
	testminio "github.com/le-stats-sportifs/lestats/runtime/results/storetest/minio"
)

// policy returns the rights that template.yaml gives a function, for a bucket of this name.
func policy(t *testing.T, function, bucket string) string {
	t.Helper()
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	plain := strings.NewReplacer("!GetAtt Results.Arn", "arn:aws:s3:::"+bucket, "!Sub ${Results.Arn}", "arn:aws:s3:::"+bucket).Replace(string(text))
	var template struct {
		Resources map[string]struct {
			Properties map[string]any `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal([]byte(plain), &template); err != nil {
		t.Fatal(err)
	}
	role := strings.TrimSuffix(function, "Function") + "Role"
	var statements []any // of the store only: MinIO has no others
	policies, _ := template.Resources[role].Properties["Policies"].([]any)
	for _, policy := range policies {
		document, _ := policy.(map[string]any)["PolicyDocument"].(map[string]any)
		all, _ := document["Statement"].([]any)
		for _, statement := range all {
			if actions := fmt.Sprint(statement.(map[string]any)["Action"]); strings.Contains(actions, "s3:") {
				statements = append(statements, statement)
			}
		}
	}
	if len(statements) == 0 {
		t.Fatalf("%s allows nothing in the store", role)
	}
	out, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// The function meets its contract with the rights that template.yaml gives it, and has no
// rights beyond its own objects.
func TestTemplatePolicy(t *testing.T) {
	server := testminio.StartOwn(t)
	bucket := fmt.Sprintf("policy-%d", time.Now().UnixNano())
	as := func(keys *credentials.Credentials) *minio.Core {
		core, err := minio.NewCore(strings.TrimPrefix(server.Endpoint, "http://"), &minio.Options{Creds: keys})
		if err != nil {
			t.Fatal(err)
		}
		return core
	}
	put := func(c *minio.Core, bucket, key string) error {
		_, err := c.PutObject(t.Context(), bucket, key, strings.NewReader("x"), 1, "", "", minio.PutObjectOptions{})
		return err
	}
	root := as(credentials.NewStaticV4(server.AccessKey, server.SecretKey, ""))
	for _, name := range []string{bucket, bucket + "-other"} {
		if err := root.MakeBucket(t.Context(), name, minio.MakeBucketOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"lestats/plugins/other.txt", "lestats/secret", "others/secret"} {
			if err := put(root, name, key); err != nil {
				t.Fatal(err)
			}
		}
	}
	role := func(function string) credentials.Value {
		role, err := credentials.NewSTSAssumeRole(server.Endpoint, credentials.STSAssumeRoleOptions{AccessKey: server.AccessKey, SecretKey: server.SecretKey, Policy: policy(t, function, bucket)})
		if err != nil {
			t.Fatal(err)
		}
		keys, err := role.GetWithContext(&credentials.CredContext{Client: http.DefaultClient})
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	start := func(keys credentials.Value, env ...string) *lambdatest.Environment {
		return function(t, lambdatest.Config{Timeout: 30 * time.Second, Env: env}, "LESTATS_CACHE="+compiled(t), "LESTATS_STORE=s3://"+bucket+"/lestats", "LESTATS_S3_ENDPOINT="+server.Endpoint,
			"AWS_ACCESS_KEY_ID="+keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+keys.SecretAccessKey, "AWS_SESSION_TOKEN="+keys.SessionToken)
	}
	keys := role("ApiFunction")
	e := start(keys)
	contract.Run(t, contract.Way{Base: "https://f.example", Client: client(lambdatest.Gateway{Version: "2.0", Invoke: e.Invoke}), Function: true})

	// A key of a request is remembered, which the next request with it finds.
	seen := map[string]bool{}
	for range 2 {
		status, _, b, err := send(t.Context(), client(lambdatest.Gateway{Version: "2.0", Invoke: e.Invoke}), "POST", "https://f.example/api/global_mean", askObesity, "Content-Type: application/json", "Idempotency-Key: k")
		var job struct {
			ID string `json:"job_id"`
		}
		if err != nil || json.Unmarshal(b, &job) != nil || status != http.StatusAccepted {
			t.Errorf("with a key: %d %s, %v", status, b, err)
		}
		seen[job.ID] = true
	}
	if len(seen) != 1 {
		t.Errorf("a key makes the jobs %v", seen)
	}

	// A dataset in the bucket's folder is read with these rights.
	sample, err := data.Sample()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := root.PutObject(t.Context(), bucket, "lestats/data/own.arrow", bytes.NewReader(sample), int64(len(sample)), "", "", minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	own := start(keys, "LESTATS_DATA=s3://"+bucket+"/lestats/data/own.arrow")
	if status, v := exchange(t, client(lambdatest.Gateway{Version: "2.0", Invoke: own.Invoke}), "POST", "/api/global_mean?wait=20", askObesity); status != http.StatusOK || v["status"] != "done" {
		t.Errorf("%d %v", status, v)
	}

	// So does the worker, with its own rights.
	job := pendingJob(t)
	record, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := root.PutObject(t.Context(), bucket, "lestats/pending/"+job.ID, bytes.NewReader(record), int64(len(record)), "", "", minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	worker := start(role("WorkerFunction"), "_HANDLER=worker")
	if out, err := worker.Invoke(t.Context(), sqsEvent("jobs", queue.Body(job.ID))); err != nil || string(out) != `{"batchItemFailures":[]}` {
		t.Errorf("%s, %v", out, err)
	}
	if status, v := exchange(t, client(lambdatest.Gateway{Version: "2.0", Invoke: e.Invoke}), "GET", "/api/get_results/"+job.ID, ""); status != http.StatusOK || v["status"] != "done" {
		t.Errorf("%d %v", status, v)
	}

	direct := as(credentials.NewStaticV4(keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken))
	denied := func(what string, err error) {
		t.Helper()
		if minio.ToErrorResponse(err).Code != minio.AccessDenied {
			t.Errorf("%s: %v; want that it is denied", what, err)
		}
	}
	denied("writing a plugin", put(direct, bucket, "lestats/plugins/evil.wasm"))
	denied("writing beside its own", put(direct, bucket, "others/x"))
	denied("writing elsewhere", put(direct, bucket+"-other", "lestats/jobs/x"))
	denied("writing a dataset", put(direct, bucket, "lestats/data/own.arrow"))
	denied("removing a plugin", direct.RemoveObject(t.Context(), bucket, "lestats/plugins/other.txt", minio.RemoveObjectOptions{}))
	_, err = direct.StatObject(t.Context(), bucket+"-other", "lestats/secret", minio.StatObjectOptions{})
	if err == nil {
		t.Error("it reads another bucket")
	}
	if _, err = direct.StatObject(t.Context(), bucket, "others/secret", minio.StatObjectOptions{}); err == nil {
		t.Error("it reads what is not its own")
	}
	for object := range direct.ListObjectsIter(t.Context(), bucket+"-other", minio.ListObjectsOptions{Prefix: "others/"}) {
		denied("listing another bucket", object.Err)
	}
	denied("changing the bucket", direct.SetBucketPolicy(t.Context(), bucket, ""))
}

// Variables for SAM's emulator are declared in the template; otherwise SAM ignores them.
func TestSAMEnvironment(t *testing.T) {
	text, err := os.ReadFile("../../infra/sam/env.json")
	if err != nil {
		t.Fatal(err)
	}
	var given map[string]map[string]string
	if err := json.Unmarshal(text, &given); err != nil {
		t.Fatal(err)
	}
	if text, err = os.ReadFile("../../template.yaml"); err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]struct {
			Properties struct {
				Environment struct {
					Variables map[string]any `yaml:"Variables"`
				} `yaml:"Environment"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &template); err != nil {
		t.Fatal(err)
	}
	for resource, variables := range given {
		for name := range variables {
			if _, ok := template.Resources[resource].Properties.Environment.Variables[name]; !ok {
				t.Errorf("%s has no variable %s", resource, name)
			}
		}
	}
	if len(given) == 0 {
		t.Error("nothing is given")
	}
}
