// Package awskeys finds the AWS credentials that the store and the queue sign with: in the
// environment, in the shared files, or from the role of the function, task, pod or machine.
package awskeys

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Chain takes credentials from the first source that has any. minio-go's own chain
// continues without credentials when no source has any, or when a role's credentials
// cannot be renewed for a moment; the service then says "access denied", which is
// misleading. It implements credentials.Provider and is safe for concurrent use as far as
// its sources are: wrap it in a credentials.Credentials, or another cache.
type Chain struct {
	sources []source
	current atomic.Pointer[source]
}

type source struct {
	name     string
	provider credentials.Provider
}

// ErrNone means that no source has credentials.
var ErrNone = errors.New("no credentials")

// Fixed returns a chain with these credentials alone.
func Fixed(accessKey, secretKey, sessionToken string) *Chain {
	value := credentials.Value{
		AccessKeyID:     accessKey,
		SecretAccessKey: secretKey,
		SessionToken:    sessionToken,
		SignerType:      credentials.SignatureV4,
	}
	return &Chain{sources: []source{{"the configuration", &credentials.Static{Value: value}}}}
}

// New returns the usual sources, in order. timeout bounds a request to the service that
// issues a role's credentials.
func New(timeout time.Duration) *Chain {
	transport := &http.Transport{
		DialContext:           (&net.Dialer{Timeout: time.Second}).DialContext, // it is on the same machine, or does not exist
		ResponseHeaderTimeout: timeout,
		DisableKeepAlives:     true, // it is asked once an hour
	}
	return &Chain{sources: []source{
		{"the environment", &credentials.EnvAWS{}},
		{"the shared credentials file", &credentials.FileAWSCredentials{}},
		{"the IAM role", &credentials.IAM{Client: &http.Client{Transport: transport, Timeout: timeout}}},
	}}
}

// RetrieveWithCredContext implements credentials.Provider.
func (c *Chain) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	reason := ErrNone
	for i := range c.sources {
		value, err := c.sources[i].provider.RetrieveWithCredContext(cc)
		if err == nil && value.AccessKeyID != "" && value.SecretAccessKey != "" {
			c.current.Store(&c.sources[i])
			return value, nil
		}
		if err != nil && i == len(c.sources)-1 {
			reason = fmt.Errorf("%w; %s: %w", ErrNone, c.sources[i].name, err)
		}
	}
	return credentials.Value{}, reason
}

// Retrieve implements credentials.Provider.
func (c *Chain) Retrieve() (credentials.Value, error) { return c.RetrieveWithCredContext(nil) }

// IsExpired implements credentials.Provider.
func (c *Chain) IsExpired() bool {
	current := c.current.Load()
	return current == nil || current.provider.IsExpired()
}

// Name returns where the credentials in use come from.
func (c *Chain) Name() string {
	if current := c.current.Load(); current != nil {
		return current.name
	}
	return "nowhere"
}
