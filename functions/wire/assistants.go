package wire

import (
	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/mcp"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/render"
)

// NewMCP returns what gives assistants the questions, with answers as GET has them. Of cfg,
// the caller sets who answers, what is visible, the version and the log.
func NewMCP(questions *Questions, cfg mcp.Config) (*mcp.Server, error) {
	cfg.Catalog, cfg.Schema, cfg.Dataset = questions, questions.Dataset, questions.Dataset.Info()
	cfg.Body, cfg.Rows = httpapi.DoneBody, render.AppendRowsJSON
	cfg.ErrorBody = func(e *question.Error) []byte { return httpapi.ErrorBody(e, "") }
	return mcp.New(cfg)
}
