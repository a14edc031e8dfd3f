package core_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

func TestAsyncRunsToTheFirstWait(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		var tr trace
		task := func(name string) *core.Future[string] {
			return core.Async(ctx, func(ctx context.Context) (string, error) {
				tr.add("%s1", name)
				if err := core.Yield(ctx); err != nil {
					return "", err
				}
				tr.add("%s2", name)
				return name, nil
			})
		}
		a := task("a")
		tr.add("main")
		b := task("b")
		tr.want(t, "a1 main b1")
		if a.Finished() {
			t.Error("a is finished before its second half")
		}
		names, err := core.All(ctx, b, a)
		wantErr(t, "All", err, nil)
		equal(t, names, "b", "a")
		tr.want(t, "a2 b2")

		done := core.Async(ctx, func(context.Context) (int, error) { return 7, nil })
		if v, err := done.Read(); v != 7 || err != nil {
			t.Errorf("a task without a wait: Read() = %d, %v", v, err)
		}
	})
}

// From another goroutine, or in a callback of another dispatcher, tasks are queued, and
// begin in order.
func TestAsyncFromGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := dispatch.New(dispatch.Config{})
		if err != nil {
			t.Fatal(err)
		}
		var tr trace
		ctx := core.On(t.Context(), d)
		for i := range 3 {
			core.Start(ctx, func(ctx context.Context) error {
				tr.add("t%d", i)
				if core.DispatcherOf(ctx) != d {
					t.Error("the ctx of the task has another dispatcher")
				}
				return nil
			})
		}
		tr.want(t, "")
		if _, err := d.Poll(0); err != nil {
			t.Fatal(err)
		}
		tr.want(t, "t0 t1 t2")

		other, stop := looping(t, dispatch.Config{})
		if err := other.Post(func() {
			core.Start(ctx, func(context.Context) error { tr.add("other"); return nil })
		}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		tr.want(t, "")
		// In a callback of the same one the task begins at once.
		if err := d.Post(func() {
			core.Start(ctx, func(context.Context) error { tr.add("inside"); return nil })
			tr.add("callback")
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Poll(0); err != nil {
			t.Fatal(err)
		}
		tr.want(t, "other inside callback")
		wantErr(t, "Close", stop(), nil)
		wantErr(t, "Close", d.Close(), nil)
		nothingLeft(t)
	})
}

func TestAsyncWithoutDispatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		f := core.Async(t.Context(), func(ctx context.Context) (int, error) {
			<-release // blocks nobody
			if core.DispatcherOf(ctx) != nil {
				t.Error("there is a dispatcher")
			}
			inner := core.Async(ctx, value(3))
			return inner.Await(ctx)
		})
		close(release)
		if v, err := f.Await(t.Context()); v != 3 || err != nil {
			t.Errorf("Await() = %d, %v", v, err)
		}
		gone := core.Start(t.Context(), forever)
		synctest.Wait()
		gone.Cancel()
		if err := gone.Wait(t.Context()); !errors.Is(err, context.Canceled) || gone.State() != core.StateCanceled {
			t.Errorf("Wait() = %v, %v", err, gone.State())
		}
		failed := core.Start(t.Context(), func(context.Context) error { runtime.Goexit(); return nil })
		wantErr(t, "Goexit", failed.Wait(t.Context()), core.ErrGoexit)
		failed = core.Start(t.Context(), func(context.Context) error { panic(errBoom) })
		if err := failed.Wait(t.Context()); !errors.Is(err, errBoom) {
			t.Errorf("panic: %v", err)
		}
		nothingLeft(t)
	})
}

// A function always runs: what it was handed is in its care.
func TestAsyncWithDoneContext(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		done, cancel := core.WithCancel(ctx)
		cancel()
		std, cancel := context.WithCancel(ctx)
		cancel()
		for i, ctx := range []context.Context{done, std} {
			ran := false
			f := core.Start(ctx, func(ctx context.Context) error {
				ran = true
				wantErr(t, "Yield", core.Yield(ctx), context.Canceled)
				return ctx.Err()
			})
			if !ran || f.State() != core.StateCanceled {
				t.Errorf("%d: ran %t, %v", i, ran, f.State())
			}
		}
	})
}

