package stream

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// Batch is a stream of slices of n values of s each, in order. A slice belongs to whoever
// receives it. What is left at the end comes as a shorter one, also before an error
// with which s ends; only when the ctx of the sink ends it is dropped.
//
// With a maxDelay above 0 a batch is never held back for longer: it goes on, as short as it
// may be, when its first value has been there for maxDelay, or as soon after that as the
// stages behind it are ready. Time is that of the dispatcher in a task. Such a stage
// runs s on a task of its own, which collects up to n values while the stages behind
// work on the batch before, and holds one more that finds no room, whose time counts, too; if
// those stop the stream, what has been collected is dropped.
//
// Without a maxDelay batches go by number alone, and no task is needed. Batch panics if n
// is less than 1.
func Batch[T any](s Stream[T], n int, maxDelay time.Duration) Stream[[]T] {
	needStream("Batch", s)
	if n < 1 {
		panic(fmt.Sprintf("stream: batches of %d", n))
	}
	return &batched[T]{s, n, maxDelay}
}

type batched[T any] struct {
	src   Stream[T]
	n     int
	delay time.Duration
}

func (b *batched[T]) run(ctx context.Context, emit func([]T) error) error {
	if b.delay > 0 {
		return b.runTimed(ctx, emit)
	}
	cur := growing[T]{max: b.n}
	stopped := false // by what comes behind
	err := b.src.run(ctx, func(v T) error {
		cur.add(v)
		if !cur.full() {
			return nil
		}
		err := emit(cur.take())
		stopped = err != nil
		return err
	})
	if stopped || cur.empty() || err != nil && ctx.Err() != nil {
		return err
	}
	if late := emit(cur.take()); late != nil {
		return late
	}
	return err
}

// growing is a batch that grows.
type growing[T any] struct {
	values []T
	max    int
	last   int // length of the batch before, a good guess for this one
}

func (g *growing[T]) empty() bool { return len(g.values) == 0 }
func (g *growing[T]) full() bool  { return len(g.values) >= g.max }

func (g *growing[T]) add(v T) {
	if g.values == nil {
		g.values = make([]T, 0, min(g.max, max(g.last, 8)))
	}
	g.values = append(g.values, v)
}

func (g *growing[T]) take() []T {
	values := g.values
	g.values, g.last = nil, len(values)
	return values
}

func (b *batched[T]) runTimed(ctx context.Context, emit func([]T) error) error {
	c := &collector[T]{cur: growing[T]{max: b.n}, delay: b.delay, now: clock(ctx)}
	return beside(ctx,
		func(ctx context.Context) error {
			defer c.finish()
			if err := ctx.Err(); err != nil { // it has taken a while to begin
				return err
			}
			return b.src.run(ctx, func(v T) error { return c.add(ctx, v) })
		},
		func(ctx context.Context) error {
			for {
				batch, last, err := c.next(ctx)
				if err == nil && last {
					err = ctx.Err() // which may be why it is the last one
				}
				if err == nil && len(batch) > 0 {
					err = emit(batch)
				}
				if err != nil || last {
					return err
				}
			}
		})
}

// collector is where a batch grows while the one before is under way.
type collector[T any] struct {
	delay time.Duration
	now   func() time.Time

	mu     sync.Mutex
	cur    growing[T]
	first  time.Time // when the first of cur came
	held   time.Time // when the value came that waits for room; zero: none does
	ended  bool      // no more will come
	values xsync.WaitQueue[T]
	taker  xsync.WaitQueue[int] // brings how many values it wants there to be
}

// add puts v into the batch, as soon as there is room. There is only one caller.
func (c *collector[T]) add(ctx context.Context, v T) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	if done, _ := c.put(&v); done {
		c.mu.Unlock()
		return nil
	}
	c.held = c.now()
	_, err := c.values.WaitLocked(ctx, &c.mu, v, c.put)
	return err
}

// put is the take function of values.
func (c *collector[T]) put(v *T) (bool, error) {
	if c.cur.full() {
		return false, nil
	}
	if c.cur.empty() {
		if c.first = c.held; c.first.IsZero() {
			c.first = c.now()
		}
	}
	c.held = time.Time{}
	c.cur.add(*v)
	c.taker.Settle(c.there)
	return true, nil
}

// there is the take function of taker.
func (c *collector[T]) there(n *int) (bool, error) { return c.ended || len(c.cur.values) >= *n, nil }

func (c *collector[T]) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	c.taker.Settle(c.there)
}

// next waits for a batch and takes it, and reports whether it is the last one, which may
// be empty.
func (c *collector[T]) next(ctx context.Context) (batch []T, last bool, err error) {
	if _, err := c.taker.Wait(ctx, &c.mu, 1, c.there); err != nil {
		return nil, false, err
	}
	c.mu.Lock()
	ready := c.ended || c.cur.full()
	left := c.delay - c.now().Sub(c.first)
	c.mu.Unlock()
	if !ready && left > 0 {
		timed, cancel := core.WithTimeout(ctx, left)
		_, err := c.taker.Wait(timed, &c.mu, c.cur.max, c.there)
		cancel()
		if ended := ctx.Err(); err != nil && ended != nil {
			return nil, false, ended
		}
		if err != nil && err != context.DeadlineExceeded {
			return nil, false, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	batch, last = c.cur.take(), c.ended
	c.values.Settle(c.put)
	return batch, last, nil
}

// clock returns the clock that core.WithTimeout uses with ctx.
func clock(ctx context.Context) func() time.Time {
	if d := core.DispatcherOf(ctx); d != nil {
		return d.Now
	}
	return time.Now
}
