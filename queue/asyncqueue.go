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
// Fairness: strictly by arrival, on both sides, whatever is put or got: one item, a batch, a
// reserved place. An item goes straight to the first getter that waits; room goes straight to the
// first putter that waits. Nobody who comes later can take either, and a Try call fails while its
// like are waiting.
//
// Cancellation: a canceled Put has not put, a canceled Get has not taken. If the item
// or the room was given first, the call succeeds all the same, and the cancel
// shows in the next wait with that context. No item is ever lost or delivered
// twice.
//
// Memory ordering: a put happens before the return of the get that takes its item; in a
// queue bounded to n, the i-th get happens before the return of the (i+n)-th put; each TaskDone
// happens before the return of a Join that it lets go.
type AsyncQueue[T any] struct {
	mu    sync.Mutex
	max   int // 0: no bound
	down  bool
	items ring.Ring[T]
	heap  *heap[T] // holds the items instead, in an AsyncPriorityQueue
	// Somebody is in getters only while there are no items, and in putters only while the
	// queue is full; in both only if all room is reserved.
	getters xsync.WaitQueue[entry[T]]
	putters xsync.WaitQueue[entry[T]]

	reserved   int // places of slots that are open
	unfinished int // items that were put, and neither reported done nor handed back
	joiners    xsync.WaitQueue[struct{}]
}

// entry is what a waiter carries.
type entry[T any] struct {
	v     T
	kind  kind
	batch *batch[T] // of GetBatch and PutBatch
}

// kind is what a waiter wants other than to put one item at the end, or to get the first one.
type kind uint8

const (
	usual   kind = iota
	other        // the item at the other end: PutFirst, GetLast
	reserve      // a place: Reserve
)

// New returns a queue that holds at most max items; max ≤ 0 sets no bound, unlike the 0 of a
// channel, which has no room at all.
func New[T any](max int) *AsyncQueue[T] {
	return &AsyncQueue[T]{max: max}
}

// Put waits for room, behind all who came before, and appends v. If ctx ends first, or is
// done at the call, it returns ctx.Err(), and ErrShutdown if the queue is shut
// down first; v is not in the queue then.
func (q *AsyncQueue[T]) Put(ctx context.Context, v T) error { return q.put(ctx, v, usual) }

// PutFirst is Put to the front: v is the next item to be got by Get.
func (q *AsyncQueue[T]) PutFirst(ctx context.Context, v T) error { return q.put(ctx, v, other) }

func (q *AsyncQueue[T]) put(ctx context.Context, v T, k kind) error {
	if err := ctx.Err(); err != nil {
		return park.Failed(err)
	}
	q.mu.Lock()
	if q.down {
		q.mu.Unlock()
		return ErrShutdown
	}
	if !q.full() { // so nobody waits to put
		q.insert(v, k)
		q.mu.Unlock()
		return nil
	}
	_, err := q.putters.WaitLocked(ctx, &q.mu, entry[T]{v: v, kind: k}, nil)
	return err
}

// TryPut appends v if there is room, and returns ErrFull if not, or ErrShutdown.
func (q *AsyncQueue[T]) TryPut(v T) error {
	q.mu.Lock()
	var err error
	switch {
	case q.down:
		err = ErrShutdown
	case q.full():
		err = ErrFull
	default:
		q.insert(v, usual)
	}
	q.mu.Unlock()
	return err
}

// Get waits for an item, behind all who came before, and takes the first one. If ctx ends
// first, or is done at the call, it returns ctx.Err(), and ErrShutdown if the queue is
// shut down and empty; no item is taken then.
func (q *AsyncQueue[T]) Get(ctx context.Context) (T, error) { return q.get(ctx, usual) }

// GetLast is Get from the end: it takes the item that was appended last.
func (q *AsyncQueue[T]) GetLast(ctx context.Context) (T, error) { return q.get(ctx, other) }

func (q *AsyncQueue[T]) get(ctx context.Context, k kind) (T, error) {
	var zero T
	if err := ctx.Err(); err != nil {
		return zero, park.Failed(err)
	}
	q.mu.Lock()
	if q.len() > 0 { // so nobody waits to get
		v := q.remove(k)
		q.mu.Unlock()
		return v, nil
	}
	if q.down {
		q.mu.Unlock()
		return zero, ErrShutdown
	}
	e, err := q.getters.WaitLocked(ctx, &q.mu, entry[T]{kind: k}, nil)
	return e.v, err
}

// TryGet takes the first item, or returns ErrEmpty, or ErrShutdown if the queue
// is shut down and empty.
func (q *AsyncQueue[T]) TryGet() (T, error) {
	q.mu.Lock()
	var v T
	err := ErrEmpty
	switch {
	case q.len() > 0:
		v, err = q.remove(usual), nil
	case q.down:
		err = ErrShutdown
	}
	q.mu.Unlock()
	return v, err
}

// What follows up to Len is called with the mutex held. In an AsyncPriorityQueue it may compare items, and
// a panic of the comparison unlocks the mutex: callers must not defer that.

// len returns the number of items.
func (q *AsyncQueue[T]) len() int {
	if q.heap != nil {
		return q.heap.len()
	}
	return q.items.Len()
}

// full reports whether a put has to wait.
func (q *AsyncQueue[T]) full() bool { return q.max > 0 && q.len()+q.reserved >= q.max }

