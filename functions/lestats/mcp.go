package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/mcp"
)

type mcpCmd struct {
	wire.QuestionsConfig `group:"Questions:" set:"time_limit=30s"`

	logFlags `group:"Log:"`
}

// Help is what `lestats mcp --help` adds.
func (mcpCmd) Help() string {
	return `Each question is a tool of the Model Context Protocol. An assistant starts this command and speaks with it over standard input and output; it ends with the input. Plugins that come and go in the folder change the tools at once. A server has the same at /mcp.

Register it, with the path that "which lestats" prints:

  claude mcp add lestats -- /usr/local/bin/lestats mcp
  code --add-mcp '{"name":"lestats","command":"/usr/local/bin/lestats","args":["mcp"]}'

Claude Desktop (claude_desktop_config.json) and Cursor (~/.cursor/mcp.json):

  {"mcpServers":{"lestats":{"command":"/usr/local/bin/lestats","args":["mcp"]}}}

With a server, and its key if it has one:

  claude mcp add --transport http lestats http://127.0.0.1:8080/mcp --header "X-Api-Key: $KEY"

Examples:

  lestats mcp
  lestats mcp --data cdc.csv --plugins ./my-plugins`
}

// mcpClose bounds how long the command takes to end: an assistant that closes the input kills it soon.
const mcpClose = 5 * time.Second

// Run answers until standard input ends or a signal arrives.
func (c *mcpCmd) Run(ctx context.Context, s *streams) (err error) {
	if c.Data == "-" {
		return errors.New("--data - is standard input, on which the assistant speaks; name a file")
	}
	log, err := c.open(exact(s.err))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	c.Log, c.Version = log.Logger, version
	questions, err := wire.OpenLiveQuestions(ctx, c.QuestionsConfig)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), mcpClose)
		defer cancel()
		err = errors.Join(err, questions.Close(closing))
	}()
	server, err := wire.NewMCP(questions, mcp.Config{Answer: questions.Answer, Version: version, Log: log.Logger, MaxWait: c.TimeLimit, Push: true})
	if err != nil {
		return err
	}
	if err := server.Run(ctx, os.Stdin, unchanged(s.out)); ctx.Err() == nil {
		return err
	}
	return nil // it was told to end
}
