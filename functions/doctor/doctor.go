// Package doctor checks where a server or a worker would run: its configuration, the
// dataset, the store, the queue, the plugins and the machine. Each finding says that
// something is good, or what to do.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"

	"github.com/le-stats-sportifs/lestats/functions/api"
	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/functions/worker"
	"github.com/le-stats-sportifs/lestats/runtime/catalog"
	"github.com/le-stats-sportifs/lestats/runtime/keys"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/queue"
	"github.com/le-stats-sportifs/lestats/runtime/results"
)

// Config is what is checked: a server, and the workers that share its store and its queue.
type Config struct {
	Server  api.Config
	DeadURL string // dead-letter queue that a worker reads; "" is none
	LogFile string // "" is none
}

// Finding is the outcome of one check.
type Finding struct {
	Check string `json:"check"` // what was checked: one or two words
	Good  bool   `json:"good"`
	Seen  string `json:"seen,omitempty"` // what was found
	Do    string `json:"do,omitempty"`   // what to do; "" if it is good
}

// The bounds of one run, which takes at most checkLimit and graceLimit.
const (
	checkLimit = 20 * time.Second // of one check, all of which run at the same time; a bucket that does not answer takes 18 s
	graceLimit = 6 * time.Second  // in which a check that is out of time has to remove its objects
	storeLimit = 8 * time.Second  // for which the check of the plugins waits for the store
)

// Run checks everything at the same time, within 26 s, and returns the findings in a fixed
// order. It writes nothing but objects of its own to the store, which it removes. A check
// that does not end in time, because the operating system does not answer it, is left
// behind: the process should end soon.
func Run(ctx context.Context, cfg Config) []Finding {
	findings := []Finding{checkConfig(&cfg)}
	if !findings[0].Good { // the rest depends on it
		findings[0].Do += "; then run this again: nothing else was checked"
		return findings
	}
	opened := make(chan results.Objects, 1) // for the check of the plugins: nil if the store cannot be opened
	closed := make(chan struct{})           // when that has been used
	checks := []struct {
		name string
		run  func(ctx context.Context) []Finding
	}{
		{"dataset", func(ctx context.Context) []Finding {
			defer close(closed)
			return checkQuestions(ctx, cfg.Server, opened)
		}},
		{"store", func(ctx context.Context) []Finding {
			return checkStore(ctx, cfg.Server.StoreConfig, opened, closed)
		}},
		{"queue", func(ctx context.Context) []Finding { return checkQueue(ctx, cfg) }},
		{"cache", func(context.Context) []Finding { return checkCache(cfg.Server.Cache) }},
		{"keys", func(context.Context) []Finding { return checkKeys(cfg.Server.Keys) }},
		{"log file", func(context.Context) []Finding { return checkLogFile(cfg.LogFile) }},
		{"files", func(context.Context) []Finding { return checkFiles() }},
		{"address", func(ctx context.Context) []Finding {
			return []Finding{checkAddress(ctx, "address", cfg.Server.Listen, "--listen 127.0.0.1:8081", "/healthz", `"status":"ok"`)}
		}},
		{"admin address", func(ctx context.Context) []Finding {
			if cfg.Server.AdminListen == "" {
				return nil
			}
			return []Finding{checkAddress(ctx, "admin address", cfg.Server.AdminListen, "--admin-listen 127.0.0.1:9091", "/metrics", "lestats_build_info")}
		}},
	}
	found := make([][]Finding, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() { found[i] = within(ctx, c.name, c.run) })
	}
	wg.Wait()
	for _, f := range found {
		findings = append(findings, f...)
	}
	return findings
}

// within runs a check until its time is over.
func within(ctx context.Context, name string, check func(ctx context.Context) []Finding) []Finding {
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	done := make(chan []Finding, 1)
	go func() { done <- check(ctx) }()
	select {
	case found := <-done:
		return found
	case <-time.After(checkLimit + graceLimit):
		return []Finding{{Check: name, Seen: fmt.Sprintf("the check did not end within %s", checkLimit+graceLimit), Do: "look at what it uses: a disk or a network file system that does not answer, most likely"}}
	}
}

