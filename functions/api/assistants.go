package api

import (
	"context"
	"net/http"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/mcp"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// assistants returns the route of the Model Context Protocol, which asks as GET does.
func (m *Main) assistants(answer func(context.Context, question.Request) (*question.Answer, error)) (httpapi.Mount, error) {
	server, err := wire.NewMCP(m.base.Questions, mcp.Config{
		Answer: answer, Visible: httpapi.Visible, Version: m.cfg.Version, Log: m.cfg.Log, MaxWait: maxWait,
	})
	if err != nil {
		return httpapi.Mount{}, err
	}
	message := map[string]any{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
	return httpapi.Mount{
		ID: "mcp", Method: http.MethodPost, Path: "/mcp", Summary: "The questions as tools of an assistant (Model Context Protocol)",
		Description: "Streamable HTTP without sessions: one JSON-RPC message in, one out. Each question is a tool, with the parameters and the answers of GET; errors of a question are results with isError. `lestats mcp` offers the same without a server.",
		MediaType:   "application/json", Accepted: "The message needs no response.",
		Body: map[string]any{
			"type": "object", "required": []string{"jsonrpc", "method"},
			"properties": map[string]any{
				"jsonrpc": map[string]any{"const": "2.0"},
				"id": map[string]any{"anyOf": []map[string]any{
					{"type": "string"}, {"type": "integer", "exclusiveMinimum": -question.MaxExact, "exclusiveMaximum": question.MaxExact},
				}},
				"method": map[string]any{"type": "string", "minLength": 1}, "params": map[string]any{"type": []string{"object", "null"}},
			},
		},
		Example: message,
		Codes:   []question.Code{question.CodeMalformedJSON, question.CodeUnsupportedMediaType, question.CodeBadRequest, question.CodeTimeLimit},
		Serve:   server.Post,
	}, nil
}
