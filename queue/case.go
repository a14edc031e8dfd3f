package queue

import xsync "github.com/seed-1e54c410/turnstile/sync"

// GetCase returns the case of an xsync.Select that gets an item as [AsyncQueue.Get] does. If it
// wins without an error, the item is in v. Its error is ErrShutdown, if the queue is shut down and
// empty. A nil v panics.
func (q *AsyncQueue[T]) GetCase(v *T) xsync.Case {
	given(v != nil)
	return q.getCase(entry[T]{}, into(v))
}

// GetLastCase is GetCase for [AsyncQueue.GetLast].
func (q *AsyncQueue[T]) GetLastCase(v *T) xsync.Case {
	given(v != nil)
	return q.getCase(entry[T]{kind: other}, into(v))
}

// GetBatchCase is GetCase for [AsyncQueue.GetBatch]: if it wins without an error, the items are in
// items, in a new slice.
func (q *AsyncQueue[T]) GetBatchCase(limit int, items *[]T) xsync.Case {
	given(items != nil)
	b := &batch[T]{max: max(limit, 0)}
	return q.getCase(entry[T]{batch: b}, func(_ entry[T], err error) {
		if err == nil {
			*items, b.items = b.items, nil
		}
	})
}

// PutCase returns the case of an xsync.Select that puts v as [AsyncQueue.Put] does. Its error is
// ErrShutdown, if the queue is shut down.
func (q *AsyncQueue[T]) PutCase(v T) xsync.Case { return q.putCase(entry[T]{v: v}, nil) }

// PutFirstCase is PutCase for [AsyncQueue.PutFirst].
func (q *AsyncQueue[T]) PutFirstCase(v T) xsync.Case {
	return q.putCase(entry[T]{v: v, kind: other}, nil)
}

// ReserveCase is PutCase for [AsyncQueue.Reserve]: if it wins without an error, slot is a reserved
// place, which must be used or given back. So the item need not be made before there is room for it.
// A nil slot panics.
func (q *AsyncQueue[T]) ReserveCase(slot **Slot[T]) xsync.Case {
	given(slot != nil)
	return q.putCase(entry[T]{kind: reserve}, func(_ entry[T], err error) {
		if err == nil {
			*slot = &Slot[T]{q: q}
		}
	})
}

// JoinCase returns the case of an xsync.Select that wins when all items have been dealt with, see
// [AsyncQueue.Join].
func (q *AsyncQueue[T]) JoinCase() xsync.Case {
	return q.joiners.Case(&q.mu, struct{}{}, q.joined, nil)
}

// GetCase returns the case of an xsync.Select that gets the first item, see [AsyncQueue.GetCase].
func (q *AsyncPriorityQueue[T]) GetCase(v *T) xsync.Case { return q.q.GetCase(v) }

// GetBatchCase returns the case of an xsync.Select that gets the first items, see
// [AsyncQueue.GetBatchCase].
func (q *AsyncPriorityQueue[T]) GetBatchCase(limit int, items *[]T) xsync.Case {
	return q.q.GetBatchCase(limit, items)
}

// PutCase returns the case of an xsync.Select that puts v, see [AsyncQueue.PutCase].
func (q *AsyncPriorityQueue[T]) PutCase(v T) xsync.Case { return q.made().PutCase(v) }

// ReserveCase returns the case of an xsync.Select that reserves a place, see
// [AsyncQueue.ReserveCase].
func (q *AsyncPriorityQueue[T]) ReserveCase(slot **Slot[T]) xsync.Case {
	return q.made().ReserveCase(slot)
}

// JoinCase returns the case of an xsync.Select that wins when all items have been dealt with, see
// [AsyncQueue.Join].
func (q *AsyncPriorityQueue[T]) JoinCase() xsync.Case { return q.q.JoinCase() }

func given(ok bool) {
	if !ok {
		panic("queue: Case with a nil pointer")
	}
}

func (q *AsyncQueue[T]) getCase(e entry[T], got func(entry[T], error)) xsync.Case {
	return q.getters.MatchCase(&q.mu, e, q.takeGet, q.match, got)
}

func (q *AsyncQueue[T]) putCase(e entry[T], put func(entry[T], error)) xsync.Case {
	return q.putters.MatchCase(&q.mu, e, q.takePut, q.match, put)
}

// into is how an item that was got comes to v.
func into[T any](v *T) func(entry[T], error) {
	return func(e entry[T], err error) {
		if err == nil {
			*v = e.v
		}
	}
}
