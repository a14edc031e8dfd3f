package event_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/proptest"
)

// Producers fire for each item, workers take all there are: under drawn schedules and cancels,
// nothing is left undone while there is a worker.
func TestSignalSchedules(t *testing.T) {
	check.Cases(t, 20_000)
	proptest.Check(t, func(p *proptest.P) {
		var s event.AsyncSignal
		items, producers, workers := 0, p.IntRange(1, 3, "producers"), p.IntRange(1, 3, "workers")
		for i := range producers {
			n := p.IntRange(1, 3, "items")
			p.Go(fmt.Sprint("producer", i), func(ctx context.Context) error {
				defer func() { producers--; s.Fire() }()
				for range n {
					items++
					s.Fire()
					if err := core.Yield(ctx); err != nil {
						return err
					}
				}
				return nil
			})
		}
		for i := range workers {
			p.Go(fmt.Sprint("worker", i), func(ctx context.Context) error {
				defer func() { workers-- }()
				for {
					if err := s.Wait(ctx); err != nil {
						return err
					}
					items = 0
					if producers == 0 {
						s.Fire() // the next one ends too
						return nil
					}
				}
			})
		}
		p.Always("nobody waits for a signal that is set", func() bool { return !s.IsSet() || s.Stats().Waiting == 0 })
		p.Always("what is there to do is not forgotten while all workers wait", func() bool {
			return items == 0 || workers == 0 || s.Stats().Waiting < workers
		})
	}, proptest.Cancels(3))
}

// Followers of a value see the last one, and versions that only rise.
func TestWatchSchedules(t *testing.T) {
	check.Cases(t, 20_000)
	proptest.Check(t, func(p *proptest.P) {
		var w event.Watch[int]
		last := p.IntRange(1, 4, "values")
		p.Go("setter", func(ctx context.Context) error {
			for v := range last {
				w.Set(v + 1)
				if v%2 == 0 {
					_ = core.Yield(ctx)
				}
			}
			return nil
		})
		for i := range p.IntRange(1, 3, "followers") {
			p.Go(fmt.Sprint("follower", i), func(ctx context.Context) error {
				for seen := uint64(0); seen < uint64(last); {
					v, n, err := w.Changed(ctx, seen)
					if err != nil {
						return err
					}
					if n <= seen || v != int(n) {
						p.Fatalf("Changed(%d) = %d, %d", seen, v, n)
					}
					seen = n
				}
				return nil
			})
		}
		p.Go("waiter", func(ctx context.Context) error {
			v, _, err := w.WaitFor(ctx, func(v int) bool { return v == last })
			if err == nil && v != last {
				p.Fatalf("WaitFor() = %d", v)
			}
			return err
		})
		p.Finally("nobody waits", func() bool { return w.Stats() == event.WatchStats{Version: uint64(last)} })
	}, proptest.Cancels(3))
}

// Every reader gets everything since it has subscribed, in order, or hears how much it has missed.
func TestEventQueueSchedules(t *testing.T) {
	check.Cases(t, 20_000)
	proptest.Check(t, func(p *proptest.P) {
		limit := p.IntRange(0, 2, "limit")
		q := event.NewAsyncEventQueue[int](limit)
		n := p.IntRange(1, 6, "values")
		emitted := 0
		p.Go("emitter", func(ctx context.Context) error {
			defer q.Close()
			for v := range n {
				emitted++
				if err := q.Emit(v); err != nil {
					return err
				}
				if err := core.Yield(ctx); err != nil {
					return err
				}
			}
			return nil
		})
		for i := range p.IntRange(1, 3, "readers") {
			most := p.IntRange(0, 2, "most")
			p.Go(fmt.Sprint("reader", i), func(ctx context.Context) error {
				r := q.Subscribe()
				defer r.Close()
				for next := emitted; ; {
					out, err := r.Read(ctx, most)
					var lagged *event.LaggedError
					switch {
					case errors.As(err, &lagged) && limit > 0:
						next += int(lagged.Missed)
					case errors.Is(err, event.ErrClosed) && next == emitted:
						return nil
					case err != nil:
						return err
					}
					for _, v := range out {
						if v != next {
							p.Fatalf("%d came instead of %d", v, next)
						}
						next++
					}
					if i == 0 {
						_ = core.Yield(ctx)
					}
				}
			})
		}
		p.Always("it keeps no more than it may", func() bool { return limit == 0 || q.Len() <= limit })
		p.Finally("nothing is left", func() bool { return q.Stats() == event.EventQueueStats{} })
	}, proptest.Cancels(3))
}
