// Package s3 keeps jobs and results in a bucket of any S3-compatible service, with one
// S3 object per object, named by a prefix and its key.
//
// It needs s3:GetObject, s3:PutObject and s3:DeleteObject on the prefix and
// s3:ListBucket on the bucket, without a condition, and a service that honours
// If-None-Match on PUT.
package s3

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/le-stats-sportifs/lestats/runtime/awskeys"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results"
)

const (
	pageSize = 1000 // names in one answer of the service
	// conflicts is how often a conditional write is repeated while the service
	// answers that another one to the same key is under way.
	conflicts = 10
)

// Objects implements results.Objects over a bucket.
type Objects struct {
	cfg    Config
	target target
	// client retries. once does not, because Create has to know whether an earlier
	// attempt may have been stored.
	client, once *minio.Core
	where        string // the bucket and its service, for people
	keys         *credentials.Credentials
	chain        *awskeys.Chain
	clock        *clock
	close        func()
}

var (
	_ results.Objects = (*Objects)(nil)
	_ results.Sharer  = (*Objects)(nil)
)

// Open connects to the bucket and checks, as Ping does, that it can be used. Its errors are
// *question.Error with CodeStoreUnavailable. ctx bounds Open alone.
func Open(ctx context.Context, cfg Config) (*Objects, error) {
	o, err := dial(cfg)
	if err != nil {
		return nil, err
	}
	if err := o.connect(ctx); err != nil {
		o.close()
		return nil, err
	}
	return o, nil
}

// dial prepares a connection, and sends no request.
func dial(cfg Config) (_ *Objects, err error) {
	t, err := resolve(&cfg)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: cfg.Timeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   cfg.Timeout,
		ResponseHeaderTimeout: cfg.Timeout,
		ExpectContinueTimeout: time.Second,
		MaxIdleConns:          256,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       time.Minute,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		DisableCompression:    true,
	}
	chain := awskeys.New(cfg.Timeout)
	if cfg.AccessKey != "" {
		chain = awskeys.Fixed(cfg.AccessKey, cfg.SecretKey, cfg.SessionToken)
	}
	scheme := "http://"
	if t.secure {
		scheme = "https://"
	}
	o := &Objects{
		cfg:    cfg,
		target: t,
		where:  "the bucket " + t.bucket + " at " + scheme + t.host,
		keys:   credentials.New(chain),
		chain:  chain,
		clock:  &clock{RoundTripper: transport},
		close:  transport.CloseIdleConnections,
	}
	defer func() {
		if err != nil {
			o.close()
		}
	}()
	for _, c := range []struct {
		core     **minio.Core
		attempts int
	}{{&o.client, cfg.Attempts}, {&o.once, 1}} {
		*c.core, err = minio.NewCore(t.host, &minio.Options{
			Creds:        o.keys,
			Secure:       t.secure,
			Transport:    o.clock,
			Region:       t.region,
			BucketLookup: t.lookup,
			MaxRetries:   c.attempts,
		})
		if err != nil {
			return nil, question.Errorf(question.CodeStoreUnavailable, "%s: %w", o.where, err)
		}
	}
	return o, nil
}

func (o *Objects) connect(ctx context.Context) error {
	call, cancel := o.bound(ctx)
	defer cancel()
	// minio-go waits for credentials without regard to ctx later on.
	value, err := o.keys.GetWithContext(&credentials.CredContext{Context: call})
	if err != nil {
		return o.explain(ctx, err)
	}
	if value.AccessKeyID == "defaultkey" && value.SecretAccessKey == "defaultsecret" {
		return question.Errorf(question.CodeStoreUnavailable,
			"%s: SAM found no credentials on its machine and passes \"defaultkey\": set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY where you start sam", o.where)
	}
	err = o.Ping(ctx)
	if !o.cfg.CreateBucket || codeOf(err) != minio.NoSuchBucket {
		return err
	}
	err = o.client.MakeBucket(call, o.target.bucket, minio.MakeBucketOptions{Region: o.target.region})
	if err != nil && codeOf(err) != minio.BucketAlreadyOwnedByYou {
		return o.explain(ctx, err)
	}
	return o.Ping(ctx)
}

// bound returns the context of one call.
func (o *Objects) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, o.limit())
}

// limit adds the second that minio-go waits at most between two attempts: if the time
// ran out during that wait, the cause of the failure would be lost.
func (o *Objects) limit() time.Duration {
	return time.Duration(o.cfg.Attempts) * (o.cfg.Timeout + time.Second)
}

func (o *Objects) name(key string) string { return o.target.prefix + key }

// Put implements results.Objects.
func (o *Objects) Put(ctx context.Context, key string, data []byte) error {
	call, cancel := o.bound(ctx)
	defer cancel()
	return o.explain(ctx, o.put(call, o.client, key, data, minio.PutObjectOptions{}))
}

