package jobs

import (
	"context"
	"log/slog"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Observer counts what becomes of jobs and of answers without one. It is safe for
// concurrent use, and does not wait: it is called while the pool is locked.
type Observer interface {
	// JobEnded is called once for each job, in the process that stored its outcome.
	JobEnded(job *question.Job)
	// JobRefused is called for each job that is not accepted although Runner.Check has
	// nothing against it.
	JobRefused(code question.Code)
	// JobRecovered is called for each job that Recover takes up.
	JobRecovered()
	// Answered is called for each run that Answer begins or shares, not for each of those
	// who wait for it: with the answer or the error, which is a *question.Error.
	Answered(name string, answer *question.Answer, err error)
}

// nobody is the Observer of a Config without one.
type nobody struct{}

// JobEnded implements Observer.
func (nobody) JobEnded(*question.Job) {}

// JobRefused implements Observer.
func (nobody) JobRefused(question.Code) {}

// JobRecovered implements Observer.
func (nobody) JobRecovered() {}

// Answered implements Observer.
func (nobody) Answered(string, *question.Answer, error) {}

// Load returns how many jobs and answers wait in this process for a worker, and how many
// workers have one, or store its outcome.
func (p *Pool) Load() (waits, runs int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.live {
		if e.phase == waiting {
			waits++
		} else {
			runs++
		}
	}
	for _, a := range p.askings {
		if a.begun {
			runs++
		} else {
			waits++
		}
	}
	return waits, runs
}

// Limits returns how many jobs may run at the same time, and how many more may wait.
func (p *Pool) Limits() (workers, intake int) { return p.cfg.Workers, p.cfg.Intake }

// ended counts and logs a job whose outcome this process has stored.
func (p *Pool) ended(job *question.Job) {
	p.cfg.Observer.JobEnded(job)
	attrs := make([]slog.Attr, 0, 8)
	attrs = append(attrs, slog.String("status", string(job.Status)), slog.Int("attempts", job.Attempts))
	if job.Error != nil {
		attrs = append(attrs, slog.String("code", string(job.Error.Code)))
	}
	if !job.Started.IsZero() {
		attrs = append(attrs,
			slog.Float64("waited_ms", ms(job.Started.Sub(job.Created))),
			slog.Float64("ran_ms", ms(job.Finished.Sub(job.Started))))
	}
	if job.Receipt != nil {
		attrs = append(attrs, slog.Int64("fuel", job.Receipt.Fuel))
	}
	if from := job.Provenance; from != nil {
		attrs = append(attrs, slog.String("plugin", from.Plugin), slog.String("digest", from.PluginDigest))
	}
	p.logLife(slog.LevelInfo, "job ended", job, attrs...)
}

// logLife logs what happens to a job, with the attributes that all lines of its life have:
// job, question, and where they are known request, trace and client.
func (p *Pool) logLife(level slog.Level, message string, job *question.Job, more ...slog.Attr) {
	ctx := context.Background()
	if !p.cfg.Log.Enabled(ctx, level) {
		return
	}
	p.mu.Lock()
	request := ""
	if e := p.live[job.ID]; e != nil {
		request = e.request
	}
	p.mu.Unlock()
	attrs := make([]slog.Attr, 0, 16)
	attrs = append(attrs, slog.String("job", job.ID), slog.String("question", job.Request.Question))
	for _, a := range []slog.Attr{
		slog.String("request", request), slog.String("trace", question.TraceID(job.Trace)), slog.String("client", job.Client),
	} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	p.cfg.Log.LogAttrs(ctx, level, message, append(attrs, more...)...)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
