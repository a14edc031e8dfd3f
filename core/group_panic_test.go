package core_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
)

var errFirst = errors.New("first")

// A panic is told of, also where another task has failed first: it is perhaps in the clean-up which that has begun.
func TestGroupTellsOfEachPanic(t *testing.T) {
	inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
		inner := func(ctx context.Context) error {
			return core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
				_ = g.Go(ctx, func(ctx context.Context) error {
					defer func() { panic("inner") }()
					return forever(ctx)
				})
				return g.Go(ctx, func(context.Context) error { return errBoom })
			})
		}
		err := core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
			_ = g.Go(at(ctx, 0), func(ctx context.Context) error {
				defer func() { panic("outer") }()
				return forever(ctx)
			})
			_ = g.Go(at(ctx, 1), func(ctx context.Context) error {
				_ = forever(ctx)
				return errors.New("a later error")
			})
			_ = g.Go(at(ctx, 2), func(ctx context.Context) error {
				_ = forever(ctx)
				return inner(core.Shield(ctx))
			})
			wantErr(t, "Sleep", core.Sleep(ctx, time.Second), nil)
			return errFirst
		})
		if !errors.Is(err, errFirst) || !strings.HasPrefix(err.Error(), errFirst.Error()) {
			t.Errorf("%v, want %v first", err, errFirst)
		}
		for _, what := range []string{"panicked: outer", "panicked: inner", errBoom.Error()} {
			if strings.Count(err.Error(), what) != 1 {
				t.Errorf("%v, which does not say %q once", err, what)
			}
		}
		if strings.Contains(err.Error(), "a later error") {
			t.Errorf("%v, with a later error that is no panic", err)
		}
	})
}

// A panic that is passed on is one panic, with the value and the stack of the first place.
func TestPanicIsPassedOn(t *testing.T) {
	inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
		err := core.Start(at(ctx, 0), func(ctx context.Context) error {
			_, err := core.Blocking(ctx, func(context.Context) (int, error) { panic("boom") })
			return err
		}).Wait(ctx)
		if p, ok := err.(*core.PanicError); !ok || p.Value != "boom" || !strings.Contains(string(p.Stack), "TestPanicIsPassedOn") {
			t.Errorf("%v, want a panic with the value and its place", err)
		}
	})
	defer func() {
		if p, ok := recover().(*core.PanicError); !ok || p.Value != "boom" {
			t.Errorf("Run has panicked with %v", p)
		}
	}()
	_ = core.Run(t.Context(), func(ctx context.Context) error {
		next, _ := core.Pull(ctx, func(func(int, error) bool) { panic("boom") })
		_, _, _ = next(ctx)
		return nil
	})
}
