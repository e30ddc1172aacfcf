// Package queue holds the queues that pass jobs from whoever accepted them to whoever
// runs them: Memory within a process, SQS between processes. A message holds only the
// job's id: the job is in the store. Each message is delivered at least once, in any
// order. Both pass the suite in queuetest.
package queue
