package core_test

import (
	"context"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
)

// A nil function panics in the call that was given it: later, on a loop, nobody could tell whose it was.
func TestNilFunctions(t *testing.T) {
	calls := func(t *testing.T, ctx context.Context) {
		d := core.DispatcherOf(ctx)
		task := core.Start(ctx, forever)
		for want, call := range map[string]func(){
			"core: Async of nil":    func() { core.Async[int](ctx, nil) },
			"core: Start of nil":    func() { core.Start(ctx, nil) },
			"core: Spawn of nil":    func() { core.Spawn(ctx, nil) },
			"core: Blocking of nil": func() { _, _ = core.Blocking[int](ctx, nil) },
			"core: Run of nil":      func() { _ = core.Run(ctx, nil) },
			"core: RunOn of nil":    func() { _ = core.RunOn(ctx, d, nil) },
			"core: nil callback":    func() { task.AddCallback(d, nil) },
		} {
			if p := panics(call); p != want {
				t.Errorf("panics with %v, want %s", p, want)
			}
		}
		task.Cancel()
		_ = task.Wait(context.Background())
	}
	run(t, calls)
	t.Run("on a goroutine", func(t *testing.T) {
		calls(t, t.Context())
	})
}
