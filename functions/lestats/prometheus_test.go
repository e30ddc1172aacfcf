package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
)

const (
	rulesFile     = "../../infra/prometheus/rules.yaml"
	scrapeFile    = "../../infra/prometheus/prometheus.yaml"
	dashboardFile = "../../infra/grafana/lestats.json"
	// envPrometheus is a folder with prometheus, which `make test-prometheus` sets.
	envPrometheus = "LESTATS_TEST_PROMETHEUS"
)

var (
	alertNames  = regexp.MustCompile(`(?m)^ *- alert: (\w+)$`)
	seriesNames = regexp.MustCompile(`\blestats_[a-z_]+\b`)
	ofSeries    = regexp.MustCompile(`_(bucket|sum|count)$`)
)

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// alertsOf returns the names of the alerts in infra/prometheus/rules.yaml.
func alertsOf(t *testing.T) (names []string) {
	t.Helper()
	for _, m := range alertNames.FindAllStringSubmatch(readFile(t, rulesFile), -1) {
		names = append(names, m[1])
	}
	if len(names) < 8 {
		t.Fatalf("%q", names)
	}
	return names
}

// Each alert has a section in infra/README.md, which its runbook_url names, and each section
// of an alert an alert.
func TestRunbook(t *testing.T) {
	rules, page := readFile(t, rulesFile), readFile(t, "../../infra/README.md")
	var sections []string
	for _, m := range regexp.MustCompile(`(?m)^#### (Lestats\w+)$`).FindAllStringSubmatch(page, -1) {
		sections = append(sections, m[1])
	}
	if names := alertsOf(t); !slices.Equal(names, sections) {
		t.Errorf("the alerts are %q, and infra/README.md has sections for %q", names, sections)
	}
	for _, name := range sections {
		if n := strings.Count(rules, "/infra/README.md#"+strings.ToLower(name)+"\n"); n != 1 {
			t.Errorf("%d alerts have the runbook_url of %s", n, name)
		}
		_, text, _ := strings.Cut(page, "\n#### "+name+"\n")
		text, _, _ = strings.Cut(text, "\n#")
		if !strings.Contains(text, "`") {
			t.Errorf("the section %s says nothing to type", name)
		}
	}
}