func (o *Objects) put(ctx context.Context, client *minio.Core, key string, data []byte, opts minio.PutObjectOptions) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if opts.ContentType == "" {
		opts.ContentType = "application/json"
	}
	opts.DisableMultipart = true // a condition holds for one request
	_, err := client.Client.PutObject(ctx, o.target.bucket, o.name(key), bytes.NewReader(data), int64(len(data)), opts)
	return err
}

// Share implements results.Sharer, with a presigned address.
func (o *Objects) Share(ctx context.Context, key string, data []byte, contentType, disposition string, valid time.Duration) (string, error) {
	call, cancel := o.bound(ctx)
	defer cancel()
	opts := minio.PutObjectOptions{ContentType: contentType, ContentDisposition: disposition}
	if err := o.put(call, o.client, key, data, opts); err != nil {
		return "", o.explain(ctx, err)
	}
	address, err := o.client.PresignedGetObject(call, o.target.bucket, o.name(key), valid, nil)
	if err != nil {
		return "", o.explain(ctx, err)
	}
	return address.String(), nil
}

// Create implements results.Objects.
func (o *Objects) Create(ctx context.Context, key string, data []byte) (created bool, err error) {
	call, cancel := o.bound(ctx)
	defer cancel()
	var opts minio.PutObjectOptions
	opts.SetMatchETagExcept("*")
	unsure := false // an attempt failed that may have been stored all the same
	for failures, busy := 0, 0; ; {
		err = o.put(call, o.once, key, data, opts)
		switch {
		case err == nil:
			return true, nil
		case statusOf(err) == http.StatusPreconditionFailed:
			if !unsure {
				return false, nil
			}
			return o.isOurs(ctx, key, data)
		case statusOf(err) == http.StatusConflict: // nothing was stored
			busy++
		case temporary(err):
			unsure = true
			failures++
		default:
			return false, o.explain(ctx, err)
		}
		if failures == o.cfg.Attempts || busy == conflicts || !sleep(call, failures+busy) {
			break
		}
	}
	if ours, readErr := o.isOurs(ctx, key, data); readErr == nil {
		return ours, nil
	}
	return false, o.explain(ctx, err)
}

// isOurs reports whether the object that exists is the one that Create wrote.
func (o *Objects) isOurs(ctx context.Context, key string, data []byte) (bool, error) {
	there, err := o.Get(ctx, key, 0)
	return err == nil && bytes.Equal(there, data), err
}

