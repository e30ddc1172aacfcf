package httpapi_test

import (
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

func TestIndexForATerminal(t *testing.T) {
	s := serve(t)
	for _, accept := range []string{"*/*", "text/plain", "application/json", "text/html;q=0.5, text/*"} {
		w := s.do("GET", "/?utm_source=x", "", "Accept: "+accept)
		body := w.Body.String()
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%s: %d %v", accept, w.Code, w.Header())
		}
		for _, want := range []string{"Nutrition, <Physical> Activity (npao, 104 rows)", "SYNTHETIC", "states_mean: Mean by state", `<b>"one"</b>`, "/api/questions", "1.2.3"} {
			if !strings.Contains(body, want) {
				t.Errorf("%q is missing:\n%s", want, body)
			}
		}
	}
	w := s.do("HEAD", "/", "")
	if w.Code != http.StatusOK || w.Body.Len() > 0 || w.Header().Get("Content-Length") == "" {
		t.Errorf("HEAD: %d %v", w.Code, w.Header())
	}
}

// The commands work in a shell.
func TestIndexCommands(t *testing.T) {
	s := serve(t)
	index := s.do("GET", "/", "", "Host: localhost:8080").Body.String()
	commands := regexp.MustCompile(`(?m)^  (curl .*)$`).FindAllStringSubmatch(index, -1)
	if len(commands) != 2 {
		t.Fatalf("%d commands:\n%s", len(commands), index)
	}
	for _, c := range commands {
		out, err := exec.Command("sh", "-c", `curl() { for a; do printf '%s\n' "$a"; done; }; `+c[1]).Output()
		if err != nil {
			t.Fatalf("%s: %v", c[1], err)
		}
		args := strings.Split(strings.TrimSpace(string(out)), "\n")
		var headers []string
		body := ""
		for i, a := range args {
			switch a {
			case "-H":
				headers = append(headers, args[i+1])
			case "-d":
				body = args[i+1]
			}
		}
		target := args[len(args)-1]
		s.jobs.answer = &done
		if w := s.do("POST", target, body, headers...); w.Code != http.StatusOK || !strings.HasPrefix(target, "http://localhost:8080/api/") {
			t.Errorf("%s\n%q: %d %s", c[1], args, w.Code, w.Body)
		}
	}
	asked := s.jobs.jobs[1].Request
	if asked.Params["question"] != "It's $HOME `x`" || asked.Params["state"] != "Ohio" || len(asked.Where) != 1 {
		t.Errorf("the second was understood as %+v", asked)
	}
}

func TestCommandOfAnExampleWithoutParameters(t *testing.T) {
	s := serve(t)
	s.catalog.offers = s.catalog.offers[:1]
	for body, example := range map[string]question.Request{
		`{}`:                      {Question: "states_mean"},
		`{"where":{"year":2020}}`: {Question: "states_mean", Where: map[string]any{"year": 2020}},
	} {
		s.catalog.offers[0].Example = example
		if got := s.do("GET", "/", "").Body.String(); !strings.Contains(got, " -d '"+body+"' ") {
			t.Errorf("no %s in\n%s", body, got)
		}
	}
}

func TestIndexTellsWhereItIs(t *testing.T) {
	for host, want := range map[string]string{
		"stats.example":  "https://stats.example/api/states_mean",
		"[::1]:8080":     "https://[::1]:8080/api/states_mean",
		"a;rm -rf":       "https://localhost/api/states_mean",
		"x'$(reboot)'":   "https://localhost/api/states_mean",
		"<script>.local": "https://localhost/api/states_mean",
	} {
		if body := serve(t).do("GET", "/", "", "Host: "+host, "X-Forwarded-Proto: https").Body.String(); !strings.Contains(body, want) {
			t.Errorf("Host %q: no %q in\n%s", host, want, body)
		}
	}
	for under, want := range map[string]string{"/prod": "http://example.com/prod/api/states_mean", "/a/b/": "http://example.com/a/b/api/", "prod": "http://example.com/api/", "/'$(reboot)": "http://example.com/api/"} {
		if body := serve(t).do("GET", "/", "", "X-Forwarded-Prefix: "+under).Body.String(); !strings.Contains(body, want) {
			t.Errorf("under %q: no %q in\n%s", under, want, body)
		}
	}
	w := serve(t).do("GET", "https://stats.example/", "")
	if !strings.Contains(w.Body.String(), "https://stats.example/api") {
		t.Errorf("over TLS: %s", w.Body)
	}
}

// Titles and values of a dataset cannot change how the text of the index is displayed, and
// the command that it shows still asks for the same value.
func TestIndexIsVisible(t *testing.T) {
	command := httpapi.Command("http://localhost", question.Request{Question: "q", Params: map[string]any{"state": "a\u202eb\U000e0041"}})
	if !strings.Contains(command, `{"state":"a\u202eb\udb40\udc41"}`) {
		t.Errorf("the command is %q", command)
	}
	s := serve(t, func(c *httpapi.Config) {
		c.Dataset.Title, c.Dataset.Source = "Titel\u202e", "\x1b[2J"
		c.Schema = schemaOf{{Name: "place", Title: "P\u2066", Type: question.String, Role: question.RoleDimension, Dict: []string{"a\u202eb"}}}
	})
	if body := s.do("GET", "/docs", "").Body.String(); strings.ContainsAny(body, "\u202e\u2066") || !strings.Contains(body, `<bdi>a\u202eb</bdi>`) {
		t.Errorf("/docs: %q", body)
	}
	for _, accept := range []string{"text/html", "text/plain"} {
		body := s.do("GET", "/", "", "Accept: "+accept).Body.String()
		if strings.ContainsAny(body, "\u202e\x1b") || !strings.Contains(body, `Titel\u202e`) {
			t.Errorf("%s:\n%q", accept, body)
		}
	}
}

func TestIndexWithoutPages(t *testing.T) {
	if w := serve(t).do("GET", "/", "", "Accept: text/html"); w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestIndexWithoutQuestions(t *testing.T) {
	s := serve(t)
	s.catalog.offers = nil
	for _, accept := range []string{"text/html", "text/plain"} { // without Pages the same
		if w := s.do("GET", "/", "", "Accept: "+accept); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "no plugin is being served") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
}
