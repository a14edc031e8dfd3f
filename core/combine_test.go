package core_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

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

func TestAllOfDifferentTypes(t *testing.T) {
	inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
		n, s, err := core.All2(ctx, after(at(ctx, 0), 2, 1), after(at(ctx, 1), 1, "b"))
		wantErr(t, "All2", err, nil)
		x, y, z, err := core.All3(ctx, after(at(ctx, 0), 2, 1), core.Completed(2.5), after(at(ctx, 1), 3, "c"))
		wantErr(t, "All3", err, nil)
		equal(t, []any{n, s, x, y, z}, 1, "b", 1, 2.5, "c")

		// With an error all values are zero, also those that are there.
		slow := core.NewFuture[string]()
		n, s, err = core.All2(ctx, failing(at(ctx, 0), 1, errBoom), slow)
		wantErr(t, "All2", err, errBoom)
		x, y, z, err = core.All3(ctx, core.Completed(1), core.Failed[float64](errBoom), core.Failed[string](core.ErrPending))
		wantErr(t, "All3", err, errBoom)
		equal(t, []any{n, s, x, y, z}, 0, "", 0, 0.0, "")

		over, cancel := core.WithCancel(ctx)
		cancel()
		_, _, err = core.All2(over, core.Completed(1), core.Completed("a"))
		wantErr(t, "All2 of finished ones, with a ctx that is done", err, nil)
		_, _, err = core.All2(over, core.Failed[int](errBoom), slow)
		wantErr(t, "All2 of one that has failed, with a ctx that is done", err, errBoom)
		_, _, err = core.All2(over, core.Completed(1), slow)
		wantErr(t, "All2 of a pending one, with a ctx that is done", err, context.Canceled)
		if n := core.Watchers(slow); n != 0 || slow.Finished() {
			t.Errorf("%d look on, %v", n, slow.State())
		}
	})
}

func TestAllFinished(t *testing.T) {
	inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
		canceled := core.Start(at(ctx, 0), forever)
		fs := []core.Waitable{
			after(at(ctx, 0), 3, "a"), failing(at(ctx, 1), 5, errBoom), core.Completed(1), core.Failed[int](errBoom), canceled,
			core.Start(at(ctx, 2), func(context.Context) error { panic(errBoom) }),
		}
		fs = append(fs, fs[0], fs[1]) // more than once
		go canceled.Cancel()
		wantErr(t, "AllFinished", core.AllFinished(ctx, fs...), nil)
		for i, f := range fs {
			if !f.Finished() {
				t.Errorf("%d has not ended", i)
			}
		}
		over, cancel := core.WithCancel(ctx)
		cancel()
		wantErr(t, "of finished ones, with a ctx that is done", core.AllFinished(over, fs...), nil)
		wantErr(t, "of nothing", core.AllFinished[core.Waitable](over), nil)

		slow := core.NewFuture[int]()
		wantErr(t, "of a pending one, with a ctx that is done", core.AllFinished(over, core.Completed(1), slow), context.Canceled)
		short, cancel := core.WithTimeout(ctx, time.Second)
		defer cancel()
		wantErr(t, "with a timeout", core.AllFinished(short, slow, slow), context.DeadlineExceeded)
		if n, m := core.Watchers(slow), core.Waiters(slow); n != 0 || m != 0 || slow.Finished() {
			t.Errorf("%d look on, %d wait, %v", n, m, slow.State())
		}
	})
}

func TestJoin(t *testing.T) {
	inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
		slow := core.NewFuture[int]()
		canceled := core.Start(at(ctx, 1), forever)
		go canceled.Cancel()
		for i, w := range []core.Waitable{
			core.Completed(1), core.Failed[int](errBoom), after(at(ctx, 0), 2, 1), failing(at(ctx, 1), 2, errBoom), canceled,
			core.Start(at(ctx, 2), func(context.Context) error { panic(errBoom) }),
		} {
			if err := core.Join(ctx, w); err != nil || !w.Finished() {
				t.Errorf("%d: %v, it has ended: %t", i, err, w.Finished())
			}
		}
		over, cancel := core.WithCancel(ctx)
		cancel()
		wantErr(t, "of a finished one, with a ctx that is done", core.Join(over, canceled), nil)
		wantErr(t, "with a ctx that is done", core.Join(over, slow), context.Canceled)
		short, cancel := core.WithTimeout(ctx, time.Second)
		defer cancel()
		wantErr(t, "with a timeout", core.Join(short, slow), context.DeadlineExceeded)
		if n := core.Waiters(slow); n != 0 || slow.Finished() {
			t.Errorf("%d wait, %v", n, slow.State())
		}
	})
}

// lateCtx is canceled, and completes a future while it is asked.
type lateCtx struct {
	context.Context
	f *core.Future[int]
}

func (c lateCtx) Err() error {
	c.f.TryComplete(1)
	return context.Canceled
}

