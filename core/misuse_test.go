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

// So does a nil future or task, where it would be waited for, even if ctx is done.
func TestNilFutures(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var f *core.Future[int]
	var task *core.Task
	one := core.Completed(1)
	for name, call := range map[string]func(){
		"All":         func() { _, _ = core.All(ctx, one, f) },
		"All2":        func() { _, _, _ = core.All2(ctx, one, f) },
		"All3":        func() { _, _, _, _ = core.All3(ctx, one, one, f) },
		"AllFinished": func() { _ = core.AllFinished(ctx, one, f) },
		"Any":         func() { _, _ = core.Any(ctx, one, f) },
		"AwaitCase":   func() { f.AwaitCase() },
		"Check":       func() { core.Check(f) },
		"Join":        func() { _ = core.Join(ctx, f) },
		"Race":        func() { _, _ = core.Race(ctx, one, f) },
		"WaitCase":    func() { task.WaitCase() },
	} {
		if p := panics(call); p != "core: "+name+" of nil" {
			t.Errorf("%s: it panics with %v", name, p)
		}
	}
	for name, call := range map[string]func(w core.Waitable){
		"AllFinished": func(w core.Waitable) { _ = core.AllFinished(ctx, core.Waitable(one), w) },
		"Check":       func(w core.Waitable) { core.Check(w) },
		"Join":        func(w core.Waitable) { _ = core.Join(ctx, w) },
		"Race":        func(w core.Waitable) { _, _ = core.Race(ctx, core.Waitable(one), w) },
	} {
		for _, w := range []core.Waitable{nil, task} {
			if p := panics(func() { call(w) }); p != "core: "+name+" of nil" {
				t.Errorf("%s, %T: it panics with %v", name, w, p)
			}
		}
	}
}

// And so does a nil dispatcher.
func TestNilDispatcher(t *testing.T) {
	main := func(context.Context) error { return nil }
	if p := panics(func() { core.On(t.Context(), nil) }); p != "core: On of a nil dispatcher" {
		t.Errorf("On panics with %v", p)
	}
	if p := panics(func() { _ = core.RunOn(t.Context(), nil, main) }); p != "core: RunOn on a nil dispatcher" {
		t.Errorf("RunOn panics with %v", p)
	}
}
