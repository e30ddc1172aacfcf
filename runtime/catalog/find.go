package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// maxFile bounds a .wasm file, in bytes.
const maxFile = 64 << 20

// find looks through the sources and loads what it finds.
func (c *Catalog) find(ctx context.Context) *snapshot {
	s := newSnapshot()
	digests := map[string]string{} // of what is served -> where it was found
	for _, source := range c.cfg.Sources {
		entries, err := fs.ReadDir(source.FS, ".") // sorted by name
		if err != nil {
			c.refuse(s, question.PluginInfo{Source: source.Name}, badPlugin("the folder cannot be read: %w", err))
		}
		for _, entry := range entries {
			if path.Ext(entry.Name()) != ".wasm" {
				continue
			}
			if ctx.Err() != nil {
				return s
			}
			info := question.PluginInfo{Source: source.Name}
			if source.Name != BuiltIn {
				info.Source = filepath.Join(source.Name, entry.Name())
			}
			wasm, err := readFile(source.FS, entry.Name())
			if err != nil {
				c.refuse(s, info, question.AsError(err))
				continue
			}
			info.Size = len(wasm)
			sum := sha256.Sum256(wasm)
			info.Digest = "sha256:" + hex.EncodeToString(sum[:])
			if first, ok := digests[info.Digest]; ok {
				// The same plugin again is no conflict: it is served once.
				c.cfg.Log.InfoContext(ctx, "the same plugin was found twice: it is served once", "source", info.Source, "first", first)
				continue
			}
			if c.take(ctx, s, info, wasm) {
				digests[info.Digest] = info.Source
			}
		}
	}
	return s
}

func badPlugin(format string, args ...any) *question.Error {
	return question.Errorf(question.CodeBadPlugin, format, args...)
}

func (c *Catalog) refuse(s *snapshot, info question.PluginInfo, err *question.Error) {
	c.cfg.Log.Warn("a plugin was refused", "source", info.Source, "code", err.Code, "reason", err.Reason)
	info.Error = err
	s.infos = append(s.infos, info)
}

// readFile reads a plugin's file. Errors have CodeBadPlugin.
func readFile(fsys fs.FS, name string) ([]byte, error) {
	f, err := openRegular(fsys, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	wasm, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, badPlugin("the file cannot be read: %w", err)
	case len(wasm) > maxFile:
		return nil, badPlugin("the file has more than %d MiB", maxFile>>20)
	}
	return wasm, nil
}

func openRegular(fsys fs.FS, name string) (fs.File, error) {
	info, err := fs.Stat(fsys, name) // before it is opened: opening a pipe can wait without end
	switch {
	case err != nil:
		return nil, badPlugin("the file cannot be read: %w", err)
	case !info.Mode().IsRegular():
		return nil, badPlugin("it is no regular file but %s", info.Mode())
	case info.Size() > maxFile:
		return nil, badPlugin("the file has %d bytes; at most %d MiB", info.Size(), maxFile>>20)
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, badPlugin("the file cannot be read: %w", err)
	}
	return f, nil
}

// take loads one plugin into s and reports whether it is served there.
func (c *Catalog) take(ctx context.Context, s *snapshot, info question.PluginInfo, wasm []byte) bool {
	p, err := c.cfg.Load(ctx, wasm)
	if err != nil {
		c.refuse(s, info, question.AsError(err))
		return false
	}
	m := p.Manifest()
	info.Name, info.Version, info.Title = m.Name, m.Version, m.Title
	for i := range m.Questions {
		info.Questions = append(info.Questions, m.Questions[i].Name)
	}
	if refusal := c.conflict(s, m); refusal != nil {
		if err := p.Close(context.WithoutCancel(ctx)); err != nil {
			c.cfg.Log.WarnContext(ctx, "a refused plugin did not close cleanly", "source", info.Source, "err", err)
		}
		c.refuse(s, info, refusal)
		return false
	}
	info.Serving = true
	s.infos = append(s.infos, info)
	h := newHolder(p, info.Source)
	s.held = append(s.held, h)
	for i := range m.Questions {
		q := &m.Questions[i]
		s.served[q.Name] = h
		s.all.Questions = append(s.all.Questions, question.Question{Name: q.Name})
		example, err := c.example(m, q)
		if err != nil {
			c.cfg.Log.WarnContext(ctx, "no request was found that a question answers", "question", q.Name, "source", info.Source, "err", err)
		}
		s.offers = append(s.offers, question.Offer{Question: q, Plugin: m.Name, Example: example})
	}
	return true
}

