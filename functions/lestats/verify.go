package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

type verifyCmd struct {
	wire.QuestionsConfig `group:"Questions:" set:"time_limit=30s"`

	Answer string `arg:"" help:"An answer in JSON, as ask --json and the API give it; - is standard input." placeholder:"FILE"`
	JSON   bool   `name:"json" help:"Print JSON."`
}

// Exit statuses of verify besides exitOK: the same.
const (
	exitElsewhere = 3 // the same figures from another plugin or dataset
	exitDiffers   = 4
	exitUnchecked = 5
)

// Help is what `lestats verify --help` adds.
func (verifyCmd) Help() string {
	return `The question is asked again, of the dataset and the plugins that the flags name, and the answer is compared with the one in the file: by the digests of its receipt, and figure by figure.

It prints one of these, and exits with its status:

  0  same               dataset, plugin, request and result are those of the receipt
  3  same figures       from another dataset or another plugin
  4  differs            and where: JSON pointers into the file, with the value there and now
  5  cannot be checked  and why: no receipt, a question that is not served here, a value
                        that this dataset does not have

What depends on the build of the program is compared only if the file was made by this one: coverage, caveats, the digest of the request, and fuel.

Examples:

  lestats ask states_mean question=obesity -o answer.json
  lestats verify answer.json
  curl -s http://127.0.0.1:8080/api/get_results/ID | lestats verify - --data figures.arrow --json`
}

// verdict is what verify prints.
type verdict struct {
	Outcome     string            `json:"outcome"` // same, same_figures, differs, unchecked
	Reason      string            `json:"reason"`
	Differences []difference      `json:"differences,omitempty"` // with differs: the first maxDifferences
	More        int               `json:"more,omitempty"`        // how many other differences there are
	File        *question.Receipt `json:"file,omitempty"`
	Now         *question.Receipt `json:"now,omitempty"`
}

// difference is a value that is not the same.
type difference struct {
	At   string `json:"at"`   // JSON pointer into the file
	File any    `json:"file"` // null if it is missing there
	Now  any    `json:"now"`  // null if it is missing now
}

const maxDifferences = 20

// statusError is the error of a command that has already said what it means.
type statusError int

func (e statusError) Error() string { return "exit status " + strconv.Itoa(int(e)) }

// Run asks the question of a saved answer again and compares.
func (c *verifyCmd) Run(ctx context.Context, s *streams) error {
	v, err := c.verdict(ctx, s)
	if err != nil {
		return err
	}
	if c.JSON {
		err = writeJSON(s.out, v)
	} else {
		err = v.write(s.out)
	}
	exit := map[string]int{"same": exitOK, "same_figures": exitElsewhere, "differs": exitDiffers, "unchecked": exitUnchecked}[v.Outcome]
	if err == nil && exit != exitOK {
		return statusError(exit)
	}
	return err
}

func (c *verifyCmd) verdict(ctx context.Context, s *streams) (v *verdict, err error) {
	saved, err := readAnswer(ctx, c.Answer)
	if unclear, ok := errors.AsType[unclearError](err); ok {
		return &verdict{Outcome: "unchecked", Reason: string(unclear)}, nil
	}
	if err != nil {
		return nil, err
	}
	cfg := c.QuestionsConfig
	cfg.Log = slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	err = withQuestions(ctx, cfg, func(questions *wire.Questions) error {
		answer, err := questions.Answer(ctx, *saved.Request)
		switch {
		case err != nil && ctx.Err() != nil:
			return err
		case err != nil:
			v = &verdict{Outcome: "unchecked", Reason: "the question cannot be answered here: " + err.Error(), File: saved.Receipt}
			return nil //nolint:nilerr // it is the verdict
		default:
			v, err = compare(saved, answer)
			return err
		}
	})
	return v, err
}

