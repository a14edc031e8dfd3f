package core_test

import (
	"context"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
)

// ClearCallbacks takes out what AddCallback has added and is not posted, and nobody else who hears
// of the end.
func TestClearCallbacks(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		var tr trace
		d := core.DispatcherOf(ctx)
		f := core.NewFuture[int]()
		add := func(name string) func() bool {
			return f.AddCallback(d, func(*core.Future[int]) { tr.add("%s", name) })
		}
		stop := add("1")
		add("2")
		waits := []*core.Task{
			core.Start(ctx, func(ctx context.Context) error { _, err := f.Await(ctx); return err }),
			core.Start(ctx, func(ctx context.Context) error { _, err := core.Race(ctx, f); return err }),
		}
		f.OnCancel(func() { tr.add("canceled") })
		if n := f.ClearCallbacks(); n != 2 || f.ClearCallbacks() != 0 {
			t.Errorf("ClearCallbacks() = %d", n)
		}
		if stop() {
			t.Error("stop() = true for what was taken out before")
		}
		add("3")
		f.Cancel()
		if n := f.ClearCallbacks(); n != 0 {
			t.Errorf("ClearCallbacks() = %d of a finished future", n)
		}
		_ = core.AllFinished(ctx, waits...)
		tr.want(t, "canceled 3")
	})
}

// What was given to Check is reported all the same.
func TestClearCallbacksAndCheck(t *testing.T) {
	got := reported(t, func(ctx context.Context) error {
		task := core.Start(ctx, func(ctx context.Context) error { _ = core.Yield(ctx); return errBoom })
		core.Check(task)
		task.AddCallback(core.DispatcherOf(ctx), func(*core.Task) { t.Error("the callback ran") })
		if n := task.ClearCallbacks(); n != 1 {
			t.Errorf("ClearCallbacks() = %d", n)
		}
		return core.Steps(ctx, 3)
	})
	equal(t, got, errBoom)
}
