package api

import (
	"context"

	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// ownJobs are the jobs as the client sees them that a request comes from: one with a named
// key sees its own, and asks the questions that the key is for. Another client's job is
// answered as one that does not exist.
type ownJobs struct{ httpapi.Jobs }

// mine returns nil if the client of ctx may see a job.
func mine(ctx context.Context, job *question.Job) error {
	if question.OriginOf(ctx).Client.Sees(job) {
		return nil
	}
	return question.UnknownJob(job.ID)
}

// find returns the job with an id if the client of ctx may see it.
func (o ownJobs) find(ctx context.Context, id string) (*question.Job, error) {
	job, err := o.Jobs.Get(ctx, id)
	if err == nil {
		err = mine(ctx, job)
	}
	if err != nil {
		return nil, err
	}
	return job, nil
}

// check returns nil if the client of ctx may see the job with an id. A client that sees all
// jobs does without the look.
func (o ownJobs) check(ctx context.Context, id string) error {
	if question.OriginOf(ctx).Client.SeesAll() {
		return nil
	}
	_, err := o.find(ctx, id)
	return err
}

// Answer implements httpapi.Jobs.
func (o ownJobs) Answer(ctx context.Context, req question.Request) (*question.Answer, error) {
	if err := question.OriginOf(ctx).Client.May(req.Question); err != nil {
		return nil, err
	}
	return o.Jobs.Answer(ctx, req)
}

// Submit implements httpapi.Jobs.
func (o ownJobs) Submit(ctx context.Context, req question.Request) (*question.Job, error) {
	if err := question.OriginOf(ctx).Client.May(req.Question); err != nil {
		return nil, err
	}
	return o.Jobs.Submit(ctx, req)
}

// Get implements httpapi.Jobs.
func (o ownJobs) Get(ctx context.Context, id string) (*question.Job, error) { return o.find(ctx, id) }

// Wait implements httpapi.Jobs.
func (o ownJobs) Wait(ctx context.Context, id string) (*question.Job, error) {
	if err := o.check(ctx, id); err != nil {
		return nil, err
	}
	return o.Jobs.Wait(ctx, id)
}

// Cancel implements httpapi.Jobs.
func (o ownJobs) Cancel(ctx context.Context, id string) (*question.Job, error) {
	if err := o.check(ctx, id); err != nil {
		return nil, err
	}
	return o.Jobs.Cancel(ctx, id)
}

// Retry implements httpapi.Jobs. The key may have been for more questions when the job was
// submitted.
func (o ownJobs) Retry(ctx context.Context, id string) (*question.Job, error) {
	if client := &question.OriginOf(ctx).Client; client.Questions != nil || !client.SeesAll() {
		job, err := o.find(ctx, id)
		if err != nil {
			return nil, err
		}
		if err := client.May(job.Request.Question); err != nil {
			return nil, err
		}
	}
	return o.Jobs.Retry(ctx, id)
}

// Watch implements httpapi.Jobs.
func (o ownJobs) Watch(ctx context.Context, id string) (<-chan *question.Job, error) {
	if err := o.check(ctx, id); err != nil {
		return nil, err
	}
	return o.Jobs.Watch(ctx, id)
}

// List implements httpapi.Jobs.
func (o ownJobs) List(ctx context.Context, f question.JobFilter, before string, limit int) (question.JobPage, error) {
	if client := &question.OriginOf(ctx).Client; !client.SeesAll() {
		f.Client = client.Name
	}
	return o.Jobs.List(ctx, f, before, limit)
}

// Unfinished implements httpapi.Jobs. To count one client's jobs would take a look at those
// of others.
func (o ownJobs) Unfinished(ctx context.Context) (int, error) {
	if client := &question.OriginOf(ctx).Client; !client.SeesAll() {
		return 0, question.Errorf(question.CodeForbidden, "the number is that of all clients' jobs, and needs an admin key; GET /api/jobs lists those of %q", client.Name)
	}
	return o.Jobs.Unfinished(ctx)
}
