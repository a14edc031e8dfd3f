package core_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
)

func TestGather(t *testing.T) {
	inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
		for _, limit := range []int{-1, 0, 1, 3, 100} {
			var mu sync.Mutex
			running, most := 0, 0
			var fns []func(ctx context.Context) (int, error)
			for i := range 10 {
				fns = append(fns, func(ctx context.Context) (int, error) {
					mu.Lock()
					running++
					most = max(most, running)
					mu.Unlock()
					err := core.Sleep(ctx, time.Duration(10-i)*time.Second)
					mu.Lock()
					defer mu.Unlock()
					running--
					return i * i, err
				})
			}
			vs, err := core.Gather(ctx, limit, fns...)
			wantErr(t, "Gather", err, nil)
			equal(t, vs, 0, 1, 4, 9, 16, 25, 36, 49, 64, 81)
			want := limit
			if limit <= 0 || limit > 10 {
				want = 10
			}
			if most != want {
				t.Errorf("limit %d: %d have run at a time", limit, most)
			}
		}
		vs, err := core.Gather[int](ctx, 0)
		if vs == nil || len(vs) != 0 || err != nil {
			t.Errorf("Gather of nothing: %v, %v", vs, err)
		}
	})
}

// The first error cancels the rest, and comes when all have cleaned up; what has not begun
// does not.
func TestGatherFails(t *testing.T) {
	inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
		var tr trace
		slow := func(ctx context.Context) (int, error) {
			err := cleaning(&tr, "cleaned")(ctx)
			wantErr(t, "cause", context.Cause(ctx), errBoom)
			return 1, err
		}
		fails := func(ctx context.Context) (int, error) {
			if err := core.Sleep(ctx, time.Second); err != nil {
				return 0, err
			}
			return 2, errBoom
		}
		never := func(ctx context.Context) (int, error) { tr.add("ran"); return 3, nil }
		vs, err := core.Gather(ctx, 2, slow, fails, never, never)
		wantErr(t, "Gather", err, errBoom)
		equal(t, vs)
		tr.want(t, "cleaned")

		vs, err = core.Gather(ctx, 0, func(context.Context) (int, error) { panic("oh") })
		if p, ok := errors.AsType[*core.PanicError](err); !ok || p.Value != "oh" || vs != nil {
			t.Errorf("a panic: %v, %v", vs, err)
		}

		short, cancel := core.WithTimeout(ctx, time.Second)
		defer cancel()
		clean := func(ctx context.Context) (int, error) { return 1, cleaning(&tr, "cleaned")(ctx) }
		vs, err = core.Gather(short, 1, clean, never)
		wantErr(t, "Gather", err, context.DeadlineExceeded)
		equal(t, vs)
		tr.want(t, "cleaned")
		_, err = core.Gather(short, 1, never)
		wantErr(t, "with a ctx that is done", err, context.DeadlineExceeded)
		tr.want(t, "")
	})
}
