package core_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
)

// The tests of this file are named after bugs of other libraries, by their issues.

// What a task had returned in the moment of a timeout was dropped, and what it had acquired with it.
func TestBugAsyncio343(t *testing.T) {
	for _, took := range []time.Duration{time.Second, 2 * time.Second} { // it cannot be canceled any more
		timeoutFirst := took > time.Second
		run(t, func(t *testing.T, ctx context.Context) {
			made := false
			var f *core.Future[int]
			start := func() {
				f = core.Async(ctx, func(ctx context.Context) (int, error) {
					if err := core.Sleep(core.Shield(ctx), took); err != nil {
						return 0, err
					}
					made = true
					return 42, nil
				})
			}
			if !timeoutFirst {
				start()
			}
			timeout, cancel := core.WithTimeout(ctx, time.Second)
			defer cancel()
			if timeoutFirst {
				start()
			}
			if v, err := f.AwaitOrCancel(timeout); !made || v != 42 || err != nil {
				t.Errorf("timeout first %t: %d, %v, made %t", timeoutFirst, v, err, made)
			}
		})
	}
}

// A cancel of the one who waits with a timeout was lost if what it waited for ended in the same moment: the task
// went on as if nobody had canceled it.
func TestBugCPython86296(t *testing.T) {
	for _, cancelFirst := range []bool{true, false} {
		run(t, func(t *testing.T, ctx context.Context) {
			f := core.NewOwned[int](func(error) {})
			got, after := 0, errors.New("it has not come so far")
			task := core.Start(ctx, func(ctx context.Context) (err error) {
				timeout, cancel := core.WithTimeout(ctx, time.Hour)
				defer cancel()
				if got, err = f.AwaitOrCancel(timeout); err != nil {
					return err
				}
				after = core.Yield(ctx)
				return after
			})
			if cancelFirst {
				task.Cancel()
				f.Complete(1)
			} else {
				f.Complete(1)
				task.Cancel()
			}
			_ = task.Wait(ctx)
			if !task.Canceled() || got != 1 || after != context.Canceled {
				t.Errorf("cancel first %t: canceled %t, value %d, then %v", cancelFirst, task.Canceled(), got, after)
			}
		})
	}
}

// A group inside a group failed in the moment in which the outer one was canceled, and took the cancel for its
// own: what came after it in the outer one was not canceled.
func TestBugCPython116720(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		outer, inner := errors.New("outer"), errors.New("inner")
		gate := core.NewFuture[int]()
		after := errors.New("it has not come so far")
		err := core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
			g.Go(ctx, func(ctx context.Context) error { _, _ = gate.Await(ctx); return outer })
			wantErr(t, "the inner group", core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
				g.Go(ctx, func(ctx context.Context) error { _, _ = gate.Await(ctx); return inner })
				g.Go(ctx, func(context.Context) error { gate.Complete(1); return nil })
				return nil
			}), inner)
			after = core.Sleep(ctx, time.Hour)
			return nil
		})
		wantErr(t, "the outer group", err, outer)
		wantErr(t, "the wait between them", after, context.Canceled)
		wantErr(t, "the wait after both", core.Yield(ctx), nil)
	})
}
