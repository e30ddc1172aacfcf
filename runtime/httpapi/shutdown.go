package httpapi

import (
	"net/http"
	"net/url"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// shutdown: GET and POST /api/graceful_shutdown. It does not end the process; the server
// does when the jobs are drained.
func (a *api) shutdown(w *response, r *http.Request, _ url.Values) error {
	if a.cfg.NoShutdown != "" {
		return question.Errorf(question.CodeForbidden, "there is no graceful shutdown here: %s", a.cfg.NoShutdown)
	}
	if err := a.mayShutDown(r); err != nil {
		return err
	}
	a.cfg.Jobs.Drain()
	status := "running"
	if a.cfg.Jobs.Drained() {
		status = "done"
	}
	w.sendJSON(http.StatusOK, marshal(map[string]string{"status": status}))
	return nil
}
