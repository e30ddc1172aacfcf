// Package browser tests the pages of bin/lestats in a real browser, Debian's Chromium: it
// starts the program as a user does and drives the browser with chromedp. It is a module of
// its own, so that the program's go.mod does not know the browser's protocol.
//
// Screenshots of every place, state and look are written to the folder screenshots, or to
// LESTATS_SCREENSHOTS. They are for people to look at; nothing compares them.
package browser

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is the longest that one step in the browser may take.
const patience = 30 * time.Second

var (
	binary  = fromRoot("LESTATS_BINARY", "bin/lestats")
	axePath = fromRoot("LESTATS_AXE", ".tools/axe/node_modules/axe-core/axe.min.js")
	python  = fromRoot("LESTATS_PYTHON", ".tools/snippets/bin/python3")
	shots   = fromRoot("LESTATS_SCREENSHOTS", "infra/browser/screenshots")
)

// fromRoot returns the value of a variable, or a path in the repository.
func fromRoot(variable, path string) string {
	if v := os.Getenv(variable); v != "" {
		return v
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		panic(err)
	}
	return filepath.Join(root, path)
}

// needs fails the test, or skips it outside of CI, if a tool is missing.
func needs(t testing.TB, path, how string) {
	t.Helper()
	if _, err := exec.LookPath(path); err == nil {
		return
	}
	if _, err := os.Stat(path); err == nil && !strings.HasSuffix(path, "python3") {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: %s", path, how)
	}
	t.Skipf("%s is missing: %s", path, how)
}

// shared is what all tests use: the browser and the servers, by their flags.
var shared struct {
	sync.Mutex

	browser context.Context //nolint:containedctx // chromedp keeps a browser in a context
	stop    []func()
	servers map[string]*server
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, stop := range slices.Backward(shared.stop) {
		stop()
	}
	os.Exit(code)
}

// browser returns the context of the one browser process, in which tabs are opened.
func browser(t testing.TB) context.Context {
	t.Helper()
	needs(t, "chromium", "infra/install chromium fonts-dejavu-core")
	shared.Lock()
	defer shared.Unlock()
	if shared.browser != nil {
		return shared.browser
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath("chromium"),
		chromedp.WSURLReadTimeout(time.Minute),
		chromedp.Flag("no-sandbox", os.Getuid() == 0), // Chromium refuses a sandbox to root
		chromedp.Flag("hide-scrollbars", false),
		chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("lang", "en-US"),
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	b, cancel := chromedp.NewContext(allocator)
	if err := chromedp.Do(b); err != nil {
		t.Fatalf("chromium does not start: %v", err)
	}
	shared.stop = append(shared.stop, stop, cancel)
	shared.browser = b //nolint:fatcontext // it is set once
	return b
}

// server is a bin/lestats that listens on a free port.
type server struct{ URL string }

var listening = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// serve returns a server with these flags. Tests share those with the same flags; all stop
// when the tests end.
func serve(t testing.TB, flags ...string) *server {
	t.Helper()
	needs(t, binary, "make build")
	shared.Lock()
	defer shared.Unlock()
	name := strings.Join(flags, " ")
	if s := shared.servers[name]; s != nil {
		return s
	}
	s, stop := start(t, flags...)
	if shared.servers == nil {
		shared.servers = map[string]*server{}
	}
	shared.servers[name] = s
	shared.stop = append(shared.stop, stop)
	return s
}

// start starts a server, which runs until stop is called.
func start(t testing.TB, flags ...string) (s *server, stop func()) {
	t.Helper()
	store, err := os.MkdirTemp("", "lestats-browser-") //nolint:usetesting // other tests use it, too
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, append([]string{"serve", "--listen", "127.0.0.1:0", "--store", store, "--log-level", "warn"}, flags...)...)
	cmd.Dir = store // without a folder lestats-plugins
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		kill.Stop()
		_ = os.RemoveAll(store)
	}
	found := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if u := listening.FindString(lines.Text()); u != "" {
				select {
				case found <- u:
				default:
				}
			}
		}
		close(found)
	}()
	select {
	case u, ok := <-found:
		if ok {
			return &server{URL: u}, stop
		}
	case <-time.After(time.Minute):
	}
	stop()
	t.Fatalf("the server did not start: %s", log.String())
	return nil, nil
}

