package queue_test

import (
	"cmp"
	"context"
	"math/rand/v2"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/check/tasks"
	"github.com/seed-1e54c410/turnstile/queue"
)

// Putters are served by arrival, whatever they put, and getters too; however many come and
// give up: golang/go#13086.
func TestBugGo13086(t *testing.T) {
	for name, q := range map[string]both{
		"fifo": queue.New[int](3), "priority": queue.NewPriority(3, cmp.Compare[int]),
	} {
		t.Run(name, func(t *testing.T) {
			var puts, gets tasks.Order
			rounds := check.Times(100, 10000)
			side, alive := 0, 100
			if err := puts.Contend(100, func(ctx context.Context, rnd *rand.Rand) error {
				side++
				put := side%2 == 0
				for range rounds {
					if rnd.IntN(3) == 0 {
						_ = core.Yield(ctx)
					}
					switch s := q.Stats(); {
					case s.Getters+s.Putters == alive-1: // everybody else waits
						if s.Getters > 0 {
							_ = q.TryPut(6)
						} else {
							_, _ = q.TryGet()
						}
					case !put:
						_ = gets.Call(ctx, q.Stats().Getters, func(ctx context.Context) (err error) {
							if rnd.IntN(3) == 0 {
								_, err = q.GetBatch(ctx, 2)
							} else {
								_, err = q.Get(ctx)
							}
							return err
						})
					default:
						_ = puts.Call(ctx, q.Stats().Putters, func(ctx context.Context) (err error) {
							switch rnd.IntN(3) {
							case 0:
								_, err = q.PutBatch(ctx, []int{1, 2})
							case 1:
								var slot *queue.Slot[int]
								if slot, err = q.Reserve(ctx); err == nil {
									err = slot.Put(3)
								}
							default:
								err = q.Put(ctx, 4)
							}
							return err
						})
						if q.Stats().Putters > 0 && q.TryPut(5) == nil {
							t.Error("TryPut overtook those who wait")
						}
					}
					puts.Turn()
					if s := q.Stats(); s.Getters > 0 && s.Len > 0 || s.Putters > 0 && s.Len+s.Reserved < 3 {
						t.Fatalf("somebody waits who need not: %+v", s)
					}
				}
				alive--
				if s := q.Stats(); s.Getters+s.Putters == alive {
					q.Shutdown()
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			for what, o := range map[string]*tasks.Order{"puts": &puts, "gets": &gets} {
				if o.Overtaken != 0 {
					t.Errorf("%s: %d overtakings", what, o.Overtaken)
				}
				if o.Waited < rounds {
					t.Errorf("%s: %d waited and %d were canceled: that shows little", what, o.Waited, o.Canceled)
				}
			}
		})
	}
}
