package broken

import (
	"context"
	"slices"
	"sync"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/queue"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// room is the putting side of a queue, as it should be.
type room struct {
	mu      sync.Mutex
	limit   int
	items   []int
	putters xsync.WaitQueue[int]
	arrived func() // an item is there; the mutex is free
}

func (r *room) Put(ctx context.Context, v int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	if len(r.items) < r.limit {
		r.items = append(r.items, v)
		r.mu.Unlock()
		r.arrived()
		return nil
	}
	_, err := r.putters.WaitLocked(ctx, &r.mu, v, nil)
	return err
}

func (r *room) Len() int { return len(r.items) }

// take takes the first item, and lets a putter go.
func (r *room) take() int {
	r.mu.Lock()
	v := r.items[0]
	r.items = r.items[1:]
	w := r.putters.First()
	if w != nil {
		r.items = append(r.items, *w)
		r.putters.Grant()
	}
	r.mu.Unlock()
	if w != nil {
		r.arrived()
	}
	return v
}

// dropsHanded is a queue whose getter, when it is canceled after an item was handed to it, drops the item.
type dropsHanded struct {
	room
	line line[int]
}

func newDropsHanded(limit int) *dropsHanded {
	q := &dropsHanded{room: room{limit: limit}}
	q.arrived = func() {
		if len(q.line.waiting) > 0 {
			q.line.pop(q.take())
		}
	}
	return q
}

func (q *dropsHanded) Get(ctx context.Context) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if len(q.items) > 0 {
		return q.take(), nil
	}
	v, _ := q.line.wait(ctx)
	return v, ctx.Err() // the item has to go back, or the cancel to wait
}

// putsOutOfOrder is a queue whose putters, once woken, race for the room with those who come.
type putsOutOfOrder struct {
	mu      sync.Mutex
	limit   int
	items   []int
	getters xsync.WaitQueue[int]
	putters line[struct{}]
}

func (q *putsOutOfOrder) Put(ctx context.Context, v int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for len(q.items) >= q.limit {
		if _, err := q.putters.wait(ctx); err != nil {
			return err
		}
	}
	q.mu.Lock()
	if !q.getters.Hand(v) {
		q.items = append(q.items, v)
	}
	q.mu.Unlock()
	if len(q.items) < q.limit {
		q.putters.wake(struct{}{})
	}
	return nil
}

func (q *putsOutOfOrder) Get(ctx context.Context) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	q.mu.Lock()
	if len(q.items) == 0 {
		return q.getters.WaitLocked(ctx, &q.mu, 0, nil)
	}
	v := q.items[0]
	q.items = q.items[1:]
	q.mu.Unlock()
	q.putters.wake(struct{}{})
	return v, nil
}

// forgetsWinner is a queue whose Get runs in a task of its own, and forgets what that has got when the ctx ends.
type forgetsWinner struct{ *queue.AsyncQueue[int] }

func (q forgetsWinner) Get(ctx context.Context) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	f := core.Async(core.Shield(ctx), q.AsyncQueue.Get)
	v, err := f.Await(ctx)
	if err != nil {
		f.Cancel() // it may have got an item already
	}
	return v, err
}

// failsAfterDelivery is a queue whose Put fails if it was canceled after it had put.
type failsAfterDelivery struct{ *queue.AsyncQueue[int] }

func (q failsAfterDelivery) Put(ctx context.Context, v int) error {
	if err := q.AsyncQueue.Put(ctx, v); err != nil {
		return err
	}
	return ctx.Err() // the item is on its way
}

// failsAfterTaking is a queue whose Get gives way after it has taken an item, and loses it if it was canceled
// meanwhile.
type failsAfterTaking struct{ *queue.AsyncQueue[int] }

func (q failsAfterTaking) Get(ctx context.Context) (int, error) {
	v, err := q.AsyncQueue.Get(ctx)
	if err != nil {
		return 0, err
	}
	return v, core.Yield(ctx)
}

// coalesces is a queue that wakes nobody while somebody who was woken has not run.
type coalesces struct {
	room
	line     line[struct{}]
	notified bool
}

func newCoalesces(limit int) *coalesces {
	q := &coalesces{room: room{limit: limit}}
	q.arrived = func() {
		if !q.notified {
			q.notified = q.line.wake(struct{}{})
		}
	}
	return q
}

func (q *coalesces) Get(ctx context.Context) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	for len(q.items) == 0 || len(q.line.waiting) > 0 {
		f := q.line.join()
		_, err := f.Await(ctx)
		q.line.leave(f)
		woken := f.Finished()
		if woken {
			q.notified = false // more than one item may be there
		}
		if err != nil {
			return 0, err
		}
		if woken && len(q.items) > 0 {
			break
		}
	}
	return q.take(), nil
}

// putsGhosts is a queue whose canceled putters stay in the line, with what they were to put.
type putsGhosts struct {
	mu      sync.Mutex
	limit   int
	items   []int
	getters xsync.WaitQueue[int]
	putters line[struct{}]
	values  []int // of the putters
}

func (q *putsGhosts) Put(ctx context.Context, v int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	if q.getters.Hand(v) {
		q.mu.Unlock()
		return nil
	}
	q.mu.Unlock()
	if len(q.items) < q.limit {
		q.items = append(q.items, v)
		return nil
	}
	q.values = append(q.values, v)
	_, err := q.putters.join().Await(ctx) // who gives up has to leave
	return err
}

func (q *putsGhosts) Get(ctx context.Context) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	q.mu.Lock()
	if len(q.items) == 0 {
		return q.getters.WaitLocked(ctx, &q.mu, 0, nil)
	}
	v := q.items[0]
	q.items = q.items[1:]
	if len(q.values) > 0 {
		q.items = append(q.items, q.values[0])
		q.values = slices.Delete(q.values, 0, 1)
		q.putters.pop(struct{}{})
	}
	q.mu.Unlock()
	return v, nil
}

// diesWoken is a queue whose getter, when it is canceled after it was woken for an item, leaves the item lying
// while others wait.
type diesWoken struct {
	room
	line line[struct{}]
}

func newDiesWoken(limit int) *diesWoken {
	q := &diesWoken{room: room{limit: limit}}
	q.arrived = func() { q.line.wake(struct{}{}) }
	return q
}

func (q *diesWoken) Get(ctx context.Context) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if len(q.items) == 0 || len(q.line.waiting) > 0 {
		_, _ = q.line.wait(ctx)
		if err := ctx.Err(); err != nil {
			return 0, err // who was woken has to wake another
		}
	}
	return q.take(), nil
}

// takesPromised is a queue of which a newcomer can take the item for which a getter was woken, who then
// comes back with nothing.
type takesPromised struct {
	room
	line line[struct{}]
}

func newTakesPromised(limit int) *takesPromised {
	q := &takesPromised{room: room{limit: limit}}
	q.arrived = func() { q.line.wake(struct{}{}) }
	return q
}

func (q *takesPromised) Get(ctx context.Context) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if len(q.items) == 0 {
		if _, err := q.line.wait(ctx); err != nil {
			return 0, err
		}
		if len(q.items) == 0 {
			return 0, nil
		}
	}
	return q.take(), nil
}
