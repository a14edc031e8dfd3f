package core_test

import (
	"context"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
)

// Groups in each other: the outer one's cancel reaches the inner ones, whose failure is an error
// of the outer one's task.
func TestGroupNested(t *testing.T) {
	inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
		var tr trace
		wantErr(t, "WithGroup", core.WithGroup(ctx, func(ctx context.Context, outer *core.Group) error {
			_ = outer.Go(at(ctx, 0), func(ctx context.Context) error {
				defer tr.add("outer")
				return core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
					return g.Go(at(ctx, 1), cleaning(&tr, "inner"))
				})
			})
			_ = outer.Go(at(ctx, 1), func(ctx context.Context) error {
				return core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
					return g.Go(at(ctx, 2), func(ctx context.Context) error {
						if err := core.Sleep(ctx, time.Second); err != nil {
							return err
						}
						return errBoom
					})
				})
			})
			return nil
		}), errBoom)
		tr.want(t, "inner outer")
	})
}

// The end of the ctx of a group reaches those that wait for a place with another ctx, though the
// function goes on.
func TestGroupParentCancelsWaitForPlace(t *testing.T) {
	inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
		for i := range 3 {
			short, cancel := core.WithTimeout(ctx, time.Second)
			start := time.Now()
			wantErr(t, "WithGroup", core.WithGroup(short, func(ctx context.Context, g *core.Group) error {
				g.SetLimit(1)
				wantErr(t, "Go", g.Go(at(context.WithoutCancel(ctx), i), func(ctx context.Context) error {
					wantErr(t, "Go in a task", g.Go(ctx, forever), context.DeadlineExceeded)
					if took := time.Since(start); took != time.Second {
						t.Errorf("it took %v", took)
					}
					return nil
				}), nil)
				return core.Sleep(context.WithoutCancel(ctx), time.Minute)
			}), context.DeadlineExceeded)
			cancel()
		}
	})
}

// What a group has held is let go by its end.
func TestGroupLeavesNothing(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		before := core.DispatcherOf(ctx).Pending()
		for range 100 {
			_ = core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
				for range 3 {
					_ = g.Go(ctx, forever)
				}
				return errBoom
			})
			_ = core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
				g.SetLimit(1)
				_ = g.Go(ctx, core.Yield)
				_ = g.Go(core.Shield(ctx), func(context.Context) error { return nil }) // which has waited
				if n := core.Children(ctx); n != 0 {
					t.Errorf("%d scopes are left of a wait for a place", n)
				}
				return nil
			})
		}
		if n := core.DispatcherOf(ctx).Pending(); n != before {
			t.Errorf("%d are pending", n-before)
		}
		if n := core.Children(ctx); n != 0 {
			t.Errorf("%d scopes are left", n)
		}
	})
}
