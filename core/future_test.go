package core_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

func TestFutureStates(t *testing.T) {
	ctx := t.Context()
	f := core.NewFuture[int]()
	if _, err := f.Read(); err != core.ErrPending || f.Finished() || f.Failed() || f.Canceled() || f.Err() != nil || f.State() != core.StatePending {
		t.Errorf("a new future: %v, %v", f.State(), err)
	}
	f.Complete(4)
	if v, err := f.Read(); v != 4 || err != nil || !f.Finished() || f.Failed() || f.Canceled() || f.State() != core.StateCompleted {
		t.Errorf("completed: %v, %d, %v", f.State(), v, err)
	}
	if f.TryComplete(5) || f.TryFail(errBoom) || f.Cancel() {
		t.Error("it can be finished twice")
	}
	if v, err := f.Await(ctx); v != 4 || err != nil {
		t.Errorf("Await() = %d, %v", v, err)
	}
	var zero core.Future[int]
	if !zero.TryFail(errBoom) || !zero.Failed() || zero.Canceled() || zero.Err() != errBoom {
		t.Errorf("failed: %v, %v", zero.State(), zero.Err())
	}
	if _, err := core.Failed[int](errBoom).Read(); err != errBoom {
		t.Errorf("Failed: %v", err)
	}
	if v, err := core.Completed("x").Read(); v != "x" || err != nil {
		t.Errorf("Completed: %q, %v", v, err)
	}
	f = core.NewFuture[int]()
	done := f.Done()
	if !f.CancelCause(errBoom) || !f.Canceled() || f.Failed() {
		t.Errorf("canceled: %v", f.State())
	}
	<-done
	<-f.Done()
	if err := f.Err(); !errors.Is(err, context.Canceled) || !errors.Is(err, errBoom) {
		t.Errorf("canceled: %v", err)
	}
	f.Complete(1) // do nothing
	f.Fail(errBoom)
	f = core.NewFuture[int]()
	f.CancelCause(nil)
	if ce, ok := errors.AsType[*core.CanceledError](f.Err()); !ok || ce.Cause != context.Canceled || ce.Error() != "core: canceled" {
		t.Errorf("canceled for no reason: %v", f.Err())
	}
	equal(t, []core.State{0, 1, 2, 3, 4}, 0, 1, 2, 3, 4)
	if s := fmt.Sprint(core.StatePending, core.StateCompleted, core.StateFailed, core.StateCanceled, core.State(9)); s != "pending completed failed canceled State(9)" {
		t.Errorf("String: %s", s)
	}
}

func TestFutureMisuse(t *testing.T) {
	f := core.Completed(1)
	for call, fn := range map[string]func(){
		"Complete": func() { f.Complete(2) },
		"Fail":     func() { f.Fail(errBoom) },
	} {
		text := fmt.Sprint(panics(fn))
		if !strings.HasPrefix(text, "core: "+call+" of a future that is completed already, at ") ||
			!strings.Contains(text, "future_test.go:") || !strings.Contains(text, "core_test.TestFutureMisuse") {
			t.Errorf("%s: %s", call, text)
		}
	}
	if text := panics(func() { core.NewFuture[int]().Fail(nil) }); text != "core: a future cannot fail with a nil error" {
		t.Errorf("Fail(nil): %v", text)
	}
	if text := panics(func() { core.Failed[int](nil) }); text != "core: a future cannot fail with a nil error" {
		t.Errorf("Failed(nil): %v", text)
	}
	run(t, func(t *testing.T, ctx context.Context) {
		f := core.Async(ctx, func(ctx context.Context) (int, error) { return 0, forever(ctx) })
		for i, fn := range []func(){
			func() { f.Complete(1) },
			func() { f.Fail(errBoom) },
			func() { f.TryComplete(1) },
			func() { f.TryFail(errBoom) },
		} {
			if text := panics(fn); text != "core: the future of a task is finished by the task" {
				t.Errorf("%d: %v", i, text)
			}
		}
	})
}

// A copy of a future is found by go vet, whose copylocks looks for a lock by value.
func TestFutureHoldsItsLockByValue(t *testing.T) {
	var has func(typ reflect.Type) bool
	has = func(typ reflect.Type) bool {
		if typ == reflect.TypeFor[sync.Mutex]() {
			return true
		}
		for i := range typ.NumField() {
			if f := typ.Field(i); f.Type.Kind() == reflect.Struct && has(f.Type) {
				return true
			}
		}
		return false
	}
	if !has(reflect.TypeFor[core.Future[int]]()) {
		t.Error("a copied future would go unnoticed")
	}
}

func TestAwaitFinishedDoesNotYield(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		var tr trace
		canceled, cancel := core.WithCancel(ctx)
		cancel()
		done := core.Completed(1)
		core.Start(ctx, func(ctx context.Context) error {
			err := core.Yield(ctx)
			tr.add("other")
			return err
		})
		for _, ctx := range []context.Context{ctx, canceled} {
			if v, err := done.Await(ctx); v != 1 || err != nil {
				t.Errorf("Await() = %d, %v", v, err)
			}
			if v, err := done.AwaitOrCancel(ctx); v != 1 || err != nil {
				t.Errorf("AwaitOrCancel() = %d, %v", v, err)
			}
			wantErr(t, "CancelAndWait", done.CancelAndWait(ctx), nil)
			if vs, err := core.All(ctx, done, done); len(vs) != 2 || err != nil {
				t.Errorf("All() = %v, %v", vs, err)
			}
			if i, err := core.Race(ctx, core.NewFuture[int](), done); i != 1 || err != nil {
				t.Errorf("Race() = %d, %v", i, err)
			}
		}
		tr.want(t, "")
	})
}

