package s3_test

import (
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/s3"
	"github.com/le-stats-sportifs/lestats/runtime/results/storetest"
	"github.com/le-stats-sportifs/lestats/runtime/results/storetest/minio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// config returns the Config of a bucket on a server.
func config(s *minio.Server) s3.Config {
	return s3.Config{
		URL: "s3://" + s.Bucket, Endpoint: s.Endpoint, AccessKey: s.AccessKey, SecretKey: s.SecretKey,
		CreateBucket: true, Timeout: 20 * time.Second,
	}
}

func open(t testing.TB, cfg s3.Config) *s3.Objects {
	t.Helper()
	o, err := s3.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

func TestConformance(t *testing.T) {
	server := minio.Start(t)
	run := time.Now().UnixNano()
	n := 0
	storetest.Run(t, func(t *testing.T) results.Objects {
		n++
		cfg := config(server)
		// "r1" and "r10" are neighbours in a listing.
		cfg.URL += fmt.Sprintf("/conformance/%d/r%d", run, n)
		return open(t, cfg)
	})
}
