package httpapi

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Statuses and CodeTexts are for tests of what is said of the codes.
var (
	Statuses  = statuses
	CodeTexts = codeTexts
)

type nothing struct{ Jobs }

type noOffers struct{}

func (noOffers) Plugins() []question.PluginInfo { return nil }
func (noOffers) Offers() []question.Offer       { return nil }

// Routes lists what the mux serves, as "GET /healthz"; not the HEAD of each GET.
func Routes(t *testing.T) []string {
	t.Helper()
	a := &api{mux: http.NewServeMux(), cfg: Config{Catalog: noOffers{}, Jobs: nothing{}}}
	a.register()
	var out []string
	for _, pattern := range a.routes {
		path := strings.NewReplacer("{id}", "x", "{question}", "q").Replace(pattern)
		h, _ := a.mux.Handler(httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		for _, method := range slices.Sorted(maps.Keys(h.(methods).actions)) {
			if method != http.MethodHead {
				out = append(out, method+" "+pattern)
			}
		}
	}
	return out
}
