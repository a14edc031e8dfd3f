package core_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

// place says where participant i of a test runs: it derives the ctx to start it with.
type place func(ctx context.Context, i int) context.Context

type derive func(ctx context.Context) context.Context

// inPlaces runs a test on a task and on a goroutine, with participants on the same
// dispatcher, on another one, on goroutines, and on all of these.
func inPlaces(t *testing.T, test func(t *testing.T, ctx context.Context, at place)) {
	same := func(ctx context.Context) context.Context { return ctx }
	// A ctx that knows neither the dispatcher nor the cancel of the caller.
	plain := func(context.Context) context.Context { return context.Background() }
	for _, where := range []struct {
		name   string
		onLoop bool
		others func(d1, d2 derive) []derive
	}{
		{"tasks", true, func(d1, d2 derive) []derive {
			return []derive{same}
		}},
		{"tasks of two dispatchers", true, func(d1, d2 derive) []derive {
			return []derive{d2, d1}
		}},
		{"goroutines", false, func(d1, d2 derive) []derive {
			return []derive{same, plain}
		}},
		{"task and all", true, func(d1, d2 derive) []derive {
			return []derive{plain, d2, same}
		}},
		{"goroutine and all", false, func(d1, d2 derive) []derive {
			return []derive{d1, same, d2}
		}},
	} {
		t.Run(where.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d1, stop1 := looping(t, dispatch.Config{})
				d2, stop2 := looping(t, dispatch.Config{})
				on := func(d *dispatch.Dispatcher) derive {
					return func(ctx context.Context) context.Context { return core.On(ctx, d) }
				}
				others := where.others(on(d1), on(d2))
				at := func(ctx context.Context, i int) context.Context { return others[i%len(others)](ctx) }
				if where.onLoop {
					task := core.Start(core.On(t.Context(), d1), func(ctx context.Context) error {
						test(t, ctx, at)
						return nil
					})
					<-task.Done()
					wantErr(t, "the test", task.Err(), nil)
				} else {
					test(t, t.Context(), at)
				}
				synctest.Wait() // until both loops run
				for _, stop := range []func() error{stop1, stop2} {
					wantErr(t, "Close", stop(), nil)
				}
				nothingLeft(t)
			})
		})
	}
}
