package check_test

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// The faults of faultyQueue.
type queueFault int

const (
	queueRight    queueFault = iota
	queueDrops               // a getter canceled after it was handed an item drops it
	queueReturns             // it puts the item back at the end
	queueBarges              // a put takes the room made for a putter that waits
	queueStrands             // a canceled putter stays in the queue and its item is put
	queueClear               // Clear makes room and wakes nobody
	queueFirst               // a putter that waits puts to the end also by PutFirst
	queueShutdown            // Shutdown leaves the getters waiting
)

// faultyQueue is a queue on two lists.
type faultyQueue struct {
	fault            queueFault
	max              int
	down             bool
	items            []int
	getters, putters []*cell
	mu               sync.Mutex
}

type cell struct {
	w     waiter
	other bool
	err   error
}

var (
	errFull  = errors.New("queue: full")
	errEmpty = errors.New("queue: empty")
	errDown  = errors.New("queue: shut down")
)

func (q *faultyQueue) full() bool { return q.max > 0 && len(q.items) >= q.max }

func (q *faultyQueue) insert(v int, first bool) {
	switch {
	case len(q.getters) > 0:
		c := q.getters[0]
		q.getters = q.getters[1:]
		c.w.v = v
		close(c.w.ch)
	case first:
		q.items = slices.Insert(q.items, 0, v)
	default:
		q.items = append(q.items, v)
	}
}

func (q *faultyQueue) remove(last bool) int {
	i := 0
	if last {
		i = len(q.items) - 1
	}
	v := q.items[i]
	q.items = slices.Delete(q.items, i, i+1)
	if q.fault != queueBarges {
		q.refill()
	} else if len(q.putters) > 0 {
		close(q.putters[0].w.ch) // wakes it, for it to look for itself
		q.putters = q.putters[1:]
	}
	return v
}

func (q *faultyQueue) refill() {
	for len(q.putters) > 0 && !q.full() {
		c := q.putters[0]
		q.putters = q.putters[1:]
		q.insert(c.w.v, c.other && q.fault != queueFirst)
		close(c.w.ch)
	}
}

func (q *faultyQueue) put(ctx context.Context, v int, first bool) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if q.down {
			return errDown
		}
		if !q.full() {
			q.insert(v, first)
			return nil
		}
		c := &cell{w: waiter{make(chan struct{}), v}, other: first}
		q.putters = append(q.putters, c)
		q.mu.Unlock()
		err := c.w.wait(ctx)
		q.mu.Lock()
		if c.err != nil {
			return c.err
		}
		if err != nil && q.fault == queueStrands {
			return err
		}
		if i := slices.Index(q.putters, c); i >= 0 {
			q.putters = slices.Delete(q.putters, i, i+1)
			return err
		}
		if q.fault != queueBarges {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (q *faultyQueue) get(ctx context.Context, last bool) (int, error) {
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) > 0 {
		return q.remove(last), nil
	}
	if q.down {
		return 0, errDown
	}
	c := &cell{w: waiter{ch: make(chan struct{})}, other: last}
	q.getters = append(q.getters, c)
	q.mu.Unlock()
	err := c.w.wait(ctx)
	q.mu.Lock()
	if c.err != nil {
		return 0, c.err
	}
	if err == nil {
		return c.w.v, nil
	}
	if i := slices.Index(q.getters, c); i >= 0 {
		q.getters = slices.Delete(q.getters, i, i+1)
		return 0, err
	}
	switch q.fault {
	case queueDrops:
		return 0, err
	case queueReturns:
		q.insert(c.w.v, false)
		return 0, err
	}
	return c.w.v, nil
}

func (q *faultyQueue) Put(ctx context.Context, v int) error      { return q.put(ctx, v, false) }
func (q *faultyQueue) PutFirst(ctx context.Context, v int) error { return q.put(ctx, v, true) }
func (q *faultyQueue) Get(ctx context.Context) (int, error)      { return q.get(ctx, false) }
func (q *faultyQueue) GetLast(ctx context.Context) (int, error)  { return q.get(ctx, true) }

func (q *faultyQueue) TryPut(v int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.down:
		return errDown
	case q.full():
		return errFull
	}
	q.insert(v, false)
	return nil
}

func (q *faultyQueue) TryGet() (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case len(q.items) > 0:
		return q.remove(false), nil
	case q.down:
		return 0, errDown
	}
	return 0, errEmpty
}

func (q *faultyQueue) Clear() []int {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items = nil
	if q.fault != queueClear {
		q.refill()
	}
	return items
}

func (q *faultyQueue) Shutdown() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.down = true
	list := q.putters
	q.putters = nil
	if q.fault != queueShutdown {
		list = append(list, q.getters...)
		q.getters = nil
	}
	for _, c := range list {
		c.err = errDown
		close(c.w.ch)
	}
}

func (q *faultyQueue) ShutdownNow() []int {
	q.Shutdown()
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items = nil
	return items
}
