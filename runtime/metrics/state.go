package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// stateOf says whether a plugin is served, and if not, whether that is for its own sake or
// for the dataset's.
func stateOf(info *question.PluginInfo) (state pluginState) {
	switch {
	case info.Serving:
		return "serving"
	case info.Lacks != nil:
		return "unfit"
	default:
		return "refused"
	}
}

type pluginState string

// state collects what Sources say, at each scrape.
type state struct {
	sources Sources

	waiting, running, workers, intake *prometheus.Desc
	memoryUsed, memoryBudget          *prometheus.Desc
	plugins                           *prometheus.Desc
}

func newState(s Sources) *state {
	gauge := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(Prefix+name, help, labels, nil)
	}
	return &state{
		sources:      s,
		waiting:      gauge("jobs_waiting", "Jobs that wait in this process for a worker."),
		running:      gauge("jobs_running", "Jobs and answers that workers of this process compute, or store."),
		workers:      gauge("workers", "Jobs that this process runs at the same time, at most."),
		intake:       gauge("intake_limit", "Jobs that may wait in this process; more are refused with queue_full."),
		memoryUsed:   gauge("memory_used_bytes", "Memory that plugins and their jobs have reserved."),
		memoryBudget: gauge("memory_budget_bytes", "Memory that plugins and their jobs may reserve."),
		plugins:      gauge("plugins", "Plugins that were found, by state: serving, refused or unfit for the dataset.", "state"),
	}
}

// Describe implements prometheus.Collector.
func (s *state) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(s, to) }

// Collect implements prometheus.Collector.
func (s *state) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	waiting, running := s.sources.Jobs()
	gauge(s.waiting, float64(waiting))
	gauge(s.running, float64(running))
	gauge(s.workers, float64(s.sources.Workers))
	gauge(s.intake, float64(s.sources.Intake))
	used, budget := s.sources.Memory()
	gauge(s.memoryUsed, float64(used))
	gauge(s.memoryBudget, float64(budget))
	count := map[pluginState]int{"serving": 0, "refused": 0, "unfit": 0}
	all := s.sources.Plugins()
	for i := range all {
		count[stateOf(&all[i])]++
	}
	for name, n := range count {
		gauge(s.plugins, float64(n), string(name))
	}
}