// look is how a page is looked at.
type look struct {
	name          string
	width, height int64
	phone, dark   bool
	plain         bool // scripts are off
	print         bool
}

var (
	light  = look{name: "light", width: 1280, height: 900}
	dark   = look{name: "dark", width: 1280, height: 900, dark: true}
	phone  = look{name: "phone", width: 360, height: 740, phone: true}
	plain  = look{name: "without-scripts", width: 1280, height: 900, plain: true}
	paper  = look{name: "print", width: 794, height: 1123, print: true}
	looks  = []look{light, dark, phone, plain, paper}
	narrow = look{name: "phone-without-scripts", width: 360, height: 740, phone: true, plain: true}
)

// tab is a tab of the browser with cookies and a cache of its own. It records what a page
// must not do. Its methods fail the test on error.
type tab struct {
	testing.TB

	ctx    context.Context //nolint:containedctx // chromedp keeps a tab in a context
	origin string          // requests to others are foreign

	mu       sync.Mutex
	document string           // URL of the last document
	status   map[string]int64 // of documents
	headers  map[string]network.Headers
	problems []string
	expected int64 // status of the document; the browser logs those from 400 on
	bytes    float64
	requests []string
}

// open opens a tab for pages of a server.
func open(t testing.TB, origin string, l look) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser(t), chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	b := &tab{TB: t, ctx: ctx, origin: origin, status: map[string]int64{}, headers: map[string]network.Headers{}, expected: 200}
	if err := chromedp.Listen(ctx, b.event); err != nil {
		t.Fatal(err)
	}
	b.run(command("Network.enable", nil), command("Log.enable", nil), command("Audits.enable", nil))
	b.look(l)
	return b
}

// look changes how the tab looks at pages, from the next navigation on.
func (b *tab) look(l look) {
	b.Helper()
	scheme, media := "light", ""
	if l.dark {
		scheme = "dark"
	}
	if l.print {
		media = "print"
	}
	b.run(
		command("Emulation.setDeviceMetricsOverride", object{"width": l.width, "height": l.height, "deviceScaleFactor": 1, "mobile": l.phone}),
		command("Emulation.setTouchEmulationEnabled", object{"enabled": l.phone}),
		command("Emulation.setScriptExecutionDisabled", object{"value": l.plain}),
		command("Emulation.setEmulatedMedia", object{"media": media, "features": []object{
			{"name": "prefers-color-scheme", "value": scheme},
			{"name": "prefers-reduced-motion", "value": "reduce"},
		}}),
	)
}

// event records what happens in the tab.
func (b *tab) event(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	problem := func(format string, a ...any) { b.problems = append(b.problems, fmt.Sprintf(format, a...)) }
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		problem("console: %s %s", e.Type, arguments(e.Args))
	case *runtime.EventExceptionThrown:
		problem("exception: %s", (&chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}).Error())
	case *cdplog.EventEntryAdded:
		if e.Entry.Source == cdplog.EntrySourceNetwork && e.Entry.URL == b.document && b.expected >= 400 && b.status[b.document] == b.expected {
			return
		}
		problem("log: %s %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL)
	case *audits.EventIssueAdded:
		detail, err := json.Marshal(e.Issue.Details)
		problem("issue: %s %s %v", e.Issue.Code, detail, err)
	case *page.EventJavascriptDialogOpening:
		problem("dialog: %s", e.Message)
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
		if u := e.Request.URL; !strings.HasPrefix(u, b.origin+"/") && u != b.origin && !strings.HasPrefix(u, "data:") && !strings.HasPrefix(u, "blob:") && !strings.HasPrefix(u, "about:") {
			problem("foreign request: %s", u)
		}
		if e.Type == network.ResourceTypeDocument {
			b.document = strings.TrimSuffix(e.Request.URL, e.Request.URLFragment)
		}
	case *network.EventResponseReceived:
		if e.Type == network.ResourceTypeDocument {
			b.status[e.Response.URL], b.headers[e.Response.URL] = e.Response.Status, e.Response.Headers
		} else if e.Response.Status >= 400 {
			problem("status %d of %s", e.Response.Status, e.Response.URL)
		}
	case *network.EventLoadingFinished:
		b.bytes += e.EncodedDataLength
	}
}

