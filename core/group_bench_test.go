package core_test

import (
	"context"
	"sync"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
)

// onGoroutines calls the functions on goroutines, and returns the first error.
func onGoroutines(n int, fn func(i int) error) error {
	var wg sync.WaitGroup
	var once sync.Once
	var first error
	for i := range n {
		wg.Go(func() {
			if err := fn(i); err != nil {
				once.Do(func() { first = err })
			}
		})
	}
	wg.Wait()
	return first
}

// A group of 100 tasks that do nothing.
func BenchmarkGroup(b *testing.B) {
	nothing := func(context.Context) error { return nil }
	group := func(ctx context.Context, fn func(ctx context.Context) error) {
		_ = core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
			for range 100 {
				_ = g.Go(ctx, fn)
			}
			return nil
		})
	}
	b.Run("impl=Group", func(b *testing.B) {
		inTask(b, func(ctx context.Context) {
			for b.Loop() {
				group(ctx, nothing)
			}
		})
	})
	b.Run("impl=GroupThatYields", func(b *testing.B) {
		inTask(b, func(ctx context.Context) {
			for b.Loop() {
				group(ctx, core.Yield)
			}
		})
	})
	b.Run("impl=GroupOnGoroutines", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			group(context.Background(), nothing)
		}
	})
	b.Run("impl=WaitGroup", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = onGoroutines(100, func(int) error { return nil })
		}
	})
}

func BenchmarkGather(b *testing.B) {
	b.Run("impl=Gather", func(b *testing.B) {
		inTask(b, func(ctx context.Context) {
			fns := make([]func(ctx context.Context) (int, error), 100)
			for i := range fns {
				fns[i] = value(i)
			}
			for b.Loop() {
				_, _ = core.Gather(ctx, 10, fns...)
			}
		})
	})
	b.Run("impl=chan", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			places := make(chan struct{}, 10)
			vals := make([]int, 100)
			_ = onGoroutines(100, func(i int) error {
				places <- struct{}{}
				vals[i] = i
				<-places
				return nil
			})
		}
	})
}

// The first of 10 values.
func BenchmarkAny(b *testing.B) {
	b.Run("impl=Any", func(b *testing.B) {
		inTask(b, func(ctx context.Context) {
			fs := make([]*core.Future[int], 10)
			for i := range fs {
				fs[i] = core.NewFuture[int]()
			}
			for b.Loop() {
				f := core.NewFuture[int]()
				fs[9] = f
				core.Spawn(ctx, func(ctx context.Context) error {
					err := core.Yield(ctx)
					f.Complete(1)
					return err
				})
				_, _ = core.Any(ctx, fs...)
			}
		})
	})
	b.Run("impl=chan", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			first := make(chan int, 10)
			go func() { first <- 1 }()
			<-first
		}
	})
}

// The next value of a sequence.
func BenchmarkPull(b *testing.B) {
	b.Run("impl=Pull", func(b *testing.B) {
		inTask(b, func(ctx context.Context) {
			next, stop := core.Pull(ctx, func(yield func(int, error) bool) {
				for yield(1, nil) {
				}
			})
			defer stop()
			for b.Loop() {
				_, _, _ = next(ctx)
			}
		})
	})
	b.Run("impl=chan", func(b *testing.B) {
		b.ReportAllocs()
		ch, done := make(chan int), make(chan struct{})
		go func() {
			for {
				select {
				case ch <- 1:
				case <-done:
					return
				}
			}
		}()
		for b.Loop() {
			<-ch
		}
		close(done)
	})
}
