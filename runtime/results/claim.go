package results

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// keysFolder has an object for each key that a client sent with a request.
const keysFolder = "keys/"

// claimKey names the object of a client's key. Clients do not share keys.
func claimKey(client, key string) string {
	h := sha256.New()
	h.Write(question.Lengths(len(client)))
	h.Write([]byte(client + key))
	return keysFolder + hex.EncodeToString(h.Sum(nil))
}

// Claim records a claim to a client's key and returns the one that was recorded first, in
// whichever process. Claims last until SweepClaims removes them.
func (s *Store) Claim(ctx context.Context, client, key string, c question.Claim) (question.Claim, error) {
	data, err := json.Marshal(c)
	if err != nil {
		return question.Claim{}, question.Errorf(question.CodeInternal, "a claim cannot be written as JSON: %w", err)
	}
	created, err := s.objects.Create(ctx, claimKey(client, key), data)
	if err != nil {
		return question.Claim{}, unavailable(err)
	}
	if created {
		return c, nil
	}
	first, found, err := s.Claimed(ctx, client, key)
	if err == nil && !found {
		err = question.Errorf(question.CodeStoreUnavailable, "a claim has just been removed: try again")
	}
	return first, err
}

// Claimed returns the claim to a client's key, if there is one.
func (s *Store) Claimed(ctx context.Context, client, key string) (c question.Claim, found bool, err error) {
	at := claimKey(client, key)
	data, err := s.objects.Get(ctx, at, 0)
	switch {
	case errors.Is(err, ErrNotFound):
		return c, false, nil
	case err != nil && !errors.Is(err, ErrNotObject):
		return c, false, unavailable(err)
	case err == nil:
		if err = json.Unmarshal(data, &c); err == nil {
			_, err = question.ParseID(c.Job)
		}
	}
	if err != nil {
		return c, false, question.Errorf(question.CodeInternal, "the stored object %s is damaged: %w", at, err)
	}
	return c, true, nil
}

// SweepClaims removes the claims that were recorded longer than keep ago by the store's
// clock, and returns how many it removed, also with an error.
func (s *Store) SweepClaims(ctx context.Context, keep time.Duration) (removed int, err error) {
	now, err := s.objects.Now(ctx)
	if err != nil {
		return 0, unavailable(err)
	}
	return s.remove(ctx, now.Add(-keep), func(yield func(keyed, error) bool) {
		for entry, err := range s.objects.List(ctx, keysFolder, "") {
			if err != nil {
				yield(keyed{}, unavailable(err))
				return
			}
			if isClaim(entry) && !yield(keyed{entry, keysFolder + entry.Name}, nil) {
				return
			}
		}
	})
}

func isClaim(entry Entry) bool {
	sum, err := hex.DecodeString(entry.Name)
	return err == nil && len(sum) == sha256.Size
}
