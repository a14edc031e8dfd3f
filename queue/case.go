package queue

import xsync "github.com/seed-1e54c410/turnstile/sync"

// GetCase returns the case of an xsync.Select that gets an item. If it wins without an error, the
// item is in v. Its error is ErrShutdown, if the queue is shut down and empty.
func (q *AsyncQueue[T]) GetCase(v *T) xsync.Case {
	return q.getters.Case(&q.mu, entry[T]{}, q.selectGet, func(e entry[T], err error) {
		if err == nil {
			*v = e.v
		}
	})
}

// PutCase returns the case of an xsync.Select that puts v. Its error is ErrShutdown, if the queue is
// shut down.
func (q *AsyncQueue[T]) PutCase(v T) xsync.Case {
	return q.putters.Case(&q.mu, entry[T]{v: v}, q.selectPut, nil)
}

// GetCase returns the case of an xsync.Select that gets the first item, see [AsyncQueue.GetCase].
func (q *AsyncPriorityQueue[T]) GetCase(v *T) xsync.Case { return q.q.GetCase(v) }

// PutCase returns the case of an xsync.Select that puts v, see [AsyncQueue.PutCase].
func (q *AsyncPriorityQueue[T]) PutCase(v T) xsync.Case { return q.made().PutCase(v) }

// selectGet is takeGet for a Select, which asks for newcomers, too: so it has to let the other side go.
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

func (q *AsyncQueue[T]) selected(e *entry[T], take func(*entry[T]) (bool, error)) (bool, error) {
	if q.heap != nil {
		defer q.heap.keepLocked()()
	}
	done, err := take(e)
	if done {
		q.match()
	}
	return done, err
}
