// Command lean does what submit_and_poll.js does, with a tenth of k6's own cost:
// where server and clients share two cores, k6 measures mostly itself. Then it reads one
// answer by GET, beside /healthz.
//
//	go run ./infra/load/lean -clients 8 -seconds 10 -question states_mean http://127.0.0.1:8080
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

func main() {
	clients := flag.Int("clients", 8, "how many ask at once")
	seconds := flag.Int("seconds", 10, "how long")
	name := flag.String("question", "states_mean", "which of the questions")
	flag.Parse()
	if flag.NArg() != 1 || *clients < 1 || *clients > 256 || *seconds < 1 || *seconds > 600 {
		fmt.Fprintln(os.Stderr, "usage: lean [-clients 1..256] [-seconds 1..600] [-question NAME] http://127.0.0.1:PORT")
		os.Exit(2)
	}
	if err := load(flag.Arg(0), *name, *clients, time.Duration(*seconds)*time.Second); err != nil {
		fmt.Fprintln(os.Stderr, "lean:", err)
		os.Exit(1)
	}
}

type client struct {
	http *http.Client
	base string
	path string
	body []byte
	took []time.Duration
}

// load asks for the given time and prints the figures.
func load(base, name string, clients int, duration time.Duration) error {
	if err := onThisMachine(base); err != nil {
		return err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: clients, DisableCompression: true}
	defer transport.CloseIdleConnections()
	hc := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	body, err := example(hc, base, name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), duration)
	defer cancel()
	var wg sync.WaitGroup
	all := make([]client, clients)
	errs := make([]error, clients)
	start := time.Now()
	for i := range all {
		all[i] = client{http: hc, base: base, path: "/api/" + name, body: body}
		wg.Go(func() {
			for ctx.Err() == nil && errs[i] == nil {
				errs[i] = all[i].ask()
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(start)
	var took []time.Duration
	for i := range all {
		took = append(took, all[i].took...)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	slices.Sort(took)
	ms := func(p float64) float64 { return float64(took[int(p*float64(len(took)-1))].Microseconds()) / 1000 }
	if _, err = fmt.Printf("%s, %d clients, %.0f s: %.0f jobs/s, p50 %.2f ms, p99 %.2f ms\n",
		name, clients, elapsed.Seconds(), float64(len(took))/elapsed.Seconds(), ms(0.5), ms(0.99)); err != nil {
		return err
	}
	return reads(hc, base, name, body, clients, duration)
}

// onThisMachine refuses a server elsewhere.
func onThisMachine(base string) error {
	u, err := url.Parse(base)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("%s: load goes to this machine only", base)
	}
	return nil
}

// example asks the server for a request that can be answered.
func example(hc *http.Client, base, name string) ([]byte, error) {
	b, err := get(hc, base+"/api/questions")
	if err != nil {
		return nil, err
	}
	var offers struct {
		Data []struct {
			Question struct{ Name string }
			Example  struct{ Params map[string]any }
		}
	}
	if err := json.Unmarshal(b, &offers); err != nil {
		return nil, err
	}
	for _, o := range offers.Data {
		if o.Question.Name == name {
			return json.Marshal(o.Example.Params)
		}
	}
	return nil, fmt.Errorf("%s has no question %s", base, name)
}

func get(hc *http.Client, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := hc.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.200s", address, resp.Status, b)
	}
	return b, err
}

// ask submits one job, and polls until its answer is there.
func (c *client) ask() error {
	start := time.Now()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, c.base+c.path, bytes.NewReader(c.body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusAccepted {
		return fmt.Errorf("submit: %s: %.200s (%w)", resp.Status, b, err)
	}
	location := resp.Header.Get("Location")
	for range 1000 {
		b, err = get(c.http, c.base+location)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(string(b), `{"status":"running"`) {
			if !strings.HasPrefix(string(b), `{"status":"done"`) {
				return fmt.Errorf("%s: %.200s", location, b)
			}
			c.took = append(c.took, time.Since(start))
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("%s was still running after 1,000 polls", location)
}
