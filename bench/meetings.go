package main

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/seed-1e54c410/turnstile/core"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// meetings are those types for which callers wait for each other.
func meetings() []*pair {
	return []*pair{
		line("Cond, two goroutines in turn, cancelable ctx", condTurns(func(l sync.Locker) (func(), func()) {
			c := &xsync.Cond{L: l}
			return func() { must(c.Wait(cancelable)) }, func() { c.Notify(1) }
		}), "sync.Cond", condTurns(func(l sync.Locker) (func(), func()) {
			c := sync.NewCond(l)
			return c.Wait, c.Signal
		})),
		line("WaitGroup, Add, Done and Wait", timed(func(n int) {
			var wg xsync.WaitGroup
			for range n {
				wg.Add(1)
				wg.Done()
				must(wg.Wait(cancelable))
			}
		}), "sync.WaitGroup", timed(func(n int) {
			var wg sync.WaitGroup
			for range n {
				wg.Add(1)
				wg.Done()
				wg.Wait()
			}
		})),
		line("WaitGroup of 100 goroutines, each", timed(func(n int) {
			for ; n > 0; n -= contenders {
				var wg xsync.WaitGroup
				wg.Add(contenders)
				for range contenders {
					go wg.Done()
				}
				must(wg.Wait(cancelable))
			}
		}), "sync.WaitGroup", timed(func(n int) {
			for ; n > 0; n -= contenders {
				var wg sync.WaitGroup
				wg.Add(contenders)
				for range contenders {
					go wg.Done()
				}
				wg.Wait()
			}
		})),
		line("Barrier of 10 goroutines, each party", parties(func() func() {
			b := xsync.NewBarrier(10)
			return func() {
				_, err := b.Wait(cancelable)
				must(err)
			}
		}), "the same on a sync.Cond", parties(condBarrier)),
		line("Once, value that is there, cancelable ctx", timed(func(n int) {
			var o xsync.Once[int]
			for range n {
				_, _ = o.Do(cancelable, one)
			}
		}), "sync.OnceValue", timed(func(n int) {
			o := sync.OnceValue(func() int { return 1 })
			for range n {
				_ = o()
			}
		})),
		line("WithGroup of 100 tasks, each", inTask(func(ctx context.Context, n int) {
			for ; n > 0; n -= contenders {
				must(core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
					for range contenders {
						g.Go(ctx, func(context.Context) error { return nil })
					}
					return nil
				}))
			}
		}), "x/sync errgroup of 100 goroutines", timed(func(n int) {
			for ; n > 0; n -= contenders {
				g, _ := errgroup.WithContext(cancelable)
				for range contenders {
					g.Go(func() error { return nil })
				}
				must(g.Wait())
			}
		})),
	}
}

func one(context.Context) (int, error) { return 1, nil }

// condTurns lets two goroutines wait for each other's turn.
func condTurns(mk func(l sync.Locker) (wait, signal func())) work {
	return func(n int) result {
		var mu sync.Mutex
		turn := 0
		wait, signal := mk(&mu)
		player := func(me int) func(n int) {
			return func(n int) {
				for range n {
					mu.Lock()
					for turn != me {
						wait()
					}
					turn = 1 - me
					signal()
					mu.Unlock()
				}
			}
		}
		return pingPong(player(0), player(1))(n)
	}
}

// parties lets ten goroutines meet again and again.
func parties(mk func() (wait func())) work {
	return timed(func(n int) {
		wait := mk()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				for range n/10 + 1 {
					wait()
				}
			})
		}
		wg.Wait()
	})
}

func condBarrier() func() {
	var mu sync.Mutex
	c := sync.NewCond(&mu)
	arrived, round := 0, 0
	return func() {
		mu.Lock()
		defer mu.Unlock()
		if arrived++; arrived == 10 {
			arrived = 0
			round++
			c.Broadcast()
			return
		}
		for mine := round; mine == round; {
			c.Wait()
		}
	}
}