// Whoever waits is woken in the order in which they came, tasks and goroutines alike.
func TestAwaitOrder(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		var tr trace
		f := core.NewFuture[int]()
		for i := range 4 {
			core.Start(ctx, func(ctx context.Context) error {
				_, err := f.Await(ctx)
				tr.add("%d", i)
				return err
			})
		}
		last := core.Start(ctx, func(ctx context.Context) error {
			_, err := f.Await(ctx)
			return err
		})
		go f.Complete(1)
		if err := last.Wait(ctx); err != nil {
			t.Error(err)
		}
		tr.want(t, "0 1 2 3")
	})
}

// A ctx that ends leaves the future alone, and nothing behind.
func TestAwaitCanceled(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		f := core.NewFuture[int]()
		short, cancel := core.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := f.Await(short); err != context.DeadlineExceeded || f.Finished() {
			t.Errorf("Await() = %v, %v", err, f.State())
		}
		if n := core.Waiters(f); n != 0 {
			t.Errorf("%d waiters are left", n)
		}
		f.Complete(1)
		if v, err := f.Await(short); v != 1 || err != nil {
			t.Errorf("Await() = %d, %v", v, err)
		}
	})
}

func TestAwaitOrCancel(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		for _, c := range []struct {
			name  string
			fn    func(ctx context.Context) (int, error)
			value int
			err   error
			state core.State
		}{
			{"in time", value(1), 1, nil, core.StateCompleted},
			{"canceled", func(ctx context.Context) (int, error) { return 0, forever(ctx) }, 0, context.DeadlineExceeded, core.StateCanceled},
			{"value won", func(ctx context.Context) (int, error) { _ = forever(ctx); return 2, nil }, 2, nil, core.StateCompleted},
			{"error won", func(ctx context.Context) (int, error) { _ = forever(ctx); return 0, errBoom }, 0, errBoom, core.StateFailed},
			{"cleans up", func(ctx context.Context) (int, error) {
				err := forever(ctx)
				if c, ok := core.DispatcherOf(ctx), context.Cause(ctx); c == nil || ok != context.DeadlineExceeded {
					t.Errorf("cause %v", ok)
				}
				_ = core.Sleep(core.Shield(ctx), time.Hour)
				return 0, err
			}, 0, context.DeadlineExceeded, core.StateCanceled},
		} {
			short, cancel := core.WithTimeout(ctx, time.Second)
			f := core.Async(ctx, c.fn)
			v, err := f.AwaitOrCancel(short)
			if v != c.value || err != c.err || f.State() != c.state {
				t.Errorf("%s: %d, %v, %v", c.name, v, err, f.State())
			}
			cancel()
		}
		// One that belongs to nobody is canceled at once.
		f := core.NewFuture[int]()
		short, cancel := core.WithCancel(ctx)
		cancel()
		if _, err := f.AwaitOrCancel(short); err != context.Canceled || !f.Canceled() {
			t.Errorf("%v, %v", err, f.State())
		}
	})
}

func TestAwaitOfOwnTask(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		var f *core.Future[int]
		f = core.Async(ctx, func(ctx context.Context) (int, error) {
			wantErr(t, "Yield", core.Yield(ctx), nil)
			_, err := f.Await(ctx)
			wantErr(t, "Await", err, core.ErrSelf)
			_, err = f.Await(context.Background())
			wantErr(t, "Await with another ctx", err, core.ErrSelf)
			_, err = f.AwaitOrCancel(ctx)
			wantErr(t, "AwaitOrCancel", err, core.ErrSelf)
			wantErr(t, "Err before CancelAndWait", ctx.Err(), nil)
			wantErr(t, "CancelAndWait", f.CancelAndWait(ctx), core.ErrSelf)
			wantErr(t, "Err after CancelAndWait", ctx.Err(), context.Canceled)
			return 1, nil
		})
		if v, err := f.Await(ctx); v != 1 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	})
}

func TestCancelAndWait(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		cleaned := false
		f := core.Start(ctx, func(ctx context.Context) error {
			defer func() { cleaned = true }()
			err := forever(ctx)
			_ = core.Sleep(core.Shield(ctx), time.Minute)
			return err
		})
		short, cancel := core.WithTimeout(ctx, time.Second)
		defer cancel()
		wantErr(t, "in a short time", f.CancelAndWait(short), context.DeadlineExceeded)
		if cleaned || f.Finished() {
			t.Error("it has ended already")
		}
		wantErr(t, "CancelAndWait", f.CancelAndWait(ctx), nil)
		if !cleaned || f.State() != core.StateCanceled {
			t.Errorf("cleaned %t, %v", cleaned, f.State())
		}
		wantErr(t, "again", f.CancelAndWait(ctx), nil)
	})
}

// The owner of a future may be anywhere, and so may those that wait for it.
func TestFutureAcrossDispatchers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, stopA := looping(t, dispatch.Config{})
		b, stopB := looping(t, dispatch.Config{})
		ping, pong := core.NewFuture[int](), core.NewFuture[int]()
		onA := core.Async(core.On(t.Context(), a), func(ctx context.Context) (int, error) {
			ping.Complete(1)
			return pong.Await(ctx)
		})
		onB := core.Async(core.On(t.Context(), b), func(ctx context.Context) (int, error) {
			v, err := ping.Await(ctx)
			pong.Complete(v + 1)
			if err != nil {
				return 0, err
			}
			v, err = onA.Await(ctx)
			return v + 1, err
		})
		if v, err := onB.Await(t.Context()); v != 3 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
		wantErr(t, "Close", stopA(), nil)
		wantErr(t, "Close", stopB(), nil)
		nothingLeft(t)
	})
}
