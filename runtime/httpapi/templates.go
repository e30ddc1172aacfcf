package httpapi

import (
	"embed"
	htmltemplate "html/template"
	"sync"
	texttemplate "text/template"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

//go:embed *.tmpl
var templates embed.FS

// The templates are parsed when they are first used, not when a process starts.
var (
	htmlTemplates = sync.OnceValue(func() *htmltemplate.Template {
		return htmltemplate.Must(htmltemplate.New("").Funcs(htmltemplate.FuncMap{"see": question.Visible}).ParseFS(templates, "*.html.tmpl"))
	})
	textIndex = sync.OnceValue(func() *texttemplate.Template {
		return texttemplate.Must(texttemplate.ParseFS(templates, "*.txt.tmpl"))
	})
)
