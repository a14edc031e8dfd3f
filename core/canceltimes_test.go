package core_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/queue"
)

// A task that was canceled before it began runs all the same: what it was handed is in its care.
func TestCancelBeforeStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, poll := newLoop(t)
		var tr trace
		task := core.Start(core.On(t.Context(), d), func(ctx context.Context) error {
			tr.add("began %v %v", ctx.Err(), context.Cause(ctx))
			return core.Sleep(ctx, time.Hour)
		})
		if !task.CancelCause(errBoom) || task.Finished() {
			t.Errorf("before its start: %v", task.State())
		}
		poll()
		tr.want(t, "began context canceled boom")
		if task.State() != core.StateCanceled || !errors.Is(task.Err(), errBoom) {
			t.Errorf("%v, %v", task.State(), task.Err())
		}
		wantErr(t, "Close", d.Close(), nil)
	})
}

func TestCancelWhileWaiting(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		var l lock.AsyncLock
		l.TryAcquire()
		var e event.AsyncEvent
		q := queue.New[int](1)
		full := queue.New[int](1)
		_ = full.TryPut(1)
		never := core.NewFuture[int]()
		ch := make(chan int)
		for name, wait := range map[string]func(ctx context.Context) error{
			"Await":   func(ctx context.Context) error { _, err := never.Await(ctx); return err },
			"Sleep":   func(ctx context.Context) error { return core.Sleep(ctx, time.Hour) },
			"Acquire": func(ctx context.Context) error { return l.Acquire(ctx) },
			"Wait":    func(ctx context.Context) error { return e.Wait(ctx) },
			"Get":     func(ctx context.Context) error { _, err := q.Get(ctx); return err },
			"Put":     func(ctx context.Context) error { return full.Put(ctx, 2) },
			"Receive": func(ctx context.Context) error { _, _, err := core.Receive(ctx, ch); return err },
			"Send":    func(ctx context.Context) error { return core.Send(ctx, ch, 1) },
			"Blocking": func(ctx context.Context) error {
				_, err := core.Blocking(ctx, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() })
				return err
			},
		} {
			task := core.Start(ctx, func(ctx context.Context) error {
				err := wait(ctx)
				wantErr(t, name+", and again", wait(ctx), context.Canceled)
				return err
			})
			wantErr(t, "Sleep", core.Sleep(ctx, time.Second), nil)
			start := core.DispatcherOf(ctx).Now()
			wantErr(t, name, task.CancelAndWait(ctx), nil)
			if took := core.DispatcherOf(ctx).Now().Sub(start); task.State() != core.StateCanceled || took != 0 {
				t.Errorf("%s: %v after %v, %v", name, task.State(), took, task.Err())
			}
		}
		if core.Waiters(never) != 0 || full.Len() != 1 || !l.Locked() {
			t.Error("something has changed")
		}
	})
}

// A wait that was granted what it waits for returns it, and the cancel shows in the next one.
func TestCancelAfterGrantBeforeResume(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		var l lock.AsyncLock
		q := queue.New[int](1)
		f := core.NewFuture[int]()
		ch := make(chan int)
		for name, c := range map[string]struct {
			hold  func()
			wait  func(ctx context.Context) error
			grant func()
			was   func() bool // the grant was taken
		}{
			"future": {nil, func(ctx context.Context) error { _, err := f.Await(ctx); return err }, func() { f.Complete(1) }, nil},
			"lock":   {func() { l.TryAcquire() }, func(ctx context.Context) error { return l.Acquire(ctx) }, func() { l.Release() }, func() bool { return l.Locked() }},
			"queue":  {nil, func(ctx context.Context) error { _, err := q.Get(ctx); return err }, func() { _ = q.TryPut(1) }, func() bool { return q.Len() == 0 }},
			"receive": {nil, func(ctx context.Context) error { _, _, err := core.Receive(ctx, ch); return err }, func() {
				synctest.Wait()
				ch <- 1
				synctest.Wait()
			}, nil},
			"send": {nil, func(ctx context.Context) error { return core.Send(ctx, ch, 1) }, func() {
				synctest.Wait()
				<-ch
				synctest.Wait()
			}, nil},
		} {
			if c.hold != nil {
				c.hold()
			}
			var first, second error
			task := core.Start(ctx, func(ctx context.Context) error {
				first = c.wait(ctx)
				second = core.Sleep(ctx, time.Second)
				return second
			})
			grantAndCancel(ctx, c.grant, task)
			_ = task.Wait(ctx)
			wantErr(t, name, first, nil)
			wantErr(t, name+", and then", second, context.Canceled)
			if c.was != nil && !c.was() {
				t.Errorf("%s: the grant is lost", name)
			}
		}
	})
}

