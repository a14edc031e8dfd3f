package core_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

func TestOnCancel(t *testing.T) {
	var tr trace
	f := core.NewFuture[int]()
	for _, name := range []string{"1", "2", "3"} {
		f.OnCancel(func() { tr.add("%s %v", name, f.State()) })
	}
	if !f.CancelCause(errBoom) || f.Cancel() {
		t.Error("Cancel() is not true, then false")
	}
	tr.want(t, "1 pending 2 pending 3 pending")
	if ce, ok := errors.AsType[*core.CanceledError](f.Err()); !ok || ce.Cause != errBoom || !f.Canceled() {
		t.Errorf("%v, %v", f.State(), f.Err())
	}
	f.OnCancel(func() { tr.add("at once") })
	tr.want(t, "at once")
	f.Complete(1) // has no effect
	if f.TryComplete(2) || f.TryFail(errBoom) {
		t.Error("a canceled future was finished again")
	}

	// A future that ends without a cancel forgets the functions.
	g := core.NewFuture[int]()
	g.OnCancel(func() { t.Error("nobody has canceled it") })
	g.Complete(1)
	g.OnCancel(func() { t.Error("nobody has canceled it") })
	if g.Cancel() || core.Watchers(g) != 0 {
		t.Error("a finished future was canceled")
	}
}

// A function may finish the future with what is there, cancel it once more, or add another.
func TestOnCancelReentrant(t *testing.T) {
	var tr trace
	f := core.NewFuture[int]()
	f.OnCancel(func() {
		if !f.CancelCause(core.ErrPending) {
			t.Error("Cancel() = false while it is pending")
		}
		f.OnCancel(func() { tr.add("inner") })
		tr.add("outer")
	})
	f.OnCancel(func() { f.Complete(7) })
	f.OnCancel(func() { tr.add("%v", f.State()) })
	if !f.CancelCause(errBoom) {
		t.Error("Cancel() = false")
	}
	tr.want(t, "inner outer completed")
	if v, err := f.Read(); v != 7 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
}

// A panic leaves Cancel, when the others have run and the future has ended.
func TestOnCancelPanics(t *testing.T) {
	var tr trace
	f := core.NewFuture[int]()
	f.OnCancel(func() { tr.add("1") })
	f.OnCancel(func() { panic(errBoom) })
	f.OnCancel(func() { tr.add("3") })
	if p := panics(func() { f.Cancel() }); p != errBoom {
		t.Errorf("panic %v", p)
	}
	tr.want(t, "1 3")
	if !f.Canceled() {
		t.Errorf("%v", f.State())
	}
	if p := panics(func() { core.NewOwned[int](nil) }); p != "core: NewOwned without a function" {
		t.Errorf("panic %v", p)
	}
	run(t, func(t *testing.T, ctx context.Context) {
		f := core.Async(ctx, func(ctx context.Context) (int, error) { return 0, forever(ctx) })
		if p := panics(func() { f.OnCancel(func() {}) }); p != "core: OnCancel of the future of a task, which hears of a cancel from its ctx" {
			t.Errorf("panic %v", p)
		}
	})
}

// However many cancel at the same time, each function runs once, and everybody sees the
// cause of the one who was first.
func TestOnCancelOnce(t *testing.T) {
	for range 200 {
		f := core.NewFuture[int]()
		runs := 0
		f.OnCancel(func() { runs++ })
		causes := []error{errBoom, core.ErrPending, core.ErrSelf}
		var wg sync.WaitGroup
		for _, cause := range causes {
			wg.Go(func() { f.CancelCause(cause) })
		}
		wg.Go(func() { f.TryComplete(1) })
		wg.Wait()
		<-f.Done()
		if f.Canceled() && runs != 1 || runs > 1 {
			t.Fatalf("%d runs, %v", runs, f.State())
		}
	}
}