// insert puts v into the queue, and hands it on if somebody waits for it. There is room.
func (q *AsyncQueue[T]) insert(v T, k kind) {
	q.store(v, k)
	if q.getters.Len() > 0 {
		q.match()
	}
}

// remove takes an item, and lets the first putter have its place. The queue is not empty.
func (q *AsyncQueue[T]) remove(k kind) T {
	v := q.pop(k)
	if q.putters.Len() > 0 {
		q.match()
	}
	return v
}

// store puts v into its place.
func (q *AsyncQueue[T]) store(v T, k kind) {
	switch {
	case q.heap != nil:
		q.heap.push(&q.mu, v)
	case k == other:
		q.items.PushFront(v)
	default:
		q.items.PushBack(v)
	}
	q.unfinished++
}

func (q *AsyncQueue[T]) pop(k kind) T {
	switch {
	case q.heap != nil:
		return q.heap.pop(&q.mu)
	case k == other:
		return q.items.PopBack()
	}
	return q.items.PopFront()
}

// match lets getters go for as long as there are items, and putters for as long as there is room. It is
// called after every change that made one or the other.
func (q *AsyncQueue[T]) match() {
	for moved := true; moved; {
		before := q.unfinished
		moved = q.getters.Len() > 0 && q.getters.Settle(q.takeGet) > 0
		moved = q.putters.Len() > 0 && q.putters.Settle(q.takePut) > 0 || moved || q.unfinished != before
	}
}

// takeGet gives the waiter items, if there are any. One of a Select may come to wait after a shutdown.
func (q *AsyncQueue[T]) takeGet(e *entry[T]) (bool, error) {
	switch {
	case q.len() == 0 && q.down:
		return true, ErrShutdown
	case q.len() == 0:
		return false, nil
	case e.batch != nil:
		e.batch.items = q.popBatch(e.batch.max)
	default:
		e.v = q.pop(e.kind)
	}
	return true, nil
}

// takePut stores what the waiter brings, if there is room; of a batch as much as there is room for. One of a Select
// may come to wait after a shutdown, and find room that was made since.
func (q *AsyncQueue[T]) takePut(e *entry[T]) (bool, error) {
	switch {
	case q.down:
		return true, ErrShutdown
	case e.batch != nil:
		return q.storeBatch(e.batch), nil
	case q.full():
		return false, nil
	case e.kind == reserve:
		q.reserved++
	default:
		q.store(e.v, e.kind)
	}
	return true, nil
}

// Len returns the number of items in the queue.
func (q *AsyncQueue[T]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.len()
}

// Cap returns the bound, 0 if there is none.
func (q *AsyncQueue[T]) Cap() int { return max(q.max, 0) }

// Empty reports whether a Get would wait at the moment, or fail.
func (q *AsyncQueue[T]) Empty() bool { return q.Len() == 0 }

// Full reports whether the queue holds as many items as it may, reserved places included: a Put
// would wait, or fail after Shutdown. A queue without a bound is never full.
func (q *AsyncQueue[T]) Full() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.full()
}

// Clear takes all items out of the queue and returns them in order. They count as done for
// Join. Putters that waited for room put their items now, as far as there is room.
func (q *AsyncQueue[T]) Clear() []T {
	q.mu.Lock()
	out := q.drain()
	q.match()
	q.done(len(out)) // at last: the items of putters are not done
	q.mu.Unlock()
	return out
}

// drain takes all items out. The mutex is held, as for match.
func (q *AsyncQueue[T]) drain() []T {
	if q.heap != nil {
		return q.heap.drain(&q.mu)
	}
	return q.items.Drain()
}

// Shutdown ends the queue: puts fail with ErrShutdown, those that wait and those into a
// reserved place included; gets return what is left and then ErrShutdown. It is idempotent.
func (q *AsyncQueue[T]) Shutdown() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.shutdown()
}

// ShutdownNow is Shutdown that also empties the queue and returns what was in
// it, in order. The items count as done for Join.
func (q *AsyncQueue[T]) ShutdownNow() []T {
	q.mu.Lock()
	q.shutdown()
	out := q.drain()
	q.done(len(out))
	q.mu.Unlock()
	return out
}

func (q *AsyncQueue[T]) shutdown() {
	q.down = true
	q.endWaits()
}

// endWaits ends the waits of a queue that is shut down.
func (q *AsyncQueue[T]) endWaits() {
	q.putters.Fail(-1, ErrShutdown)
	if q.len() == 0 {
		q.getters.Fail(-1, ErrShutdown)
	}
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
	Len        int        // items
	Reserved   int        // places that are reserved
	Unfinished int        // items that Join waits for
	Getters    int        // callers waiting for an item
	Putters    int        // callers waiting for room
	Joiners    int        // callers of Join that wait
	Who        *xsync.Who // who waits: for an item, for room, in Join; while core.Track is on, else nil
}

// Stats returns the state of the queue, for tests and diagnosis.
func (q *AsyncQueue[T]) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := Stats{
		Len: q.len(), Reserved: q.reserved, Unfinished: q.unfinished,
		Getters: q.getters.Len(), Putters: q.putters.Len(), Joiners: q.joiners.Len(),
		Who: q.getters.Who(),
	}
	for _, also := range []*xsync.Who{q.putters.Who(), q.joiners.Who()} {
		if s.Who != nil && also != nil { // tracking is turned on and off without a lock
			s.Who.Waiters = append(s.Who.Waiters, also.Waiters...)
		}
	}
	return s
}