// compare compares a saved answer with the one that its request has now.
func compare(saved *savedAnswer, answer *question.Answer) (*verdict, error) {
	was, now := saved.Receipt, answer.Receipt
	v := &verdict{File: was, Now: now}
	sources := was.Dataset == now.Dataset && was.Plugin == now.Plugin
	// Another build may count, word, write or meter otherwise.
	build := sources && was.Build == now.Build && was.Build != question.UnknownBuild

	job := answer.Job(*saved.Request)
	job.ID = saved.JobID
	var fewest []difference
	for i := range wire.Formats { // the file has one of the layouts of JSON
		if wire.Formats[i].Value == nil {
			continue
		}
		body, err := httpapi.DoneBody(wire.Formats[i].Value, job)
		if err != nil {
			return nil, err
		}
		again, err := parseAnswer(body)
		if err != nil {
			return nil, err
		}
		var found differences
		for _, key := range []string{"data", "question", "units"} {
			found.compare("/"+key, saved.all[key], again.all[key])
		}
		if sources {
			found.compare("/provenance", saved.all["provenance"], again.all["provenance"])
		}
		if build {
			found.compare("/coverage", saved.all["coverage"], again.all["coverage"])
			found.compare("/caveats", saved.all["caveats"], again.all["caveats"])
			found.compare("/receipt/request", was.Request, now.Request)
			found.compare("/receipt/fuel", was.Fuel, now.Fuel)
		}
		found.compare("/receipt/result", was.Result, now.Result)
		if fewest == nil || len(found) < len(fewest) {
			fewest = append([]difference{}, found...)
		}
	}
	switch {
	case len(fewest) > 0:
		v.Outcome = "differs"
		v.Reason = fmt.Sprintf("%d of its values are not those of the answer now", len(fewest))
		if was.Result == now.Result {
			v.Reason += "; the receipt in the file agrees with the figures now, so that the file was changed"
		}
		v.More = max(0, len(fewest)-maxDifferences)
		v.Differences = fewest[:len(fewest)-v.More]
	case sources:
		v.Outcome, v.Reason = "same", "dataset, plugin, request and result are those of the receipt"
		if !build {
			v.Reason += "; what depends on the build (coverage, caveats, digest of the request, fuel) is not compared, because another build or one without a version answered"
		}
	default:
		v.Outcome = "same_figures"
		var from []string
		for _, d := range []struct{ what, was, now string }{{"dataset", was.Dataset, now.Dataset}, {"plugin", was.Plugin, now.Plugin}} {
			if d.was != d.now {
				from = append(from, fmt.Sprintf("another %s (%s, not %s)", d.what, d.now, d.was))
			}
		}
		v.Reason = "from " + strings.Join(from, " and ")
	}
	return v, nil
}

func (v *verdict) write(w io.Writer) error {
	title := map[string]string{"same_figures": "same figures", "unchecked": "cannot be checked"}[v.Outcome]
	if title == "" {
		title = v.Outcome
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", title, v.Reason)
	for _, d := range v.Differences {
		fmt.Fprintf(&b, "  %s: %s in the file, %s now\n", d.At, shown(d.File), shown(d.Now))
	}
	if v.More > 0 {
		fmt.Fprintf(&b, "  and %d more\n", v.More)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// shown returns a value of JSON for one line of text.
func shown(v any) string {
	if v == nil {
		return "nothing"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	text := []rune(string(b))
	if len(text) > 80 {
		text = append(text[:80], '…')
	}
	return string(text)
}

// differences collects where two values of JSON differ.
type differences []difference

// compare compares two values of JSON. Numbers are equal if they are the same float or the
// same text; the order of an object's names does not count, as in JSON itself.
func (d *differences) compare(at string, was, now any) {
	switch was := was.(type) {
	case map[string]any:
		if now, ok := now.(map[string]any); ok {
			for _, name := range slices.Sorted(maps.Keys(union(was, now))) {
				d.compare(at+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(name), was[name], now[name])
			}
			return
		}
	case []any:
		if now, ok := now.([]any); ok {
			for i := range max(len(was), len(now)) {
				d.compare(at+"/"+strconv.Itoa(i), element(was, i), element(now, i))
			}
			return
		}
	case json.Number:
		if now, ok := now.(json.Number); ok && (was == now || sameFloat(was, now)) {
			return
		}
	default:
		if scalar(now) && was == now {
			return
		}
	}
	*d = append(*d, difference{at, was, now})
}

// scalar reports whether a value of JSON is neither an object nor an array.
func scalar(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return false
	default:
		return true
	}
}

func sameFloat(a, b json.Number) bool {
	x, err := a.Float64()
	y, err2 := b.Float64()
	return err == nil && err2 == nil && x == y
}

func union(a, b map[string]any) map[string]any {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

func element(list []any, i int) any {
	if i < len(list) {
		return list[i]
	}
	return nil
}
