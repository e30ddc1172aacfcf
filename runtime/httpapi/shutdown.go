package httpapi

import (
	"net/http"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// shutdown: GET and POST /api/graceful_shutdown. It ends no process: whoever
// serves sees that the jobs are drained.
func (a *api) shutdown(w *response, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	if a.cfg.NoShutdown != "" {
		return question.Errorf(question.CodeNotHere, "there is no graceful shutdown here: %s", a.cfg.NoShutdown)
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
