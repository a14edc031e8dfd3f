package core_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

// runners are Run, and RunOn of a dispatcher that is closed afterwards.
var runners = map[string]func(ctx context.Context, main func(ctx context.Context) error) error{
	"Run": core.Run,
	"RunOn": func(ctx context.Context, main func(ctx context.Context) error) error {
		d, err := dispatch.New(dispatch.Config{})
		if err != nil {
			return err
		}
		defer d.Close()
		return core.RunOn(ctx, d, main)
	},
}

// eachRun runs test with each of them, in a bubble.
func eachRun(t *testing.T, test func(t *testing.T, run func(ctx context.Context, main func(ctx context.Context) error) error)) {
	for name, r := range runners {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test(t, r)
				nothingLeft(t)
			})
		})
	}
}

func TestRunResult(t *testing.T) {
	eachRun(t, func(t *testing.T, run func(ctx context.Context, main func(ctx context.Context) error) error) {
		wantErr(t, "nil", run(t.Context(), func(context.Context) error { return nil }), nil)
		wantErr(t, "error", run(t.Context(), func(ctx context.Context) error { _ = core.Yield(ctx); return errBoom }), errBoom)

		done, cancel := context.WithCancel(t.Context())
		cancel()
		wantErr(t, "done ctx", run(done, func(context.Context) error { t.Error("main runs"); return nil }), context.Canceled)
		// The end of ctx reaches main.
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantErr(t, "timeout", run(short, forever), context.DeadlineExceeded)
		// A panic of main.
		p := panics(func() {
			_ = run(t.Context(), func(ctx context.Context) error { _ = core.Yield(ctx); panic(errBoom) })
		})
		pe, ok := p.(*core.PanicError)
		if !ok || pe.Value != errBoom || !errors.Is(pe, errBoom) || !strings.Contains(pe.Error(), "core: task panicked: boom\n\ngoroutine") {
			t.Errorf("panic %v", p)
		}
		// The error of another task is an error, whatever that died of.
		err := run(t.Context(), func(ctx context.Context) error {
			return core.Start(ctx, func(context.Context) error { panic("oh") }).Wait(ctx)
		})
		if pe, ok := err.(*core.PanicError); !ok || pe.Value != "oh" || pe.Unwrap() != nil {
			t.Errorf("the panic of a child: %v", err)
		}
	})
}

// What main has started is canceled when it returns, and waited for.
func TestMainReturns(t *testing.T) {
	eachRun(t, func(t *testing.T, run func(ctx context.Context, main func(ctx context.Context) error) error) {
		var tr trace
		start := time.Now()
		worker := func(ctx context.Context) error {
			err := forever(ctx)
			if context.Cause(ctx) != core.ErrMainReturned {
				t.Errorf("cause %v", context.Cause(ctx))
			}
			_ = core.Sleep(core.Shield(ctx), time.Second)
			tr.add("cleaned")
			if err := core.Start(core.Shield(ctx), func(ctx context.Context) error { return ctx.Err() }).Wait(core.Shield(ctx)); err == nil {
				t.Error("a new task was not canceled")
			}
			return err
		}
		wantErr(t, "run", run(t.Context(), func(ctx context.Context) error {
			core.Spawn(ctx, worker)
			core.Spawn(core.Detach(ctx), worker)
			core.Spawn(ctx, func(ctx context.Context) error {
				core.Spawn(core.Detach(ctx), worker)
				return nil
			})
			return nil
		}), nil)
		tr.want(t, "cleaned cleaned cleaned")
		if took := time.Since(start); took != time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// Tasks that RunOn's main has not started go on.
func TestRunOnLeavesOthersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := dispatch.New(dispatch.Config{})
		if err != nil {
			t.Fatal(err)
		}
		var tr trace
		other := core.Start(core.On(t.Context(), d), func(ctx context.Context) error {
			tr.add("began")
			err := core.Sleep(ctx, time.Hour)
			tr.add("went on")
			return err
		})
		for range 2 {
			wantErr(t, "RunOn", core.RunOn(t.Context(), d, func(ctx context.Context) error {
				return core.Sleep(ctx, time.Second)
			}), nil)
		}
		tr.want(t, "began")
		wantErr(t, "RunOn", core.RunOn(t.Context(), d, func(ctx context.Context) error { return other.Wait(ctx) }), nil)
		tr.want(t, "went on")
		if n := d.Pending(); n != 0 {
			t.Errorf("%d pending", n)
		}
		nothingLeft(t) // idle coroutines are gone before Close
		wantErr(t, "Close", d.Close(), nil)
		wantErr(t, "RunOn", core.RunOn(t.Context(), d, func(context.Context) error { t.Error("main runs"); return nil }), dispatch.ErrClosed)
	})
}

