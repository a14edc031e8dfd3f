package queue

import (
	"context"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// Slot is a place in an [AsyncQueue] or [AsyncPriorityQueue] that is kept for one item. It is made
// by Reserve, and ends with Put or Release, one of which must follow. It may be used from any
// goroutine.
type Slot[T any] struct {
	q    *AsyncQueue[T]
	used bool // guarded by q.mu
}

// Reserve waits for room as Put does, and keeps it for the item that the caller makes then: so
// nothing is made that cannot be put, and a cancel comes before the work. If ctx ends first, or is
// done at the call, it returns ctx.Err(), and ErrShutdown if the queue is shut down first; nothing
// is reserved then. The place counts as taken until the slot ends; the item's place in the order
// is that of its Put.
//
//	slot, err := q.Reserve(ctx)
//	if err != nil {
//		return err
//	}
//	defer slot.Release()
//	v, err := produce(ctx)
//	if err != nil {
//		return err
//	}
//	return slot.Put(v)
func (q *AsyncQueue[T]) Reserve(ctx context.Context) (*Slot[T], error) {
	if err := ctx.Err(); err != nil {
		return nil, park.Failed(err)
	}
	q.mu.Lock()
	switch {
	case q.down:
		q.mu.Unlock()
		return nil, ErrShutdown
	case !q.full(): // so nobody waits to put
		q.reserved++
		q.mu.Unlock()
	default:
		if _, err := q.putters.WaitLocked(ctx, &q.mu, entry[T]{kind: reserve}, nil); err != nil {
			return nil, err
		}
	}
	return &Slot[T]{q: q}, nil
}

// Put puts v into the queue, at the end, without waiting, and ends the slot. After a Shutdown it
// returns ErrShutdown; v is not in the queue then. On a slot that has ended it panics.
func (s *Slot[T]) Put(v T) error {
	q := s.q
	q.mu.Lock()
	if s.used {
		q.mu.Unlock()
		panic("queue: Put into a Slot that has ended")
	}
	s.used = true
	q.reserved--
	if q.down {
		q.mu.Unlock()
		return ErrShutdown
	}
	q.insert(v, usual)
	q.mu.Unlock()
	return nil
}

// Release gives the place back without an item, and ends the slot. On a slot that has ended it does
// nothing, so that it can be deferred.
func (s *Slot[T]) Release() {
	q := s.q
	q.mu.Lock()
	if !s.used {
		s.used = true
		q.reserved--
		q.match()
	}
	q.mu.Unlock()
}
