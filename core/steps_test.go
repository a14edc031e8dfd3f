package core_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

func TestSteps(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		// What runs once in each turn counts them.
		turns, stop := 0, false
		var count func()
		count = func() {
			if turns++; !stop {
				core.DispatcherOf(ctx).CallSoon(count)
			}
		}
		core.DispatcherOf(ctx).CallSoon(count)
		wantErr(t, "Yield", core.Yield(ctx), nil)
		for _, n := range []int{0, -1, 1, 2, 70} {
			before := turns
			wantErr(t, "Steps", core.Steps(ctx, n), nil)
			if took := turns - before; took != max(n, 0) {
				t.Errorf("Steps(%d) took %d turns", n, took)
			}
		}
		task := core.Start(ctx, func(ctx context.Context) error { return core.Steps(ctx, 1<<30) })
		wantErr(t, "Steps", core.Steps(ctx, 3), nil)
		wantErr(t, "CancelAndWait", task.CancelAndWait(ctx), nil)
		canceledBy(t, "Steps", task, context.Canceled)
		stop = true
	})
	inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
		over, cancel := core.WithCancel(ctx)
		cancel()
		for _, n := range []int{0, -1, 3} {
			wantErr(t, "Steps", core.Steps(at(ctx, n+1), n), nil)
			wantErr(t, "Steps with a ctx that is done", core.Steps(over, n), context.Canceled)
		}
	})
}

func TestIdle(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		var tr trace
		busy := core.Start(ctx, func(ctx context.Context) error {
			err := core.Steps(ctx, 10)
			tr.add("busy")
			return err
		})
		var idle []*core.Task
		for i := range 3 {
			idle = append(idle, core.Start(ctx, func(ctx context.Context) error {
				err := core.Idle(ctx)
				tr.add("idle%d", i)
				return err
			}))
		}
		wantErr(t, "AllFinished", core.AllFinished(ctx, append(idle, busy)...), nil)
		tr.want(t, "busy idle0 idle1 idle2")

		// Time that has to pass is no work: it does not wait for a timer.
		start := core.DispatcherOf(ctx).Now()
		long := core.Start(ctx, func(ctx context.Context) error { return core.Sleep(ctx, time.Hour) })
		wantErr(t, "Idle", core.Idle(ctx), nil)
		if took := core.DispatcherOf(ctx).Now().Sub(start); took != 0 {
			t.Errorf("it took %v", took)
		}
		long.Cancel()

		over, cancel := core.WithCancel(ctx)
		cancel()
		wantErr(t, "with a ctx that is done", core.Idle(over), context.Canceled)
	})
}

// A turn goes to the next one that waits if the first gives up, and those that give up on a loop
// that is never idle do not pile up there.
func TestIdleCanceled(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		d := core.DispatcherOf(ctx)
		var tr trace
		alone := d.Pending()
		stop := false
		busy := core.Start(ctx, func(ctx context.Context) error {
			for !stop {
				_ = core.Yield(ctx)
			}
			return nil
		})
		before := d.Pending()
		for range 100 {
			task := core.Start(ctx, core.Idle)
			_ = core.Yield(ctx)
			wantErr(t, "CancelAndWait", task.CancelAndWait(ctx), nil)
		}
		if n := d.Pending(); n > before+1 {
			t.Errorf("%d are pending", n-before)
		}
		first := core.Start(ctx, core.Idle)
		second := core.Start(ctx, func(ctx context.Context) error {
			err := core.Idle(ctx)
			tr.add("idle")
			return err
		})
		_ = core.Yield(ctx)
		wantErr(t, "CancelAndWait", first.CancelAndWait(ctx), nil)
		stop = true
		wantErr(t, "busy", busy.Wait(ctx), nil)
		wantErr(t, "Idle", second.Wait(ctx), nil)
		tr.want(t, "idle")
		_ = core.Idle(ctx)
		if n := d.Pending(); n != alone {
			t.Errorf("%d are still pending", n-alone)
		}
	})
}

// On a goroutine it waits for the loop of ctx, and where there is none it does not wait.
func TestIdleOnGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wantErr(t, "without a loop", core.Idle(t.Context()), nil)
		over, cancel := context.WithCancel(t.Context())
		cancel()
		wantErr(t, "without a loop, with a ctx that is done", core.Idle(over), context.Canceled)

		d, err := dispatch.New(dispatch.Config{})
		if err != nil {
			t.Fatal(err)
		}
		on := core.On(t.Context(), d)
		idle := make(chan error, 1)
		go func() { idle <- core.Idle(on) }()
		synctest.Wait()
		select {
		case <-idle:
			t.Error("nobody has turned the loop")
		default:
		}
		_, err = d.Poll(0)
		wantErr(t, "Poll", err, nil)
		wantErr(t, "Idle", <-idle, nil)
		wantErr(t, "with a ctx that is done", core.Idle(core.On(over, d)), context.Canceled)

		go func() { idle <- core.Idle(on) }()
		synctest.Wait()
		wantErr(t, "Close", d.Close(), nil)
		wantErr(t, "Idle when the loop closes", <-idle, dispatch.ErrClosed)
		wantErr(t, "Idle of a closed loop", core.Idle(on), dispatch.ErrClosed)
	})
	// The loop that counts is that of the task.
	synctest.Test(t, func(t *testing.T) {
		other, err := dispatch.New(dispatch.Config{})
		if err != nil {
			t.Fatal(err)
		}
		wantErr(t, "Run", core.Run(t.Context(), func(ctx context.Context) error {
			return core.Idle(core.On(ctx, other))
		}), nil)
		wantErr(t, "Close", other.Close(), nil)
		// Cleaning up when the loop closes, where no turn is idle.
		d, stop := looping(t, dispatch.Config{})
		var tr trace
		task := core.Start(core.On(t.Context(), d), func(ctx context.Context) error {
			tr.add("%v", forever(ctx))
			tr.add("%v", core.Idle(core.Shield(ctx)))
			return nil
		})
		synctest.Wait()
		start := time.Now()
		wantErr(t, "Close", stop(), nil)
		tr.want(t, "context canceled "+dispatch.ErrClosed.Error())
		if took := time.Since(start); took != 0 || !task.Finished() {
			t.Errorf("it took %v", took)
		}
	})
}
