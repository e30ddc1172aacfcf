package results

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"
)

// ShareFor is how long an address that Share returns is good for, unless the
// credentials that sign it expire before.
const ShareFor = 15 * time.Minute

// Sharer is what Objects may be beside: a place whose objects can be read without
// credentials, at an address that only those know who were told.
type Sharer interface {
	// Share stores data under key, as Put does, and returns an address at which it
	// can be read for as long as said, with these two headers.
	Share(ctx context.Context, key string, data []byte, contentType, disposition string, valid time.Duration) (address string, err error)
}

// ErrNotShared is what Share's error is where the objects are no Sharer.
var ErrNotShared = errors.New("objects of this store have no address")

// Share stores an answer that is too large for the way it was asked for, and
// returns an address at which anybody who has it can read it for ShareFor. Equal
// answers of an hour are one object, "shared/<hour>/<digest>". The error is that of
// the Store's methods, or ErrNotShared.
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
