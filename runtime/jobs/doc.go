// Package jobs accepts questions, runs them in a bounded pool and sees each of
// them to an end that the store remembers. It knows no Wasm, no S3 and no HTTP:
// a Runner answers, a Store keeps.
//
// A job, as a client sees it:
//
//	            room in the pool, and stored
//	Submit ────────────────────────────────────▶ queued ◀─────────────────┐
//	   │                                           │                      │ crash, Close, or an
//	   │ ended before its id was given out         │ a worker takes it    │ outcome that the store
//	   │                                           ▼                      │ would not take
//	   │                          ┌──────────── running ──────────────────┘
//	   │                          │            │       │
//	   │                 answered │     Cancel │       │ error, panic, time limit,
//	   │                          ▼            ▼       ▼ or started too often
//	   └──────────────────────▶ done      cancelled  failed
//	                                           │       │
//	                                           └───┬───┘
//	                                               ▼ Retry
//	                                    a new job that names this one
//
// Cancel takes a queued job straight to cancelled. done, failed and cancelled are
// final: the outcome that was stored first is the truth, whoever stored it.
//
// What is in the store, in this order: the pending record, then (the id is given
// out), then the outcome, then the pending record is removed. A job that ends
// within Config.Grace stores its outcome alone. So an id that was given out
// always has one or the other, and what a dead process left behind is a pending
// record, which is run again. Running a job twice does no harm: answers are pure.
//
// Inside, a job that this process has in hand moves through four phases:
//
//	waiting ──▶ running ──▶ settling ──▶ gone
//	   └──────── Cancel ───────┘
//
// Whoever moves it to settling (the worker that ran it, Cancel, or a Submit whose
// store failed) alone ends it. If the store does not take the outcome, the job is
// let go: it stays pending in the store and is taken up again later.
//
// A process that stands still between requests, as a cloud function does, has
// Config.Frozen: nothing happens there but while somebody waits for it. A job that
// does not end within Grace is given away (Config.Hand) and leaves the pool, pending
// in the store; who gets it calls Run.
package jobs
