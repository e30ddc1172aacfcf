package s3

import (
	"net/http"
	"sync/atomic"
	"time"
)

// clock is an http.RoundTripper that reads the service's clock from the Date header of
// its answers. The time between answers is taken from the monotonic clock, so setting
// this machine's clock changes nothing.
type clock struct {
	http.RoundTripper

	last atomic.Pointer[answered]
}

// answered is a Date header, and when it was read.
type answered struct{ date, read time.Time }

// RoundTrip implements http.RoundTripper.
func (c *clock) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.RoundTripper.RoundTrip(r)
	if err == nil {
		if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			c.last.Store(&answered{date, time.Now()})
		}
	}
	return resp, err
}

// now returns the service's time; this machine's, if the service has never said it.
func (c *clock) now() time.Time {
	if last := c.last.Load(); last != nil {
		return last.date.Add(time.Since(last.read))
	}
	return time.Now().UTC()
}