// good is a finding with nothing to do.
func good(check, format string, args ...any) Finding {
	return Finding{Check: check, Good: true, Seen: fmt.Sprintf(format, args...)}
}

// failed is a finding whose error says what to do. That of the operating system, about a file
// that does not exist, does not.
func failed(check string, err error) Finding {
	do := wire.Explain(err)
	var explained *question.Error
	if errors.Is(err, fs.ErrNotExist) && !errors.As(err, &explained) {
		do += ": correct the name, or make it"
	}
	return Finding{Check: check, Do: do}
}

func checkConfig(cfg *Config) Finding {
	const check = "configuration"
	cfg.Server.Log = slog.New(slog.DiscardHandler) // what it would say is found here
	if err := cfg.Server.Check(); err != nil {
		return failed(check, err)
	}
	cfg.DeadURL = wire.QueueURL(cfg.DeadURL)
	switch {
	case cfg.Server.QueueURL != "":
		w := worker.Config{Config: cfg.Server.Config, DeadURL: cfg.DeadURL}
		if err := w.Check(); err != nil {
			return failed(check, fmt.Errorf("as a worker: %w", err))
		}
	case cfg.DeadURL != "":
		return Finding{Check: check, Seen: "a dead-letter queue and no queue", Do: "name the queue, too: --queue-url (LESTATS_QUEUE_URL)"}
	}
	if _, err := wire.ReadLimits(cfg.Server.Limits); err != nil {
		return failed(check, err)
	}
	return good(check, "%d workers, %d jobs may wait, time limit %s", cfg.Server.Workers, cfg.Server.Queue, cfg.Server.TimeLimit)
}

// checkQuestions checks dataset, plugins and memory. It waits a while for the store, which
// may hold plugins.
func checkQuestions(ctx context.Context, cfg api.Config, opened <-chan results.Objects) []Finding {
	var objects results.Objects
	select {
	case objects = <-opened:
	case <-time.After(storeLimit):
	case <-ctx.Done():
	}
	if cfg.Data == "-" {
		return []Finding{good("dataset", "standard input, which is not read here; so plugins were not loaded")}
	}
	cfg.Cache = "off" // nothing is written
	q, err := wire.InspectQuestions(ctx, cfg.Config, objects)
	if err != nil {
		return explainQuestions(ctx, cfg, err)
	}
	defer func() { _ = q.Close(context.WithoutCancel(ctx)) }() // nothing was written
	info := q.Dataset.Info()
	findings := []Finding{good("dataset", "%s, %d rows, %s", info.Title, info.Rows, info.Digest)}
	for _, p := range q.Plugins() {
		findings = append(findings, plugin(p))
	}
	switch {
	case len(q.Served()) == 0:
		findings = append(findings, Finding{Check: "plugin", Seen: "no question is served", Do: "put a .wasm file into the folder of --plugins, or build the embedded plugin with make"})
	case objects == nil && strings.HasPrefix(cfg.Location, "s3://"):
		findings = append(findings, Finding{Check: "plugin", Seen: "plugins in the bucket were not looked at, because the store does not answer", Do: "see the store"})
	}
	_, budget := q.Engine.Memory()
	return append(findings, checkMemory(budget+uint64(cfg.Reserved)))
}

// explainQuestions says whether dataset or plugins cannot be opened.
func explainQuestions(ctx context.Context, cfg api.Config, err error) []Finding {
	if ctx.Err() != nil {
		return []Finding{{Check: "plugin", Seen: fmt.Sprintf("dataset and plugins were not loaded within %s", checkLimit), Do: "check them one by one: lestats data info, lestats plugin check FILE"}}
	}
	ds, alone := wire.OpenDataset(ctx, cfg.EngineConfig)
	if alone != nil {
		return []Finding{failed("dataset", err)}
	}
	info := ds.Info()
	_ = ds.Close() // nothing was written
	return []Finding{good("dataset", "%s, %d rows, %s", info.Title, info.Rows, info.Digest), failed("plugin", err)}
}

