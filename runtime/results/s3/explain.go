package s3

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/minio/minio-go/v7"

	"github.com/le-stats-sportifs/lestats/runtime/awskeys"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results"
)

// explain adds what is wrong and what a user can do about it. ctx is the caller's: if
// it has ended, that is the cause.
func (o *Objects) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if _, told := errors.AsType[*question.Error](err); told {
		return err
	}
	if ctx.Err() != nil {
		return question.Errorf(question.CodeStoreUnavailable, "%s did not answer in the time that was left: %w", o.where, ctx.Err())
	}
	if e, ok := errors.AsType[minio.ErrorResponse](err); ok {
		if e.Code == minio.NoSuchKey {
			return fmt.Errorf("%w: %w", results.ErrNotFound, err)
		}
		return question.Errorf(question.CodeStoreUnavailable, "%s: %s: %w", o.where, o.adviceOf(e), err)
	}
	advice := o.adviceOfNetwork(err)
	if at, ok := errors.AsType[*url.Error](err); ok { // the address is long and adds nothing
		err = at.Err
	}
	return question.Errorf(question.CodeStoreUnavailable, "%s: %s: %w", o.where, advice, err)
}

// adviceOf reads what the service answered.
func (o *Objects) adviceOf(e minio.ErrorResponse) string {
	switch e.Code {
	case minio.NoSuchBucket:
		return "there is no such bucket: create it, name another one, or ask for it to be created"
	case minio.InvalidBucketName:
		return "that is not the name of a bucket"
	case minio.InvalidAccessKeyID:
		return fmt.Sprintf("it does not know the access key %s: use another one", o.from())
	case minio.SignatureDoesNotMatch:
		return fmt.Sprintf("the secret key does not belong to the access key %s: use the right one", o.from())
	case "ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired":
		return fmt.Sprintf("the session token of the credentials %s is invalid or has expired: get new ones", o.from())
	case minio.AccessDenied, minio.AllAccessDisabled:
		return fmt.Sprintf("the credentials %s are not allowed to do this, or they may not list the bucket and the object is not there: they need s3:ListBucket on the bucket itself, without a condition on s3:prefix, and s3:GetObject, s3:PutObject and s3:DeleteObject on %s*", o.from(), o.target.prefix)
	case minio.RequestTimeTooSkewed:
		return "its clock and this machine's differ: correct the time"
	case minio.AuthorizationHeaderMalformed, minio.InvalidRegion, "PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException":
		region := ""
		if e.Region != "" {
			region = " (it says " + e.Region + ")"
		}
		return fmt.Sprintf("the region %q is not the bucket's%s: set the right one", o.target.region, region)
	case "XMinioStorageFull", "XMinioStorageQuotaExceeded", "QuotaExceeded", "StorageFull":
		return "it is full: free some space, or keep results for a shorter time"
	case minio.NotImplemented, minio.APINotSupported:
		return "it does not support what the store needs (conditional writes, perhaps): use another service"
	case minio.PreconditionFailed, minio.Conflict, "ConditionalRequestConflict", "OperationAborted":
		return "too many others write the same object: try again"
	}
	switch {
	case e.StatusCode == http.StatusTooManyRequests, e.StatusCode == http.StatusServiceUnavailable:
		return "it keeps asking to slow down: try later"
	case e.StatusCode >= 500:
		return "it fails: look at its log"
	case e.StatusCode == http.StatusNotFound:
		return "it does not know this address: is the endpoint an S3 service?"
	case e.StatusCode == http.StatusMovedPermanently, e.StatusCode == http.StatusTemporaryRedirect:
		return "it redirects elsewhere: set the bucket's region, or another endpoint"
	default:
		return fmt.Sprintf("it refuses (%s, status %d)", e.Code, e.StatusCode)
	}
}

// from describes the credentials in use, without their secret.
func (o *Objects) from() string {
	value, err := o.keys.GetWithContext(nil)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s (from %s)", value.AccessKeyID, o.chain.Name())
}

func (o *Objects) adviceOfNetwork(err error) string {
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case errors.Is(err, awskeys.ErrNone):
		return "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or have ~/.aws/credentials, or run with an IAM role"
	case errors.As(err, &dns):
		return "the name " + dns.Name + " is not known: check the endpoint and the bucket's name"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: start the service, or check the endpoint"
	case errors.As(err, &cert):
		return "its certificate is not trusted: set SSL_CERT_FILE to the file of its authority"
	case isPlainHTTP(err):
		return "it does not speak TLS: use an http:// endpoint"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("it does not answer within %s: check the network and the endpoint", o.cfg.Timeout)
	default:
		return "it cannot be reached, or closed the connection: check the network and the endpoint"
	}
}

func isPlainHTTP(err error) bool {
	return strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}
