package question

import (
	"context"
	"slices"
)

// Client is who sends a request, by the key that it comes with. The zero value is a client
// without a name: where no key is needed, or where all have the same one. It may ask
// everything, and see all jobs.
type Client struct {
	Name      string   // of its key; "" has none
	Admin     bool     // it sees the jobs of all clients, and may do what the service's owner may
	Questions []string // that it may ask; nil: all
}

// May returns nil if the client may ask the question, or else CodeForbidden.
func (c *Client) May(name string) error {
	if c.Questions == nil || slices.Contains(c.Questions, name) {
		return nil
	}
	return Errorf(CodeForbidden, "the key %q is not for the question %.100q", c.Name, name).WithParam("question", c.Questions...)
}

// SeesAll reports whether the client may see the jobs of all clients: one with a name may not,
// unless it is an admin.
func (c *Client) SeesAll() bool { return c.Name == "" || c.Admin }

// Sees reports whether the client may see, cancel and repeat a job.
func (c *Client) Sees(job *Job) bool { return c.SeesAll() || c.Name == job.Client }

// Origin is where a request comes from. It travels in contexts, because everything between
// the client and the job's record passes it on without a look.
type Origin struct {
	Client  Client
	Request string // id of the HTTP request; "" if there is none
	Trace   string // W3C traceparent, checked; "" if there is none
	Once    Once   // of a request that makes a job
}

// Once makes the repetition of a request harmless: of the requests of a client with the same
// key one makes a job, and the others get it. The zero value does not.
type Once struct {
	Key     string // that the client chose, its Idempotency-Key; "": none
	Request string // digest of what is asked; the same key with another one is an error
}

// Claim is what the store keeps of a key.
type Claim struct {
	Job     string `json:"job"`     // id of the job that the key makes; the job may not be stored yet
	Request string `json:"request"` // Once.Request
}

type originKey struct{}

// WithOrigin returns a context that carries o.
func WithOrigin(ctx context.Context, o *Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// OriginOf returns the Origin of a context, which must not be modified, or an empty one.
func OriginOf(ctx context.Context) *Origin {
	if o, ok := ctx.Value(originKey{}).(*Origin); ok {
		return o
	}
	return &Origin{}
}
