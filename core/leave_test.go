package core_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

// opening is a ctx of somebody else's that acts, once, when it is next listened to: in the
// middle of the end of a task whose children get a hold of their own on it.
type opening struct {
	context.Context
	act func()
}

func (c *opening) AfterFunc(fn func()) (stop func() bool) {
	if act := c.act; act != nil {
		c.act = nil
		act()
	}
	return context.AfterFunc(c.Context, fn)
}

// Value hides that there is a standard ctx, so that AfterFunc is asked.
func (c *opening) Value(any) any { return nil }

// canceledBy asserts that task has ended, canceled with this cause.
func canceledBy(t *testing.T, what string, task *core.Task, cause error) {
	t.Helper()
	ce, ok := errors.AsType[*core.CanceledError](task.Err())
	if task.State() != core.StateCanceled || !ok || ce.Cause != cause {
		t.Errorf("%s: %v, %v; want it canceled with cause %v", what, task.State(), task.Err(), cause)
	}
}

// A task that is started and begins to wait while the one above it is about to end is woken by
// that end.
func TestChildOfLeavingTask(t *testing.T) {
	for name, start := range map[string]func(ctx context.Context, other *dispatch.Dispatcher) *core.Task{
		"same dispatcher": func(ctx context.Context, _ *dispatch.Dispatcher) *core.Task { return core.Start(ctx, forever) },
		"another dispatcher": func(ctx context.Context, other *dispatch.Dispatcher) *core.Task {
			waits := make(chan struct{})
			task := core.Start(core.On(ctx, other), func(ctx context.Context) error {
				core.Start(ctx, func(ctx context.Context) error { // goes on when the other one waits
					defer close(waits)
					return core.Yield(ctx)
				})
				return forever(ctx)
			})
			<-waits
			return task
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, err := dispatch.New(dispatch.Config{})
				if err != nil {
					t.Fatal(err)
				}
				other, stop := looping(t, dispatch.Config{})
				base := &opening{Context: t.Context()}
				var child *core.Task
				wantErr(t, "RunOn", core.RunOn(base, d, func(ctx context.Context) error {
					core.Start(ctx, forever) // is left behind, and listens to base
					base.act = func() { child = start(ctx, other) }
					return nil
				}), nil)
				synctest.Wait()
				canceledBy(t, "the child", child, core.ErrTaskEnded)
				wantErr(t, "Close of the other", stop(), nil)
				wantErr(t, "Close", d.Close(), nil)
				nothingLeft(t)
			})
		})
	}
}

// A task that is started with the ctx of one that has ended is canceled, and its error is
// nobody's concern.
func TestStartUnderEndedTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := dispatch.New(dispatch.Config{Unhandled: func(err error) { t.Errorf("reported: %v", err) }})
		if err != nil {
			t.Fatal(err)
		}
		wantErr(t, "RunOn", core.RunOn(t.Context(), d, func(ctx context.Context) error {
			var ended context.Context
			core.Start(ctx, func(ctx context.Context) error { ended = ctx; return nil })
			derived, cancel := core.WithCancel(ended)
			defer cancel()
			std, cancel := context.WithCancel(ended)
			defer cancel()
			for name, above := range map[string]context.Context{
				"its own ctx": ended, "WithCancel": derived, "a standard ctx": std,
				"a value": context.WithValue(ended, key{1}, 1),
			} {
				sleep := func(ctx context.Context) error { return core.Sleep(ctx, time.Hour) }
				task := core.Start(above, sleep)
				_ = task.Wait(ctx)
				canceledBy(t, name, task, core.ErrTaskEnded)
				f := core.Async(above, func(ctx context.Context) (int, error) { return 1, sleep(ctx) })
				if _, err := f.Await(ctx); !f.Canceled() || !errors.Is(err, core.ErrTaskEnded) {
					t.Errorf("%s: future %v, %v", name, f.State(), err)
				}
				core.Spawn(above, sleep)
			}
			return core.Yield(ctx)
		}), nil)
		wantErr(t, "Close", d.Close(), nil)
		nothingLeft(t)
	})
}
