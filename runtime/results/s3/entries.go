package s3

import (
	"context"

	"github.com/minio/minio-go/v7"
)

// Entry is an object as a listing shows it.
type Entry struct {
	Name string // without the folder's
	ETag string // of the content; the service says how it is made
	Size int64  // bytes
}

// Entries returns the objects directly in a folder (which ends in "/"), in
// ascending bytewise order of their names; none for a folder that is not there.
// It is for few objects that seldom change: what changed shows in the ETag. Errors
// are those of List.
func (o *Objects) Entries(ctx context.Context, folder string) ([]Entry, error) {
	call, cancel := o.bound(ctx)
	defer cancel()
	if err := call.Err(); err != nil {
		return nil, o.explain(ctx, err)
	}
	prefix, owner := o.name(folder), false
	var out []Entry
	for object := range o.client.ListObjectsIter(call, o.target.bucket, minio.ListObjectsOptions{
		Prefix: prefix, MaxKeys: pageSize, FetchOwner: &owner,
	}) {
		if object.Err != nil {
			return nil, o.explain(ctx, object.Err)
		}
		name := object.Key[len(prefix):]
		if name == "" || name[len(name)-1] == '/' { // a folder, or its marker
			continue
		}
		out = append(out, Entry{name, object.ETag, object.Size})
	}
	return out, o.explain(ctx, call.Err()) // minio-go ends without a word
}