func plugin(p question.PluginInfo) Finding {
	name := p.Source
	if p.Name != "" {
		name = fmt.Sprintf("%s %s (%s)", p.Name, p.Version, p.Source)
	}
	switch {
	case p.Serving && len(p.Unfit) > 0:
		return good("plugin", "%s serves %s; %d more do not fit the dataset", name, questions(len(p.Questions)), len(p.Unfit))
	case p.Serving:
		return good("plugin", "%s serves %s", name, questions(len(p.Questions)))
	case p.Lacks == nil:
		return Finding{Check: "plugin", Seen: name + " is REFUSED: " + p.Error.Reason, Do: "correct it as lestats plugin check says, or remove it"}
	case p.Source == catalog.BuiltIn: // it cannot be left out
		return good("plugin", "%s does not fit the dataset: %s", name, p.Error.Reason)
	default:
		return Finding{Check: "plugin", Seen: name + " is UNFIT: " + p.Error.Reason, Do: "name a dataset that has these columns, or remove the plugin"}
	}
}

func questions(n int) string { return english.Plural(n, "question", "") }

func checkKeys(file string) []Finding {
	if file == "" {
		return nil
	}
	all, err := keys.ReadFile(file)
	makeOne := "make a key: lestats key new NAME --keys " + file
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []Finding{{Check: "keys", Seen: file + " does not exist", Do: makeOne}}
	case err != nil:
		return []Finding{failed("keys", err)}
	case len(all) == 0:
		return []Finding{{Check: "keys", Seen: file + " has no key, so nobody may ask", Do: makeOne}}
	}
	return []Finding{good("keys", "%s has %d", file, len(all))}
}

func checkQueue(ctx context.Context, cfg Config) []Finding {
	const check, dead = "queue", "dead-letter queue"
	if cfg.Server.QueueURL == "" {
		return []Finding{good(check, "none: a server runs its jobs itself")}
	}
	set, err := attributes(ctx, cfg.Server.QueueURL)
	if err != nil {
		return []Finding{failed(check, err)}
	}
	name := queue.Name(cfg.Server.QueueURL)
	w := worker.Config{Config: cfg.Server.Config}
	findings := []Finding{good(check, "%s answers; %d messages wait; visibility timeout %s, and workers ask for %s", name, set.Waiting, set.Visibility, w.Visibility())}
	if limit := cfg.Server.TimeLimit; set.Visibility < limit {
		findings[0] = Finding{Check: check, Seen: fmt.Sprintf("the visibility timeout of %s is %s, and a job may take %s", name, set.Visibility, limit),
			Do: fmt.Sprintf("set its VisibilityTimeout to %d s: a function of Lambda gets a message again before its job has ended", int(w.Visibility().Seconds()))}
	}
	switch {
	case set.Dead == "":
		return append(findings, Finding{Check: dead, Seen: name + " has no redrive policy", Do: "give it one (RedrivePolicy): a message that no worker can handle comes again for ever"})
	case cfg.DeadURL == "":
		return append(findings, good(dead, "%s takes messages after %d deliveries; nobody here reads it (--dead-queue-url of a worker)", set.Dead, set.MaxReceives))
	case set.Dead != queue.Name(cfg.DeadURL):
		return append(findings, Finding{Check: dead, Seen: fmt.Sprintf("%s moves messages to %s, and --dead-queue-url names %s", name, set.Dead, queue.Name(cfg.DeadURL)), Do: "name the queue of the redrive policy"})
	}
	left, err := attributes(ctx, cfg.DeadURL)
	if err != nil {
		return append(findings, failed(dead, err))
	}
	return append(findings, good(dead, "%s answers; it takes messages after %d deliveries; %d wait", set.Dead, set.MaxReceives, left.Waiting))
}

func attributes(ctx context.Context, url string) (queue.Attributes, error) {
	q, err := queue.Open(queue.Config{URL: url, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return queue.Attributes{}, err
	}
	return q.Attributes(ctx)
}

// size is a number of bytes for people.
func size(bytes uint64) string { return humanize.IBytes(bytes) }
