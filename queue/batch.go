package queue

import (
	"context"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// batch is what a waiting GetBatch or PutBatch carries. It is guarded by the queue's mutex.
type batch[T any] struct {
	items []T // of a put: what is left to be put; of a get: what was got
	max   int // of a get; 0: no bound
}

// PutBatch appends the items, as many at a time as there is room for, and waits for more room
// until all are in the queue. It keeps its turn until then: no other putter comes in between, but
// for items that are put into reserved places. It returns how many it has put, which is less than
// all only with an error: ctx.Err() if ctx ended first, or was done at the call, or ErrShutdown.
// Those are in the queue then, and the rest is not. With no items it does not wait, but returns
// these errors all the same: ErrShutdown also on a queue that was shut down before. The slice must
// not be changed before it returns.
func (q *AsyncQueue[T]) PutBatch(ctx context.Context, items []T) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, park.Failed(err)
	}
	b := &batch[T]{items: items}
	q.mu.Lock()
	if q.down {
		q.mu.Unlock()
		return 0, ErrShutdown
	}
	if len(items) == 0 || !q.full() { // so nobody waits to put, or it does not matter
		for done := false; !done; {
			done = q.storeBatch(b)
			if q.getters.Len() == 0 {
				break
			}
			q.match() // which may make room
			done = done || q.full()
		}
		if len(b.items) == 0 {
			q.mu.Unlock()
			return len(items), nil
		}
	}
	_, err := q.putters.WaitLocked(ctx, &q.mu, entry[T]{batch: b}, nil)
	return len(items) - len(b.items), err
}

// storeBatch stores from b for as long as there is room, and reports whether that was all. Getters that
// wait have their turn behind it, so that they can take several, and the least first. The mutex is held, as
// for match.
func (q *AsyncQueue[T]) storeBatch(b *batch[T]) bool {
	for len(b.items) > 0 && !q.full() {
		q.store(b.items[0], usual)
		b.items = b.items[1:]
	}
	return len(b.items) == 0
}

// popBatch takes at most limit items, all for 0. The mutex is held, as for match.
func (q *AsyncQueue[T]) popBatch(limit int) []T {
	n := q.len()
	if limit > 0 {
		n = min(n, limit)
	}
	out := make([]T, 0, n)
	for range n {
		out = append(out, q.pop(usual))
	}
	return out
}

// GetBatch waits for an item as Get does, and takes what is in the queue by then, in
// order: at most limit items, or all if limit ≤ 0. If ctx ends first, or is done at the call, it
// returns ctx.Err(), and ErrShutdown if the queue is shut down and empty; no item is
// taken then.
func (q *AsyncQueue[T]) GetBatch(ctx context.Context, limit int) ([]T, error) {
	if err := ctx.Err(); err != nil {
		return nil, park.Failed(err)
	}
	b := &batch[T]{max: max(limit, 0)}
	q.mu.Lock()
	if q.len() > 0 { // so nobody waits to get
		out := q.popBatch(b.max)
		q.match()
		q.mu.Unlock()
		return out, nil
	}
	if q.down {
		q.mu.Unlock()
		return nil, ErrShutdown
	}
	if _, err := q.getters.WaitLocked(ctx, &q.mu, entry[T]{batch: b}, nil); err != nil {
		return nil, err
	}
	return b.items, nil
}
