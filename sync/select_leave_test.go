package xsync_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/queue"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// A Select that has won something else is taken out of the other queue by a newcomer before it leaves by
// itself: those behind it go even so.
func TestSelectIsTakenOut(t *testing.T) {
	sem := xsync.NewSemaphore(3)
	sem.TryAcquireN(2)
	var rw lock.AsyncRWLock
	rw.TryRAcquire()
	for name, c := range map[string]struct {
		large func() xsync.Case
		small func() xsync.Case
		wait  func(ctx context.Context) error // as small does
	}{
		"Semaphore": {
			func() xsync.Case { return sem.AcquireNCase(2) }, sem.AcquireCase, sem.Acquire,
		},
		"AsyncRWLock": {rw.AcquireCase, rw.RAcquireCase, rw.RAcquire},
	} {
		t.Run(name, func(t *testing.T) {
			err := core.Run(t.Context(), func(ctx context.Context) error {
				var fired, over event.AsyncEvent
				first := core.Start(ctx, func(ctx context.Context) error {
					n, err := xsync.Select(ctx, c.large(), fired.WaitCase())
					want(t, n, 1)
					return err
				})
				_ = core.Steps(ctx, 3)
				second := core.Start(ctx, c.wait)
				_ = core.Steps(ctx, 3)
				core.Start(ctx, func(ctx context.Context) error {
					fired.Fire() // the first has won, and runs behind this
					_, err := xsync.Select(ctx, c.small(), over.WaitCase())
					return err
				})
				_ = core.Steps(ctx, 5)
				if !first.Finished() || !second.Finished() {
					t.Error("those behind it wait for what is free")
					second.Cancel()
				}
				over.Fire()
				return core.AllFinished(ctx, first, second)
			})
			wantErr(t, "Run", err, nil)
		})
	}
}

// A Case that is in use is refused, and what uses it goes on.
func TestSelectOfACaseInUse(t *testing.T) {
	const text = "xsync: Case in two Selects, or twice in one"
	synctest.Test(t, func(t *testing.T) {
		sem := xsync.NewSemaphore(1)
		sem.TryAcquire()
		for name, c := range map[string]xsync.Case{"AcquireCase": sem.AcquireCase(), "After": xsync.After(time.Hour)} {
			mustPanic(t, text, func() { _, _ = xsync.Select(t.Context(), c, c) })
			want(t, sem.Stats().Waiting, 0)

			other := make(chan int, 1)
			go func() {
				n, err := xsync.Select(t.Context(), c)
				wantErr(t, "Select", err, nil)
				other <- n
			}()
			synctest.Wait()
			mustPanic(t, text, func() { _, _ = xsync.Select(t.Context(), sem.AcquireCase(), c) })
			if name == "AcquireCase" {
				want(t, sem.Stats().Waiting, 1)
				sem.Release()
			}
			want(t, <-other, 0)
		}
		want(t, sem.Stats(), xsync.SemaphoreStats{Size: 1, Held: 1})
	})
}

// errWaits is a ctx whose Err calls wait, once.
type errWaits struct {
	context.Context
	skip int // calls before that one
	wait func()
}

func (c *errWaits) Err() error {
	if c.skip--; c.skip == -1 {
		c.wait()
	}
	return c.Context.Err()
}

// A grant that comes while the Err of a ctx waits is not missed behind that.
func TestSelectGrantBehindAWaitInErr(t *testing.T) {
	for skip := range 3 {
		err := core.Run(t.Context(), func(ctx context.Context) error {
			var inner, outer event.AsyncEvent
			task := core.Start(ctx, func(ctx context.Context) error {
				c := &errWaits{ctx, skip, func() { wantErr(t, "inner", inner.Wait(ctx), nil) }}
				n, err := xsync.Select(c, outer.WaitCase())
				want(t, n, 0)
				return err
			})
			_ = core.Steps(ctx, 3)
			inner.Fire()
			outer.Fire()
			_ = core.Steps(ctx, 10)
			if !task.Finished() {
				t.Errorf("the grant was lost, skip %d", skip)
				task.Cancel()
			}
			return task.Wait(ctx)
		})
		wantErr(t, "Run", err, nil)
	}
}

