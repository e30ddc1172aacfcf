package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/jobs"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/queue"
	"github.com/le-stats-sportifs/lestats/runtime/render"
	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/storetest"
	"github.com/le-stats-sportifs/lestats/runtime/testtool"
)

// What holds while a hostile job runs on one of two workers. A guest that cannot be
// interrupted holds up the collector, and all that waits for it, until its limit of a
// minute; what the machine does to a look is far less than a second.
const (
	maxWait = time.Second // a runtime.GC(), and 99 of 100 requests
	minRate = 0.2         // of good jobs, against that without the hostile one
)

// besides is a service with good and hostile plugins. Its methods are those of
// jobs.Runner and httpapi.Catalog.
type besides struct {
	ds      *fakeDataset
	plugins map[string]*Plugin // by question
}

func (b *besides) Check(question.Request) error   { return nil }
func (b *besides) Refresh(context.Context) error  { return nil }
func (b *besides) Plugins() []question.PluginInfo { return nil }
func (b *besides) Served() (all []question.ServedQuestion) {
	for name, p := range b.plugins {
		q, _, _ := p.manifest.Find(name)
		all = append(all, question.ServedQuestion{Question: q})
	}
	return all
}

func (b *besides) Answer(ctx context.Context, req question.Request) (*question.Answer, error) {
	p := b.plugins[req.Question]
	if hostile := strings.HasPrefix(req.Question, "hostile "); hostile {
		fields := strings.Fields(req.Question)
		p = b.plugins[fields[1]+" "+fields[2]]
		a := attack{plugin: p, question: fields[2]}
		if o, _ := a.run(ctx, 1); o.code != ok {
			return nil, question.Errorf(o.code, "%s", o.reason)
		}
		return &question.Answer{Table: &question.Table{}, Provenance: &question.Provenance{}}, nil
	}
	bound, err := p.manifest.Bind(req, b.ds)
	if err != nil {
		return nil, err
	}
	t, err := p.Answer(ctx, bound, []question.Range{b.ds.rowsOf(3)})
	if err != nil {
		return nil, err
	}
	return &question.Answer{Table: t, Provenance: &question.Provenance{}}, nil
}

// measured is the result of one observation of the service.
type measured struct {
	rate       float64 // good jobs a second
	health     time.Duration
	job        time.Duration // the 99th percentiles
	collection time.Duration // the longest
	cores      float64       // that other processes left to this one
}

// share is the good jobs' share of what they get alone, from as many cores.
func (m measured) share(alone measured) float64 { return m.rate / m.cores / (alone.rate / alone.cores) }

func (m measured) String() string {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
	return fmt.Sprintf("%5.0f good jobs/s, p99 %5.1f ms, /healthz p99 %5.1f ms, collections up to %4.1f ms, %.1f cores", m.rate, ms(m.job), ms(m.health), ms(m.collection), m.cores)
}

func percentile99(took []time.Duration) time.Duration {
	if len(took) == 0 {
		return time.Hour // nothing was answered
	}
	slices.Sort(took)
	return took[len(took)*99/100]
}

// look asks good questions over HTTP, and for /healthz, and collects garbage,
// for a while.
func look(t *testing.T, url string, client *http.Client, params string, period time.Duration) (m measured) {
	end, others := time.Now().Add(period), othersTime()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var jobTimes, healthTimes []time.Duration
	loop := func(times *[]time.Duration, pause time.Duration, do func() error) {
		wg.Go(func() {
			for time.Now().Before(end) {
				start := time.Now()
				if err := do(); err != nil {
					t.Error(err)
					return
				}
				took := time.Since(start)
				mu.Lock()
				*times = append(*times, took)
				mu.Unlock()
				time.Sleep(pause)
			}
		})
	}
	read := func(res *http.Response, err error) error {
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		if err == nil && (res.StatusCode != http.StatusOK || len(body) == 0) {
			err = fmt.Errorf("%s: %s", res.Status, body)
		}
		return err
	}
	for range 4 {
		loop(&jobTimes, 0, func() error {
			return read(client.Post(url+"/api/states_mean?wait=60", "application/json", strings.NewReader(params)))
		})
	}
	loop(&healthTimes, time.Millisecond, func() error { return read(client.Get(url + "/healthz")) })
	var collections []time.Duration
	loop(&collections, 20*time.Millisecond, func() error {
		goruntime.GC()
		return nil
	})
	wg.Wait()
	took := period + time.Since(end)
	m.rate = float64(len(jobTimes)) / took.Seconds()
	m.cores = max(float64(goruntime.NumCPU())-(othersTime()-others).Seconds()/took.Seconds(), 0.25)
	m.job, m.health, m.collection = percentile99(jobTimes), percentile99(healthTimes), slices.Max(collections)
	return m
}