type (
	object = map[string]any
	step   = chromedp.Action[chromedp.Void]
)

// command returns a step that sends a command of the browser's protocol.
func command(method string, params object) step {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error { return t.Call(ctx, method, params, nil) })
}

func arguments(args []*runtime.RemoteObject) string {
	var texts []string
	for _, a := range args {
		texts = append(texts, string(a.Value)+a.Description)
	}
	return strings.Join(texts, " ")
}

// run runs actions in the tab.
func (b *tab) run(steps ...step) {
	b.Helper()
	if err := b.try(steps...); err != nil {
		b.Fatalf("%s: %v", b.where(), err)
	}
}

func (b *tab) try(steps ...step) error {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return chromedp.Do(ctx, steps...)
}

func (b *tab) where() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.document
}

// visit opens a path of the server, or a URL, and checks the status of the page.
func (b *tab) visit(path string, status int64) {
	b.Helper()
	b.mu.Lock()
	b.expected, b.bytes, b.requests = status, 0, nil
	b.mu.Unlock()
	u := path
	if strings.HasPrefix(path, "/") {
		u = b.origin + path
	}
	if err := b.try(chromedp.Navigate(u)); err != nil {
		b.Fatalf("%s: %v", u, err)
	}
	b.arrived(status)
}

// arrived checks the status of the page that the tab shows.
func (b *tab) arrived(status int64) {
	b.Helper()
	b.mu.Lock()
	got, known := b.status[b.document]
	document := b.document
	b.mu.Unlock()
	if known && got != status {
		b.Errorf("%s: status %d, want %d", document, got, status)
	}
}

// follow does what loads another page, and waits until it is there.
func (b *tab) follow(steps ...step) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, steps...); err != nil {
		b.Fatalf("%s: %v", b.where(), err)
	}
}

// eval evaluates an expression in the page, which works with scripts off too. It waits for
// a promise.
func eval[T any](b *tab, expression string) T {
	b.Helper()
	value, err := evaluate[T](b, expression)
	if err != nil {
		b.Fatalf("%s: %v", b.where(), err)
	}
	return value
}

