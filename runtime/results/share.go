package results

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"
)

// ShareFor is how long an address that Share returns is valid, unless the credentials
// that sign it expire earlier.
const ShareFor = 15 * time.Minute

// Sharer is an optional ability of Objects: objects can be read without credentials at
// an address that cannot be guessed.
type Sharer interface {
	// Share stores data under key, as Put does, and returns an address at which it can
	// be read for the duration valid, with these two headers.
	Share(ctx context.Context, key string, data []byte, contentType, disposition string, valid time.Duration) (address string, err error)
}

// ErrNotShared is the error of Store.Share where the objects do not implement Sharer.
var ErrNotShared = errors.New("objects in this store have no address")

// Share stores an answer that is too large to be sent and returns an address at which
// anybody who knows it can read the answer for ShareFor. Equal answers within an hour
// share one object, "shared/<hour>/<digest>". The error is like those of the other
// methods, or ErrNotShared.
func (s *Store) Share(ctx context.Context, data []byte, contentType, disposition string) (address string, err error) {
	sharer, ok := s.objects.(Sharer)
	if !ok {
		return "", ErrNotShared
	}
	digest := sha256.Sum256(data)
	key := hourFolder(sharedFolder, time.Now().UTC()) + hex.EncodeToString(digest[:])
	address, err = sharer.Share(ctx, key, data, contentType, disposition, ShareFor)
	return address, unavailable(err)
}
