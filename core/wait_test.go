package core_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/lock"
)

// kinds are the contexts that a task may wait with. A ctx is made inside the waiting task,
// below its own ctx or elsewhere.
func kinds(outer, other context.Context) map[string]func(own context.Context) (context.Context, func()) {
	never := func(ctx context.Context) func(context.Context) (context.Context, func()) {
		return func(context.Context) (context.Context, func()) { return ctx, nil }
	}
	std := func(parent context.Context) func(context.Context) (context.Context, func()) {
		return func(own context.Context) (context.Context, func()) {
			if parent == nil {
				return context.WithCancel(own)
			}
			return context.WithCancel(parent)
		}
	}
	return map[string]func(own context.Context) (context.Context, func()){
		"Background":   never(context.Background()),
		"to do":        never(context.TODO()),
		"outer task's": func(context.Context) (context.Context, func()) { return core.WithCancel(outer) },
		"std child of own": func(own context.Context) (context.Context, func()) {
			return context.WithCancel(context.WithValue(own, key{1}, 1))
		},
		"std child of outer":      std(outer),
		"std child of Background": std(context.Background()),
		"std timeout": func(own context.Context) (context.Context, func()) {
			return context.WithTimeout(own, 1000*time.Hour)
		},
		"std value": func(own context.Context) (context.Context, func()) {
			ctx, cancel := core.WithCancel(own)
			return context.WithValue(ctx, key{1}, 1), cancel
		},
		"std WithoutCancel": func(own context.Context) (context.Context, func()) {
			return context.WithoutCancel(own), nil
		},
		"custom type": func(context.Context) (context.Context, func()) {
			ctx := check.NewCtx()
			return ctx, ctx.Cancel
		},
		"std child of custom type": func(context.Context) (context.Context, func()) {
			base := check.NewCtx()
			ctx, cancel := context.WithCancel(base)
			return ctx, func() { base.Cancel(); cancel() }
		},
		"core timeout": func(own context.Context) (context.Context, func()) {
			return core.WithTimeout(own, 1000*time.Hour)
		},
		"core timeout below std": func(own context.Context) (context.Context, func()) {
			std, cancel := context.WithCancel(own)
			ctx, _ := core.WithTimeout(std, 1000*time.Hour)
			return ctx, cancel
		},
		"shielded":           func(own context.Context) (context.Context, func()) { return core.Shield(own), nil },
		"other dispatcher's": func(context.Context) (context.Context, func()) { return core.WithCancel(other) },
	}
}

// Whatever ctx a task waits with, it is the task that waits, not the loop, and the end of that
// ctx ends the wait, at once.
func TestEveryContextSuspends(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		d2, stop := looping(t, dispatch.Config{})
		var other context.Context
		onOther := core.Start(core.On(context.Background(), d2), func(ctx context.Context) error {
			other = ctx
			return forever(ctx)
		})
		synctest.Wait()
		var l lock.AsyncLock
		l.TryAcquire()
		waits := map[string]func(ctx context.Context, f *core.Future[int]) error{
			"await": func(ctx context.Context, f *core.Future[int]) error { _, err := f.Await(ctx); return err },
			"race":  func(ctx context.Context, f *core.Future[int]) error { _, err := core.Race(ctx, f); return err },
			"sleep": func(ctx context.Context, _ *core.Future[int]) error { return core.Sleep(ctx, time.Second) },
			"lock":  func(ctx context.Context, _ *core.Future[int]) error { return l.Acquire(ctx) },
		}
		for kind, mk := range kinds(ctx, other) {
			for name, wait := range waits {
				for _, canceled := range []bool{false, true} {
					what := fmt.Sprintf("%s with %s, canceled %t", name, kind, canceled)
					f := core.NewFuture[int]()
					var cancel func()
					task := core.Start(ctx, func(own context.Context) error {
						var with context.Context
						with, cancel = mk(own)
						return wait(with, f)
					})
					if cancel == nil && canceled {
						core.Start(ctx, func(context.Context) error { f.Complete(1); return nil })
						if name == "lock" {
							l.Release()
						}
						_ = task.Wait(ctx)
						continue
					}
					for range 5 {
						wantErr(t, what, core.Yield(ctx), nil)
					}
					if task.Finished() {
						t.Fatalf("%s: it did not wait: %v", what, task.Err())
					}
					start := core.DispatcherOf(ctx).Now()
					var want error
					switch {
					case canceled:
						want = context.Canceled
						cancel()
					case name == "lock":
						l.Release()
					default:
						f.Complete(1)
					}
					wantErr(t, what, task.Wait(ctx), want)
					took := core.DispatcherOf(ctx).Now().Sub(start)
					if took != 0 && (canceled || name != "sleep") {
						t.Errorf("%s: it took %v", what, took)
					}
					if cancel != nil {
						cancel()
					}
				}
			}
		}
		onOther.Cancel()
		_ = onOther.Wait(ctx)
		synctest.Wait()
		go func() { wantErr(t, "Close", stop(), nil) }()
		synctest.Wait()
	})
}

