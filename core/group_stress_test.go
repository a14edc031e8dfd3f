package core_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
)

// Trees of groups over two dispatchers and goroutines, whose tasks fail, panic, exit and are
// canceled from anywhere, at any time: a group never ends before its tasks.
func TestStressGroups(t *testing.T) {
	d1, stop1 := looping(t, dispatch.Config{})
	d2, stop2 := looping(t, dispatch.Config{})
	var wrong, ran atomic.Int64
	places := []derive{
		func(ctx context.Context) context.Context { return ctx },
		func(ctx context.Context) context.Context { return core.On(ctx, d1) },
		func(ctx context.Context) context.Context { return core.On(ctx, d2) },
		func(context.Context) context.Context { return context.Background() },
		func(context.Context) context.Context { return core.On(context.Background(), d2) },
	}
	var grow func(ctx context.Context, r *rand.Rand, depth int) error
	grow = func(ctx context.Context, r *rand.Rand, depth int) error {
		var live atomic.Int64
		err := core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
			g.SetLimit(r.IntN(4))
			for range r.IntN(5) {
				below := rand.New(rand.NewPCG(r.Uint64(), 1))
				err := g.Go(places[r.IntN(len(places))](ctx), func(ctx context.Context) error {
					ran.Add(1)
					live.Add(1)
					defer live.Add(-1)
					defer func() { _ = core.Yield(core.Shield(ctx)) }()
					if depth > 0 {
						if err := grow(ctx, below, depth-1); err != nil {
							return err
						}
					}
					switch below.IntN(8) {
					case 0:
						return errBoom
					case 1:
						panic("oh")
					case 2:
						go g.Cancel()
						return forever(ctx)
					case 3:
						_, err := core.Gather(ctx, 2, value(1), value(2), value(3))
						return err
					case 4:
						next, stop := core.Pull(ctx, func(yield func(int, error) bool) {
							for yield(1, core.Yield(ctx)) {
							}
						})
						_, _, _ = next(ctx)
						stop()
					case 5:
						short, cancel := core.WithTimeout(ctx, time.Duration(below.IntN(1000)))
						defer cancel()
						return forever(short)
					}
					return core.Steps(ctx, below.IntN(5))
				})
				if err != nil {
					return nil
				}
			}
			return nil
		})
		if live.Load() != 0 {
			wrong.Add(1)
		}
		return err
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range check.Times(100, 3000) {
		ctx, cancel := context.WithCancel(t.Context())
		below := rand.New(rand.NewPCG(r.Uint64(), 3))
		root := core.Start(places[r.IntN(3)](ctx), func(ctx context.Context) error { return grow(ctx, below, 2) })
		if r.IntN(2) == 0 {
			go cancel()
		}
		<-root.Done()
		cancel()
		if err := root.Err(); errors.Is(err, dispatch.ErrClosed) {
			t.Error(err)
		}
	}
	if n := wrong.Load(); n != 0 {
		t.Errorf("%d groups have ended before their tasks", n)
	}
	if ran.Load() == 0 {
		t.Error("nothing has run")
	}
	for i, stop := range []func() error{stop1, stop2} {
		wantErr(t, "Close", stop(), nil)
		if n := []*dispatch.Dispatcher{d1, d2}[i].Pending(); n != 0 {
			t.Errorf("%d are pending", n)
		}
	}
}