// What is finished by the time a wait ends because of its ctx is returned.
func TestCombinatorsLateCancel(t *testing.T) {
	for name, combine := range map[string]func(ctx context.Context, f *core.Future[int]) error{
		"All":         func(ctx context.Context, f *core.Future[int]) error { _, err := core.All(ctx, f); return err },
		"AllFinished": func(ctx context.Context, f *core.Future[int]) error { return core.AllFinished(ctx, f) },
		"Join":        func(ctx context.Context, f *core.Future[int]) error { return core.Join(ctx, f) },
		"Race":        func(ctx context.Context, f *core.Future[int]) error { _, err := core.Race(ctx, f); return err },
		"Any":         func(ctx context.Context, f *core.Future[int]) error { _, err := core.Any(ctx, f); return err },
	} {
		f := core.NewFuture[int]()
		wantErr(t, name, combine(lateCtx{context.Background(), f}, f), nil)
	}
}

// A task that would wait for its own end is told, instead of waiting for ever.
func TestCombinatorsOfSelf(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		var self *core.Future[int]
		waits := map[string]func(ctx context.Context) error{
			"All": func(ctx context.Context) error { _, err := core.All(ctx, core.NewFuture[int](), self); return err },
			"All2": func(ctx context.Context) error {
				_, _, err := core.All2(ctx, self, core.NewFuture[string]())
				return err
			},
			"All3":        func(ctx context.Context) error { _, _, _, err := core.All3(ctx, self, self, self); return err },
			"AllFinished": func(ctx context.Context) error { return core.AllFinished(ctx, core.NewFuture[int](), self) },
			"Join":        func(ctx context.Context) error { return core.Join(ctx, self) },
			"Race":        func(ctx context.Context) error { _, err := core.Race(ctx, self, self); return err },
			"Any":         func(ctx context.Context) error { _, err := core.Any(ctx, core.Failed[int](errBoom), self); return err },
		}
		for name, wait := range waits {
			self = core.Async(ctx, func(ctx context.Context) (int, error) {
				wantErr(t, "Yield", core.Yield(ctx), nil)
				return 0, wait(ctx)
			})
			wantErr(t, name, core.Join(ctx, self), nil)
			wantErr(t, name, self.Err(), core.ErrSelf)
		}
		// Where something else may end first, it waits for that.
		self = core.Async(ctx, func(ctx context.Context) (int, error) {
			wantErr(t, "Yield", core.Yield(ctx), nil)
			return core.Any(ctx, self, after(ctx, 1, 7))
		})
		if v, err := self.Await(ctx); v != 7 || err != nil {
			t.Errorf("Any() = %v, %v", v, err)
		}
	})
}

// The cancel of a combinator's ctx, at any time, leaves its inputs alone.
func TestCombinatorsLeaveInputs(t *testing.T) {
	combinators := map[string]func(ctx context.Context, f, g *core.Future[int]) error{
		"All":  func(ctx context.Context, f, g *core.Future[int]) error { _, err := core.All(ctx, f, g); return err },
		"All2": func(ctx context.Context, f, g *core.Future[int]) error { _, _, err := core.All2(ctx, f, g); return err },
		"All3": func(ctx context.Context, f, g *core.Future[int]) error {
			_, _, _, err := core.All3(ctx, f, g, f)
			return err
		},
		"AllFinished": func(ctx context.Context, f, g *core.Future[int]) error { return core.AllFinished(ctx, f, g) },
		"Join":        func(ctx context.Context, f, g *core.Future[int]) error { return core.Join(ctx, f) },
		"Race":        func(ctx context.Context, f, g *core.Future[int]) error { _, err := core.Race(ctx, f, g); return err },
		"Any":         func(ctx context.Context, f, g *core.Future[int]) error { _, err := core.Any(ctx, f, g); return err },
	}
	for name, combine := range combinators {
		t.Run(name, func(t *testing.T) {
			inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
				f := core.Async(at(ctx, 0), func(ctx context.Context) (int, error) { return 1, core.Sleep(ctx, time.Hour) })
				g := core.NewFuture[int]()
				task := core.Start(at(ctx, 1), func(ctx context.Context) error { return combine(ctx, f, g) })
				wantErr(t, "Sleep", core.Sleep(ctx, time.Second), nil)
				wantErr(t, "CancelAndWait", task.CancelAndWait(ctx), nil)
				if !errors.Is(task.Err(), context.Canceled) {
					t.Errorf("its error is %v", task.Err())
				}
				for _, w := range []core.Waitable{f, g} {
					if n, m := core.Watchers(w), core.Waiters(w); n != 0 || m != 0 || w.Finished() {
						t.Errorf("%d look on, %d wait, finished: %t", n, m, w.Finished())
					}
				}
				f.Cancel()
				wantErr(t, "Join", core.Join(ctx, f), nil)
			})
		})
	}
}
