package browser

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

var client = &http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}

// fetched is what links led to, by URL.
var fetched sync.Map

type target struct {
	status int
	ids    string // the page, to look for ids in
}

// links checks that every link of the page, and everything that it loads or submits to,
// is there.
func links(b *tab) {
	b.Helper()
	found := eval[[]string](b, `[...new Set([...document.querySelectorAll("a[href], link[href], img[src], script[src], iframe[src], image[href], use[href]")]
		.map(e => typeof e.href === "string" && e.href || e.src || new URL(e.getAttribute("href"), location).href)
		.concat([...document.forms].filter(f => f.method === "get").map(f => f.action.replace(/#.*/, ""))))]`)
	if len(found) == 0 {
		b.Errorf("%s has no links at all", b.where())
	}
	for _, link := range found {
		u, err := url.Parse(link)
		if err != nil {
			b.Errorf("%s: link %q: %v", b.where(), link, err)
			continue
		}
		switch u.Scheme {
		case "http", "https":
		case "data", "blob", "mailto":
			continue
		default:
			b.Errorf("%s: link %q: its scheme may be a trap", b.where(), link)
			continue
		}
		if u.Scheme+"://"+u.Host != b.origin {
			continue // a source of data; tests contact nobody else
		}
		if strings.TrimSuffix(link, "#"+u.EscapedFragment()) == b.where() {
			if u.Fragment != "" && !eval[bool](b, fmt.Sprintf("document.getElementById(%q) !== null", u.Fragment)) {
				b.Errorf("%s: link #%s: the page has nothing with this id", b.where(), u.Fragment)
			}
			continue
		}
		got := fetch(b, strings.TrimSuffix(link, "#"+u.EscapedFragment()))
		if got.status >= 400 {
			b.Errorf("%s: link %s: status %d", b.where(), link, got.status)
		}
		if u.Fragment != "" && !strings.Contains(got.ids, `id="`+u.Fragment+`"`) && !strings.Contains(got.ids, `id=`+u.Fragment) {
			b.Errorf("%s: link %s: that page has nothing with this id", b.where(), link)
		}
	}
}

func fetch(b *tab, link string) target {
	b.Helper()
	if got, ok := fetched.Load(link); ok {
		return got.(target)
	}
	req, err := http.NewRequest(http.MethodGet, link, nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	begin := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		b.Errorf("link %s: %v", link, err)
		return target{}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		b.Errorf("link %s: %v after %v", link, err, time.Since(begin))
	}
	got := target{status: resp.StatusCode}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		got.ids = string(body)
	}
	fetched.Store(link, got)
	return got
}

// keyboard walks through the page with Tab and checks that each stop can be seen.
func keyboard(b *tab) {
	b.Helper()
	const most = 60
	var stops []string
	for range most {
		f := b.next()
		if f.End {
			break
		}
		stops = append(stops, f.Name)
		if !f.Visible {
			b.Errorf("%s: Tab leads to %s, which cannot be seen", b.where(), f.Name)
		}
		if !f.Marked {
			b.Errorf("%s: %s has the focus and does not show it", b.where(), f.Name)
		}
	}
	if len(stops) == 0 {
		b.Errorf("%s: Tab leads nowhere", b.where())
	}
}
