package core_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

// goexit ends the goroutine it runs on, which must not be the one of a loop or of another
// task.
func goexit(context.Context) error {
	runtime.Goexit()
	return nil
}

func TestGoexitInTask(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		before := core.DispatcherOf(ctx).Pending()
		var tr trace
		// In the first run up to the first wait, on top of the stack of its parent.
		wantErr(t, "at once", core.Start(ctx, goexit).Wait(ctx), core.ErrGoexit)
		// In a child.
		parent := core.Start(ctx, func(ctx context.Context) error {
			defer tr.add("parent")
			child := core.Start(ctx, func(ctx context.Context) error {
				defer tr.add("child")
				_ = core.Yield(ctx)
				runtime.Goexit()
				return nil
			})
			err := child.Wait(ctx)
			wantErr(t, "child", err, core.ErrGoexit)
			wantErr(t, "Sleep", core.Sleep(ctx, time.Second), nil)
			return err
		})
		wantErr(t, "parent", parent.Wait(ctx), core.ErrGoexit)
		tr.want(t, "child parent")
		// With deferred functions that wait.
		task := core.Start(ctx, func(ctx context.Context) error {
			defer tr.add("outer")
			defer func() {
				wantErr(t, "Sleep", core.Sleep(ctx, time.Second), nil)
				wantErr(t, "a task in a deferred function", core.Start(ctx, goexit).Wait(ctx), core.ErrGoexit)
				tr.add("inner")
			}()
			_ = core.Yield(ctx)
			runtime.Goexit()
			return nil
		})
		wantErr(t, "with waits", task.Wait(ctx), core.ErrGoexit)
		tr.want(t, "inner outer")
		if task.State() != core.StateFailed {
			t.Errorf("%v", task.State())
		}
		// Called on a task that was canceled.
		task = core.Start(ctx, func(ctx context.Context) error { _ = forever(ctx); runtime.Goexit(); return nil })
		wantErr(t, "CancelAndWait", task.CancelAndWait(ctx), nil)
		wantErr(t, "canceled", task.Err(), core.ErrGoexit)
		wantErr(t, "Sleep", core.Sleep(ctx, time.Second), nil)
		if n := core.DispatcherOf(ctx).Pending(); n != before {
			t.Errorf("%d are still pending", n-before)
		}
		if _, burials, parked := core.Coroutines(ctx); burials != 0 || parked != 0 {
			t.Errorf("%d burials, %d parked", burials, parked)
		}
	})
}

func TestThousandGoexits(t *testing.T) {
	eachRun(t, func(t *testing.T, run func(ctx context.Context, main func(ctx context.Context) error) error) {
		cleaned := 0
		err := run(t.Context(), func(ctx context.Context) error {
			for i := range 1000 {
				core.Start(ctx, func(ctx context.Context) error {
					defer func() {
						if i%3 == 0 {
							_ = core.Yield(core.Shield(ctx))
						}
						cleaned++
					}()
					if i%2 == 0 {
						_ = core.Sleep(ctx, time.Duration(i))
					}
					runtime.Goexit()
					return nil
				})
			}
			return core.Sleep(ctx, 500) // some are canceled, and still exit
		})
		wantErr(t, "run", err, nil)
		if cleaned != 1000 {
			t.Errorf("%d have cleaned up", cleaned)
		}
	})
}

// A Goexit of main, as by t.FailNow, ends the caller of Run, when everything has ended.
func TestGoexitInMain(t *testing.T) {
	eachRun(t, func(t *testing.T, run func(ctx context.Context, main func(ctx context.Context) error) error) {
		for _, yields := range []int{0, 1} {
			var tr trace
			var returned atomic.Bool
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				defer tr.add("caller")
				_ = run(t.Context(), func(ctx context.Context) error {
					core.Spawn(ctx, func(ctx context.Context) error {
						err := forever(ctx)
						if !errors.Is(context.Cause(ctx), core.ErrMainReturned) {
							t.Errorf("cause %v", context.Cause(ctx))
						}
						tr.add("task")
						return err
					})
					for range yields {
						_ = core.Yield(ctx)
					}
					defer tr.add("main")
					runtime.Goexit()
					return nil
				})
				returned.Store(true)
			}()
			<-ended
			if returned.Load() {
				t.Error("Run returned")
			}
			tr.want(t, "main task caller")
		}
	})
}

// A loop that is locked to its thread cannot get rid of the coroutine: nobody else may
// resume it. It stays, and is counted, and holds up nobody.
func TestGoexitOnLockedLoop(t *testing.T) {
	// The coroutine stays for good, so it happens in a process of its own.
	if !inSubprocess(t, "locked-goexit") {
		out, err := subprocess(t, "TestGoexitOnLockedLoop", "locked-goexit")
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	synctest.Test(t, func(t *testing.T) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		d, err := dispatch.New(dispatch.Config{})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		wantErr(t, "RunOn", core.RunOn(t.Context(), d, func(ctx context.Context) error {
			for range 3 {
				wantErr(t, "Goexit", core.Start(ctx, goexit).Wait(ctx), core.ErrGoexit)
			}
			wantErr(t, "Sleep", core.Sleep(ctx, time.Second), nil)
			if _, burials, parked := core.Coroutines(ctx); burials != 0 || parked != 3 {
				t.Errorf("%d burials, %d parked", burials, parked)
			}
			return nil
		}), nil)
		wantErr(t, "Close", d.Close(), nil)
		if took := time.Since(start); took != time.Second {
			t.Errorf("it took %v", took)
		}
		exitNow(t)
	})
}
