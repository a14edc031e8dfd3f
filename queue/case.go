package queue

import (
	"github.com/seed-1e54c410/turnstile/internal/park"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// GetCase returns the case of an xsync.Select that gets an item. If it wins without an error, the
// item is in v. Its error is ErrShutdown, if the queue is shut down and empty.
func (q *AsyncQueue[T]) GetCase(v *T) xsync.Case {
	return park.Settling(q.getters.Case(&q.mu, entry[T]{}, q.selectGet, func(e entry[T], err error) {
		if err == nil {
			*v = e.v
		}
	}), q.match)
}

// PutCase returns the case of an xsync.Select that puts v. Its error is ErrShutdown, if the queue is
// shut down.
func (q *AsyncQueue[T]) PutCase(v T) xsync.Case {
	return park.Settling(q.putters.Case(&q.mu, entry[T]{v: v}, q.selectPut, nil), q.match)
}

// GetCase returns the case of an xsync.Select that gets the first item, see [AsyncQueue.GetCase].
func (q *AsyncPriorityQueue[T]) GetCase(v *T) xsync.Case { return q.q.GetCase(v) }

// PutCase returns the case of an xsync.Select that puts v, see [AsyncQueue.PutCase].
func (q *AsyncPriorityQueue[T]) PutCase(v T) xsync.Case { return q.made().PutCase(v) }

// selectGet is takeGet for a Select, which asks for newcomers, too.
func (q *AsyncQueue[T]) selectGet(e *entry[T]) (bool, error) {
	if q.down && q.len() == 0 {
		return true, ErrShutdown
	}
	return q.selected(e, q.takeGet)
}

// selectPut is takePut for a Select.
func (q *AsyncQueue[T]) selectPut(e *entry[T]) (bool, error) {
	if q.down {
		return true, ErrShutdown
	}
	return q.selected(e, q.takePut)
}

// selected calls take, whose caller unlocks the mutex after a panic.
func (q *AsyncQueue[T]) selected(e *entry[T], take func(*entry[T]) (bool, error)) (bool, error) {
	if q.heap != nil {
		defer q.heap.keepLocked()()
	}
	return take(e)
}