func TestAsyncOutcome(t *testing.T) {
	for _, c := range []struct {
		name   string
		fn     func(ctx context.Context) (int, error)
		cancel bool // before the function returns
		state  core.State
		value  int
		err    error // by errors.Is
	}{
		{"value", func(context.Context) (int, error) { return 1, nil }, false, core.StateCompleted, 1, nil},
		{"error", func(context.Context) (int, error) { return 1, errBoom }, false, core.StateFailed, 1, errBoom},
		{"canceled error of its own", func(context.Context) (int, error) { return 0, context.Canceled }, false, core.StateFailed, 0, context.Canceled},
		{"canceled", func(ctx context.Context) (int, error) { return 0, forever(ctx) }, true, core.StateCanceled, 0, context.Canceled},
		{"canceled, wrapped", func(ctx context.Context) (int, error) { return 0, fmt.Errorf("read: %w", forever(ctx)) }, true, core.StateCanceled, 0, context.Canceled},
		{"canceled, but a value", func(ctx context.Context) (int, error) { _ = forever(ctx); return 2, nil }, true, core.StateCompleted, 2, nil},
		{"canceled, but an error", func(ctx context.Context) (int, error) { _ = forever(ctx); return 0, errBoom }, true, core.StateFailed, 0, errBoom},
		{"panic", func(context.Context) (int, error) { panic(errBoom) }, false, core.StateFailed, 0, errBoom},
		{"panic while canceled", func(ctx context.Context) (int, error) { panic(forever(ctx)) }, true, core.StateFailed, 0, context.Canceled},
		{"goexit", func(context.Context) (int, error) { runtime.Goexit(); return 0, nil }, false, core.StateFailed, 0, core.ErrGoexit},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, func(t *testing.T, ctx context.Context) {
				f := core.Async(ctx, func(ctx context.Context) (int, error) {
					wantErr(t, "Yield", core.Yield(ctx), nil)
					return c.fn(ctx)
				})
				wantErr(t, "Yield", core.Yield(ctx), nil)
				if c.cancel && !f.CancelCause(errBoom) {
					t.Error("CancelCause() = false")
				}
				v, err := f.Await(ctx)
				if f.State() != c.state || v != c.value || !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
					t.Errorf("%v, %d, %v; want %v, %d, %v", f.State(), v, err, c.state, c.value, c.err)
				}
				wantErr(t, "Err", f.Err(), err)
				if f.Canceled() != (c.state == core.StateCanceled) || f.Failed() != (c.state == core.StateFailed) {
					t.Errorf("Canceled() = %t, Failed() = %t", f.Canceled(), f.Failed())
				}
				if ce, ok := errors.AsType[*core.CanceledError](err); ok && ce.Cause != errBoom {
					t.Errorf("cause %v", ce.Cause)
				}
				if f.Cancel() || f.CancelCause(errBoom) {
					t.Error("a finished future can be canceled")
				}
			})
		})
	}
}

// A task's ctx ends with the task. What was started with it belongs to the ctx above then,
// and goes on until that is canceled.
func TestTaskEndsBeforeItsChildren(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		above, cancel := core.WithCancel(ctx)
		var inner context.Context
		var child, timed, grandchild *core.Task
		var stop context.CancelFunc
		parent := core.Start(above, func(ctx context.Context) error {
			inner = ctx
			child = core.Start(ctx, func(ctx context.Context) error {
				grandchild = core.Start(context.WithValue(ctx, errBoom, 1), forever)
				return forever(ctx)
			})
			var withTimeout context.Context
			withTimeout, stop = core.WithTimeout(ctx, time.Hour)
			timed = core.Start(withTimeout, forever)
			return nil
		})
		defer stop()
		if !parent.Finished() || inner.Err() != context.Canceled || context.Cause(inner) != core.ErrTaskEnded {
			t.Errorf("after its end: Err() = %v, cause %v", inner.Err(), context.Cause(inner))
		}
		wantErr(t, "Sleep", core.Sleep(ctx, time.Minute), nil)
		for i, task := range []*core.Task{child, timed, grandchild} {
			if task.Finished() {
				t.Errorf("%d ended with its parent: %v", i, task.Err())
			}
		}
		cancel()
		for i, task := range []*core.Task{child, timed, grandchild} {
			if err := task.Wait(ctx); !errors.Is(err, context.Canceled) || task.State() != core.StateCanceled {
				t.Errorf("%d: %v", i, err)
			}
		}
	})
}

