package core_test

import (
	"context"
	"iter"
	"sync"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/queue"
)

// inTask runs a benchmark in the main task of a Run, and its peer on the goroutine of the
// benchmark.
func inTask(b *testing.B, body func(ctx context.Context)) {
	b.Helper()
	b.ReportAllocs()
	if err := core.Run(context.Background(), func(ctx context.Context) error {
		body(ctx)
		return nil
	}); err != nil {
		b.Fatal(err)
	}
}

// A turn of one task, and a bare switch to a coroutine and back.
func BenchmarkYield(b *testing.B) {
	for _, tasks := range []struct {
		name string
		n    int
	}{{"tasks=1", 1}, {"tasks=100", 100}} {
		b.Run("impl=Yield/"+tasks.name, func(b *testing.B) {
			inTask(b, func(ctx context.Context) {
				stop := false
				for range tasks.n - 1 {
					core.Start(ctx, func(ctx context.Context) error {
						for !stop && core.Yield(ctx) == nil {
						}
						return nil
					})
				}
				turns := 0
				for b.Loop() {
					// One turn of each is tasks.n switches, of which one is counted each time.
					if turns++; turns%tasks.n == 0 {
						_ = core.Yield(ctx)
					}
				}
				stop = true
			})
		})
		b.Run("impl=iter.Pull/"+tasks.name, func(b *testing.B) {
			b.ReportAllocs()
			var nexts []func() (int, bool)
			for range tasks.n {
				next, stop := iter.Pull(func(yield func(int) bool) {
					for yield(0) {
					}
				})
				defer stop()
				nexts = append(nexts, next)
			}
			i := 0
			for b.Loop() {
				nexts[i]()
				if i++; i == len(nexts) {
					i = 0
				}
			}
		})
		b.Run("impl=chan/"+tasks.name, func(b *testing.B) {
			b.ReportAllocs()
			// Goroutines that pass a token on in a ring.
			chans := make([]chan struct{}, tasks.n+1)
			for i := range chans {
				chans[i] = make(chan struct{})
			}
			var wg sync.WaitGroup
			for i := range tasks.n {
				wg.Go(func() {
					for range chans[i] {
						chans[i+1] <- struct{}{}
					}
				})
			}
			turns := 0
			for b.Loop() {
				if turns++; turns%tasks.n == 0 {
					chans[0] <- struct{}{}
					<-chans[tasks.n]
				}
			}
			for _, ch := range chans {
				close(ch)
			}
			wg.Wait()
		})
	}
}

// A task that does nothing, from its start to the end of the wait for it.
func BenchmarkStartAndWait(b *testing.B) {
	b.Run("impl=Async", func(b *testing.B) {
		inTask(b, func(ctx context.Context) {
			for b.Loop() {
				_, _ = core.Async(ctx, func(context.Context) (int, error) { return 1, nil }).Await(ctx)
			}
		})
	})
	b.Run("impl=Start", func(b *testing.B) {
		inTask(b, func(ctx context.Context) {
			for b.Loop() {
				_ = core.Start(ctx, func(context.Context) error { return nil }).Wait(ctx)
			}
		})
	})
	b.Run("impl=AsyncThatYields", func(b *testing.B) {
		inTask(b, func(ctx context.Context) {
			for b.Loop() {
				_, _ = core.Async(ctx, value(1)).Await(ctx)
			}
		})
	})
	b.Run("impl=chan", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ch := make(chan int, 1)
			go func() { ch <- 1 }()
			<-ch
		}
	})
	b.Run("impl=WaitGroup", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var wg sync.WaitGroup
			wg.Go(func() {})
			wg.Wait()
		}
	})
}

func BenchmarkAwaitFinished(b *testing.B) {
	b.Run("impl=Await", func(b *testing.B) {
		inTask(b, func(ctx context.Context) {
			f := core.Completed(1)
			for b.Loop() {
				_, _ = f.Await(ctx)
			}
		})
	})
	b.Run("impl=sync.Mutex", func(b *testing.B) {
		b.ReportAllocs()
		n := 0
		var mu sync.Mutex
		for b.Loop() {
			mu.Lock()
			n++
			mu.Unlock()
		}
	})
}

func BenchmarkLock(b *testing.B) {
	b.Run("impl=AsyncLock", func(b *testing.B) {
		inTask(b, func(ctx context.Context) {
			var l lock.AsyncLock
			for b.Loop() {
				if l.Acquire(ctx) == nil {
					l.Release()
				}
			}
		})
	})
	b.Run("impl=sync.Mutex", func(b *testing.B) {
		inTask(b, func(context.Context) {
			n := 0
			var mu sync.Mutex
			for b.Loop() {
				mu.Lock()
				n++
				mu.Unlock()
			}
		})
	})
}

func BenchmarkQueue(b *testing.B) {
	b.Run("impl=AsyncQueue", func(b *testing.B) {
		inTask(b, func(ctx context.Context) {
			q := queue.New[int](16)
			for b.Loop() {
				_ = q.Put(ctx, 1)
				_, _ = q.Get(ctx)
			}
		})
	})
	b.Run("impl=chan", func(b *testing.B) {
		inTask(b, func(context.Context) {
			ch := make(chan int, 16)
			for b.Loop() {
				ch <- 1
				<-ch
			}
		})
	})
}

// Two that hand one item to each other.
func BenchmarkPingPong(b *testing.B) {
	b.Run("impl=AsyncQueue", func(b *testing.B) {
		inTask(b, func(ctx context.Context) {
			ping, pong := queue.New[int](1), queue.New[int](1)
			core.Start(ctx, func(ctx context.Context) error {
				for {
					v, err := ping.Get(ctx)
					if err != nil {
						return err
					}
					if err := pong.Put(ctx, v); err != nil {
						return err
					}
				}
			})
			for b.Loop() {
				_ = ping.Put(ctx, 1)
				_, _ = pong.Get(ctx)
			}
		})
	})
	b.Run("impl=chan", func(b *testing.B) {
		b.ReportAllocs()
		ping, pong := make(chan int, 1), make(chan int, 1)
		go func() {
			for v := range ping {
				pong <- v
			}
		}()
		for b.Loop() {
			ping <- 1
			<-pong
		}
		close(ping)
	})
}

func BenchmarkWithTimeout(b *testing.B) {
	b.Run("impl=core", func(b *testing.B) {
		inTask(b, func(ctx context.Context) {
			for b.Loop() {
				_, cancel := core.WithTimeout(ctx, 1<<40)
				cancel()
			}
		})
	})
	b.Run("impl=context", func(b *testing.B) {
		b.ReportAllocs()
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		for b.Loop() {
			_, cancel := context.WithTimeout(ctx, 1<<40)
			cancel()
		}
	})
}
