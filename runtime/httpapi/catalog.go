package httpapi

import (
	"net/http"
	"net/url"
	"path"
	"path/filepath"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// questions: GET /api/questions.
func (a *api) questions(w *response, _ *http.Request, _ url.Values) error {
	w.sendJSON(http.StatusOK, marshal(struct {
		Status  string                    `json:"status"`
		Data    []question.ServedQuestion `json:"data"`
		Dataset question.DatasetInfo      `json:"dataset"`
	}{"done", append([]question.ServedQuestion{}, a.cfg.Catalog.Served()...), a.cfg.Dataset}))
	return nil
}

// plugins: GET /api/plugins.
func (a *api) plugins(w *response, _ *http.Request, _ url.Values) error {
	w.sendJSON(http.StatusOK, marshal(struct {
		Status string                `json:"status"`
		Data   []question.PluginInfo `json:"data"`
	}{"done", PublicPlugins(a.cfg.Catalog.Plugins())}))
	return nil
}

// PublicPlugins returns a copy that clients may see. They do not learn the folder or bucket,
// which the log and the command line have. It is not nil.
func PublicPlugins(all []question.PluginInfo) []question.PluginInfo {
	infos := append([]question.PluginInfo{}, all...)
	for i := range infos {
		info := &infos[i]
		// A file name may contain anything.
		info.Source = question.Visible(path.Base(filepath.ToSlash(info.Source)))
		if info.Error != nil {
			info.Error = public(info.Error, "")
		}
	}
	return infos
}

// health: GET /healthz. It answers without asking the store or the catalog.
func (a *api) health(w *response, _ *http.Request, _ url.Values) error {
	w.sendJSON(http.StatusOK, marshal(map[string]string{"status": "ok", "version": a.cfg.Version}))
	return nil
}

// ready: GET /readyz. It is 200 if a job would be answered now, else 503 with any code.
func (a *api) ready(w *response, r *http.Request, _ url.Values) error {
	if a.cfg.Jobs.Draining() {
		return question.Errorf(question.CodeShuttingDown, "no new jobs are accepted: the service is shutting down")
	}
	if len(a.cfg.Catalog.Served()) == 0 {
		return publicError{question.Errorf(question.CodeNotReady, "no plugin is being served, so there are no questions; /api/plugins says why")}
	}
	if a.cfg.Ready != nil {
		if err := a.cfg.Ready(r.Context()); err != nil {
			return err
		}
	}
	w.sendJSON(http.StatusOK, marshal(map[string]string{"status": "ready", "version": a.cfg.Version}))
	return nil
}