// sleep waits longer with each attempt; false when ctx ended.
func sleep(ctx context.Context, attempt int) bool {
	longest := min(10*time.Millisecond<<attempt, 250*time.Millisecond)
	timer := time.NewTimer(longest/2 + rand.N(longest/2)) //nolint:gosec // jitter
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Get implements results.Objects.
func (o *Objects) Get(ctx context.Context, key string, limit int) ([]byte, error) {
	call, cancel := o.bound(ctx)
	defer cancel()
	data, err := o.get(call, key, limit)
	return data, o.explain(ctx, err)
}

func (o *Objects) get(ctx context.Context, key string, limit int) (data []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var opts minio.GetObjectOptions
	if limit > 0 {
		if err := opts.SetRange(0, int64(limit)-1); err != nil {
			return nil, err
		}
	}
	for range o.cfg.Attempts {
		var body io.ReadCloser
		body, _, _, err = o.client.GetObject(ctx, o.target.bucket, o.name(key), opts)
		if err != nil { // and was tried enough
			if codeOf(err) == minio.InvalidRange { // the object is empty
				return []byte{}, nil
			}
			return nil, err
		}
		var r io.Reader = body
		if limit > 0 { // a service may not know ranges
			r = io.LimitReader(body, int64(limit))
		}
		data, err = io.ReadAll(r)
		_ = body.Close()
		if err == nil {
			return data, nil
		}
		if ctx.Err() != nil { // else the body was cut short
			break
		}
	}
	return nil, err
}

// Delete implements results.Objects.
func (o *Objects) Delete(ctx context.Context, keys ...string) error {
	for len(keys) > 0 {
		n := min(len(keys), pageSize)
		if err := o.delete(ctx, keys[:n]); err != nil {
			return o.explain(ctx, err)
		}
		keys = keys[n:]
	}
	return nil
}

func (o *Objects) delete(ctx context.Context, keys []string) error {
	ctx, cancel := o.bound(ctx)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(keys) == 1 {
		err := o.client.RemoveObject(ctx, o.target.bucket, o.name(keys[0]), minio.RemoveObjectOptions{})
		if codeOf(err) == minio.NoSuchKey {
			return nil
		}
		return err
	}
	objects := func(yield func(minio.ObjectInfo) bool) {
		for _, key := range keys {
			if !yield(minio.ObjectInfo{Key: o.name(key)}) {
				return
			}
		}
	}
	removed, err := o.client.RemoveObjectsWithIter(ctx, o.target.bucket, objects, minio.RemoveObjectsOptions{})
	if err != nil {
		return err
	}
	for r := range removed {
		if r.Err != nil && codeOf(r.Err) != minio.NoSuchKey {
			return r.Err
		}
	}
	return ctx.Err()
}

// List implements results.Objects. It asks for a page of names at a time.
func (o *Objects) List(ctx context.Context, folder, after string) iter.Seq2[results.Entry, error] {
	return func(yield func(results.Entry, error) bool) {
		call, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		if err := call.Err(); err != nil {
			yield(results.Entry{}, o.explain(ctx, err))
			return
		}
		// The limit is on the service, not on what the caller does with a name.
		timer := time.AfterFunc(o.limit(), func() { cancel(context.DeadlineExceeded) })
		defer timer.Stop()
		prefix, start, owner := o.name(folder), "", false
		if after != "" {
			start = prefix + after
		}
		for object := range o.client.ListObjectsIter(call, o.target.bucket, minio.ListObjectsOptions{
			Prefix: prefix, StartAfter: start, MaxKeys: pageSize, FetchOwner: &owner,
		}) {
			timer.Stop()
			if object.Err != nil {
				yield(results.Entry{}, o.explain(ctx, object.Err))
				return
			}
			// A folder is listed again when the service starts after its name, and
			// other programs mark a folder with an object of its name.
			if name := strings.TrimPrefix(object.Key, prefix); name > after {
				entry := results.Entry{Name: name}
				if !entry.Folder() {
					entry.Modified, entry.Size, entry.ETag = object.LastModified, object.Size, object.ETag
				}
				if !yield(entry, nil) {
					return
				}
			}
			timer.Reset(o.limit())
		}
		if call.Err() != nil { // minio-go ends without an error
			yield(results.Entry{}, o.explain(ctx, context.Cause(call)))
		}
	}
}

// Now implements results.Objects, without a request. It is exact to a second.
func (o *Objects) Now(ctx context.Context) (time.Time, error) { return o.clock.now(), ctx.Err() }

// missing is the key of an object that never exists.
const missing = "pending/.missing"

// Ping implements results.Objects: it reads an object that is not there, which needs the
// bucket, the credentials, and the two permissions without which nothing can be found.
func (o *Objects) Ping(ctx context.Context) error {
	call, cancel := o.bound(ctx)
	defer cancel()
	_, err := o.get(call, missing, 1)
	answer, _ := errors.AsType[minio.ErrorResponse](err)
	switch answer.Code {
	case minio.NoSuchKey:
		if answer.RequestID != "" {
			return nil
		}
		// Any web server answers 404, and minio-go takes that for NoSuchKey.
		return o.listOne(ctx, call)
	case minio.AccessDenied, minio.AllAccessDisabled:
		return question.Errorf(question.CodeStoreUnavailable,
			"%s: access is denied to an object that is not there, where the service should say that it is not there. The credentials %s lack a permission: "+
				"s3:ListBucket on the bucket itself, without any condition (such as one on s3:prefix), or s3:GetObject on %s*: %w", o.where, o.from(), o.target.prefix, err)
	}
	return o.explain(ctx, err)
}

// listOne lists one name, which only an S3 service can answer.
func (o *Objects) listOne(ctx, call context.Context) error {
	owner := false
	for object := range o.client.ListObjectsIter(call, o.target.bucket, minio.ListObjectsOptions{
		Prefix: o.name("pending/"), MaxKeys: 1, FetchOwner: &owner,
	}) {
		return o.explain(ctx, object.Err)
	}
	return o.explain(ctx, call.Err())
}

// Close implements results.Objects.
func (o *Objects) Close() error {
	o.close()
	return nil
}

func codeOf(err error) string {
	e, _ := errors.AsType[minio.ErrorResponse](err)
	return e.Code
}

func statusOf(err error) int {
	e, _ := errors.AsType[minio.ErrorResponse](err)
	return e.StatusCode
}

// temporary reports whether a call that failed with err may succeed a moment later.
func temporary(err error) bool {
	if e, ok := errors.AsType[minio.ErrorResponse](err); ok {
		return e.StatusCode >= 500 || e.StatusCode == http.StatusTooManyRequests || e.StatusCode == http.StatusRequestTimeout
	}
	_, distrust := errors.AsType[*tls.CertificateVerificationError](err)
	return !distrust && !errors.Is(err, awskeys.ErrNone) && !isPlainHTTP(err)
}
