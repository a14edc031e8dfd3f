package core_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/seed-1e54c410/turnstile/core"
)

// after returns a future of v that comes later.
func after[T any](ctx context.Context, d time.Duration, v T) *core.Future[T] {
	return core.Async(ctx, func(ctx context.Context) (T, error) { return v, core.Sleep(ctx, d) })
}

// failing returns a future that fails later.
func failing(ctx context.Context, d time.Duration, err error) *core.Future[int] {
	return core.Async(ctx, func(ctx context.Context) (int, error) {
		if err := core.Sleep(ctx, d); err != nil {
			return 0, err
		}
		return 0, err
	})
}

func TestAll(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		vs, err := core.All(ctx, after(ctx, 3, "a"), after(ctx, 1, "b"), core.Completed("c"), after(ctx, 2, "d"))
		wantErr(t, "All", err, nil)
		equal(t, vs, "a", "b", "c", "d")

		vs2, err := core.All[int](ctx)
		if len(vs2) != 0 || err != nil {
			t.Errorf("All of nothing: %v, %v", vs2, err)
		}
		// The first error ends it, and leaves the others alone.
		slow := after(ctx, time.Hour, 1)
		start := core.DispatcherOf(ctx).Now()
		_, err = core.All(ctx, slow, failing(ctx, time.Second, errBoom), failing(ctx, time.Minute, core.ErrPending))
		wantErr(t, "All", err, errBoom)
		if d := core.DispatcherOf(ctx).Now().Sub(start); d != time.Second || slow.Finished() {
			t.Errorf("it took %v, the slow one is %v", d, slow.State())
		}
		if n := core.Watchers(slow); n != 0 {
			t.Errorf("%d look on", n)
		}
		// Of several that have failed before the call it is the first in order.
		_, err = core.All(ctx, slow, core.Failed[int](core.ErrSelf), core.Failed[int](errBoom))
		wantErr(t, "All", err, core.ErrSelf)
		canceled := core.NewFuture[int]()
		canceled.Cancel()
		_, err = core.All(ctx, canceled, core.Failed[int](errBoom))
		wantErr(t, "All", err, canceled.Err())

		short, cancel := core.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err = core.All(short, slow, slow)
		wantErr(t, "All with a timeout", err, context.DeadlineExceeded)
		if n := core.Watchers(slow); n != 0 || slow.Finished() {
			t.Errorf("%d look on, %v", n, slow.State())
		}
	})
}

func TestRace(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		slow := after(ctx, time.Hour, 1)
		race := func(want int, wantE error, ctx context.Context, ws ...core.Waitable) {
			t.Helper()
			if i, err := core.Race(ctx, ws...); i != want || err != wantE {
				t.Errorf("Race() = %d, %v, want %d, %v", i, err, want, wantE)
			}
			for _, w := range ws {
				if n := core.Watchers(w); n != 0 {
					t.Errorf("%d look on", n)
				}
			}
		}
		race(-1, core.ErrNoFutures, ctx)
		race(1, nil, ctx, slow, after(ctx, 1, "x"), after(ctx, 2, 1.5))
		race(1, nil, ctx, slow, failing(ctx, 1, errBoom), slow)
		race(1, nil, ctx, slow, core.Start(ctx, func(ctx context.Context) error { return core.Yield(ctx) }))
		race(1, nil, ctx, slow, core.Completed(1), core.Failed[int](errBoom))
		race(0, nil, ctx, core.Failed[int](errBoom), core.Completed(1))
		// Where several end at the same time the first one to end decides.
		f, g := core.NewFuture[int](), core.NewFuture[int]()
		core.DispatcherOf(ctx).CallSoon(func() { g.Complete(1); f.Complete(1) })
		race(1, nil, ctx, f, g)
		short, cancel := core.WithTimeout(ctx, time.Second)
		defer cancel()
		race(-1, context.DeadlineExceeded, short, slow, core.NewFuture[string]())
		if slow.Finished() {
			t.Error("the slow one is finished")
		}
	})
}

// A future that has lost many races holds no memory of them.
func TestRaceLeavesNothing(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		loser := core.NewFuture[int]()
		won := func() weak.Pointer[core.Future[int]] {
			winner := core.NewFuture[int]()
			core.DispatcherOf(ctx).CallSoon(func() { winner.Complete(1) })
			if i, err := core.Race(ctx, loser, winner); i != 1 || err != nil {
				t.Errorf("Race() = %d, %v", i, err)
			}
			return weak.Make(winner)
		}()
		for range 3 {
			runtime.GC()
			wantErr(t, "Yield", core.Yield(ctx), nil)
		}
		if won.Value() != nil {
			t.Error("the winner of a race is reachable")
		}
		if n := core.Watchers(loser); n != 0 {
			t.Errorf("%d look on", n)
		}
		loser.Complete(1)
	})
}

// Futures that other goroutines finish while a combinator comes and goes.
func TestCombinatorsFromGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 200 {
			f, g, h := core.NewFuture[int](), core.NewFuture[int](), core.NewFuture[int]()
			ctx, cancel := context.WithCancel(t.Context())
			go f.Complete(0)
			go g.Complete(1)
			go cancel()
			if i, err := core.Race(ctx, h, f, g); err == nil && i == 0 {
				t.Error("the pending one has won")
			}
			if vs, err := core.All(ctx, f, g); err == nil {
				equal(t, vs, 0, 1)
			} else {
				wantErr(t, "All", err, context.Canceled)
			}
			if n := core.Watchers(h); n != 0 {
				t.Errorf("%d look on", n)
			}
			synctest.Wait()
		}
	})
}
