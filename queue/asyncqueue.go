// Package queue has queues between tasks and goroutines.
//
//   - [AsyncQueue] when items must arrive in order and none may get lost: both
//     ends are served strictly by arrival, putting and getting end with a context,
//     and the queue can be looked at, cleared and shut down.
//   - A channel when the program selects over several channels of goroutines, or
//     hands over a single value.
//
// The types work for ordinary goroutines and for the tasks of any number of
// dispatchers at the same time. In a task a wait also ends with dispatch.ErrClosed,
// once its dispatcher has closed and given up on the task. In a callback of a
// dispatcher a call that would have to wait panics.
package queue

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/seed-1e54c410/turnstile/internal/park"
	"github.com/seed-1e54c410/turnstile/internal/ring"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

var (
	// ErrFull is returned by TryPut when the queue is full, or others wait to put.
	ErrFull = errors.New("queue: full")
	// ErrEmpty is returned by TryGet when the queue is empty.
	ErrEmpty = errors.New("queue: empty")
	// ErrShutdown is returned by puts after Shutdown, and by gets after it once the
	// queue is empty.
	ErrShutdown = errors.New("queue: shut down")
)

// AsyncQueue is a double-ended queue with an optional bound. The zero value is an empty queue
// without a bound. It must not be copied after first use.
//
// Fairness: strictly by arrival, on both sides. An item goes straight to the first
// getter that waits; room goes straight to the first putter that waits. Nobody who comes
// later can take either, and a Try call fails while its like are waiting.
//
// Cancellation: a canceled Put has not put, a canceled Get has not taken. If the item
// or the room was given first, the call succeeds all the same, and the cancel
// shows in the next wait with that context. No item is ever lost or delivered
// twice.
//
// Memory ordering: a put happens before the return of the get that takes its item; in a
// queue bounded to n, the i-th get happens before the return of the (i+n)-th put.
type AsyncQueue[T any] struct {
	mu    sync.Mutex
	max   int // 0: no bound
	down  bool
	items ring.Ring[T]
	// Somebody is in getters only while items is empty, and in putters only while it is
	// full; so never in both.
	getters xsync.WaitQueue[entry[T]]
	putters xsync.WaitQueue[entry[T]]
}

// entry is what a waiter carries: the item, and whether it belongs to the other end
// than usual (PutFirst, GetLast).
type entry[T any] struct {
	v     T
	other bool
}

// New returns a queue that holds at most max items; max ≤ 0 sets no bound, other than
// the 0 of a channel.
func New[T any](max int) *AsyncQueue[T] {
	return &AsyncQueue[T]{max: max}
}

// Put waits for room, behind all who came before, and appends v. If ctx ends first, or is
// done at the call, it returns ctx.Err(), and ErrShutdown if the queue is shut
// down first; v is not in the queue then.
func (q *AsyncQueue[T]) Put(ctx context.Context, v T) error { return q.put(ctx, v, false) }

// PutFirst is Put to the front: v is the next item to be got by Get.
func (q *AsyncQueue[T]) PutFirst(ctx context.Context, v T) error { return q.put(ctx, v, true) }

func (q *AsyncQueue[T]) put(ctx context.Context, v T, first bool) error {
	if err := ctx.Err(); err != nil {
		return park.Failed(err)
	}
	q.mu.Lock()
	if q.down {
		q.mu.Unlock()
		return ErrShutdown
	}
	if !q.full() { // so nobody waits to put
		q.insert(v, first)
		q.mu.Unlock()
		return nil
	}
	_, err := q.putters.WaitLocked(ctx, &q.mu, entry[T]{v, first}, nil)
	return err
}

// TryPut appends v if there is room, and returns ErrFull if not, or ErrShutdown.
func (q *AsyncQueue[T]) TryPut(v T) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.down:
		return ErrShutdown
	case q.full():
		return ErrFull
	}
	q.insert(v, false)
	return nil
}

// Get waits for an item, behind all who came before, and takes the first one. If ctx ends
// first, or is done at the call, it returns ctx.Err(), and ErrShutdown if the queue is
// shut down and empty; no item is taken then.
func (q *AsyncQueue[T]) Get(ctx context.Context) (T, error) { return q.get(ctx, false) }

