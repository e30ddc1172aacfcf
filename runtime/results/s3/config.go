package s3

import (
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Lookup is how a request names the bucket.
type Lookup string

// The lookups.
const (
	LookupAuto Lookup = "auto" // by host for the services known to want it, else by path
	LookupPath Lookup = "path" // https://host/bucket/key
	LookupHost Lookup = "host" // https://bucket.host/key
)

// Defaults of Config.
const (
	DefaultTimeout  = 5 * time.Second
	DefaultAttempts = 3
)

// Config names a bucket and how to reach it.
type Config struct {
	// URL is s3://bucket or s3://bucket/prefix; all keys begin with the prefix and
	// a slash. Required.
	URL string
	// Endpoint is http://host:port or https://host:port; without a scheme it is
	// https. "" is AWS_ENDPOINT_URL_S3, else AWS_ENDPOINT_URL, else Amazon S3.
	Endpoint string
	// Region is "" for AWS_REGION, else AWS_DEFAULT_REGION, else what the service
	// says is the bucket's.
	Region string
	// AccessKey, SecretKey and SessionToken are the credentials. Without an access
	// key they come from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
	// AWS_SESSION_TOKEN), else the shared file (~/.aws/credentials, AWS_PROFILE),
	// else the IAM role of the function, task, pod or machine.
	AccessKey, SecretKey, SessionToken string
	// Lookup is "" for LookupAuto.
	Lookup Lookup
	// CreateBucket creates the bucket if it does not exist.
	CreateBucket bool
	// Timeout bounds one attempt; 0 is 5 s. A call takes at most Attempts times
	// (Timeout + 1 s).
	Timeout time.Duration
	// Attempts bounds how often a call is tried while the service does not answer or
	// asks to slow down; 0 is 3.
	Attempts int
}

// String does not show secrets.
func (c Config) String() string { return c.URL }

// GoString does not show secrets.
func (c Config) GoString() string { return c.URL }

// target is a resolved Config.
type target struct {
	bucket, prefix string // the prefix is "" or ends in "/"
	host           string
	secure         bool
	region         string
	lookup         minio.BucketLookupType
}

// resolve checks a Config and fills in its defaults.
func resolve(c *Config) (t target, err error) {
	refuse := func(format string, args ...any) (target, error) {
		return target{}, question.Errorf(question.CodeStoreUnavailable, format, args...)
	}
	rest, ok := strings.CutPrefix(c.URL, "s3://")
	if !ok || strings.ContainsAny(rest, "?#@") {
		return refuse("the store %q: use s3://bucket or s3://bucket/prefix; credentials and options are given separately", redact(c.URL))
	}
	t.bucket, t.prefix, _ = strings.Cut(rest, "/")
	if t.prefix = strings.Trim(t.prefix, "/"); t.prefix != "" {
		t.prefix += "/"
	}
	if len(t.bucket) < 3 || len(t.bucket) > 63 || strings.Trim(t.bucket, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
		return refuse("the bucket %q: a name has 3 to 63 lower-case letters, digits, dots and hyphens", t.bucket)
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(t.prefix, "/"), "/") {
		if part == "." || part == ".." || part == "" && t.prefix != "" {
			return refuse("the prefix %q: none of its parts may be empty, \".\" or \"..\"", t.prefix)
		}
	}

	endpoint := first(c.Endpoint, os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"), "https://s3.amazonaws.com")
	if !strings.Contains(endpoint, "://") {
		endpoint = "https://" + endpoint
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.User != nil || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Scheme != "http" && u.Scheme != "https" {
		return refuse("the S3 endpoint %q: use http://host:port or https://host:port, without a path", redact(endpoint))
	}
	if port := u.Port(); port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return refuse("the S3 endpoint %q: its port is not a number below 65536", redact(endpoint))
		}
	}
	t.host, t.secure = u.Host, u.Scheme == "https"
	t.region = first(c.Region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"))

	switch c.Lookup {
	case "", LookupAuto:
		t.lookup = minio.BucketLookupAuto
	case LookupPath:
		t.lookup = minio.BucketLookupPath
	case LookupHost:
		t.lookup = minio.BucketLookupDNS
	default:
		return refuse("the bucket lookup %q: use %q, %q or %q", c.Lookup, LookupAuto, LookupPath, LookupHost)
	}
	if (c.AccessKey == "") != (c.SecretKey == "") || c.AccessKey == "" && c.SessionToken != "" {
		return refuse("the S3 credentials are incomplete: give both access key and secret key, or neither to take them from the environment")
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Attempts == 0 {
		c.Attempts = DefaultAttempts
	}
	if c.Timeout < 0 || c.Attempts < 0 {
		return refuse("timeout %s, attempts %d: both must be positive, or 0 for the default", c.Timeout, c.Attempts)
	}
	return t, nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// redact removes credentials from an address.
func redact(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		scheme, rest = "", address
	} else {
		scheme += "://"
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = "..." + rest[i:]
	}
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		rest = rest[:i] + "..."
	}
	return scheme + rest
}