// grantAndCancel does both in one callback, between which no task runs.
func grantAndCancel(ctx context.Context, grant func(), task *core.Task) {
	done := core.NewFuture[struct{}]()
	core.DispatcherOf(ctx).CallSoon(func() {
		grant()
		task.CancelCause(errBoom)
		done.Complete(struct{}{})
	})
	_, _ = done.Await(ctx)
}

// The first cause counts.
func TestCancelTwice(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		task := core.Start(ctx, forever)
		if !task.CancelCause(errBoom) || !task.CancelCause(core.ErrPending) {
			t.Error("Cancel() = false while it is pending")
		}
		wantErr(t, "CancelAndWait", task.CancelAndWait(ctx), nil)
		if ce, ok := errors.AsType[*core.CanceledError](task.Err()); !ok || ce.Cause != errBoom {
			t.Errorf("%v", task.Err())
		}
		if task.Cancel() {
			t.Error("Cancel() = true behind the end")
		}
	})
}

func TestCancelFromGoroutine(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		for range 100 {
			task := core.Start(ctx, forever)
			go task.CancelCause(errBoom)
			if err := task.Wait(ctx); !errors.Is(err, errBoom) || task.State() != core.StateCanceled {
				t.Fatalf("%v", err)
			}
		}
	})
}

func TestCancelFromOtherDispatcher(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		other, stop := looping(t, dispatch.Config{})
		for range 100 {
			task := core.Start(ctx, forever)
			canceler := core.Start(core.On(context.Background(), other), func(ctx context.Context) error {
				return task.CancelAndWait(ctx)
			})
			if err := task.Wait(ctx); !errors.Is(err, context.Canceled) || task.State() != core.StateCanceled {
				t.Fatalf("%v", err)
			}
			wantErr(t, "CancelAndWait", canceler.Wait(ctx), nil)
		}
		go func() { wantErr(t, "Close", stop(), nil) }()
		synctest.Wait()
	})
}

// By the deadline of a ctx of this package, or of the standard library's, above the task or in
// it. It is no cancel of the future: the task says what it makes of it.
func TestCancelByDeadline(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		type with = func(context.Context, time.Duration) (context.Context, context.CancelFunc)
		for name, timeout := range map[string]with{"core": core.WithTimeout, "context": context.WithTimeout} {
			for where, start := range map[string]func(short context.Context) *core.Task{
				"above": func(short context.Context) *core.Task { return core.Start(short, forever) },
				"in it": func(short context.Context) *core.Task {
					return core.Start(ctx, func(context.Context) error { return forever(short) })
				},
			} {
				begun := core.DispatcherOf(ctx).Now()
				short, cancel := timeout(ctx, time.Minute)
				task := start(short)
				wantErr(t, name+" "+where, task.Wait(ctx), context.DeadlineExceeded)
				if took := core.DispatcherOf(ctx).Now().Sub(begun); took != time.Minute || !(task.State() == core.StateFailed) {
					t.Errorf("%s %s: %v after %v", name, where, task.State(), took)
				}
				cancel()
			}
		}
	})
}

// The end of a parent's ctx reaches those below it, in whatever depth, as long as the parent runs;
// with its cause.
func TestCancelByParent(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		var below []*core.Task
		parent := core.Start(ctx, func(ctx context.Context) error {
			below = append(below, core.Start(ctx, forever))
			std, cancel := context.WithCancel(context.WithValue(ctx, key{1}, 1))
			defer cancel()
			below = append(below, core.Start(std, func(ctx context.Context) error {
				below = append(below, core.Start(ctx, forever))
				return forever(ctx)
			}))
			err := forever(ctx)
			for _, task := range below {
				_ = task.Wait(core.Shield(ctx))
			}
			return err
		})
		parent.CancelCause(errBoom)
		_ = parent.Wait(ctx)
		for i, task := range below {
			if !errors.Is(task.Err(), errBoom) || task.State() != core.StateCanceled {
				t.Errorf("%d: %v, %v", i, task.State(), task.Err())
			}
		}
	})
}

