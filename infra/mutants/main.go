// Mutants breaks runtime/jobs in one way after the other and checks that its model test
// notices: a test that every mutant passes proves nothing. `make mutants` runs it. It
// changes no file: the go command is given each mutant as an overlay.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const room = "runtime/jobs"

// mutant is one fault: in a file, this text becomes that one.
type mutant struct{ file, old, text, why string }

var mutants = []mutant{
	{"recover.go", "l.from.Before(p.cfg.AloneSince)", "true", "every record of others is stale at once"},
	{"recover.go", "l.from.Before(p.cfg.AloneSince)", "!p.cfg.AloneSince.IsZero()", "who was alone once is alone for ever"},
	{"recover.go", "l.from.Before(p.cfg.AloneSince)", "false", "who is alone waits for leases all the same"},
	{"recover.go", "maxLease)).Sub(now)", "maxLease)).Sub(p.cfg.now())", "leases run by the clock of this machine"},
	{"recover.go", "l.length, l.damaged = job.Lease, false", "l.length, l.damaged = 0, false", "the lease that a record names is ignored"},
	{"recover.go", "_, err = p.take(ctx, id, job)", "err = nil", "lost jobs are found and not run"},
	{"recover.go", "err = p.sendAgain(ctx, job)", "err = nil", "lost jobs are found and not sent"},
	{"recover.go", "next.Status, next.Started, next.Lease = question.Queued, time.Time{}, p.cfg.queueLease", "_ = time.Time{}", "a job that is sent again looks as if it ran"},
	{"recover.go", "if e.idle() && !seen[id] &&", "if seen[id] &&", "a job that waits here and ended elsewhere is waited for, for ever"},
	{"recover.go", "case written.After(now.Add(ahead)):", "case false:", "a clock that was set back hides the jobs that were recorded before"},
	{"pool.go", "p.wg.Go(p.recoverAgain)", "_ = p.recoverAgain", "recovery is off"},
	{"run.go", "if time.Since(e.since) > believed {", "if time.Since(e.since) > believed && false {", "the record is not read again before a start"},
	{"run.go", "if recorded && time.Until(covered) < p.lease {", "if recorded && covered.IsZero() {", "a job that waited too long is started unseen"},
	{"run.go", "if left > 0 {", "if left > 0 && false {", "the lease of a run elsewhere is ignored"},
	{"run.go", "case stored.Status == question.Running: // elsewhere", "case false: // elsewhere", "a run elsewhere is not seen"},
	{"run.go", "job.Status, job.Started, job.Lease = question.Running, p.now(), p.lease\n\tjob.Attempts++", "job.Status, job.Started, job.Lease = question.Running, p.now(), p.lease", "starts are not counted"},
	{"run.go", "job.Status, job.Started, job.Lease = question.Running, p.now(), p.lease\n\tjob.Attempts++", "job.Status, job.Started, job.Lease = question.Running, p.now(), p.lease\n\tjob.Attempts += 3", "one start counts as three"},
	{"run.go", "if stored.Attempts >= p.cfg.MaxAttempts {", "if stored.Attempts > p.cfg.MaxAttempts {", "one start more than allowed"},
	{"run.go", "if stored.Attempts >= p.cfg.MaxAttempts {", "if stored.Attempts+1 >= p.cfg.MaxAttempts {", "one start less than allowed"},
	{"run.go", "case fate == requeueRecord && e.begun:", "case false && e.begun:", "a run that was interrupted counts"},
	{"run.go", "err = p.store.PutPending(ctx, next)", "err = ctx.Err()", "a start is not noted"},
	{"run.go", "p.end(e, nil, heldError{p.lease}, keepRecord)", "p.end(e, nil, heldError{p.lease}, removeRecord)", "a run whose lease is over takes its record along"},
	{"run.go", "err == nil && job.Status.Final() && p.tryClaim(e) {", "err == nil && job == nil && p.tryClaim(e) {", "a cancellation elsewhere is not seen"},
	{"run.go", "if err := p.runner.Refresh(ctx); err != nil {", "if err := ctx.Err(); err != nil {", "new questions are not looked for"},
	{"run.go", "job.Returned >= maxReturns ||", "true ||", "a job whose question is not known here fails at once"},
	{"run.go", "job.Returned >= maxReturns ||", "", "a job whose question nobody knows is passed on for ever"},
	{"run.go", "\tcase fate == removeRecord:\n\t\tp.deletePending(e.id)", "\tcase fate == removeRecord:", "the record of a job that ended stays"},
	{"take.go", "err = p.cfg.Queue.ChangeVisibility(ctx, m, after)", "err = p.store.DeletePending(ctx, m.ID)\n\t\t_ = after", "a second delivery deletes the record"},
	{"take.go", "err = p.cfg.Queue.ChangeVisibility(ctx, m, after)", "err = p.cfg.Queue.ChangeVisibility(ctx, m, after+time.Hour)", "a message that comes too early comes again much later"},
	{"submit.go", "err := p.put(e, &job) //nolint:contextcheck // see Pool.call", "err := error(nil)", "a job is accepted without a record"},
	{"submit.go", "if err == nil && waits && p.cfg.Queue != nil {", "if waits && false {", "a job that waits is not sent"},
	{"submit.go", "leaves := err != nil || waits && !p.cfg.Receive", "leaves := err != nil", "a job that others run stays in hand"},
	{"read.go", "late := e.phase == waiting && (over || time.Since(e.looked) > watchEvery)", "late := e.phase == ending && over", "a job that waits too long is not looked for elsewhere"},
	{"read.go", "for _, job := range page.Jobs {", "for _, job := range page.Jobs[:0] {", "jobs of other processes are not listed"},
	{"once.go", "if err == nil && first.Job == e.id {", "if err == nil {", "a key that another request has is not seen"},
	{"once.go", "} else if e != nil {", "} else if e != nil && false {", "nobody takes over a job that a key claims and nobody accepted"},
	{"once.go", "p.admit(ctx, req, retryOf, first.Job)", `p.admit(ctx, req, retryOf, "")`, "who takes over a job gives it another id"},
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run() error {
	folder, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	begin := time.Now()
	if out, survived := test(); !survived {
		return fmt.Errorf("the test fails without a mutant:\n%s", out)
	}
	survivors := 0
	for _, m := range mutants {
		verdict := "caught  "
		if caught, err := m.caught(folder); err != nil {
			verdict = fmt.Sprintf("BROKEN: %v\n        ", err)
			survivors++
		} else if !caught {
			verdict = "SURVIVES"
			survivors++
		}
		fmt.Fprintf(os.Stdout, "%s  %-11s %s\n", verdict, m.file, m.why)
	}
	fmt.Fprintf(os.Stdout, "%d mutants, %v\n", len(mutants), time.Since(begin).Round(time.Second))
	if survivors > 0 {
		return fmt.Errorf("%d mutants are not caught", survivors)
	}
	return nil
}

// caught reports whether the model test fails with the mutant.
func (m mutant) caught(folder string) (bool, error) {
	path, err := filepath.Abs(filepath.Join(room, m.file))
	if err != nil {
		return false, err
	}
	source, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	if n := bytes.Count(source, []byte(m.old)); n != 1 {
		return false, fmt.Errorf("the text %q is there %d times, not once: adapt the mutant", m.old, n)
	}
	changed, overlay := filepath.Join(folder, m.file), filepath.Join(folder, "overlay.json")
	if err := os.WriteFile(changed, bytes.Replace(source, []byte(m.old), []byte(m.text), 1), 0o600); err != nil { //nolint:gosec // the table says where
		return false, err
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		return false, err
	}
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		return false, err
	}
	out, survived := test("-overlay", overlay)
	if strings.Contains(out, "[build failed]") {
		return false, fmt.Errorf("it does not compile:\n%s", out)
	}
	return !survived, nil
}

// test runs the model test and reports whether it passes. One that hangs does not.
func test(args ...string) (out string, passes bool) {
	args = append([]string{"test", "-vet=off", "-failfast", "-timeout", "60s", "-run", "TestModel"}, args...)
	b, err := exec.CommandContext(context.Background(), "go", append(args, "./"+room)...).CombinedOutput() //nolint:gosec // of this file
	return string(b), err == nil
}
