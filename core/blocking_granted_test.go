package core_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

// A function of Blocking does not run if its ctx ends when it has its place already, but has not begun.
func TestBlockingCanceledWithItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := dispatch.New(dispatch.Config{MaxBlocking: 1})
		if err != nil {
			t.Fatal(err)
		}
		wantErr(t, "RunOn", core.RunOn(t.Context(), d, func(ctx context.Context) error {
			release, ran := make(chan struct{}), 0
			block := func(ctx context.Context) error {
				_, err := core.Blocking(ctx, func(context.Context) (int, error) { ran++; <-release; return 0, nil })
				return err
			}
			first, second, third := core.Start(ctx, block), core.Start(ctx, block), core.Start(ctx, block)
			close(release)
			synctest.Wait() // while the loop stands still: the second one has the place of the first
			second.Cancel()
			wantErr(t, "first", first.Wait(ctx), nil)
			if err := second.Wait(ctx); second.State() != core.StateCanceled {
				t.Errorf("second: %v", err)
			}
			wantErr(t, "third", third.Wait(ctx), nil)
			if ran != 2 {
				t.Errorf("%d functions ran", ran)
			}
			return nil
		}), nil)
		wantErr(t, "Close", d.Close(), nil)
	})
}