// conflict says which name of the plugin is not to be had.
func (c *Catalog) conflict(s *snapshot, m *question.Manifest) *question.Error {
	for _, h := range s.held {
		if other := h.plugin.Manifest(); other.Name == m.Name {
			return badPlugin("its name %q is taken: %s, version %s, is served already", m.Name, h.source, other.Version)
		}
	}
	for i := range m.Questions {
		name := m.Questions[i].Name
		if slices.Contains(c.cfg.Reserved, name) {
			return badPlugin("plugin %s: the name of its question %q is the host's, for its route /api/%s", m.Name, name, name)
		}
		if h, taken := s.served[name]; taken {
			return badPlugin("plugin %s: its question %q is answered already by plugin %s (%s)", m.Name, name, h.plugin.Manifest().Name, h.source)
		}
	}
	return nil
}

// example returns a request that can be answered: it gives what is required, and
// values of columns are taken from one row of the dataset, so that they occur
// together. The error says why there is none.
func (c *Catalog) example(m *question.Manifest, q *question.Question) (question.Request, error) {
	req := question.Request{Question: q.Name}
	var errs []error
	for _, all := range []bool{false, true} { // a default may be no value of this dataset: then it is given as well
		req.Params = c.exampleParams(m, q, all)
		_, err := m.Bind(req, c.cfg.Dataset)
		if err == nil {
			return req, nil
		}
		errs = append(errs, err)
	}
	return req, errors.Join(errs...)
}

func (c *Catalog) exampleParams(m *question.Manifest, q *question.Question, all bool) map[string]any {
	var given []*question.Param
	for i := range q.Params {
		p := &q.Params[i]
		if p.Required || all && p.Type == question.ParamColumn && p.Default != nil {
			given = append(given, p)
		}
	}
	if len(given) == 0 {
		return nil
	}
	params := make(map[string]any, len(given))
	var columns []*question.Column
	for _, p := range given {
		if p.Type != question.ParamColumn {
			params[p.Name] = exampleValue(p)
		} else if col, ok := c.cfg.Dataset.Column(p.Column); ok {
			columns = append(columns, col)
		}
	}
	if row, ok := c.exampleRow(m, columns); ok {
		for _, p := range given {
			if p.Type != question.ParamColumn {
				continue
			}
			if col, ok := c.cfg.Dataset.Column(p.Column); ok {
				params[p.Name] = jsonValue(col.Value(row))
			}
		}
	}
	return params
}

// exampleRow returns the first row that has a value in each of the columns, and
// in the measures that the plugin reads where there is such a row.
func (c *Catalog) exampleRow(m *question.Manifest, columns []*question.Column) (int, bool) {
	if len(columns) == 0 {
		return 0, false
	}
	var measures []*question.Column
	for _, need := range m.Columns {
		if col, ok := c.cfg.Dataset.Column(need.Name); ok && col.Role == question.RoleMeasure {
			measures = append(measures, col)
		}
	}
	usable := func(cols []*question.Column, row int) bool {
		for _, col := range cols {
			if v := col.Value(row); v == nil || v == "" {
				return false
			}
		}
		return true
	}
	second := -1
	for row := range columns[0].Len() {
		if !usable(columns, row) {
			continue
		}
		if usable(measures, row) {
			return row, true
		}
		if second < 0 {
			second = row
		}
	}
	return second, second >= 0
}

// exampleValue returns a value that the parameter, which is of no column, takes.
func exampleValue(p *question.Param) any {
	switch p.Type {
	case question.ParamChoice:
		return p.Choices[0]
	case question.ParamBoolean:
		return false
	default:
		v, round := 0.0, math.Ceil
		switch {
		case p.Min != nil:
			v = *p.Min
		case p.Max != nil && *p.Max < 0:
			v, round = *p.Max, math.Floor
		}
		if p.Type == question.ParamInteger {
			return jsonValue(int64(round(v)))
		}
		return v
	}
}

// jsonValue returns a value of the dataset as question.Request holds it; it
// shares no memory with the dataset.
func jsonValue(v any) any {
	switch v := v.(type) {
	case int64:
		return json.Number(strconv.FormatInt(v, 10))
	case string:
		return strings.Clone(v)
	default:
		return v
	}
}