// dashboard is what the tests read of a dashboard of Grafana.
type dashboard struct {
	UID        string
	Title      string
	Templating struct {
		List []struct{ Name, Type, Query any }
	}
	Panels []struct {
		ID         int
		Type       string
		Title      string
		Datasource struct{ UID string }
		GridPos    struct{ H, W, X, Y int }
		Targets    []struct {
			RefID string `json:"refId"`
			Expr  string
		}
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	if err := json.Unmarshal([]byte(readFile(t, dashboardFile)), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// The dashboard has what Grafana needs: ids that are unique, panels that do not overlap, each
// with a query, and variables for the data source and the process.
func TestDashboard(t *testing.T) {
	d := readDashboard(t)
	if d.UID == "" || d.Title == "" || len(d.Panels) < 20 || len(d.Templating.List) != 2 || d.Templating.List[0].Name != "datasource" || d.Templating.List[0].Type != "datasource" || d.Templating.List[1].Name != "instance" {
		t.Errorf("%q %q, %d panels, %v", d.UID, d.Title, len(d.Panels), d.Templating)
	}
	ids, cells := map[int]bool{}, map[[2]int]int{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d, %q: its id is there twice, or it has no title", p.ID, p.Title)
		}
		ids[p.ID] = true
		g := p.GridPos
		if g.H < 1 || g.W < 1 || g.X < 0 || g.X+g.W > 24 {
			t.Errorf("panel %d, %q: %+v", p.ID, p.Title, g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other := cells[[2]int{x, y}]; other != 0 {
					t.Fatalf("the panels %d and %d overlap", other, p.ID)
				}
				cells[[2]int{x, y}] = p.ID
			}
		}
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 || p.Datasource.UID != "${datasource}" {
			t.Errorf("panel %d, %q: %d queries, of %q", p.ID, p.Title, len(p.Targets), p.Datasource.UID)
		}
		refs := map[string]bool{}
		for _, target := range p.Targets {
			if refs[target.RefID] || target.RefID == "" || target.Expr == "" {
				t.Errorf("panel %d, %q: %+v", p.ID, p.Title, target)
			}
			refs[target.RefID] = true
		}
	}
}

// quick makes a second of each minute, and a minute of each hour, so that a test need not
// wait. Nothing else of a rule changes: neither an expression's shape nor a threshold.
func quick(text string) string {
	text = regexp.MustCompile(`\b(\d+)s\b`).ReplaceAllStringFunc(text, func(d string) string {
		n, _ := strconv.Atoi(strings.TrimSuffix(d, "s")) // the pattern has digits
		return strconv.Itoa(n*1000/60) + "ms"
	})
	text = regexp.MustCompile(`\b(\d+)m\b`).ReplaceAllString(text, "${1}s")
	return regexp.MustCompile(`\b(\d+)h\b`).ReplaceAllString(text, "${1}m")
}

// prometheus is a Prometheus that runs the rules.
type prometheus struct {
	t     *testing.T
	url   string
	begin time.Time
}

// startPrometheus starts one that scrapes these addresses. It ends with t.
func startPrometheus(t *testing.T, targets []string) *prometheus {
	t.Helper()
	home := t.TempDir()
	for from, text := range map[string]string{
		rulesFile:  quick(readFile(t, rulesFile)),
		scrapeFile: strings.Replace(quick(readFile(t, scrapeFile)), "'127.0.0.1:9091'", "'"+strings.Join(targets, "', '")+"'", 1),
	} {
		if err := os.WriteFile(filepath.Join(home, filepath.Base(from)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address := freePort(t)
	cmd := exec.Command(filepath.Join(os.Getenv(envPrometheus), "prometheus"), "--config.file", filepath.Join(home, filepath.Base(scrapeFile)),
		"--storage.tsdb.path", filepath.Join(home, "data"), "--web.listen-address", address, "--log.level", "warn")
	cmd.Stdout, cmd.Stderr, cmd.Dir = os.Stderr, os.Stderr, home
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	p := &prometheus{t, "http://" + address, time.Now()}
	wait(t, 30*time.Second, "Prometheus to be ready", func() bool {
		status, _, _, err := send(t.Context(), http.DefaultClient, http.MethodGet, p.url+"/-/ready", "")
		return err == nil && status == http.StatusOK
	})
	return p
}

// wait waits until done reports true.
func wait(t *testing.T, limit time.Duration, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !done(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %s for %s", limit, what)
		}
	}
}

// get returns the data of an answer of its API.
func (p *prometheus) get(path string, query url.Values, data any) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Second)
	defer cancel()
	status, _, b, err := send(ctx, http.DefaultClient, http.MethodGet, p.url+path+"?"+query.Encode(), "")
	var body struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err = errors.Join(err, json.Unmarshal(b, &body)); err != nil || body.Status != "success" {
		p.t.Fatalf("%s %v: %d, %s %v", path, query, status, b, err)
	}
	if err := json.Unmarshal(body.Data, data); err != nil {
		p.t.Fatal(err)
	}
}

// firing reports which alerts fire: their names, each with an instance.
func (p *prometheus) firing() map[[2]string]bool {
	p.t.Helper()
	var data struct {
		Alerts []struct {
			Labels map[string]string
			State  string
		}
	}
	p.get("/api/v1/alerts", nil, &data)
	out := map[[2]string]bool{}
	for _, a := range data.Alerts {
		if a.State == "firing" {
			out[[2]string{a.Labels["alertname"], a.Labels["instance"]}] = true
		}
	}
	return out
}

// hasData reports whether an expression had a value at any time since Prometheus began.
func (p *prometheus) hasData(expr string) bool {
	p.t.Helper()
	var data struct{ Result []json.RawMessage }
	p.get("/api/v1/query_range", url.Values{
		"query": {expr}, "step": {"1s"},
		"start": {strconv.FormatInt(p.begin.Unix(), 10)}, "end": {strconv.FormatInt(time.Now().Unix()+1, 10)},
	}, &data)
	return len(data.Result) > 0
}

// unshown are the series that no panel shows.
var unshown []string

// TestAlerts starts a Prometheus with the rules and servers, and causes the fault of each
// alert: it fires, for the server with the fault, and a server without any has none. Then it
// checks that each query of the dashboard has data.
func TestAlerts(t *testing.T) {
	if os.Getenv(envPrometheus) == "" {
		t.Skip("`make test-prometheus` runs it")
	}
	t.Setenv("LESTATS_CACHE", compiled(t))
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	folder := t.TempDir()
	in := func(name string) string { return filepath.Join(folder, name) }
	broken := t.TempDir()
	drop(t, broken, []byte(readFile(t, "../../runtime/sandbox/testdata/describe_traps.wasm")))
	if err := os.WriteFile(in("limits.yaml"), []byte("budget: 256 MiB\ndefault: {memory: 160 MiB}\ncompile: {memory: 64 MiB}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	faulty := []string{"--plugins", faultsFolder(t), "--workers", "1", "--time-limit", "2s"}
	code, key, errs := lestats(t, "key", "new", "eager", "--keys", in("keys.yaml"), "--rate", "1/s")
	if code != exitOK {
		t.Fatal(errs)
	}

	names := []string{"healthy", "dies", "store", "queue", "full", "internal", "refused", "memory", "keys"}
	args := map[string][]string{
		"dies":    faulty,
		"queue":   append(slices.Clone(faulty), "--queue-url", "http://127.0.0.1:1/1/jobs"),
		"full":    append(slices.Clone(faulty), "--queue", "10"),
		"refused": {"--plugins", broken},
		"memory":  append(slices.Clone(faulty), "--limits", in("limits.yaml"), "--workers", "2"),
		"keys":    {"--keys", in("keys.yaml")},
	}
	admin, instance := map[string]string{}, map[string]string{}
	for _, name := range names {
		admin[name] = freePort(t)
		instance[admin[name]] = name
	}
	begin := func(name string) *process {
		return serve(t, nil, append([]string{"--store", in(name), "--admin-listen", admin[name], "--log-level", "error"}, args[name]...)...)
	}
	servers := map[string]*process{}
	for _, name := range names {
		servers[name] = begin(name)
	}
	prom := startPrometheus(t, slices.Sorted(maps.Values(admin)))

	// Whatever a client asks for again and again, until the end.
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	defer func() {
		cancel()
		clients.Wait()
	}()
	again := func(name, method, path, body string, every time.Duration, headers ...string) {
		clients.Go(func() {
			for ctx.Err() == nil {
				_, _, _, _ = send(ctx, http.DefaultClient, method, servers[name].url+path, body, headers...) // the alerts are what counts
				time.Sleep(every)
			}
		})
	}
	const loop, mean = "/api/endless_loop", "/api/global_mean"
	obesity := `{"question":"Percent of adults aged 18 years and older who have obesity"}`
	again("healthy", http.MethodPost, mean, obesity, 50*time.Millisecond)
	again("healthy", http.MethodGet, mean+"?question="+url.QueryEscape("Percent of adults aged 18 years and older who have obesity"), "", 100*time.Millisecond)
	again("healthy", http.MethodPost, "/api/no_such_question", "{}", 200*time.Millisecond) // a client's mistakes are no alert
	again("store", http.MethodPost, mean, obesity, 50*time.Millisecond)
	for range 3 {
		again("queue", http.MethodPost, loop, "{}", 100*time.Millisecond)
	}
	again("full", http.MethodPost, loop, "{}", 100*time.Millisecond)
	again("memory", http.MethodPost, loop, "{}", 500*time.Millisecond)
	again("keys", http.MethodGet, "/api/jobs", "", 20*time.Millisecond, "X-Api-Key: "+strings.TrimSpace(key))
	damaged := damage(t, in("internal"))
	again("internal", http.MethodGet, "/api/get_results/"+damaged, "", 50*time.Millisecond)
	if err := os.Rename(in("store"), in("elsewhere")); err != nil { // as a disk that is unmounted
		t.Fatal(err)
	}
	for range 10 {
		servers["dies"].call(http.MethodPost, loop, "{}")
	}
	time.Sleep(2 * time.Second) // a scrape sees it alive
	servers["dies"].kill()

	want := map[[2]string]bool{
		{"LestatsDown", "dies"}: true, {"LestatsStoreErrors", "store"}: true, {"LestatsQueueErrors", "queue"}: true, {"LestatsJobsRefused", "full"}: true,
		{"LestatsQueueFilling", "full"}: true, {"LestatsJobsWait", "full"}: true, {"LestatsInternalErrors", "internal"}: true, {"LestatsPluginFails", "full"}: true,
		{"LestatsPluginRefused", "refused"}: true, {"LestatsMemoryBudget", "memory"}: true, {"LestatsJobsRecovered", "dies"}: true, {"LestatsRateLimited", "keys"}: true,
	}
	tested := map[string]bool{}
	for w := range want {
		tested[w[0]] = true
	}
	for _, name := range alertsOf(t) {
		if !tested[name] {
			t.Errorf("no fault is caused for %s", name)
		}
	}
	missing := maps.Clone(want)
	restarted := false
	for end := time.Now().Add(80 * time.Second); len(missing) > 0 && time.Now().Before(end); time.Sleep(250 * time.Millisecond) {
		for alert := range prom.firing() {
			name := instance[alert[1]]
			if name == "healthy" || name == "" {
				t.Errorf("%s fires for %q (%s)", alert[0], name, alert[1])
			}
			if w := [2]string{alert[0], name}; missing[w] {
				t.Logf("%5.1f s: %s fires for %s", time.Since(prom.begin).Seconds(), alert[0], name)
				delete(missing, w)
			}
		}
		if !restarted && !missing[[2]string{"LestatsDown", "dies"}] {
			restarted = true
			servers["dies"] = begin("dies")
		}
	}
	for w := range missing {
		t.Errorf("%s did not fire for %s", w[0], w[1])
	}
	prom.checkDashboard(readDashboard(t))
}

// checkDashboard checks that each query of a dashboard had data, and that the series which
// panels and rules use are those that there are.
func (p *prometheus) checkDashboard(d dashboard) {
	p.t.Helper()
	variables := strings.NewReplacer("$__rate_interval", "5s", "$instance", ".*")
	used := map[string]bool{}
	queries := 0
	for _, panel := range d.Panels {
		for _, target := range panel.Targets {
			queries++
			if !p.hasData(variables.Replace(target.Expr)) {
				p.t.Errorf("panel %d, %q: nothing for %s", panel.ID, panel.Title, target.Expr)
			}
			for _, name := range seriesNames.FindAllString(target.Expr, -1) {
				used[ofSeries.ReplaceAllString(name, "")] = true
			}
		}
	}
	var all []string
	p.get("/api/v1/label/__name__/values", nil, &all)
	there := map[string]bool{}
	for _, name := range all {
		if strings.HasPrefix(name, "lestats_") {
			there[ofSeries.ReplaceAllString(name, "")] = true
		}
	}
	for name := range there {
		if !used[name] && !slices.Contains(unshown, name) {
			p.t.Errorf("no panel shows %s: add one, or put it into unshown", name)
		}
	}
	for _, name := range seriesNames.FindAllString(readFile(p.t, rulesFile), -1) {
		used[ofSeries.ReplaceAllString(name, "")] = true
	}
	for name := range used {
		if !there[name] {
			p.t.Errorf("nothing has the series %s, which a panel or a rule names", name)
		}
	}
	p.t.Logf("%d queries of the dashboard had data, of %d series of this program", queries, len(there))
}

// damage puts an object into a store that is not what its name says, and returns the id.
func damage(t *testing.T, store string) string {
	t.Helper()
	id, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	hour := filepath.Join(store, "jobs", time.Now().UTC().Format("2006-01-02T15"))
	if err := errors.Join(os.MkdirAll(hour, 0o750), os.WriteFile(filepath.Join(hour, fmt.Sprintf("%s.json", id)), []byte("damaged"), 0o600)); err != nil {
		t.Fatal(err)
	}
	return id.String()
}
