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

// A group that cannot wait for its tasks, as the dispatcher has closed, says so, and what was wrong
// before.
func TestGroupLeftByCloseKeepsItsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, stop := looping(t, dispatch.Config{CloseTimeout: time.Second})
		release := core.NewFuture[int]()
		group := core.Start(core.On(t.Context(), d), func(ctx context.Context) error {
			return core.WithGroup(core.Shield(ctx), func(ctx context.Context, g *core.Group) error {
				_ = g.Go(context.Background(), func(context.Context) error { // on a goroutine
					_, err := release.Await(context.Background())
					return err
				})
				return errBoom
			})
		})
		synctest.Wait()
		wantErr(t, "Close", stop(), nil)
		if err := group.Err(); !errors.Is(err, errBoom) || !errors.Is(err, dispatch.ErrClosed) {
			t.Errorf("the group: %v", err)
		}
		release.Complete(1)
	})
}

// A task may see the end of the ctx of its group first, and return that: the group has ended as its
// ctx has, all the same.
func TestGroupEndsAsItsContext(t *testing.T) {
	inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
		short, cancel := context.WithTimeoutCause(ctx, time.Second, errBoom)
		defer cancel()
		err := core.WithGroup(short, func(ctx context.Context, g *core.Group) error {
			shielded := core.Shield(ctx)
			_ = g.Go(at(shielded, 0), func(ctx context.Context) error {
				_ = core.Sleep(ctx, time.Hour)
				wantErr(t, "Err", ctx.Err(), context.DeadlineExceeded)
				wantErr(t, "Cause", context.Cause(ctx), errBoom)
				return nil
			})
			_ = g.Go(ctx, forever)
			_ = core.Sleep(shielded, time.Minute)
			wantErr(t, "Go", g.Go(at(shielded, 2), forever), ctx.Err())
			return nil
		})
		wantErr(t, "WithGroup", err, context.DeadlineExceeded)
	})
}
