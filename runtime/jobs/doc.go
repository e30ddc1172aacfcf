// Package jobs accepts questions, runs them in a bounded pool and stores how each of them
// ended. It does not know Wasm, S3 or HTTP: a Runner answers, a Store keeps jobs, and a
// Queue passes them on.
//
// A job, as a client sees it:
//
//	            record in the store
//	Submit ────────────────────────▶ queued ◀───────────────────────────┐
//	   │                               │                                │ the lease of its run
//	   │ ended before its id           │ a worker takes it              │ is over, or the run
//	   │ was given out                 ▼                                │ was interrupted
//	   │                   ┌───────  running  ──────────────────────────┘
//	   │                   │           │   │
//	   │          answered │    Cancel │   │ error, panic, time limit,
//	   │                   ▼           ▼   ▼ or started too often
//	   └───────────────▶ done   cancelled  failed
//	                                   │   │
//	                                   └─┬─┘
//	                                     ▼ Retry
//	                            a new job that names this one
//
// done, failed and cancelled are final: the outcome that was stored first counts,
// whichever process stored it.
//
// Submit has a worker run the job, and waits for a short grace. If the job ends in that
// time, its outcome is all that is stored. If not, a record is stored while the job goes on
// running. A job for which no worker was free within the grace is recorded too, and its id
// is sent to the queue. So an id that was given out always has an outcome or a record.
//
// A record names a lease: how long the process that wrote it may take. A job whose record
// says that it is running is not started by another process within its lease. Recover finds
// the jobs whose lease is over, by the store's clock. Only such runs count towards
// MaxAttempts; interrupted runs are requeued and do not count. Two processes that start a job
// at the same moment, which no lease prevents, write the same number of attempts. That does
// no harm, because answers are pure.
//
// Inside the pool, a job moves through four phases:
//
//	waiting ──▶ running ──▶ ending ──▶ gone
//	   └───────────────────────┘
//
// Whoever moves it to ending (the worker that ran it, Cancel, the end of its lease, a
// caller whose time is up, or a Submit whose store or queue failed) is the only one to end it.
package jobs