func TestCancelWhileShielded(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		var tr trace
		task := core.Start(ctx, func(ctx context.Context) error {
			tr.add("%v", core.Sleep(core.Shield(ctx), time.Minute))
			tr.add("%v", core.Sleep(ctx, time.Minute))
			return nil // it has done its work
		})
		wantErr(t, "Sleep", core.Sleep(ctx, time.Second), nil)
		start := core.DispatcherOf(ctx).Now()
		wantErr(t, "CancelAndWait", task.CancelAndWait(ctx), nil)
		tr.want(t, "<nil> context canceled")
		if took := core.DispatcherOf(ctx).Now().Sub(start); took != time.Minute-time.Second || task.State() != core.StateCompleted {
			t.Errorf("it took %v, %v", took, task.State())
		}
	})
}

// A task that ignores it goes on, and its value is the outcome; whoever waits no longer than they like
// is not held up.
func TestCancelIgnored(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		f := core.Async(ctx, func(context.Context) (int, error) {
			return 5, core.Sleep(context.Background(), time.Hour)
		})
		short, cancel := core.WithTimeout(ctx, time.Minute)
		defer cancel()
		wantErr(t, "CancelAndWait", f.CancelAndWait(short), context.DeadlineExceeded)
		if f.Finished() {
			t.Error("it has ended")
		}
		if v, err := f.AwaitOrCancel(short); v != 5 || err != nil || f.State() != core.StateCompleted {
			t.Errorf("%d, %v, %v", v, err, f.State())
		}
	})
}

// Only the task that is canceled is: those it waits for go on, unless it takes them along. The
// way back up is from inner to outer.
func TestCancelOfTaskThatWaitsForTask(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		inner := core.Async(ctx, func(ctx context.Context) (int, error) { return 1, core.Sleep(ctx, time.Hour) })
		middle := core.Async(ctx, func(ctx context.Context) (int, error) { return inner.Await(ctx) })
		outer := core.Async(ctx, func(ctx context.Context) (int, error) { return middle.Await(ctx) })
		wantErr(t, "CancelAndWait", outer.CancelAndWait(ctx), nil)
		if !outer.Canceled() || middle.Finished() || inner.Finished() {
			t.Errorf("%v, %v, %v", outer.State(), middle.State(), inner.State())
		}
		if v, err := middle.Await(ctx); v != 1 || err != nil {
			t.Errorf("%d, %v", v, err)
		}

		var tr trace
		level := func(name string, next func(ctx context.Context) error) func(ctx context.Context) error {
			return func(ctx context.Context) error {
				defer tr.add("%s", name)
				_ = next(ctx)
				_ = core.Yield(core.Shield(ctx)) // clean-up that waits
				return ctx.Err()
			}
		}
		takeAlong := func(fn func(ctx context.Context) error) func(ctx context.Context) error {
			return func(ctx context.Context) error {
				f := core.Async(ctx, func(ctx context.Context) (int, error) { return 0, fn(ctx) })
				_, err := f.AwaitOrCancel(ctx)
				return err
			}
		}
		task := core.Start(ctx, level("A", takeAlong(level("B", takeAlong(level("C", forever))))))
		wantErr(t, "Yield", core.Yield(ctx), nil)
		wantErr(t, "CancelAndWait", task.CancelAndWait(ctx), nil)
		tr.want(t, "C B A")
	})
}

// A future that several wait for is canceled for all of them.
func TestCancelOfSharedFuture(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		shared := core.Async(ctx, func(ctx context.Context) (int, error) { return 0, forever(ctx) })
		var parents []*core.Future[int]
		for range 3 {
			parents = append(parents, core.Async(ctx, func(ctx context.Context) (int, error) { return shared.Await(ctx) }))
		}
		wantErr(t, "CancelAndWait", shared.CancelAndWait(ctx), nil)
		for i, f := range parents {
			_, err := f.Await(ctx)
			// They were not canceled themselves: to them it is an error like any other.
			if !errors.Is(err, context.Canceled) || !f.Failed() {
				t.Errorf("%d: %v, %v", i, err, f.State())
			}
		}
	})
}