// The owner of a future stops its work on a cancel, and finishes it when that has ended.
func TestNewOwned(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		d := core.DispatcherOf(ctx)
		for _, c := range []struct {
			name  string
			end   func(f *core.Future[int])
			state core.State
			err   error // by errors.Is
		}{
			{"canceled", func(f *core.Future[int]) { f.Fail(context.Canceled) }, core.StateCanceled, errBoom},
			{"wrapped", func(f *core.Future[int]) { f.TryFail(errors.Join(context.Canceled)) }, core.StateCanceled, errBoom},
			{"value", func(f *core.Future[int]) { f.Complete(3) }, core.StateCompleted, nil},
			{"error", func(f *core.Future[int]) { f.Fail(core.ErrSelf) }, core.StateFailed, core.ErrSelf},
		} {
			var f *core.Future[int]
			asked := 0
			f = core.NewOwned[int](func(cause error) {
				asked++
				wantErr(t, c.name, cause, errBoom)
				d.AfterFunc(time.Second, func() { c.end(f) }) // the work takes a while to stop
			})
			told := false
			f.OnCancel(func() { told = true })
			if !f.CancelCause(errBoom) || f.Finished() || !f.Cancel() || !told {
				t.Errorf("%s: after Cancel: %v", c.name, f.State())
			}
			start := d.Now()
			wantErr(t, c.name, f.CancelAndWait(ctx), nil)
			if took := d.Now().Sub(start); took != time.Second || asked != 1 {
				t.Errorf("%s: it took %v, asked %d times", c.name, took, asked)
			}
			if f.State() != c.state || !errors.Is(f.Err(), c.err) || (f.Err() == nil) != (c.err == nil) {
				t.Errorf("%s: %v, %v", c.name, f.State(), f.Err())
			}
		}
		// Without a cancel an error is an error.
		f := core.NewOwned[int](func(error) { t.Error("nobody has canceled it") })
		f.Fail(context.Canceled)
		if !f.Failed() || f.Err() != context.Canceled || f.Cancel() {
			t.Errorf("%v, %v", f.State(), f.Err())
		}
		f = core.NewOwned[int](func(error) { t.Error("nobody has canceled it") })
		f.Complete(1)
		f.Cancel()
	})
}

// The owner may finish the future while the others are told of the cancel.
func TestNewOwnedFinishesAmidCancel(t *testing.T) {
	for range 200 {
		f := core.NewOwned[int](func(cause error) { wantErr(t, "cause", cause, errBoom) })
		var wg sync.WaitGroup
		wg.Go(func() { f.CancelCause(errBoom) })
		wg.Go(func() { f.Fail(context.Canceled) })
		wg.Wait()
		if !f.Finished() {
			t.Fatalf("%v", f.State())
		}
	}
}

// AwaitOrCancel waits for the owner, and what the owner has wins.
func TestAwaitOrCancelOfOwned(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		d := core.DispatcherOf(ctx)
		for _, value := range []bool{false, true} {
			var f *core.Future[int]
			f = core.NewOwned[int](func(cause error) {
				wantErr(t, "cause", cause, context.DeadlineExceeded)
				d.AfterFunc(time.Second, func() {
					if value {
						f.Complete(3)
						return
					}
					f.Fail(cause) // says DeadlineExceeded: a failure of the owner's own
				})
			})
			short, cancel := core.WithTimeout(ctx, time.Minute)
			v, err := f.AwaitOrCancel(short)
			cancel()
			if value && (v != 3 || err != nil) || !value && (err != context.DeadlineExceeded || !f.Failed()) {
				t.Errorf("%t: %d, %v, %v", value, v, err, f.State())
			}
		}
	})
}

// CancelAndWait of many kinds of futures: it returns when they have ended, in whatever way.
func TestCancelAndWaitReturnsNil(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		other, stop := looping(t, dispatch.Config{})
		for name, f := range map[string]*core.Future[int]{
			"completed": core.Completed(1),
			"failed":    core.Failed[int](errBoom),
			"new":       core.NewFuture[int](),
			"ends well": core.Async(ctx, func(ctx context.Context) (int, error) { _ = forever(ctx); return 1, nil }),
			"fails":     core.Async(ctx, func(ctx context.Context) (int, error) { _ = forever(ctx); return 0, errBoom }),
			"panics":    core.Async(ctx, func(ctx context.Context) (int, error) { panic(forever(ctx)) }),
			"elsewhere": core.Async(core.On(ctx, other), func(ctx context.Context) (int, error) { return 0, forever(ctx) }),
			"goroutine": core.Async(context.Background(), func(ctx context.Context) (int, error) { return 0, forever(ctx) }),
		} {
			for range 2 {
				wantErr(t, name, f.CancelAndWait(ctx), nil)
			}
			if !f.Finished() {
				t.Errorf("%s: %v", name, f.State())
			}
		}
		go func() { wantErr(t, "Close", stop(), nil) }()
		synctest.Wait()
	})
}
