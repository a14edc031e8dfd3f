package event

import (
	"fmt"
	"sync"

	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// AsyncEventQueue is a log that every reader reads from where it has subscribed: each value that
// is emitted goes to all of them, in the order in which it was emitted. The zero value is an
// empty queue without a limit. It must not be copied after first use.
//
// Emitting never waits. A value is kept until all readers have read it, or, in a queue with a limit,
// until so many newer ones have come: a reader that is behind by more gets a *[LaggedError]
// once, and goes on with what is left. Without a limit a reader that neither reads nor is closed
// keeps everything. What is emitted while nobody has subscribed is dropped.
//
// Fairness: the calls that wait at one reader are served strictly by arrival. Readers do not
// depend on one another.
//
// Cancellation: a Read that is canceled has taken nothing, and the reader goes on where it was. If
// something was there first, it is returned all the same.
//
// Memory ordering: an Emit happens before the return of every Read that returns its value.
type AsyncEventQueue[T any] struct {
	mu     sync.Mutex
	limit  int // 0: none
	closed bool
	// The values are in slots from head up to tail, which is the empty one that comes next;
	// both are nil before the first reader.
	head, tail *slot[T]
	n          int // slots with a value
	free       *slot[T]
	nfree      int
	readers    int
	waiting    [2]*Reader[T] // first and last of those at which somebody may wait
}

// slot is a place in the log.
type slot[T any] struct {
	v       T
	seq     uint64
	readers int // those that read it next; in head also those that have lost their place
	next    *slot[T]
}

// maxFree bounds the slots a queue keeps for re-use.
const maxFree = 64

// LaggedError says that a reader was too slow, so that values were dropped which it had not read.
type LaggedError struct {
	Missed uint64 // how many, since the last value or error it got
}

// Error says how many values were missed.
func (e *LaggedError) Error() string { return fmt.Sprintf("event: reader lagged, %d missed", e.Missed) }

// NewAsyncEventQueue returns a queue that keeps the newest limit values for readers that are slow;
// limit ≤ 0 sets no limit.
func NewAsyncEventQueue[T any](limit int) *AsyncEventQueue[T] {
	return &AsyncEventQueue[T]{limit: max(limit, 0)}
}

// Subscribe returns a reader of what is emitted from now on. It has to be closed. On a closed
// queue it has nothing to read.
func (q *AsyncEventQueue[T]) Subscribe() *Reader[T] {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.tail == nil {
		q.tail = new(slot[T])
		q.head = q.tail
	}
	q.readers++
	q.tail.readers++
	return &Reader[T]{q: q, next: q.tail}
}

// Emit appends v for all readers and lets those go that wait for it. It never waits. It returns
// ErrClosed after Close, and nothing is appended then.
func (q *AsyncEventQueue[T]) Emit(v T) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	if q.readers == 0 {
		return nil
	}
	q.append(v)
	if q.limit > 0 && q.n > q.limit {
		q.evict()
	}
	for r := q.waiting[0]; r != nil; {
		next := r.links[1] // of a list that r may leave
		r.queue.Settle(r.take)
		if r.queue.Len() == 0 {
			r.unlist()
		}
		r = next
	}
	return nil
}

func (q *AsyncEventQueue[T]) append(v T) {
	next := q.free
	if next == nil {
		next = new(slot[T])
	} else {
		q.free, next.next = next.next, nil
		q.nfree--
	}
	next.seq = q.tail.seq + 1
	q.tail.v, q.tail.next = v, next
	q.tail = next
	q.n++
}

// evict drops the oldest value. Who has not read it keeps its slot, which leads nowhere, and so
// knows where it has been.
func (q *AsyncEventQueue[T]) evict() {
	old := q.head
	q.head = old.next
	q.head.readers += old.readers
	q.n--
	var zero T
	old.v, old.next = zero, nil
}

// compact drops the values that all readers have read.
func (q *AsyncEventQueue[T]) compact() {
	for q.head != q.tail && q.head.readers == 0 {
		s := q.head
		q.head = s.next
		q.n--
		if q.nfree == maxFree {
			continue
		}
		*s = slot[T]{next: q.free}
		q.free = s
		q.nfree++
	}
}

// Close ends the queue: Emit fails, and readers get ErrClosed once they have read the rest, those
// that wait now included. It is idempotent.
func (q *AsyncEventQueue[T]) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for r := q.waiting[0]; r != nil; r = q.waiting[0] {
		r.queue.Fail(-1, ErrClosed) // they have read the rest
		r.unlist()
	}
}

// Len returns the number of values that are kept, because a reader has not read them.
func (q *AsyncEventQueue[T]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.n
}

// EventQueueStats is what an AsyncEventQueue knows of itself at one moment.
type EventQueueStats struct {
	Len     int        // values that are kept
	Readers int        // readers that are not closed
	Waiting int        // calls that wait, at all readers
	Who     *xsync.Who // who waits, reader by reader, while core.Track is on; else nil
}

// Stats returns the state of the queue, for tests and diagnosis.
func (q *AsyncEventQueue[T]) Stats() EventQueueStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := EventQueueStats{Len: q.n, Readers: q.readers}
	for r := q.waiting[0]; r != nil; r = r.links[1] {
		s.Waiting += r.queue.Len()
		if who := r.queue.Who(); s.Who == nil {
			s.Who = who
		} else if who != nil { // tracking is turned on and off without a lock
			s.Who.Waiters = append(s.Who.Waiters, who.Waiters...)
		}
	}
	return s
}
