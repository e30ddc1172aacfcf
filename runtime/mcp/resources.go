package mcp

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// The resources: the dataset with its columns, and each dimension with its values.
const (
	datasetURI = "lestats://dataset"
	columnURI  = datasetURI + "/columns/"
	jsonType   = "application/json"
)

// columnInfo is a column in the resource of the dataset.
type columnInfo struct {
	Name  string        `json:"name"`
	Title string        `json:"title,omitempty"`
	Type  question.Type `json:"type"`
	Unit  string        `json:"unit,omitempty"`
	Role  question.Role `json:"role,omitempty"`
	// Values is the address of the resource with its values, of a dimension.
	Values string `json:"values,omitempty"`
}

// addResources registers the resources. They stay: a process has one dataset.
func (s *Server) addResources(server *sdk.Server) {
	server.AddResource(&sdk.Resource{
		URI: datasetURI, Name: s.cfg.Dataset.Name, Title: s.cfg.Dataset.Title, MIMEType: jsonType,
		Description: "The dataset: digest, source, licence, and its columns with their roles.",
	}, s.readDataset)
	columns := s.cfg.Schema.Columns()
	for i := range columns {
		if c := &columns[i]; c.Role == question.RoleDimension {
			server.AddResource(&sdk.Resource{
				URI: columnURI + url.PathEscape(c.Name), Name: c.Name, Title: c.Title, MIMEType: jsonType,
				Description: fmt.Sprintf("The values of the column %s.", c.Name),
			}, s.readColumn)
		}
	}
	server.AddResourceTemplate(&sdk.ResourceTemplate{
		URITemplate: columnURI + "{column}{?offset}", Name: "column", Title: "Values of a column", MIMEType: jsonType,
		Description: fmt.Sprintf("%d values of a column from an offset on.", maxLimit),
	}, s.readColumn)
}

func (s *Server) readDataset(_ context.Context, req *sdk.ReadResourceRequest) (*sdk.ReadResourceResult, error) {
	columns := s.cfg.Schema.Columns()
	infos := make([]columnInfo, len(columns))
	for i := range columns {
		c := &columns[i]
		infos[i] = columnInfo{Name: c.Name, Title: c.Title, Type: c.Type, Unit: c.Unit, Role: c.Role}
		if c.Role == question.RoleDimension {
			infos[i].Values = columnURI + url.PathEscape(c.Name)
		}
	}
	return content(req.Params.URI, struct {
		question.DatasetInfo

		Columns []columnInfo `json:"columns"`
	}{s.cfg.Dataset, infos})
}

func (s *Server) readColumn(_ context.Context, req *sdk.ReadResourceRequest) (*sdk.ReadResourceResult, error) {
	notFound := sdk.ResourceNotFoundError(req.Params.URI)
	u, err := url.Parse(req.Params.URI)
	if err != nil {
		return nil, notFound
	}
	name, err := url.PathUnescape(strings.TrimPrefix(u.EscapedPath(), "/columns/"))
	if err != nil {
		return nil, notFound
	}
	p := page{limit: maxLimit}
	if text := u.Query().Get("offset"); text != "" {
		if p.offset, err = strconv.Atoi(text); err != nil || p.offset < 0 {
			return nil, notFound
		}
	}
	body, _, err := s.column(name, p, func(string) bool { return true })
	if err != nil {
		return nil, notFound
	}
	if next := body.Page.Offset + body.Page.Rows; next < body.Page.Total {
		body.Next = fmt.Sprintf("%s%s?offset=%d", columnURI, url.PathEscape(name), next)
	}
	return content(req.Params.URI, body)
}

func content(uri string, body any) (*sdk.ReadResourceResult, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return &sdk.ReadResourceResult{Contents: []*sdk.ResourceContents{{URI: uri, MIMEType: jsonType, Text: string(b)}}}, nil
}
