package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// ErrDenied means that an object may not be read, or that it is not there and the
// credentials may not list the bucket.
var ErrDenied = errors.New("access is denied")

// Download writes an object with at most limit bytes to w and returns its size. It needs
// s3:GetObject on the object alone, and checks nothing else of the bucket. A transfer that
// breaks is continued, and one in which nothing arrives for Config.Timeout counts as
// broken; Config.Attempts bounds how often that happens in a row. On an error, w may have
// part of the object. The error is results.ErrNotFound if there is no such object, and
// ErrDenied.
func Download(ctx context.Context, cfg Config, key string, w io.Writer, limit int64) (size int64, err error) {
	o, err := dial(cfg)
	if err != nil {
		return 0, err
	}
	defer o.close()
	tag := ""
	for failed := 0; ; {
		n, total, read, err := o.download(ctx, key, w, size, limit, &tag)
		if size += n; err == nil && size == total {
			return size, nil
		}
		if n > 0 {
			failed = 0
		}
		failed++
		switch {
		case codeOf(err) == minio.AccessDenied:
			return size, fmt.Errorf("%w: the credentials %s need s3:GetObject on s3://%s/%s, and the object has to be there: %w", ErrDenied, o.from(), o.target.bucket, o.name(key), err)
		case codeOf(err) == minio.PreconditionFailed:
			return size, question.Errorf(question.CodeStoreUnavailable, "%s: another version replaced the object during the transfer: try again: %w", o.where, err)
		case !read && err != nil, ctx.Err() != nil: // it was tried often enough, or is the caller's
			return size, o.explain(ctx, err)
		case errors.Is(err, errWrite), errors.Is(err, errLarge):
			return size, err
		case failed == o.cfg.Attempts:
			return size, question.Errorf(question.CodeStoreUnavailable, "%s: the object broke off %d times in a row, at last after %d of %d bytes: %w", o.where, failed, size, total, errors.Join(err, io.ErrUnexpectedEOF))
		}
	}
}

var (
	errLarge = errors.New("the object is too large")
	errWrite = errors.New("the object cannot be kept")
)

// download writes what follows the first from bytes. It reports how much that was, the
// size of the whole object, and whether the service had answered.
func (o *Objects) download(ctx context.Context, key string, w io.Writer, from, limit int64, tag *string) (n, total int64, read bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	idle := time.AfterFunc(o.limit(), cancel)
	defer idle.Stop()
	var opts minio.GetObjectOptions
	if from > 0 {
		if err := errors.Join(opts.SetRange(from, 0), opts.SetMatchETag(*tag)); err != nil {
			return 0, 0, false, err
		}
	}
	body, info, header, err := o.client.GetObject(ctx, o.target.bucket, o.name(key), opts)
	if err != nil {
		return 0, 0, false, err
	}
	defer body.Close()
	if from > 0 && (!strings.HasPrefix(header.Get("Content-Range"), fmt.Sprintf("bytes %d-", from)) || info.ETag != *tag) {
		return 0, 0, false, fmt.Errorf("the transfer broke off after %d bytes, and the service does not send the rest of the same version: it answers with the range %q of version %q, asked for %q", from, header.Get("Content-Range"), info.ETag, *tag)
	}
	*tag, total = info.ETag, from+info.Size
	if info.Size < 0 {
		return 0, 0, false, errors.New("the service does not say how large the object is (Content-Length), so nobody could tell whether it is complete")
	}
	if total > limit {
		return 0, total, true, fmt.Errorf("%w: it has %d bytes, and %d are taken at most", errLarge, total, limit)
	}
	b := make([]byte, 1<<20)
	for err == nil {
		idle.Reset(o.cfg.Timeout)
		var m int
		m, err = body.Read(b[:min(int64(len(b)), total-from-n+1)])
		if int64(m) > total-from-n { // more than it said
			return n, total, true, fmt.Errorf("%w: it has more than the %d bytes that the service said", errLarge, total)
		}
		if _, failed := w.Write(b[:m]); failed != nil {
			return n, total, true, fmt.Errorf("%w: %w", errWrite, failed)
		}
		n += int64(m)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, total, true, err
}