func TestTask(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		task := core.Start(ctx, forever)
		if task.Finished() || task.State() != core.StatePending || task.Err() != nil {
			t.Errorf("%v, %v", task.State(), task.Err())
		}
		select {
		case <-task.Done():
			t.Error("Done is closed")
		default:
		}
		if !task.CancelCause(errBoom) || !task.Cancel() {
			t.Error("it cannot be canceled")
		}
		wantErr(t, "CancelAndWait", task.CancelAndWait(ctx), nil)
		if !task.Canceled() || task.Failed() {
			t.Errorf("Canceled() = %t, Failed() = %t", task.Canceled(), task.Failed())
		}
		<-task.Done()
		if err := task.Wait(ctx); !errors.Is(err, context.Canceled) || !errors.Is(err, errBoom) || err.Error() != "core: canceled: boom" {
			t.Errorf("Wait() = %v", err)
		}
		task = core.Start(ctx, func(context.Context) error { return errBoom })
		wantErr(t, "Wait", task.Wait(ctx), errBoom)
		wantErr(t, "Err", task.Err(), errBoom)
		if task.Canceled() || !task.Failed() {
			t.Errorf("Canceled() = %t, Failed() = %t", task.Canceled(), task.Failed())
		}
		cleaned := false
		task = core.Start(ctx, func(ctx context.Context) error {
			err := forever(ctx)
			cleaned = core.Sleep(core.Shield(ctx), time.Second) == nil
			return err
		})
		short, cancel := core.WithTimeout(ctx, time.Second)
		defer cancel()
		wantErr(t, "WaitOrCancel", task.WaitOrCancel(short), context.DeadlineExceeded)
		if !cleaned || !task.Canceled() {
			t.Errorf("%v, cleaned: %t", task.State(), cleaned)
		}
	})
}

// A task that starts its successor and ends must not pile up coroutines, nor must one that
// waits for those it starts take for ever the stack of its callers.
func TestNestedStartsAreQueued(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		deepest, begun := 0, 0
		var next func(depth int) func(ctx context.Context) error
		next = func(depth int) func(ctx context.Context) error {
			return func(ctx context.Context) error {
				begun++
				deepest = max(deepest, depth)
				if depth < 10*core.MaxNested {
					core.Start(ctx, next(depth+1))
				}
				return nil
			}
		}
		core.Start(ctx, next(1))
		if deepest >= 2*core.MaxNested || deepest < core.MaxNested/2 {
			t.Errorf("%d tasks began inside each other, want about %d", deepest, core.MaxNested)
		}
		for range 20 {
			wantErr(t, "Yield", core.Yield(ctx), nil)
		}
		if begun != 10*core.MaxNested {
			t.Errorf("%d tasks began, want %d", begun, 10*core.MaxNested)
		}
		if idle, _, _ := core.Coroutines(ctx); idle > core.MaxNested {
			t.Errorf("%d idle coroutines", idle)
		}
	})
}

// An error whose Is method panics, like any code of the user, harms the task alone.
func TestErrorThatPanics(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		before := core.DispatcherOf(ctx).Pending()
		f := core.Start(ctx, func(ctx context.Context) error {
			_ = forever(ctx)
			return nastyError{}
		})
		wantErr(t, "CancelAndWait", f.CancelAndWait(ctx), nil)
		if f.State() != core.StateFailed {
			t.Errorf("%v", f.State())
		}
		if n := core.DispatcherOf(ctx).Pending(); n != before {
			t.Errorf("%d pending, want %d", n, before)
		}
	})
}

// The same in a task that nobody waits for, however it ends: it is reported, and the loop goes
// on.
func TestErrorThatPanicsInSpawn(t *testing.T) {
	for name, end := range map[string]func() error{
		"returned": func() error { return nastyError{} },
		"panic":    func() error { panic(nastyError{}) },
	} {
		t.Run(name, func(t *testing.T) {
			var reported []error
			d, err := dispatch.New(dispatch.Config{Unhandled: func(err error) { reported = append(reported, err) }})
			if err != nil {
				t.Fatal(err)
			}
			wantErr(t, "RunOn", core.RunOn(t.Context(), d, func(ctx context.Context) error {
				core.Spawn(ctx, func(ctx context.Context) error {
					_ = forever(ctx)
					return end()
				})
				return nil // which cancels it
			}), nil)
			wantErr(t, "Close", d.Close(), nil)
			if len(reported) != 1 {
				t.Errorf("reported %d errors, want 1", len(reported))
			}
		})
	}
}

type nastyError struct{}

func (nastyError) Error() string { return "nasty" }
func (nastyError) Is(error) bool { panic("nasty") }
