package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// read is a GET that is measured, and what its response must be.
type read struct {
	name    string
	address string
	request *http.Request // made once; a client that makes it anew measures itself
	status  int
	body    []byte
	goal    float64 // the least rate, as a part of that of the first read
	count   int
	spent   time.Duration
}

// rounds is how often the reads take turns, so that what else the machine does disturbs
// each of them as much.
const rounds = 16

// reads measures GETs of one answer beside those of /healthz, and prints their rates and
// the time of one with a single client. Each response is checked.
func reads(hc *http.Client, base, name string, example []byte, clients int, duration time.Duration) error {
	var params map[string]any
	if err := json.Unmarshal(example, &params); err != nil {
		return err
	}
	query := url.Values{}
	for key, v := range params {
		query.Set(key, fmt.Sprint(v))
	}
	answer := base + "/api/" + name + ".json?" + query.Encode()
	all := []*read{
		{name: "GET /healthz", address: base + "/healthz", status: http.StatusOK, goal: 1},
		{name: "GET " + name + ".json", address: answer, status: http.StatusOK, goal: 0.7},
		{name: "the same, 304", address: answer, status: http.StatusNotModified, goal: 0.9},
		{name: "GET the picture", address: base + "/api/" + name + ".svg?" + query.Encode(), status: http.StatusOK},
		{name: "GET the page", address: base + "/q/" + name + "?" + query.Encode(), status: http.StatusOK, goal: 0.15},
	}
	for _, r := range all {
		var err error
		if r.request, err = http.NewRequestWithContext(context.Background(), http.MethodGet, r.address, nil); err != nil {
			return err
		}
		_, tag, body, err := r.do(hc)
		if err != nil {
			return err
		}
		if r.body = body; r.status == http.StatusNotModified {
			r.request.Header.Set("If-None-Match", tag)
			r.body = []byte{}
		}
		if r.name == "GET the page" {
			r.body = nil // it may say what time it is
		}
	}
	if !bytes.HasPrefix(all[1].body, []byte(`{"status":"done","data":{`)) {
		return fmt.Errorf("%s: %.200s", answer, all[1].body)
	}
	each := duration / time.Duration(rounds*len(all))
	for turn := range rounds {
		for i := range all {
			r := all[(turn+i)%len(all)]
			if err := r.round(hc, clients, each); err != nil {
				return err
			}
		}
	}
	rate := func(r *read) float64 { return float64(r.count) / r.spent.Seconds() }
	for _, r := range all {
		alone, err := r.alone(hc, duration/10)
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%-24s %d clients: %6.0f/s, %.2f of /healthz", r.name, clients, rate(r), rate(r)/rate(all[0]))
		if r.goal > 0 && r.goal < 1 {
			line += fmt.Sprintf(" (goal %.2f)", r.goal)
		}
		if _, err := fmt.Printf("%s; 1 client: p50 %.3f ms\n", line, float64(alone.Microseconds())/1000); err != nil {
			return err
		}
	}
	return nil
}

// do reads once.
func (r *read) do(hc *http.Client) (status int, tag string, body []byte, err error) {
	resp, err := hc.Do(r.request.WithContext(context.Background()))
	if err != nil {
		return 0, "", nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header.Get("ETag"), body, err
}

// check does one read and checks the response.
func (r *read) check(hc *http.Client) error {
	status, _, body, err := r.do(hc)
	if err != nil {
		return err
	}
	if status != r.status || r.body != nil && !bytes.Equal(body, r.body) {
		return fmt.Errorf("%s: %d: %.200s", r.address, status, body)
	}
	return nil
}

// round reads with all clients for a time.
func (r *read) round(hc *http.Client, clients int, duration time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), duration)
	defer cancel()
	counts, errs := make([]int, clients), make([]error, clients)
	var wg sync.WaitGroup
	begin := time.Now()
	for i := range clients {
		wg.Go(func() {
			for ; ctx.Err() == nil && errs[i] == nil; counts[i]++ {
				errs[i] = r.check(hc)
			}
		})
	}
	wg.Wait()
	r.spent += time.Since(begin)
	for _, n := range counts {
		r.count += n
	}
	return errors.Join(errs...)
}

// alone returns the median time of a read by one client.
func (r *read) alone(hc *http.Client, duration time.Duration) (time.Duration, error) {
	var took []time.Duration
	for end := time.Now().Add(duration); time.Now().Before(end) || len(took) == 0; {
		begin := time.Now()
		if err := r.check(hc); err != nil {
			return 0, err
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}