// GetLast is Get from the end: it takes the item that was appended last.
func (q *AsyncQueue[T]) GetLast(ctx context.Context) (T, error) { return q.get(ctx, true) }

func (q *AsyncQueue[T]) get(ctx context.Context, last bool) (T, error) {
	var zero T
	if err := ctx.Err(); err != nil {
		return zero, park.Failed(err)
	}
	q.mu.Lock()
	if q.items.Len() > 0 { // so nobody waits to get
		v := q.remove(last)
		q.mu.Unlock()
		return v, nil
	}
	if q.down {
		q.mu.Unlock()
		return zero, ErrShutdown
	}
	e, err := q.getters.WaitLocked(ctx, &q.mu, entry[T]{other: last}, nil)
	return e.v, err
}

// TryGet takes the first item, or returns ErrEmpty, or ErrShutdown if the queue
// is shut down and empty.
func (q *AsyncQueue[T]) TryGet() (T, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var zero T
	switch {
	case q.items.Len() > 0:
		return q.remove(false), nil
	case q.down:
		return zero, ErrShutdown
	}
	return zero, ErrEmpty
}

// full reports whether a put has to wait. The mutex is held.
func (q *AsyncQueue[T]) full() bool { return q.max > 0 && q.items.Len() >= q.max }

// insert hands v to the first getter, or stores it. There is room.
func (q *AsyncQueue[T]) insert(v T, first bool) {
	switch {
	case q.getters.Hand(entry[T]{v: v}):
	case first:
		q.items.PushFront(v)
	default:
		q.items.PushBack(v)
	}
}

// remove takes an item, and moves the item of the first putter into its place.
// The queue is not empty.
func (q *AsyncQueue[T]) remove(last bool) T {
	var v T
	if last {
		v = q.items.PopBack()
	} else {
		v = q.items.PopFront()
	}
	q.refill()
	return v
}

// refill lets putters go for as long as there is room.
func (q *AsyncQueue[T]) refill() {
	for e := q.putters.First(); e != nil && !q.full(); e = q.putters.First() {
		q.insert(e.v, e.other)
		q.putters.Grant()
	}
}

// Len returns the number of items in the queue.
func (q *AsyncQueue[T]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.items.Len()
}

// Cap returns the bound, 0 if there is none.
func (q *AsyncQueue[T]) Cap() int { return max(q.max, 0) }

// Empty reports whether a Get would wait at the moment, or fail.
func (q *AsyncQueue[T]) Empty() bool { return q.Len() == 0 }

// Full reports whether the queue holds as many items as it may: a Put would wait, or fail
// after Shutdown. A queue without a bound is never full.
func (q *AsyncQueue[T]) Full() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.full()
}

// Clear takes all items out of the queue and returns them in order. Putters that
// waited for room put their items now, as far as there is room.
func (q *AsyncQueue[T]) Clear() []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := q.items.Drain()
	q.refill()
	return out
}

// Shutdown ends the queue: puts fail with ErrShutdown, those that wait included;
// gets return what is left and then ErrShutdown. It is idempotent.
func (q *AsyncQueue[T]) Shutdown() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.shutdown()
}

// ShutdownNow is Shutdown that also empties the queue and returns what was in
// it, in order.
func (q *AsyncQueue[T]) ShutdownNow() []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.shutdown()
	return q.items.Drain()
}

func (q *AsyncQueue[T]) shutdown() {
	q.down = true
	q.putters.Fail(-1, ErrShutdown)
	q.getters.Fail(-1, ErrShutdown) // there are some only if the queue is empty
}

// All iterates over the items as Get returns them, until the queue is shut down and
// empty. Any other error, that of a ctx that ends above all, is yielded in the last step. A
// loop that breaks off leaves the rest in the queue.
func (q *AsyncQueue[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := q.Get(ctx)
			if errors.Is(err, ErrShutdown) {
				return
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// Stats is what a queue knows of itself at one moment.
type Stats struct {
	Len     int // items
	Getters int // callers waiting for an item
	Putters int // callers waiting for room
}

// Stats returns the state of the queue, for tests and diagnosis.
func (q *AsyncQueue[T]) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	return Stats{Len: q.items.Len(), Getters: q.getters.Len(), Putters: q.putters.Len()}
}
