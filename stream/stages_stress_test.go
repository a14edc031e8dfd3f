package stream_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/stream"
)

// What holds under all schedules of one loop holds on goroutines and across dispatchers, with
// sinks that stop and are canceled at any time.
func TestStressOfStages(t *testing.T) {
	for name, c := range underSchedules {
		if name == "Retry" {
			continue // waits for real time
		}
		t.Run(name, func(t *testing.T) {
			for round := range check.Times(20, 400) {
				rnd := rand.New(rand.NewPCG(uint64(round), 7))
				k, n := rnd.IntN(40), 1+rnd.IntN(4)
				var running atomic.Int32
				in := func() stream.Stream[int] {
					values := stream.From(func(yield func(int) bool) {
						running.Add(1)
						defer running.Add(-1)
						for v := 0; v < k && yield(v); v++ {
						}
					})
					return stream.Map(values, yields)
				}
				s := c.build(in, n)
				all, cancelAll := context.WithCancel(context.Background())
				var mu sync.Mutex
				r := &check.Mixed{Of: []check.Stepper{new(check.Goroutines), new(loops), &check.Hosts{}, new(loops)}}
				// Each kind has two participants at least, one for each of its dispatchers.
				idle := func(context.Context) {}
				for range round % 4 {
					r.Go("idle", idle)
				}
				for range c.sinks {
					stop := rnd.IntN(2 * (k + 1))
					limit := time.Duration(rnd.IntN(300)) * time.Microsecond
					limited := rnd.IntN(3) == 0
					r.Go("sink", func(ctx context.Context) {
						ctx, cancel := core.WithCancel(ctx)
						defer cancel()
						defer context.AfterFunc(all, cancel)()
						if limited {
							short, cancel := core.WithTimeout(ctx, limit)
							defer cancel()
							ctx = short
						}
						var got []int
						err := stream.ForEach(ctx, s, func(_ context.Context, v int) error {
							if got = append(got, v); len(got) > stop {
								return stream.ErrStop
							}
							return nil
						})
						mu.Lock()
						defer mu.Unlock()
						if wrong := c.wrong(slices.Clone(got), k, err == nil && len(got) <= stop); wrong != nil {
							t.Errorf("got %v: %v", got, wrong)
						}
						// The run that sinks share ends early if its dispatcher closes, which is done with its own.
						closed := c.sinks > 1 && (err == context.Canceled || err == dispatch.ErrClosed)
						if err != nil && err != ctx.Err() && !closed {
							t.Errorf("it ends with %v", err)
						}
						if err != nil {
							cancelAll() // who waits for this one waits no longer
						}
					})
				}
				for range 8 {
					r.Go("idle", idle)
				}
				r.Wait()
				cancelAll()
				if running.Load() != 0 {
					t.Errorf("%d sources are left", running.Load())
				}
			}
		})
	}
}
