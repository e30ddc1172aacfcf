package web

import (
	"cmp"
	"net/http"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Limits is what one job of a plugin may use.
type Limits struct {
	Memory, Result uint64 // bytes
	Fuel           int64
	Time           time.Duration
}

// pluginsPage is the data of the template "plugins".
type pluginsPage struct {
	frame

	Serving, Refused, Unfit []pluginView
}

type pluginView struct {
	question.PluginInfo
	question.Counts

	Key       string // unique on the page
	File      string // base name; strangers do not learn the folder or bucket
	Questions []link
	Limits    *Limits // nil if they are not known
	Counted   bool
	Reason    *question.Error // why it is not served
}

// plugins: GET /plugins.
func (s *Site) plugins(w http.ResponseWriter, _ *http.Request, v View) error {
	p := &pluginsPage{frame: s.frame(v, "/plugins", "Plugins")}
	var counts map[string]question.Counts
	if s.cfg.Counts != nil {
		counts = s.cfg.Counts()
	}
	for i, info := range s.cfg.Catalog.Plugins() {
		view := pluginView{PluginInfo: info, Key: "plugin-" + strconv.Itoa(i+1), File: path.Base(filepath.ToSlash(info.Source))}
		view.Counts, view.Counted = counts[info.Name]
		for _, name := range info.Questions {
			title := name
			if q := s.question(name); q != nil {
				title = cmp.Or(q.Title, name)
			}
			view.Questions = append(view.Questions, link{v.Under + "/q/" + url.PathEscape(name), title})
		}
		switch {
		case info.Serving:
			if s.cfg.Limits != nil {
				limits := s.cfg.Limits(info.Name)
				view.Limits = &limits
			}
			p.Serving = append(p.Serving, view)
		default:
			view.Counted = false // the counts are those of another plugin of this name
			view.Reason = info.Error
			if info.Error != nil && info.Error.Code.Info().Concealed {
				view.Reason = v.Fail(info.Error)
			}
			if len(info.Lacks) > 0 {
				p.Unfit = append(p.Unfit, view)
			} else {
				p.Refused = append(p.Refused, view)
			}
		}
	}
	slices.SortStableFunc(p.Refused, func(a, b pluginView) int { return cmp.Compare(a.File, b.File) })
	return s.send(w, http.StatusOK, "plugins", p)
}