func evaluate[T any](b *tab, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// until waits until an expression is true in the page.
func (b *tab) until(what, expression string) {
	b.Helper()
	deadline := time.Now().Add(patience)
	for {
		if is, err := evaluate[bool](b, expression); err == nil && is {
			return
		}
		if time.Now().After(deadline) {
			b.shot("failed-" + strings.ReplaceAll(b.Name(), "/", "-"))
			b.Fatalf("%s: not within %v: %s", b.where(), patience, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// text returns the text of the first element that a selector selects, as a reader sees it.
func (b *tab) text(selector string) string {
	b.Helper()
	return eval[string](b, fmt.Sprintf(`(document.querySelector(%q)?.innerText ?? "")`, selector))
}

// quiet checks that nothing happened in the tab that must not.
func (b *tab) quiet() {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.problems {
		b.Errorf("%s: %s", b.document, p)
	}
	b.problems = nil
}

// policy checks the headers of the page that the tab shows.
func (b *tab) policy() {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	headers, policy := b.headers[b.document], ""
	for name, value := range headers {
		if strings.EqualFold(name, "Content-Security-Policy") {
			policy = fmt.Sprint(value)
		}
	}
	if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "frame-ancestors") || strings.Contains(policy, "http:") {
		b.Errorf("%s: the policy is not strict: %q", b.document, policy)
	}
}

// shot writes a screenshot of the whole page.
func (b *tab) shot(name string) {
	b.Helper()
	const highest = 5000
	size := eval[[]float64](b, `[document.documentElement.scrollWidth, document.documentElement.scrollHeight]`)
	var got struct {
		Data []byte `json:"data"`
	}
	b.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		return t.Call(ctx, "Page.captureScreenshot", object{"captureBeyondViewport": true, "optimizeForSpeed": true,
			"clip": object{"x": 0, "y": 0, "width": size[0], "height": min(size[1], highest), "scale": 1}}, &got)
	}))
	if err := errors.Join(os.MkdirAll(shots, 0o755), os.WriteFile(filepath.Join(shots, name+".png"), got.Data, 0o644)); err != nil {
		b.Fatal(err)
	}
}

// fits checks that the page is not wider than the window.
func (b *tab) fits() {
	b.Helper()
	wide := eval[string](b, `(() => {
		const root = document.documentElement;
		if (root.scrollWidth <= root.clientWidth) return "";
		const out = [...document.body.querySelectorAll("*")].filter(e => e.getBoundingClientRect().right > root.clientWidth + 1)
			.map(e => e.tagName.toLowerCase() + "." + (e.getAttribute("class") ?? "") + " " + (e.textContent ?? "").trim().slice(0, 40));
		return root.scrollWidth + " px of " + root.clientWidth + ": " + out.slice(0, 5).join("; ");
	})()`)
	if wide != "" {
		b.Errorf("%s is too wide: %s", b.where(), wide)
	}
}

// axe is axe-core's source.
var axe = sync.OnceValues(func() ([]byte, error) { return os.ReadFile(axePath) })

// accessible checks that axe-core finds nothing.
func (b *tab) accessible() {
	b.Helper()
	needs(b, axePath, "make test-browser")
	source, err := axe()
	if err != nil {
		b.Fatal(err)
	}
	eval[bool](b, string(source)+"\n;true")
	type finding struct {
		ID, Help string
		Nodes    []string
	}
	for _, f := range eval[[]finding](b, `axe.run(document, {
		runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], resultTypes: ["violations"], iframes: false,
	}).then(r => r.violations.map(v => ({ID: v.id, Help: v.help, Nodes: v.nodes.slice(0, 3).map(n => n.html.slice(0, 200) + " " + (n.failureSummary ?? "").replace(/\s+/g, " ").slice(0, 250))})))`) {
		b.Errorf("%s: axe %s: %s\n\t%s", b.where(), f.ID, f.Help, strings.Join(f.Nodes, "\n\t"))
	}
}

// focused describes the element that has the focus.
type focused struct {
	Name    string // tag, id, name and text
	Tag     string
	Visible bool // it has a size, and is within the window
	Marked  bool // it looks different from one without the focus
	End     bool // nothing has the focus: the page's end
}

// next presses Tab and returns what has the focus then.
func (b *tab) next() focused {
	b.Helper()
	b.run(chromedp.KeyEvent("\t"))
	return eval[focused](b, `(() => {
		const e = document.activeElement;
		if (!e || e === document.body || e === document.documentElement) return {End: true};
		const look = () => { const s = getComputedStyle(e); return [s.outlineStyle, s.outlineWidth, s.outlineColor, s.boxShadow, s.backgroundColor, s.borderColor, s.textDecorationLine, s.stroke].join(" "); };
		const r = e.getBoundingClientRect(), s = getComputedStyle(e);
		const marked = s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 1 && s.outlineColor !== "rgba(0, 0, 0, 0)" || s.boxShadow !== "none";
		return {
			Name: e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") + (e.name ? "[" + e.name + "]" : "") + " " + (e.innerText ?? e.textContent ?? "").trim().slice(0, 40),
			Tag: e.tagName.toLowerCase(), Visible: r.width > 0 && r.height > 0 && r.bottom > 0 && r.top < innerHeight && r.right > 0 && r.left < innerWidth, Marked: marked, End: false,
		};
	})()`)
}

// navigate opens a URL.
func navigate(u string) step { return chromedp.Navigate(u) }
