package queue_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/check/tasks"
	"github.com/seed-1e54c410/turnstile/queue"
)

// Batches, slots and Join under load, with cancels at any moment: what was put is got once, in the order
// of its producer as far as the queue keeps it, and Join returns when all of it is done.
func TestStressOfEverything(t *testing.T) {
	for name, steppers := range tasks.Steppers() {
		for _, size := range []int{0, 1, 3} {
			t.Run(fmt.Sprint("fifo/", name, "/size=", size), func(t *testing.T) {
				everything(t, steppers(), queue.New[int](size), true)
			})
			t.Run(fmt.Sprint("priority/", name, "/size=", size), func(t *testing.T) {
				everything(t, steppers(), queue.NewPriority(size, cmp.Compare[int]), false)
			})
		}
	}
}

func everything(t *testing.T, r check.Stepper, q both, ordered bool) {
	const producers, consumers, scale = 6, 6, 1 << 20
	rounds := check.Times(60, 1500)
	var mu sync.Mutex
	var put, got []int
	left := producers
	for p := range producers {
		r.Go(fmt.Sprint("producer", p), func(own context.Context) {
			rnd := rand.New(rand.NewPCG(uint64(p), 1))
			var mine []int
			next := p * scale
			for range rounds {
				ctx, cancel := context.WithCancel(own)
				if rnd.IntN(2) == 0 {
					go cancel()
				}
				batch := []int{next, next + 1, next + 2}
				n, err := 0, error(nil)
				switch rnd.IntN(4) {
				case 0:
					n, err = q.PutBatch(ctx, batch)
				case 1:
					var slot *queue.Slot[int]
					if slot, err = q.Reserve(ctx); err == nil {
						if rnd.IntN(2) == 0 {
							n, err = 1, slot.Put(next)
						}
						slot.Release()
					}
				case 2:
					if q.TryPut(next) == nil {
						n = 1
					}
				default:
					if err = q.Put(ctx, next); err == nil {
						n = 1
					}
				}
				if err != nil && err != ctx.Err() {
					t.Errorf("a put returned %v", err)
				}
				cancel()
				mine = append(mine, batch[:n]...)
				next += 3
			}
			mu.Lock()
			defer mu.Unlock()
			put = append(put, mine...)
			if left--; left == 0 {
				q.Shutdown()
			}
		})
	}
	for c := range consumers {
		r.Go(fmt.Sprint("consumer", c), func(own context.Context) {
			rnd := rand.New(rand.NewPCG(uint64(c), 2))
			var mine []int
			var last [producers]int
			for p := range last {
				last[p] = p*scale - 1
			}
			defer func() {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, mine...)
			}()
			for {
				ctx, cancel := context.WithCancel(own)
				if rnd.IntN(2) == 0 {
					go cancel()
				}
				var out []int
				var err error
				if rnd.IntN(2) == 0 {
					out, err = q.GetBatch(ctx, rnd.IntN(3))
				} else {
					var v int
					if v, err = q.Get(ctx); err == nil {
						out = []int{v}
					}
				}
				cancel()
				if err == queue.ErrShutdown {
					return
				}
				for range out {
					q.TaskDone()
				}
				for _, v := range out {
					if p := v / scale; ordered && v <= last[p] {
						t.Errorf("item %d of producer %d came after %d", v%scale, p, last[p]%scale)
					}
					last[v/scale] = v
				}
				mine = append(mine, out...)
			}
		})
	}
	r.Go("joiner", func(ctx context.Context) {
		if err := q.Join(ctx); err != nil {
			t.Errorf("Join() = %v", err)
		}
	})
	r.Wait()
	if err := q.Join(t.Context()); err != nil {
		t.Errorf("Join() at the end = %v", err)
	}
	stats(t, q, queue.Stats{})
	slices.Sort(put)
	slices.Sort(got)
	if !slices.Equal(put, got) {
		t.Errorf("put %d items, got %d: not the same", len(put), len(got))
	}
}
