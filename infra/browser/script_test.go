package browser

import (
	"encoding/csv"
	"fmt"
	"image"
	_ "image/png"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// What the pages' script adds. TestJobs has the live jobs.

// TestPNG presses the button that saves a picture as PNG, and looks at the file.
func TestPNG(t *testing.T) {
	s := serve(t)
	for _, path := range []string{q("estimates", "question", obesity, "year", "2023"), q("by_year", "question", obesity, "state", "Ohio")} {
		for _, l := range []look{light, dark, phone} {
			t.Run(path[:8]+" "+l.name, func(t *testing.T) {
				folder := t.TempDir()
				b := open(t, s.URL, l)
				b.run(command("Page.setDownloadBehavior", object{"behavior": "allow", "downloadPath": folder}))
				b.visit(path, 200)
				const button = `[...document.querySelectorAll("button")].find(e => e.innerText.includes("PNG") && e.getClientRects().length > 0)`
				if !eval[bool](b, "!!"+button) {
					t.Fatal("no button says PNG")
				}
				eval[bool](b, "("+button+".click(), true)")
				picture := saved(t, folder)
				bounds := picture.Bounds()
				colours := map[[4]uint32]bool{}
				for y := bounds.Min.Y; y < bounds.Max.Y; y += 3 {
					for x := bounds.Min.X; x < bounds.Max.X; x += 3 {
						red, green, blue, alpha := picture.At(x, y).RGBA()
						colours[[4]uint32{red, green, blue, alpha}] = true
					}
				}
				if bounds.Dx() != 1600 || bounds.Dy() < 400 || len(colours) < 20 {
					t.Errorf("the picture has %v and %d colours", bounds, len(colours))
				}
				if r, g, blue, a := picture.At(2, 2).RGBA(); r&g&blue&a != 0xffff { // for slides and paper, whatever the page has
					t.Errorf("its ground is not white: %x %x %x %x", r, g, blue, a)
				}
				b.quiet()
			})
		}
	}
}

// saved waits for the one PNG in a folder and reads it.
func saved(t *testing.T, folder string) image.Image {
	t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		names, _ := filepath.Glob(filepath.Join(folder, "*.png"))
		if len(names) != 1 {
			continue
		}
		var f *os.File
		if f, err = os.Open(names[0]); err != nil {
			continue
		}
		var picture image.Image
		picture, _, err = image.Decode(f)
		_ = f.Close()
		if err == nil {
			return picture
		}
	}
	t.Fatalf("no PNG was saved within %v: %v", patience, err)
	return nil
}

// TestTypeAhead types a part of a name and takes a suggestion with the keyboard.
func TestTypeAhead(t *testing.T) {
	s := withFile(t, "towns", nil, func(w *csv.Writer) error {
		if err := w.Write([]string{"town", "figure"}); err != nil {
			return err
		}
		for i := range 200 { // too many for a list to choose from
			if err := w.Write([]string{fmt.Sprintf("Newtown %03d on Sea", i), fmt.Sprintf("%.1f", float64(i*7919%1000)/10)}); err != nil {
				return err
			}
		}
		return nil
	})
	b := open(t, s.URL, light)
	b.visit(q("state_mean", "state", "Newtown 007 on Sea"), 200)
	b.until("the field can suggest", `document.querySelector("form.ask [name=state][role=combobox]") !== null`)
	eval[bool](b, `(f => { f.focus(); f.select(); return true; })(document.querySelector("form.ask [name=state]"))`)
	b.run(chromedp.KeyEvent("sea 12"))
	const options = `[...document.querySelectorAll("[role=listbox] [role=option]")].map(e => e.innerText)`
	var want []string
	for _, n := range []int{12, 112, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129} {
		want = append(want, fmt.Sprintf("Newtown %03d on Sea", n))
	}
	if got := eval[[]string](b, options); !slices.Equal(got, want) {
		t.Fatalf("%q suggests %q", "sea 12", got)
	}
	b.shot("type-ahead")
	t.Run("accessible", func(t *testing.T) {
		b.TB = t
		b.accessible()
	})
	b.TB = t
	b.run(chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.ArrowDown))
	if got := eval[string](b, `document.getElementById(document.activeElement.getAttribute("aria-activedescendant"))?.innerText ?? ""`); got != want[1] {
		t.Errorf("the second suggestion is %q", got)
	}
	// One event, as a keyboard's is: a browser then leaves out what the script prevents.
	b.run(command("Input.dispatchKeyEvent", object{"type": "keyDown", "key": "Enter", "code": "Enter", "text": "\r", "windowsVirtualKeyCode": 13}))
	time.Sleep(200 * time.Millisecond)
	if strings.Contains(b.where(), "112") {
		t.Fatal("taking a suggestion asks the question")
	}
	if got := eval[string](b, `document.querySelector("form.ask [name=state]").value`); got != want[1] || eval[bool](b, options+".length > 0") {
		t.Errorf("the field has %q", got)
	}
	b.press("Show the answer")
	if got := b.text("#answer"); !strings.Contains(got, want[1]+": 92.8") {
		t.Errorf("the answer is %.200q", got)
	}
	b.quiet()
}

// TestSort sorts a table that is whole by pressing its heads: numbers as numbers, and texts.
func TestSort(t *testing.T) {
	b := open(t, serve(t).URL, light)
	b.visit("/dataset", 200)
	column := func(n int) []string {
		return eval[[]string](b, fmt.Sprintf(`[...document.querySelectorAll("table[data-sort] tbody tr")].map(r => r.cells[%d].innerText.trim())`, n))
	}
	press := func(head string) string {
		return eval[string](b, fmt.Sprintf(`(e => { e.click(); return e.closest("th").getAttribute("aria-sort"); })([...document.querySelectorAll("table[data-sort] th button")].find(e => e.innerText.includes(%q)))`, head))
	}
	const head, at = "Rows without", 3
	numbers := func() (out []int) {
		for _, text := range column(at) {
			n, err := strconv.Atoi(strings.ReplaceAll(text, ",", ""))
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, n)
		}
		return out
	}
	want := numbers()
	if slices.IsSorted(want) {
		t.Fatalf("the column is sorted before: %v", want)
	}
	slices.Sort(want)
	if sorted := press(head); sorted != "ascending" || !slices.Equal(numbers(), want) {
		t.Errorf("%s: %v, want %v", sorted, numbers(), want)
	}
	slices.Reverse(want)
	if sorted := press(head); sorted != "descending" || !slices.Equal(numbers(), want) {
		t.Errorf("%s: %v, want %v", sorted, numbers(), want)
	}
	if sorted := press("Type"); sorted != "ascending" || !slices.IsSorted(column(1)) {
		t.Errorf("%s: %q", sorted, column(1))
	}
	b.quiet()
}
