package browser

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// press follows a link or presses a button by the text that a reader sees, and waits for
// the page behind it.
func (b *tab) press(text string) {
	b.Helper()
	find := fmt.Sprintf(`[...document.querySelectorAll("a, button, summary")].find(e => e.innerText.includes(%q) && e.getClientRects().length > 0)`, text)
	if !eval[bool](b, "!!"+find) {
		b.shot("failed-" + strings.ReplaceAll(b.Name(), "/", "-"))
		b.Fatalf("%s: nothing to press says %q", b.where(), text)
	}
	b.follow(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := chromedp.Evaluate[bool]("("+find+`.scrollIntoView({block: "center"}), true)`)(ctx, t)
		if err != nil {
			return err
		}
		at, err := chromedp.Evaluate[[]float64]("(r => [r.left + r.width / 2, r.top + r.height / 2])("+find+".getClientRects()[0])")(ctx, t)
		if err != nil {
			return err
		}
		_, err = chromedp.MouseClickXY(at[0], at[1])(ctx, t)
		return err
	}))
}

// choose selects an option as a reader does who opens the list, without the script's help.
func (b *tab) choose(name, text string) {
	b.Helper()
	if !eval[bool](b, fmt.Sprintf(`(() => {
		const list = document.querySelector('form.ask [name=%q]');
		const option = [...(list?.options ?? [])].find(o => o.text.includes(%q));
		if (!option) return false;
		list.value = option.value;
		list.dispatchEvent(new Event("input", {bubbles: true}));
		list.dispatchEvent(new Event("change", {bubbles: true}));
		return true;
	})()`, name, text)) {
		b.Fatalf("%s: the list %q has no %q", b.where(), name, text)
	}
}

// TestWalk is the way of somebody who has never seen the page: which state had the most
// obesity among adults in the latest year, how sure is that, and a picture and a source for
// a slide. It takes one click from /, and none for the figure.
func TestWalk(t *testing.T) {
	s := serve(t)
	figure := regexp.MustCompile(`Highest: (.+?): ([0-9.]+) ?% \(95 ?% (?:interval )?([0-9.]+) to ([0-9.]+); ([0-9,]+) asked\)`)
	for _, l := range []look{light, phone, plain, narrow} {
		t.Run(l.name, func(t *testing.T) {
			b := open(t, s.URL, l)
			b.visit("/", 200)
			text := b.text("main")
			found := figure.FindStringSubmatch(strings.Join(strings.Fields(text), " "))
			if found == nil {
				t.Fatalf("/ does not say which state is first, with its interval and how many were asked: %.600s", text)
			}
			for _, want := range []string{"have obesity", "2023", "Total"} {
				if !strings.Contains(text, want) {
					t.Errorf("/ does not say what the figure is about: no %q", want)
				}
			}
			b.shot("walk-1-" + l.name)

			b.press("Change this question")
			answer := b.text("main")
			for _, want := range []string{found[1], found[2], found[3] + " to " + found[4], found[5] + " asked", "rank", "How sure is this?", "Cite it"} {
				if !strings.Contains(answer, want) {
					t.Errorf("the answer's page does not say %q", want)
				}
			}
			b.shot("walk-2-" + l.name)
			picture := eval[string](b, `document.querySelector('.downloads a[download$=".svg"]')?.href ?? ""`)
			if body, kind := get(t, picture); kind != "image/svg+xml" || !strings.Contains(body, found[1]) || !strings.Contains(body, "SYNTHETIC") {
				t.Errorf("the picture %s: %s: it has to name the state and say SYNTHETIC", picture, kind)
			}
			for _, want := range []string{"From the dataset", "2023", "sha256:"} {
				if !strings.Contains(b.text(".citation"), want) {
					t.Errorf("the citation has no %q: %s", want, b.text(".citation"))
				}
			}

			// Another year, to see that the form works.
			b.choose("year", "2019")
			b.press("Show the answer")
			if !strings.Contains(b.where(), "year=2019") || !strings.Contains(b.text(".subject"), "2019") {
				t.Errorf("the answer for 2019 is at %s and about %q", b.where(), b.text(".subject"))
			}
			b.press("Table")
			if rows := eval[int](b, `document.querySelectorAll("#answer table tbody tr").length`); rows < 50 {
				t.Errorf("the table has %d rows", rows)
			}
			b.press("Code")
			b.press("Questions")
			b.quiet()
		})
	}
}

// TestKeyboard asks a question with the keyboard alone.
func TestKeyboard(t *testing.T) {
	s := serve(t)
	for _, l := range []look{light, plain} {
		t.Run(l.name, func(t *testing.T) {
			b := open(t, s.URL, l)
			b.visit(q("estimates", "question", obesity, "year", "2023"), 200)
			var stops []string
			for {
				f := b.next()
				stops = append(stops, f.Name)
				if f.End || len(stops) > 40 {
					t.Fatalf("Tab does not lead to the year: %q", stops)
				}
				if strings.Contains(f.Name, "[year]") {
					break
				}
			}
			if !strings.Contains(strings.ToLower(stops[0]), "skip") {
				t.Errorf("the first stop is %q, not a link that skips the navigation", stops[0])
			}
			b.run(chromedp.KeyEvent("2019"))
			for f := b.next(); f.Tag != "button"; f = b.next() {
				if f.End {
					t.Fatal("Tab does not lead to the button")
				}
			}
			b.follow(chromedp.KeyEvent("\r"))
			if !strings.Contains(b.where(), "year=2019") {
				t.Errorf("the form led to %s", b.where())
			}
			b.quiet()
		})
	}
}

// get returns the body and the media type of a URL.
func get(t *testing.T, u string) (body, kind string) {
	t.Helper()
	resp, err := client.Get(u)
	if err != nil {
		t.Error(err)
		return "", ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%s: %s %v", u, resp.Status, err)
	}
	kind, _, _ = strings.Cut(resp.Header.Get("Content-Type"), ";")
	return string(b), kind
}
