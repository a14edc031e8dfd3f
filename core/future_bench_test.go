package core_test

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/queue"
)

// The wait for a future that a callback completes in the next turn, and a bare switch to a
// coroutine and back.
func BenchmarkAwaitPending(b *testing.B) {
	b.Run("impl=Await", func(b *testing.B) {
		inTask(b, func(ctx context.Context) {
			d := core.DispatcherOf(ctx)
			var f *core.Future[int]
			complete := func() { f.Complete(1) }
			for b.Loop() {
				f = core.NewFuture[int]()
				d.CallSoon(complete)
				_, _ = f.Await(ctx)
			}
		})
	})
	b.Run("impl=iter.Pull", func(b *testing.B) {
		b.ReportAllocs()
		next, stop := iter.Pull(func(yield func(int) bool) {
			for yield(0) {
			}
		})
		defer stop()
		for b.Loop() {
			next()
		}
	})
	b.Run("impl=chan", func(b *testing.B) {
		b.ReportAllocs()
		asked := make(chan chan int)
		go func() {
			for ch := range asked {
				ch <- 1
			}
		}()
		for b.Loop() {
			ch := make(chan int)
			asked <- ch
			<-ch
		}
		close(asked)
	})
}

// A future that another goroutine completes, and a channel in its place.
func BenchmarkFutureFromGoroutine(b *testing.B) {
	b.Run("impl=Future", func(b *testing.B) {
		inTask(b, func(ctx context.Context) {
			asked := make(chan *core.Future[int], 1)
			go func() {
				for f := range asked {
					f.Complete(1)
				}
			}()
			for b.Loop() {
				f := core.NewFuture[int]()
				asked <- f // there is always room for one
				_, _ = f.Await(ctx)
			}
			close(asked)
		})
	})
	b.Run("impl=chan", func(b *testing.B) {
		b.ReportAllocs()
		asked := make(chan chan int, 1)
		go func() {
			for ch := range asked {
				ch <- 1
			}
		}()
		for b.Loop() {
			ch := make(chan int, 1)
			asked <- ch
			<-ch
		}
		close(asked)
	})
}

// n tasks that wait for the same thing, canceled in random order: the price of each. Those that wait
// alone, each for a future of its own, tell what of that is for tasks that no cache holds any more.
func BenchmarkCancelWaiters(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		order := rand.New(rand.NewPCG(1, 2)).Perm(n)
		var f core.Future[int]
		var e event.AsyncEvent
		var q queue.AsyncQueue[int]
		for name, wait := range map[string]func(ctx context.Context) error{
			"future": func(ctx context.Context) error { _, err := f.Await(ctx); return err },
			"event":  e.Wait,
			"queue":  func(ctx context.Context) error { _, err := q.Get(ctx); return err },
			"race":   func(ctx context.Context) error { _, err := core.Race(ctx, &f); return err },
			"alone":  forever,
		} {
			b.Run(fmt.Sprintf("impl=%s/n=%d", name, n), func(b *testing.B) {
				inTask(b, func(ctx context.Context) {
					tasks := make([]*core.Task, n)
					for b.Loop() {
						b.StopTimer()
						for i := range tasks {
							tasks[i] = core.Start(ctx, wait)
						}
						b.StartTimer()
						for _, i := range order {
							tasks[i].Cancel()
						}
						_ = core.AllFinished(ctx, tasks...)
					}
				})
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/waiter")
			})
		}
		b.Run(fmt.Sprintf("impl=context/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			cancels := make([]context.CancelFunc, n)
			for b.Loop() {
				b.StopTimer()
				ch := make(chan int)
				var begun, ended sync.WaitGroup
				begun.Add(n)
				for i := range cancels {
					ctx, cancel := context.WithCancel(context.Background())
					cancels[i] = cancel
					ended.Go(func() {
						begun.Done()
						select {
						case <-ch:
						case <-ctx.Done():
						}
					})
				}
				begun.Wait()
				b.StartTimer()
				for _, i := range order {
					cancels[i]()
				}
				ended.Wait()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/waiter")
		})
	}
}

// A function that runs when a future ends, and a goroutine that waits for a channel in its place.
func BenchmarkAddCallback(b *testing.B) {
	b.Run("impl=AddCallback", func(b *testing.B) {
		inTask(b, func(ctx context.Context) {
			d, n := core.DispatcherOf(ctx), 0
			for b.Loop() {
				f := core.NewFuture[int]()
				f.AddCallback(d, func(*core.Future[int]) { n++ })
				f.Complete(1)
				_ = core.Yield(ctx)
			}
		})
	})
	b.Run("impl=chan", func(b *testing.B) {
		b.ReportAllocs()
		ended := make(chan struct{})
		n := 0
		for b.Loop() {
			ch := make(chan int)
			go func() { <-ch; n++; ended <- struct{}{} }()
			close(ch)
			<-ended
		}
	})
}

// Go channels in a task, and on a goroutine in a select with a ctx.
func BenchmarkChannels(b *testing.B) {
	// there is for channels that need no wait, waits for two that hand one value to each other.
	there := func(b *testing.B, ctx context.Context) {
		ch := make(chan int, 1)
		for b.Loop() {
			_ = core.Send(ctx, ch, 1)
			_, _, _ = core.Receive(ctx, ch)
		}
	}
	waits := func(b *testing.B, call func(ping, pong chan int)) {
		ping, pong := make(chan int), make(chan int)
		go func() {
			for v := range ping {
				pong <- v
			}
		}()
		for b.Loop() {
			call(ping, pong)
		}
		close(ping)
	}
	b.Run("there/impl=task", func(b *testing.B) {
		inTask(b, func(ctx context.Context) { there(b, ctx) })
	})
	b.Run("there/impl=goroutine", func(b *testing.B) {
		b.ReportAllocs()
		there(b, b.Context())
	})
	b.Run("there/impl=chan", func(b *testing.B) {
		b.ReportAllocs()
		ctx, ch := b.Context(), make(chan int, 1)
		for b.Loop() {
			select {
			case ch <- 1:
			case <-ctx.Done():
			}
			select {
			case <-ch:
			case <-ctx.Done():
			}
		}
	})
	b.Run("waits/impl=task", func(b *testing.B) {
		inTask(b, func(ctx context.Context) {
			waits(b, func(ping, pong chan int) {
				_ = core.Send(ctx, ping, 1)
				_, _, _ = core.Receive(ctx, pong)
			})
		})
	})
	b.Run("waits/impl=goroutine", func(b *testing.B) {
		b.ReportAllocs()
		waits(b, func(ping, pong chan int) {
			_ = core.Send(b.Context(), ping, 1)
			_, _, _ = core.Receive(b.Context(), pong)
		})
	})
	b.Run("waits/impl=chan", func(b *testing.B) {
		b.ReportAllocs()
		ctx := b.Context()
		waits(b, func(ping, pong chan int) {
			select {
			case ping <- 1:
			case <-ctx.Done():
			}
			select {
			case <-pong:
			case <-ctx.Done():
			}
		})
	})
}
