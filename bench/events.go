package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/event"
)

// crowd is how many wait for one event.
const crowd = 1000

func events() []*pair {
	return []*pair{
		line("AsyncEvent, Wait for one that is set", timed(func(n int) {
			var e event.AsyncEvent
			e.Fire()
			for range n {
				must(e.Wait(cancelable))
			}
		}), "closed channel in a select with the ctx", timed(func(n int) {
			c := make(chan struct{})
			close(c)
			for range n {
				select {
				case <-c:
				case <-cancelable.Done():
				}
			}
		})),
		line("AsyncEvent, Fire to 1000 goroutines, each", fire(func() (func(), func(), func() int) {
			e := new(event.AsyncEvent)
			return func() { must(e.Wait(cancelable)) }, e.Fire, func() int { return e.Stats().Waiting }
		}), "close of a channel in a select with the ctx", fire(func() (func(), func(), func() int) {
			c := make(chan struct{})
			var waiting atomic.Int64
			return func() {
				waiting.Add(1)
				select {
				case <-c:
				case <-cancelable.Done():
				}
			}, func() { close(c) }, func() int { return int(waiting.Load()) }
		})),
		line("AsyncEvent, Fire to 1000 tasks, each", fireTasks, "switch of a bare iter.Pull", switches(crowd)),
		line("AsyncSignal, Fire and Wait", timed(func(n int) {
			var s event.AsyncSignal
			for range n {
				s.Fire()
				must(s.Wait(cancelable))
			}
		}), "channel of 1, both in a select", timed(func(n int) {
			c := make(chan struct{}, 1)
			for range n {
				select {
				case c <- struct{}{}:
				default:
				}
				select {
				case <-c:
				case <-cancelable.Done():
				}
			}
		})),
		line("AsyncSignal, two goroutines in turn", func(n int) result {
			var a, b event.AsyncSignal
			return pingPong(func(n int) {
				for range n {
					a.Fire()
					must(b.Wait(cancelable))
				}
			}, func(n int) {
				for range n {
					must(a.Wait(cancelable))
					b.Fire()
				}
			})(n)
		}, "two channels of 1 in a select with the ctx", func(n int) result {
			a, b := make(chan struct{}, 1), make(chan struct{}, 1)
			wait := func(c chan struct{}) {
				select {
				case <-c:
				case <-cancelable.Done():
				}
			}
			return pingPong(func(n int) {
				for range n {
					a <- struct{}{}
					wait(b)
				}
			}, func(n int) {
				for range n {
					wait(a)
					b <- struct{}{}
				}
			})(n)
		}),
		line("Watch, Load", timed(func(n int) {
			var w event.Watch[int]
			for range n {
				w.Load()
			}
		}), "atomic.Pointer", timed(func(n int) {
			var p atomic.Pointer[int]
			p.Store(new(int))
			for range n {
				sink = *p.Load()
			}
		})),
		line("Watch, Set and Changed", timed(func(n int) {
			var w event.Watch[int]
			version := uint64(0)
			for i := range n {
				w.Set(i)
				_, version, _ = w.Changed(cancelable, version)
			}
		}), "mutex, and a channel that is closed and replaced", timed(func(n int) {
			var mu sync.Mutex
			changed, value := make(chan struct{}), 0
			for i := range n {
				mu.Lock()
				seen := changed
				value = i
				close(changed)
				changed = make(chan struct{})
				mu.Unlock()
				select {
				case <-seen:
				case <-cancelable.Done():
				}
				mu.Lock()
				sink = value
				mu.Unlock()
			}
		})),
		line("AsyncEventQueue, Emit and Read by 4 readers", timed(func(n int) {
			var q event.AsyncEventQueue[int]
			var readers [4]*event.Reader[int]
			for i := range readers {
				readers[i] = q.Subscribe()
			}
			for i := range n {
				q.Emit(i)
				if i%16 < 15 {
					continue
				}
				for _, r := range readers {
					for range 16 {
						_, err := r.Read(cancelable, 1)
						must(err)
					}
				}
			}
		}), "a channel of 16 for each of them", timed(func(n int) {
			var readers [4]chan int
			for i := range readers {
				readers[i] = make(chan int, 16)
			}
			for i := range n {
				for _, c := range readers {
					c <- i
				}
				if i%16 < 15 {
					continue
				}
				for _, c := range readers {
					for range 16 {
						select {
						case sink = <-c:
						case <-cancelable.Done():
						}
					}
				}
			}
		})),
	}
}

// sink keeps what is computed from being left out.
var sink int

// fire lets 1000 goroutines wait, and measures until the last one goes on.
func fire(mk func() (wait, fire func(), waiting func() int)) work {
	return func(n int) (r result) {
		for ; n > 0; n -= crowd {
			wait, fire, waiting := mk()
			var wg sync.WaitGroup
			for range crowd {
				wg.Go(wait)
			}
			settle(waiting, crowd)
			start := time.Now()
			fire()
			wg.Wait()
			r.took += time.Since(start)
		}
		return r
	}
}

// fireTasks is fire for the tasks of one dispatcher, which wait again at once.
func fireTasks(n int) (r result) {
	must(core.Run(background, func(ctx context.Context) error {
		return core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
			var e event.AsyncEvent
			over := false
			for range crowd {
				g.Go(ctx, func(ctx context.Context) error {
					for !over {
						must(e.Wait(ctx))
					}
					return nil
				})
			}
			start := time.Now()
			for ; n > 0; n -= crowd {
				e.Fire()
				e.Clear()
				must(core.Yield(ctx)) // behind all of them, who wait again
			}
			r.took = time.Since(start)
			over = true
			e.Fire()
			return nil
		})
	}))
	return r
}
