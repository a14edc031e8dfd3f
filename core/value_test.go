package core_test

import (
	"context"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
)

// A wait with a ctx that only carries values waits with the one below it: its end wakes the task
// in the same turn, with no goroutine in between.
func TestWaitWithValues(t *testing.T) {
	type key struct{}
	run(t, func(t *testing.T, ctx context.Context) {
		below, cancel := core.WithCancel(ctx)
		task := core.Start(ctx, func(ctx context.Context) error {
			return forever(context.WithValue(context.WithValue(below, key{}, 1), key{}, 2))
		})
		if n := core.Armed(below); n != 1 {
			t.Errorf("%d tasks wait with it", n)
		}
		cancel()
		wantErr(t, "Yield", core.Yield(ctx), nil)
		if !task.Finished() {
			t.Error("it was not woken")
		}
		wantErr(t, "the task", task.Err(), context.Canceled)
		// That of the task itself.
		task = core.Start(ctx, func(ctx context.Context) error { return forever(context.WithValue(ctx, key{}, 1)) })
		wantErr(t, "CancelAndWait", task.CancelAndWait(ctx), nil)
		// One that can end by itself does not count as such.
		std, stop := context.WithCancel(context.WithValue(ctx, key{}, 1))
		task = core.Start(ctx, func(context.Context) error { return forever(std) })
		stop()
		wantErr(t, "the task", task.Wait(ctx), context.Canceled)
	})
}
