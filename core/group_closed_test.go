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