// A task of RunOn that does not end is named.
func TestRunOnNamesWhoStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := dispatch.New(dispatch.Config{CloseTimeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		release := core.NewFuture[int]()
		err = core.RunOn(t.Context(), d, func(ctx context.Context) error {
			core.Spawn(ctx, func(ctx context.Context) error { _, err := release.Await(core.Shield(ctx)); return err })
			return errBoom
		})
		ce, ok := errors.AsType[*dispatch.CloseError](err)
		if !ok || len(ce.Tasks) != 1 || !strings.Contains(ce.Tasks[0], "TestRunOnNamesWhoStays") || !errors.Is(err, errBoom) {
			t.Errorf("RunOn() = %v", err)
		}
		if took := time.Since(start); took != time.Minute {
			t.Errorf("it took %v", took)
		}
		release.Complete(1)
		wantErr(t, "Close", d.Close(), nil)
		if n := d.Pending(); n != 0 {
			t.Errorf("%d pending", n)
		}
		nothingLeft(t)
	})
}

func TestRunInsideRun(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		d := core.DispatcherOf(ctx)
		other, err := dispatch.New(dispatch.Config{})
		if err != nil {
			t.Fatal(err)
		}
		main := func(ctx context.Context) error { return core.Sleep(ctx, time.Second) }
		inside := func(where string) {
			wantErr(t, where+" Run", core.Run(ctx, main), dispatch.ErrRunning)
			wantErr(t, where+" RunOn", core.RunOn(ctx, d, main), dispatch.ErrRunning)
			wantErr(t, where+" RunOn another", core.RunOn(ctx, other, main), dispatch.ErrRunning)
			_, err := d.Poll(0)
			wantErr(t, where+" Poll", err, dispatch.ErrRunning)
		}
		inside("task:")
		called := core.NewFuture[int]()
		d.CallSoon(func() { inside("callback:"); called.Complete(1) })
		_, err = called.Await(ctx)
		wantErr(t, "Await", err, nil)
		// On another goroutine it works.
		_, err = core.Blocking(ctx, func(ctx context.Context) (int, error) {
			return 0, errors.Join(core.Run(ctx, main), core.RunOn(ctx, other, main), other.Close())
		})
		wantErr(t, "Blocking", err, nil)
	})
}

func TestRunWhileAnotherTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, stop := looping(t, dispatch.Config{})
		synctest.Wait()
		wantErr(t, "RunOn", core.RunOn(t.Context(), d, func(context.Context) error { t.Error("main runs"); return nil }), dispatch.ErrRunning)
		wantErr(t, "Close", stop(), nil)
	})
}

func TestDispatcherOf(t *testing.T) {
	if d := core.DispatcherOf(t.Context()); d != nil {
		t.Error("an ordinary ctx has a dispatcher")
	}
	run(t, func(t *testing.T, ctx context.Context) {
		d := core.DispatcherOf(ctx)
		other, err := dispatch.New(dispatch.Config{})
		if err != nil {
			t.Fatal(err)
		}
		on := core.On(context.WithValue(ctx, key{1}, 1), other)
		std, cancel := context.WithCancel(on)
		defer cancel()
		timed, cancel := core.WithTimeout(std, time.Hour)
		defer cancel()
		for i, ctx := range []context.Context{on, std, timed, core.Shield(timed), core.Detach(std), context.WithoutCancel(on)} {
			if core.DispatcherOf(ctx) != other || ctx.Value(key{1}) != 1 {
				t.Errorf("%d: not On the other one", i)
			}
		}
		if back := core.On(timed, d); core.DispatcherOf(back) != d || core.DispatcherOf(ctx) != d {
			t.Error("not back on the first one")
		}
		cancel() // before the clock it is armed on is gone
		wantErr(t, "Close", func() error {
			_, err := core.Blocking(ctx, func(context.Context) (int, error) { return 0, other.Close() })
			return err
		}(), nil)
	})
}

// A dispatcher, and its coroutines, belong to the bubble they were made in, and nothing is
// carried from one to the next.
func TestInAndOutOfBubbles(t *testing.T) {
	main := func(ctx context.Context) error {
		var fs []*core.Future[int]
		for i := range 10 {
			fs = append(fs, core.Async(ctx, func(ctx context.Context) (int, error) { return i, core.Sleep(ctx, time.Microsecond) }))
		}
		_, err := core.All(ctx, fs...)
		if err != nil {
			return err
		}
		_, err = core.Blocking(ctx, func(context.Context) (int, error) { return 1, nil })
		return err
	}
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		wantErr(t, "outside", core.Run(t.Context(), main), nil)
		wantErr(t, "outside, on one", core.RunOn(t.Context(), d, main), nil)
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			wantErr(t, "inside", core.Run(t.Context(), main), nil)
			if time.Since(start) != time.Microsecond {
				t.Error("the clock of the bubble was not used")
			}
			nothingLeft(t)
		})
		nothingLeft(t)
	}
	wantErr(t, "Close", d.Close(), nil)
}