func TestWaitInCallbackPanics(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		const text = "core: wait inside a dispatcher callback"
		d := core.DispatcherOf(ctx)
		f := core.NewFuture[int]()
		var l lock.AsyncLock
		l.TryAcquire()
		ready := core.NewFuture[int]()
		d.CallSoon(func() {
			defer ready.Complete(1)
			for what, fn := range map[string]func(){
				"Await":      func() { _, _ = f.Await(ctx) },
				"Background": func() { _, _ = f.Await(context.Background()) },
				"Acquire":    func() { _ = l.Acquire(ctx) },
				"Sleep":      func() { _ = core.Sleep(ctx, time.Second) },
				"Yield":      func() { _ = core.Yield(ctx) },
				"Race":       func() { _, _ = core.Race(ctx, f) },
				"Blocking": func() {
					_, _ = core.Blocking(ctx, func(context.Context) (int, error) { return 0, nil })
				},
			} {
				if p := panics(fn); p != text {
					t.Errorf("%s: panic %v", what, p)
				}
			}
			// What needs no wait works.
			if v, err := core.Completed(1).Await(ctx); v != 1 || err != nil {
				t.Errorf("Await() = %d, %v", v, err)
			}
		})
		_, err := ready.Await(ctx)
		wantErr(t, "Await", err, nil)
		// All is as it was.
		if n, m := core.Waiters(f), core.Watchers(f); n != 0 || m != 0 {
			t.Errorf("%d wait, %d look on", n, m)
		}
		if s := l.Stats(); s.Waiting != 0 || !s.Locked {
			t.Errorf("%+v", s)
		}
		l.Release()
		wantErr(t, "Acquire", l.Acquire(ctx), nil)
	})
}

// A wake that was meant for one wait, or for none, ends no other.
func TestStaleWakes(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		first, second := core.NewFuture[int](), core.NewFuture[int]()
		with, cancel := core.WithCancel(ctx)
		begun, slept := false, false
		var wake func()
		task := core.Start(ctx, func(ctx context.Context) error {
			wake = core.Waker(ctx)
			wake() // before a wait
			if _, err := first.Await(with); err != nil {
				t.Errorf("the first wait: %v", err)
			}
			begun = true
			if _, err := second.Await(ctx); err != nil {
				t.Errorf("the second wait: %v", err)
			}
			start := core.DispatcherOf(ctx).Now()
			wantErr(t, "Sleep", core.Sleep(ctx, time.Hour), nil)
			if d := core.DispatcherOf(ctx).Now().Sub(start); d != time.Hour {
				t.Errorf("it slept for %v", d)
			}
			slept = true
			return nil
		})
		hammer := func() {
			for range 5 {
				wake()
				wake()
				wantErr(t, "Yield", core.Yield(ctx), nil)
			}
		}
		hammer()
		if begun {
			t.Fatal("a wake ended the first wait")
		}
		first.Complete(1)
		cancel() // comes too late for this wait, and is not meant for the next
		hammer()
		if !begun || second.Finished() || task.Finished() || core.Waiters(second) != 1 {
			t.Fatalf("a stale wake ended the second wait: begun %t, %v", begun, task.Err())
		}
		second.Complete(1)
		hammer()
		wantErr(t, "Sleep", core.Sleep(ctx, time.Minute), nil)
		hammer()
		if slept {
			t.Error("a wake ended the Sleep")
		}
		wantErr(t, "Wait", task.Wait(ctx), nil)
		hammer() // of a task that has ended
	})
}

