package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

type pluginCmd struct {
	List pluginListCmd `cmd:"" help:"List plugins, and the questions that they answer."`
	Lock pluginLockCmd `cmd:"" help:"Write plugins.lock: the plugins that may be served from now on."`
}

type pluginListCmd struct {
	questionFlags `group:"Questions:"`
}

// Run lists what serve would serve. A plugin that is refused makes it fail, after
// everything has been listed.
func (c *pluginListCmd) Run(ctx context.Context, s *streams) (err error) {
	cfg := c.config()
	cfg.Log = slog.New(slog.DiscardHandler) // the list says what a log would
	questions, err := wire.OpenQuestions(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, questions.Close(context.WithoutCancel(ctx))) }()
	refused := 0
	for _, p := range questions.Plugins() {
		if !p.Serving {
			refused++
			fmt.Fprintf(s.out, "REFUSED  %s\n  %s\n\n", p.Source, p.Error.Reason)
			continue
		}
		fmt.Fprintf(s.out, "%s %s  %s\n  from %s, %d bytes, %s\n", p.Name, p.Version, p.Title, p.Source, p.Size, p.Digest)
		for _, o := range questions.Offers() {
			if o.Plugin == p.Name {
				fmt.Fprintf(s.out, "  %s\n      %s\n", signature(o.Question), o.Question.Title)
			}
		}
		fmt.Fprintln(s.out)
	}
	if refused > 0 {
		return fmt.Errorf("%d plugin(s) refused", refused)
	}
	return nil
}

// signature is the question as one would ask it: "state_mean question=... state=...".
func signature(q *question.Question) string {
	var b strings.Builder
	b.WriteString(q.Name)
	for i := range q.Params {
		p := &q.Params[i]
		word := fmt.Sprintf("%s=<%s>", p.Name, p.Type)
		if !p.Required {
			word = "[" + word + "]"
		}
		b.WriteString(" " + word)
	}
	return b.String()
}