// What a take function has served in part, at the first look or later, is not asked for again.
func TestSelectServedInPart(t *testing.T) {
	both(t, func(t *testing.T, start func(context.Context, ...xsync.Case) <-chan selected) {
		var mu sync.Mutex
		var q xsync.WaitQueue[int]
		free := 1
		take := func(n *int) (bool, error) {
			got := min(*n, free)
			free -= got
			*n -= got
			return *n == 0, nil
		}
		out := start(t.Context(), q.Case(&mu, 3, take, nil))
		waiting(t, out)
		mu.Lock()
		free += 2
		q.Settle(take)
		mu.Unlock()
		got(t, out, 0, nil)
		want(t, free, 0)
	})
}

// A permit that is free and that nobody waits for is there for a Try call, whatever else goes on.
func TestSemaphoreTryBesideResize(t *testing.T) {
	sem := xsync.NewSemaphore(2)
	over := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
				sem.Resize(2)
			}
		}
	})
	for range 100_000 {
		if !sem.TryAcquire() {
			t.Error("TryAcquire finds no permit where two are free")
			break
		}
		sem.Release()
	}
	close(over)
	wg.Wait()
}

// One that has won something else, and has not run since, does not count: not at the head of a queue, nor for a
// Try call, and what First tells is of one that waits.
func TestSelectWonDoesNotCount(t *testing.T) {
	err := core.Run(t.Context(), func(ctx context.Context) error {
		var o owner
		other := xsync.NewSemaphore(1)
		other.TryAcquire()
		selects := core.Start(ctx, func(ctx context.Context) error {
			_, err := xsync.Select(ctx, o.queue.Case(&o.mu, 1, never, nil), other.AcquireCase())
			return err
		})
		waits := core.Start(ctx, func(ctx context.Context) error {
			_, err := o.queue.Wait(ctx, &o.mu, 2, never)
			return err
		})
		if err := core.Yield(ctx); err != nil {
			return err
		}
		o.mu.Lock()
		want(t, o.queue.Len(), 2)
		want(t, *o.queue.First(), 1)
		o.mu.Unlock()
		other.Release() // and the Select has won
		o.mu.Lock()
		want(t, *o.queue.First(), 2)
		want(t, o.queue.Len(), 1)
		want(t, o.queue.Grant(), true)
		want(t, o.queue.Len(), 0)
		o.mu.Unlock()
		if err := waits.Wait(ctx); err != nil {
			return err
		}
		return selects.Wait(ctx)
	})
	if err != nil {
		t.Error(err)
	}
}

// doneless is a ctx that must not be asked for its end.
type doneless struct{ context.Context }

func (doneless) Done() <-chan struct{} { panic("boom") }

// A Select that has its case while it comes to wait does not ask its ctx any more, which might panic.
func TestSelectHasItBeforeItWaits(t *testing.T) {
	body := func(ctx context.Context) error {
		var q queue.AsyncQueue[int]
		var aside permits
		looks, v := 0, 0
		n, err := xsync.Select(doneless{ctx}, q.GetCase(&v), aside.queue.Case(&aside.mu, 1, func(*int) (bool, error) {
			if looks++; looks == 1 {
				wantErr(t, "TryPut", q.TryPut(7), nil)
			}
			return false, nil
		}, nil))
		want(t, n, 0)
		want(t, v, 7)
		return err
	}
	wantErr(t, "on a goroutine", body(t.Context()), nil)
	wantErr(t, "in a task", core.Run(t.Context(), body), nil)
}

// Without a take function waiters of a Select go by what the owner says alone, as others do.
func TestSelectWithoutTake(t *testing.T) {
	both(t, func(t *testing.T, start func(context.Context, ...xsync.Case) <-chan selected) {
		var o owner
		v := 0
		c := o.queue.Case(&o.mu, 1, nil, func(got int, _ error) { v = got })
		out := start(t.Context(), c)
		waiting(t, out)
		behind := start(t.Context(), o.queue.Case(&o.mu, 2, nil, nil))
		waiting(t, behind)
		o.mu.Lock()
		o.queue.Hand(7)
		o.mu.Unlock()
		got(t, out, 0, nil)
		want(t, v, 7)
		o.mu.Lock()
		brought, ok := o.queue.Take()
		o.mu.Unlock()
		want(t, brought, 2)
		want(t, ok, true)
		got(t, behind, 0, nil)
	})
}

func TestPairOfOneQueue(t *testing.T) {
	var q xsync.WaitQueue[int]
	mustPanic(t, "xsync: Pair of a queue with itself", func() { xsync.Pair(&q, &q) })
}
