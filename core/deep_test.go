package core_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
)

// A task that starts its successor and ends, again and again, lets go of all that came
// before.
func TestSuccessorsForEver(t *testing.T) {
	n := 100_000
	next := func(derive func(ctx context.Context) context.Context) {
		err := core.Run(t.Context(), func(ctx context.Context) error {
			all := core.NewFuture[struct{}]()
			var before, after runtime.MemStats
			begun := 0
			var step func(ctx context.Context) error
			step = func(ctx context.Context) error {
				begun++
				if begun%3 == 0 {
					if err := core.Yield(ctx); err != nil { // it outlives its parent
						return err
					}
				}
				switch begun {
				case n / 10:
					runtime.GC()
					runtime.ReadMemStats(&before)
				case n:
					runtime.GC()
					runtime.ReadMemStats(&after)
					all.Complete(struct{}{})
					return nil
				}
				core.Spawn(derive(ctx), step)
				return nil
			}
			core.Spawn(ctx, step)
			if _, err := all.Await(ctx); err != nil {
				return err
			}
			if grown := int64(after.HeapObjects) - int64(before.HeapObjects); grown > 5000 {
				t.Errorf("%d more objects after %d tasks more", grown, n-n/10)
			}
			wantErr(t, "Yield", core.Yield(ctx), nil)
			if n := core.Children(ctx); n > 1 {
				t.Errorf("%d children", n)
			}
			return nil
		})
		wantErr(t, "Run", err, nil)
	}
	t.Run("own ctx", func(t *testing.T) { next(func(ctx context.Context) context.Context { return ctx }) })
	t.Run("detached", func(t *testing.T) {
		next(func(ctx context.Context) context.Context {
			ctx, cancel := core.WithTimeout(ctx, time.Hour)
			defer cancel()
			return core.Detach(ctx)
		})
	})
}

// A chain in which each waits for the next.
func TestDeepAwaits(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		const depth = 10_000
		var down func(depth int) func(ctx context.Context) (int, error)
		down = func(depth int) func(ctx context.Context) (int, error) {
			return func(ctx context.Context) (int, error) {
				if depth == 0 {
					return 0, core.Sleep(ctx, time.Second)
				}
				v, err := core.Async(ctx, down(depth-1)).Await(ctx)
				return v + 1, err
			}
		}
		if v, err := core.Async(ctx, down(depth)).Await(ctx); v != depth || err != nil {
			t.Errorf("%d, %v", v, err)
		}
		// A cancel reaches the last one of them, and comes back up.
		f := core.Async(ctx, down(depth))
		wantErr(t, "Sleep", core.Sleep(ctx, time.Millisecond), nil)
		wantErr(t, "CancelAndWait", f.CancelAndWait(ctx), nil)
		if f.State() != core.StateCanceled {
			t.Errorf("%v", f.Err())
		}
		if n := core.Children(ctx); n != 0 {
			t.Errorf("%d children", n)
		}
	})
}

// Standard contexts between the tasks of a chain: a cancel at the top reaches the bottom.
func TestDeepStandardContexts(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		const depth = 1000
		var down func(ctx context.Context, depth int) error
		down = func(ctx context.Context, depth int) error {
			if depth == 0 {
				return forever(ctx)
			}
			std, cancel := context.WithCancel(ctx)
			defer cancel()
			return core.Start(std, func(ctx context.Context) error { return down(ctx, depth-1) }).Wait(context.Background())
		}
		task := core.Start(ctx, func(ctx context.Context) error { return down(ctx, depth) })
		wantErr(t, "Sleep", core.Sleep(ctx, time.Second), nil)
		wantErr(t, "CancelAndWait", task.CancelAndWait(ctx), nil)
		if task.State() != core.StateCanceled {
			t.Errorf("%v", task.Err())
		}
	})
}
