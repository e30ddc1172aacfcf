package queue

import (
	"container/heap"
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Memory is a queue within this process. It is not bounded; whoever sends bounds it. Its
// methods are safe for concurrent use, and their errors are the context's.
type Memory struct {
	visibility time.Duration

	mu     sync.Mutex
	all    messages
	held   map[string]*message // by receipt, those that were received and not deleted
	serial uint64
	wake   chan struct{} // holds a token when a receiver should look
}

// message is a job's id in the queue. Memory.mu guards it.
type message struct {
	question.Message

	from   time.Time // when it is available
	serial uint64    // orders messages of the same time
	index  int       // in Memory.all
}

// NewMemory returns an empty queue. A message that was received is kept from other
// receivers for the visibility timeout.
func NewMemory(visibility time.Duration) *Memory {
	return &Memory{visibility: visibility, held: map[string]*message{}, wake: make(chan struct{}, 1)}
}

// Send adds a message.
func (q *Memory) Send(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.serial++
	heap.Push(&q.all, &message{Message: question.Message{ID: id}, from: time.Now(), serial: q.serial})
	q.signal()
	return nil
}

// Receive waits until there are messages and returns at most limit of them. When ctx ends
// it returns none.
func (q *Memory) Receive(ctx context.Context, limit int) ([]question.Message, error) {
	for ctx.Err() == nil {
		messages, next := q.take(max(limit, 1))
		if len(messages) > 0 {
			return messages, nil
		}
		timer := time.NewTimer(next)
		select {
		case <-q.wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.signal() // this call may have taken the token of another receiver
	return nil, nil
}

// take returns messages that are available, else the time until one is.
func (q *Memory) take(limit int) (taken []question.Message, next time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	for len(q.all) > 0 && len(taken) < limit && !q.all[0].from.After(now) {
		m := q.all[0]
		delete(q.held, m.Receipt)
		q.serial++
		m.Receipt = strconv.FormatUint(q.serial, 36)
		m.ReceiveCount++
		q.held[m.Receipt] = m
		q.move(m, now.Add(q.visibility))
		taken = append(taken, m.Message)
	}
	if len(q.all) == 0 {
		return taken, time.Hour
	}
	if next = q.all[0].from.Sub(now); next <= 0 {
		q.signal() // there are more
	}
	return taken, next
}

// Delete removes a message. One that was removed already, or is delivered to another
// receiver by now, is not an error.
func (q *Memory) Delete(ctx context.Context, m question.Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if held := q.held[m.Receipt]; held != nil {
		delete(q.held, m.Receipt)
		heap.Remove(&q.all, held.index)
	}
	return nil
}

// ChangeVisibility makes a message available again after d. It does nothing if the
// message was removed, or is delivered to another receiver by now.
func (q *Memory) ChangeVisibility(ctx context.Context, m question.Message, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if held := q.held[m.Receipt]; held != nil {
		q.move(held, time.Now().Add(d))
		q.signal()
	}
	return nil
}

func (q *Memory) move(m *message, from time.Time) {
	m.from = from
	heap.Fix(&q.all, m.index)
}

// signal has one receiver look. q.mu is held.
func (q *Memory) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// messages is a heap by time.
type messages []*message

func (h messages) Len() int { return len(h) }

func (h messages) Less(i, j int) bool {
	if h[i].from.Equal(h[j].from) {
		return h[i].serial < h[j].serial
	}
	return h[i].from.Before(h[j].from)
}

func (h messages) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *messages) Push(x any) {
	m := x.(*message) // only Send pushes
	m.index = len(*h)
	*h = append(*h, m)
}

// Pop implements heap.Interface.
func (h *messages) Pop() any {
	last := len(*h) - 1
	m := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return m
}
