package httpapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const (
	onceHeader   = "Idempotency-Key"
	replayHeader = "Idempotency-Replayed"
	maxOnceKey   = 255 // bytes

	// oncePattern matches what onceKey takes: the key, or the quoted string of RFC 9651 that
	// draft-ietf-httpapi-idempotency-key-header asks for.
	oncePattern = `^([!#-~][!-~]{0,254}|"([!#-\[\]-~]|\\["\\]){1,255}")$`
)

// onceKey returns the key that a request has, without quotes, or "".
func onceKey(h http.Header) (string, error) {
	lines := h.Values(onceHeader)
	if len(lines) == 0 {
		return "", nil
	}
	key := strings.TrimSpace(lines[0])
	bad := question.Errorf(question.CodeBadRequest,
		"the header %s is %.60q; it takes one key of 1 to %d visible ASCII characters, such as a UUID, with or without quotes", onceHeader, key, maxOnceKey).WithParam(onceHeader)
	if strings.HasPrefix(key, `"`) {
		rest, quoted := strings.CutSuffix(key[1:], `"`)
		plain := strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(rest)
		// Nothing else is escaped, and all quotes are.
		if !quoted || strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(plain) != rest {
			return "", bad
		}
		key = plain
	}
	visible := func(c rune) bool { return c > ' ' && c < 0x7f }
	if len(lines) > 1 || key == "" || len(key) > maxOnceKey || strings.IndexFunc(key, func(c rune) bool { return !visible(c) }) >= 0 {
		return "", bad
	}
	return key, nil
}

// submission returns the context of a request that makes a job. It does not end when the
// client leaves, which must not interrupt Submit: the job is then in the list. asked
// identifies what is asked.
func submission(r *http.Request, asked func() string) (context.Context, error) {
	ctx := context.WithoutCancel(r.Context())
	key, err := onceKey(r.Header)
	if err != nil || key == "" {
		return ctx, err
	}
	origin := *question.OriginOf(ctx)
	origin.Once = question.Once{Key: key, Request: asked()}
	return question.WithOrigin(ctx, &origin), nil
}

// requestDigest returns the digest of what a request asks.
func (a *api) requestDigest(req question.Request) string {
	_, req = a.canonical(req)
	return req.Digest()
}