// While a hostile guest runs on one of two workers, whichever it is, the service
// goes on: Go's collector gets its turn, HTTP answers, good jobs get their share.
// A machine that is busy with other things spoils single looks: the bounds have to
// hold at once in one look of four. Under the race detector nothing is timed: good jobs
// are answered, that is all.
func testHostileBeside(t *testing.T) {
	ds := surveyDataset(104_000)
	quiet := slog.New(slog.DiscardHandler)
	var log bytes.Buffer
	cfg := hostileConfig(&log)
	cfg.Log, cfg.CacheDir, cfg.Limits = quiet, goCache, Limits{Fuel: 1 << 50, Time: time.Minute, Log: 4 << 20}
	e := newEngine(t, cfg, ds)
	service := &besides{ds: ds, plugins: map[string]*Plugin{}}
	good, err := e.Load(t.Context(), buildGo(t, sportifs))
	if err != nil {
		t.Fatal(err)
	}
	service.plugins["states_mean"] = good
	var endless, others []string
	for _, a := range attacks(t, e) {
		service.plugins[a.String()] = a.plugin
		if a.endless() {
			endless = append(endless, "hostile "+a.String())
		} else {
			others = append(others, "hostile "+a.String())
		}
	}
	offered := &besides{ds: ds, plugins: map[string]*Plugin{"states_mean": good}}
	pool, err := jobs.New(jobs.Config{Workers: 2, TimeLimit: time.Minute, Queue: queue.NewMemory(time.Hour), Receive: true, Log: quiet}, results.New(&storetest.Memory{}), service)
	if err != nil {
		t.Fatal(err)
	}
	if err := pool.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	handler, err := httpapi.New(httpapi.Config{Catalog: offered, Jobs: pool, Log: quiet,
		Formats: render.Formats})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	defer func() {
		client.CloseIdleConnections()
		server.Close()
		if err := pool.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	params := fmt.Sprintf(`{"question":%q}`, ds.columns[0].Dict[3])
	period := 150 * time.Millisecond
	look(t, server.URL, client, params, period) // the first one is slow

	// beside looks at the service while attack is under way, again and again.
	var worst measured
	ratio, looks := 10.0, 0
	beside := func(what string, share float64, attack func(ctx context.Context)) {
		var seen []string
		for range 4 {
			looks++
			alone := look(t, server.URL, client, params, period)
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() { attack(ctx) })
			time.Sleep(5 * time.Millisecond)
			m := look(t, server.URL, client, params, period)
			cancel()
			wg.Wait()
			got := m.share(alone)
			if testtool.Race || got >= share && max(m.job, m.health, m.collection) <= maxWait {
				ratio = min(ratio, got)
				worst = measured{min(worst.rate, m.rate), max(worst.health, m.health), max(worst.job, m.job), max(worst.collection, m.collection), min(worst.cores, m.cores)}
				return
			}
			seen = append(seen, fmt.Sprintf("%.2f: beside %v; alone %v", got, m, alone))
		}
		t.Errorf("%s:\n%s", what, strings.Join(seen, "\n"))
	}
	worst.rate, worst.cores = 1e9, 99
	// repeat asks one hostile question after the other, one at a time.
	repeat := func(questions []string) func(context.Context) {
		return func(ctx context.Context) {
			for i := 0; ctx.Err() == nil; i++ {
				job, err := pool.Submit(ctx, question.Request{Question: questions[i%len(questions)]})
				if err != nil {
					if ctx.Err() == nil {
						t.Error(err)
					}
					return
				}
				if _, err := pool.Wait(ctx, job.ID); err != nil {
					t.Error(err)
				}
				if ctx.Err() != nil {
					_, _ = pool.Cancel(context.Background(), job.ID)
					_, _ = pool.Wait(context.Background(), job.ID)
				}
			}
		}
	}
	for _, q := range endless {
		beside(q, minRate, repeat([]string{q}))
	}
	beside("all those that end by themselves", minRate, repeat(others))
	t.Logf("worst of %d, which took %d looks: %.2f of the good jobs, %v", len(endless)+1, looks, ratio, worst)

	// Loading may use both cores, but it must not block anything.
	worst, ratio = measured{rate: 1e9, cores: 99}, 10
	var loaded atomic.Int64
	var bad [][]byte
	for _, name := range hostileNames(t) {
		if _, loads := endings[name]; !loads && name != "manifest_100mb" {
			bad = append(bad, hostileFixture(t, name))
		}
	}
	large := with(hostileFixture(t, "pointers"), bodies(20_000, joined([]byte{0}, zero)))
	beside("guests that are refused", 0, func(ctx context.Context) {
		for i := 0; ctx.Err() == nil; i++ {
			if p, err := e.Load(ctx, bad[i%len(bad)]); err == nil {
				t.Errorf("%v was loaded", p.manifest.Name)
			}
			loaded.Add(1)
		}
	})
	beside("a large guest that is loaded", 0, func(ctx context.Context) {
		for ctx.Err() == nil {
			if p, err := e.Load(ctx, large); err == nil {
				_ = p.Close(context.Background())
			}
			loaded.Add(1)
		}
	})
	t.Logf("worst while %d guests were loaded: %v", loaded.Load(), worst)
}
