package core_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

// reported runs main on a dispatcher, and returns what its Unhandled was told.
func reported(t *testing.T, main func(ctx context.Context) error) (got []error) {
	t.Helper()
	d, err := dispatch.New(dispatch.Config{Unhandled: func(err error) { got = append(got, err) }})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := core.RunOn(t.Context(), d, main); err != nil {
		t.Errorf("RunOn() = %v", err)
	}
	return got
}

// A task is canceled by the end of a standard ctx above it, also if its function has asked that
// ctx before the task could hear of it.
func TestStandardCancelIsSeenAtTheEnd(t *testing.T) {
	got := reported(t, func(ctx context.Context) error {
		for range 200 {
			above, cancel := context.WithCancel(ctx)
			f := core.Async(above, func(context.Context) (int, error) {
				cancel()
				return 0, above.Err()
			})
			if s := f.State(); s != core.StateCanceled {
				t.Fatalf("State() = %v", s)
			}
			above, cancel = context.WithCancel(ctx)
			core.Spawn(above, func(context.Context) error {
				cancel()
				return above.Err()
			})
		}
		return core.Steps(ctx, 3)
	})
	equal(t, got)
}

// On a goroutine, too.
func TestStandardCancelIsSeenOnGoroutines(t *testing.T) {
	for range 200 {
		above, cancel := context.WithCancel(t.Context())
		task := core.Start(above, func(context.Context) error {
			cancel()
			return above.Err()
		})
		if err := core.Join(context.Background(), task); err != nil || task.State() != core.StateCanceled {
			t.Fatalf("Join() = %v, State() = %v", err, task.State())
		}
	}
}

// A panic stays one, also if its value wraps context.Canceled and the task was canceled.
func TestPanicIsNoCancel(t *testing.T) {
	bug := fmt.Errorf("bug: %w", context.Canceled)
	got := reported(t, func(ctx context.Context) error {
		below, cancel := core.WithCancel(ctx)
		core.Spawn(below, func(context.Context) error {
			cancel()
			panic(bug)
		})
		task := core.Start(ctx, func(ctx context.Context) error {
			_ = core.Yield(ctx)
			panic(bug)
		})
		core.Check(task)
		task.Cancel()
		return core.Steps(ctx, 4)
	})
	if len(got) != 2 {
		t.Errorf("Unhandled was told %v", got)
	}
	run(t, func(t *testing.T, ctx context.Context) {
		task := core.Start(ctx, func(ctx context.Context) error {
			_ = core.Yield(ctx)
			child := core.Start(core.Shield(ctx), func(context.Context) error { panic(bug) })
			return child.Wait(core.Shield(ctx))
		})
		task.Cancel()
		err := task.Wait(ctx)
		if _, ok := errors.AsType[*core.PanicError](err); !ok || task.State() != core.StateFailed {
			t.Errorf("Wait() = %v, State() = %v", err, task.State())
		}
	})
}

// deref is an error whose Unwrap panics.
type deref struct{ inner *deref }

func (e *deref) Error() string { return "deref" }
func (e *deref) Unwrap() error { return e.inner.inner }

// An error that panics when it is looked at is reported as any other, and takes nobody along.
func TestUnhandledErrorThatPanics(t *testing.T) {
	fn := func(context.Context) error { return &deref{} }
	for name, start := range map[string]func(ctx context.Context){
		"Spawn": func(ctx context.Context) { core.Spawn(ctx, fn) },
		"Check": func(ctx context.Context) { core.Check(core.Start(ctx, fn)) },
	} {
		t.Run(name, func(t *testing.T) {
			got := reported(t, func(ctx context.Context) error {
				start(ctx)
				return core.Steps(ctx, 4)
			})
			equal(t, got, error(&deref{}))
		})
	}
}

// What goes wrong in the clean-up of a task that was canceled is its error, whatever it is joined
// to. An error that says nothing but the cancel, in however many words, is none.
func TestErrorBesideCancel(t *testing.T) {
	both := func(ctx context.Context) error {
		_ = forever(ctx)
		return fmt.Errorf("ended: %w", errors.Join(ctx.Err(), errBoom))
	}
	twice := func(ctx context.Context) error {
		_ = forever(ctx)
		return fmt.Errorf("ended: %w", errors.Join(ctx.Err(), &core.CanceledError{Cause: errBoom}))
	}
	none := func(ctx context.Context) error { return nothing{forever(ctx)} }
	got := reported(t, func(ctx context.Context) error {
		for fn, want := range map[*func(context.Context) error]core.State{
			&both: core.StateFailed, &twice: core.StateCanceled, &none: core.StateFailed,
		} {
			task := core.Start(ctx, *fn)
			if err := task.CancelAndWait(ctx); err != nil || task.State() != want {
				t.Errorf("CancelAndWait() = %v, State() = %v, want %v", err, task.State(), want)
			}
			below, cancel := core.WithCancel(ctx)
			core.Spawn(below, *fn)
			cancel()
			err := core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
				_ = g.Go(ctx, *fn)
				g.Cancel()
				return nil
			})
			if failed := want == core.StateFailed; errors.Is(err, errBoom) != (fn == &both) || (err != nil) != failed {
				t.Errorf("WithGroup() = %v, want a failure: %v", err, failed)
			}
			f := core.NewOwned[int](func(error) {})
			f.Cancel()
			below, cancel = core.WithCancel(ctx)
			cancel()
			f.Fail((*fn)(below))
			if f.State() != want {
				t.Errorf("owned: State() = %v, want %v", f.State(), want)
			}
		}
		return core.Steps(ctx, 4)
	})
	if len(got) != 2 || !errors.Is(errors.Join(got...), errBoom) {
		t.Errorf("Unhandled was told %v", got)
	}
}

// nothing is an error that joins no errors at all.
type nothing struct{ error }

func (nothing) Unwrap() []error { return nil }
