package httpapi

import (
	"net/http"
	"path"
	"path/filepath"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// questions: GET /api/questions.
func (a *api) questions(w *response, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	w.sendJSON(http.StatusOK, marshal(struct {
		Status  string               `json:"status"`
		Data    []question.Offer     `json:"data"`
		Dataset question.DatasetInfo `json:"dataset"`
	}{"done", append([]question.Offer{}, a.cfg.Catalog.Offers()...), a.cfg.Dataset}))
	return nil
}

// plugins: GET /api/plugins.
func (a *api) plugins(w *response, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	infos := append([]question.PluginInfo{}, a.cfg.Catalog.Plugins()...)
	for i := range infos {
		info := &infos[i]
		// The folder or bucket is the operator's business; the log and the command line have it.
		// A file's name is whatever somebody gave it.
		info.Source = question.Visible(path.Base(filepath.ToSlash(info.Source)))
		if info.Error != nil {
			info.Error = public(info.Error, "")
		}
	}
	w.sendJSON(http.StatusOK, marshal(struct {
		Status string                `json:"status"`
		Data   []question.PluginInfo `json:"data"`
	}{"done", infos}))
	return nil
}

// health: GET /healthz. It says that the process answers, and asks nobody else.
func (a *api) health(w *response, _ *http.Request) error {
	w.probe = true
	w.sendJSON(http.StatusOK, marshal(map[string]string{"status": "ok", "version": a.cfg.Version}))
	return nil
}

// ready: GET /readyz. 200: the first job would be answered. Else 503, whatever the
// code.
func (a *api) ready(w *response, r *http.Request) error {
	w.probe = true
	if a.cfg.Jobs.Draining() {
		return question.Errorf(question.CodeShuttingDown, "no new jobs are accepted: the service is shutting down")
	}
	if len(a.cfg.Catalog.Offers()) == 0 {
		return said{question.Errorf(question.CodeNotReady, "there is no question to ask: no plugin is being served; /api/plugins says why")}
	}
	if a.cfg.Ready != nil {
		if err := a.cfg.Ready(r.Context()); err != nil {
			return err
		}
	}
	w.sendJSON(http.StatusOK, marshal(map[string]string{"status": "ready", "version": a.cfg.Version}))
	return nil
}
