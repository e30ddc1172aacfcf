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

// chain takes credentials from the first source that has some. minio-go's own
// chain goes on without credentials when none has, or when a role's cannot be
// renewed for a moment; the service then says "access denied", which is misleading.
type chain struct {
	sources []source
	current atomic.Pointer[source]
}

type source struct {
	name     string
	provider credentials.Provider
}

// errNoCredentials is what none of the sources having any is.
var errNoCredentials = errors.New("no credentials")

// newChain returns the sources of a Config, in order. Its connections to the
// service that knows a role's credentials are closed by the second result.
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
		DialContext:           (&net.Dialer{Timeout: time.Second}).DialContext, // it is next door, or there is none
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

// name says where the credentials in use are from.
func (c *chain) name() string {
	if current := c.current.Load(); current != nil {
		return current.name
	}
	return "nowhere"
}
