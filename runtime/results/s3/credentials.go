package s3

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// chain takes credentials from the first source that has any. minio-go's own chain
// continues without credentials when no source has any, or when a role's credentials
// cannot be renewed for a moment; the service then says "access denied", which is
// misleading.
type chain struct {
	sources []source
	current atomic.Pointer[source]
}

type source struct {
	name     string
	provider credentials.Provider
}

// errNoCredentials means that no source has credentials.
var errNoCredentials = errors.New("no credentials")

// newChain returns the sources for a Config, in order. The second result closes its
// connections to the service that issues a role's credentials.
func newChain(cfg Config) (*chain, func()) {
	if cfg.AccessKey != "" {
		value := credentials.Value{
			AccessKeyID:     cfg.AccessKey,
			SecretAccessKey: cfg.SecretKey,
			SessionToken:    cfg.SessionToken,
			SignerType:      credentials.SignatureV4,
		}
		return &chain{sources: []source{{"the configuration", &credentials.Static{Value: value}}}}, func() {}
	}
	transport := &http.Transport{
		DialContext:           (&net.Dialer{Timeout: time.Second}).DialContext, // it is on the same machine, or does not exist
		ResponseHeaderTimeout: cfg.Timeout,
		IdleConnTimeout:       time.Minute,
	}
	return &chain{sources: []source{
		{"the environment", &credentials.EnvAWS{}},
		{"the shared credentials file", &credentials.FileAWSCredentials{}},
		{"the IAM role", &credentials.IAM{Client: &http.Client{Transport: transport, Timeout: cfg.Timeout}}},
	}}, transport.CloseIdleConnections
}

// RetrieveWithCredContext implements credentials.Provider.
func (c *chain) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	reason := errNoCredentials
	for i := range c.sources {
		value, err := c.sources[i].provider.RetrieveWithCredContext(cc)
		if err == nil && value.AccessKeyID != "" && value.SecretAccessKey != "" {
			c.current.Store(&c.sources[i])
			return value, nil
		}
		if err != nil && i == len(c.sources)-1 {
			reason = fmt.Errorf("%w; %s: %w", errNoCredentials, c.sources[i].name, err)
		}
	}
	return credentials.Value{}, reason
}

// Retrieve implements credentials.Provider.
func (c *chain) Retrieve() (credentials.Value, error) { return c.RetrieveWithCredContext(nil) }

// IsExpired implements credentials.Provider.
func (c *chain) IsExpired() bool {
	current := c.current.Load()
	return current == nil || current.provider.IsExpired()
}

// name returns where the credentials in use come from.
func (c *chain) name() string {
	if current := c.current.Load(); current != nil {
		return current.name
	}
	return "nowhere"
}