// A wake that comes after the task has looked, and before it is suspended, is not lost.
func TestWakeBeforeSuspend(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		for name, wait := range map[string]func(ctx context.Context) error{
			"await": forever,
			"sleep": func(ctx context.Context) error { return core.Sleep(ctx, time.Hour) },
		} {
			looks := 0
			task := core.Start(ctx, func(ctx context.Context) error {
				return wait(looked{context.WithoutCancel(ctx), func() error {
					looks++
					switch looks {
					case 1: // before anything
						return nil
					case 2: // the last look before the task is suspended
						core.Waker(ctx)()
						return nil
					}
					return errBoom
				}})
			})
			wantErr(t, name, task.Err(), errBoom)
			task.Cancel()
			_ = task.Wait(ctx)
		}
	})
}

// looked is a context that notes who looks at it.
type looked struct {
	context.Context
	err func() error
}

func (c looked) Err() error { return c.err() }

// The cancel of a standard ctx comes on a goroutine of its own. It may be late: here
// while the task waits with another ctx.
func TestLateCancelOfStandardContext(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		for range 100 {
			f, g := core.NewFuture[int](), core.NewFuture[int]()
			std, cancel := context.WithCancel(ctx)
			task := core.Start(ctx, func(ctx context.Context) error {
				if _, err := f.Await(std); err != nil {
					return err
				}
				_, err := g.Await(ctx)
				return err
			})
			f.Complete(1)
			cancel() // starts the goroutine; the grant comes first
			for range 3 {
				wantErr(t, "Yield", core.Yield(ctx), nil)
			}
			if task.Finished() {
				t.Fatalf("it ended: %v", task.Err())
			}
			g.Complete(1)
			wantErr(t, "Wait", task.Wait(ctx), nil)
		}
	})
}

// The alarm of a Sleep that was canceled may stand in the ready FIFO already. It
// must not shorten the next Sleep.
func TestStaleAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := dispatch.New(dispatch.Config{})
		if err != nil {
			t.Fatal(err)
		}
		poll := func() {
			if _, err := d.Poll(0); err != nil {
				t.Fatal(err)
			}
		}
		on := core.On(t.Context(), d)
		with, cancel := context.WithCancel(t.Context())
		var tr trace
		task := core.Start(on, func(ctx context.Context) error {
			wantErr(t, "Sleep", core.Sleep(with, time.Second), context.Canceled)
			tr.add("canceled")
			wantErr(t, "Sleep", core.Sleep(ctx, time.Second), nil)
			tr.add("slept")
			wantErr(t, "Sleep", core.Sleep(ctx, time.Second), nil)
			tr.add("again")
			return nil
		})
		poll()
		cancel()
		synctest.Wait() // the task is posted, and stands before its alarm in the next turn
		time.Sleep(2 * time.Second)
		poll()
		tr.want(t, "canceled")
		time.Sleep(time.Second - 1)
		poll()
		tr.want(t, "")
		time.Sleep(time.Nanosecond)
		poll()
		tr.want(t, "slept")
		time.Sleep(time.Second)
		poll()
		tr.want(t, "again")
		wantErr(t, "Err", task.Err(), nil)
		wantErr(t, "Close", d.Close(), nil)
	})
}

// An alarm that has gone off wins over a cancel that came before the task could run.
func TestAlarmWinsOverCancel(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		d := core.DispatcherOf(ctx)
		with, cancel := core.WithCancel(ctx)
		d.AfterFunc(time.Second, cancel) // armed first: it runs first in the same turn
		task := core.Start(ctx, func(ctx context.Context) error {
			return core.Sleep(with, time.Second)
		})
		wantErr(t, "Wait", task.Wait(ctx), nil)
		wantErr(t, "Err", with.Err(), context.Canceled)
	})
}
