package queue

import (
	"context"
	"iter"
)

// AsyncPriorityQueue is a queue with an optional bound whose first item is the least in an order
// that is given to [NewPriority]. It must be made by that: putting into a zero value panics. It
// must not be copied after first use.
//
// Items that are equal are got in the order in which they were put. An item that finds a getter
// waiting goes to it at once, since the queue is empty then; of a batch the least goes first. What
// waits for room has no place in the order yet.
//
// Fairness of the callers, cancellation and memory ordering are those of an [AsyncQueue]: both ends
// are served strictly by arrival, an urgent item does not overtake in the queue of those who wait for
// room, and no item is ever lost or delivered twice.
type AsyncPriorityQueue[T any] struct{ q AsyncQueue[T] }

// NewPriority returns a queue that holds at most max items, no bound for max ≤ 0. The
// least item is got first: cmp(a, b) is negative if a is to be got before b, and 0 if it does
// not matter, as in package slices. It is called with the queue locked, by whoever puts or gets: it
// must not wait, lock anything, use the queue, or panic. A nil cmp panics.
func NewPriority[T any](max int, cmp func(a, b T) int) *AsyncPriorityQueue[T] {
	if cmp == nil {
		panic("queue: NewPriority with a nil cmp")
	}
	return &AsyncPriorityQueue[T]{AsyncQueue[T]{max: max, heap: &heap[T]{cmp: cmp}}}
}

// made returns the queue below, which has an order.
func (q *AsyncPriorityQueue[T]) made() *AsyncQueue[T] {
	if q.q.heap == nil {
		panic("queue: AsyncPriorityQueue that was not made by NewPriority")
	}
	return &q.q
}

// Put waits for room, behind all who came before, and adds v. If ctx ends first, or is
// done at the call, it returns ctx.Err(), and ErrShutdown if the queue is shut
// down first; v is not in the queue then.
func (q *AsyncPriorityQueue[T]) Put(ctx context.Context, v T) error { return q.made().Put(ctx, v) }

// TryPut adds v if there is room, and returns ErrFull if not, or ErrShutdown.
func (q *AsyncPriorityQueue[T]) TryPut(v T) error { return q.made().TryPut(v) }

// PutBatch puts items in turn, as [AsyncQueue.PutBatch] does, and returns how many.
func (q *AsyncPriorityQueue[T]) PutBatch(ctx context.Context, items []T) (int, error) {
	return q.made().PutBatch(ctx, items)
}

// Reserve waits for room and keeps it for one item, as [AsyncQueue.Reserve] does.
func (q *AsyncPriorityQueue[T]) Reserve(ctx context.Context) (*Slot[T], error) {
	return q.made().Reserve(ctx)
}

// Get waits for an item, behind all who came before, and takes the least one. If ctx ends
// first, or is done at the call, it returns ctx.Err(), and ErrShutdown if the queue is
// shut down and empty; no item is taken then.
func (q *AsyncPriorityQueue[T]) Get(ctx context.Context) (T, error) { return q.q.Get(ctx) }

// TryGet takes the least item, or returns ErrEmpty, or ErrShutdown if the queue
// is shut down and empty.
func (q *AsyncPriorityQueue[T]) TryGet() (T, error) { return q.q.TryGet() }

// GetBatch waits for an item and takes what is there by then, the least first, as
// [AsyncQueue.GetBatch] does.
func (q *AsyncPriorityQueue[T]) GetBatch(ctx context.Context, limit int) ([]T, error) {
	return q.q.GetBatch(ctx, limit)
}

// TaskDone says that an item which was got has been dealt with. It panics if that was said of all
// items before.
func (q *AsyncPriorityQueue[T]) TaskDone() { q.q.TaskDone() }

// Join waits until TaskDone has been called for every item that was put, as [AsyncQueue.Join] does.
func (q *AsyncPriorityQueue[T]) Join(ctx context.Context) error { return q.q.Join(ctx) }

// Len returns the number of items in the queue.
func (q *AsyncPriorityQueue[T]) Len() int { return q.q.Len() }

// Cap returns the bound, 0 if there is none.
func (q *AsyncPriorityQueue[T]) Cap() int { return q.q.Cap() }

// Empty reports whether a Get would wait at the moment, or fail.
func (q *AsyncPriorityQueue[T]) Empty() bool { return q.q.Empty() }

// Full reports whether the queue holds as many items as it may, reserved places included: a Put
// would wait, or fail after Shutdown. A queue without a bound is never full.
func (q *AsyncPriorityQueue[T]) Full() bool { return q.q.Full() }

// Clear takes all items out of the queue and returns them, the least first. They count as done
// for Join. Putters that waited for room put their items now, as far as there is room.
func (q *AsyncPriorityQueue[T]) Clear() []T { return q.q.Clear() }

// Shutdown ends the queue: puts fail with ErrShutdown, those that wait included; gets
// return what is left and then ErrShutdown. It is idempotent.
func (q *AsyncPriorityQueue[T]) Shutdown() { q.q.Shutdown() }

// ShutdownNow is Shutdown that also empties the queue and returns what was in
// it, the least first. The items count as done for Join.
func (q *AsyncPriorityQueue[T]) ShutdownNow() []T { return q.q.ShutdownNow() }

// All iterates over the items as Get returns them, as [AsyncQueue.All] does.
func (q *AsyncPriorityQueue[T]) All(ctx context.Context) iter.Seq2[T, error] { return q.q.All(ctx) }

// Stats returns the state of the queue, for tests and diagnosis.
func (q *AsyncPriorityQueue[T]) Stats() Stats { return q.q.Stats() }
