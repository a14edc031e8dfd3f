package stream_test

import (
	"context"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/stream"
)

func BenchmarkWriteRead(b *testing.B) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b.Run("impl=FutureStream", func(b *testing.B) {
		s := stream.New[int](16)
		b.ReportAllocs()
		for b.Loop() {
			_ = s.Write(ctx, 1)
			_, _ = s.Read(ctx)
		}
	})
	b.Run("impl=chan", func(b *testing.B) {
		c := make(chan int, 16)
		b.ReportAllocs()
		for b.Loop() {
			select {
			case c <- 1:
			case <-ctx.Done():
			}
			select {
			case <-c:
			case <-ctx.Done():
			}
		}
	})
}

// BenchmarkPipe sends values from one to another, which wait for each other.
func BenchmarkPipe(b *testing.B) {
	const buffer = 16
	b.Run("impl=FutureStream/tasks", func(b *testing.B) {
		b.ReportAllocs()
		n := b.N
		err := core.Run(context.Background(), func(ctx context.Context) error {
			s := stream.New[int](buffer)
			core.Spawn(ctx, func(ctx context.Context) error {
				defer s.Complete()
				for v := range n {
					if err := s.Write(ctx, v); err != nil {
						return err
					}
				}
				return nil
			})
			return stream.ForEach(ctx, s, func(context.Context, int) error { return nil })
		})
		if err != nil {
			b.Fatal(err)
		}
	})
	b.Run("impl=FutureStream/goroutines", func(b *testing.B) {
		b.ReportAllocs()
		n := b.N
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		s := stream.New[int](buffer)
		go func() {
			defer s.Complete()
			for v := range n {
				_ = s.Write(ctx, v)
			}
		}()
		_ = stream.ForEach(ctx, s, func(context.Context, int) error { return nil })
	})
	b.Run("impl=chan/goroutines", func(b *testing.B) {
		b.ReportAllocs()
		n := b.N
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		c := make(chan int, buffer)
		go func() {
			defer close(c)
			for v := range n {
				select {
				case c <- v:
				case <-ctx.Done():
				}
			}
		}()
		for open := true; open; {
			select {
			case _, open = <-c:
			case <-ctx.Done():
				open = false
			}
		}
	})
}

const many = 100_000

// BenchmarkReadAll collects a million values that are there already.
func BenchmarkReadAll(b *testing.B) {
	const million = 1_000_000
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b.Run("impl=FutureStream", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			var s stream.FutureStream[int]
			for v := range million {
				_ = s.Write(ctx, v)
			}
			s.Complete()
			b.StartTimer()
			if all, _ := stream.ReadAll(ctx, &s); len(all) != million {
				b.Fatal(len(all))
			}
		}
	})
	filled := func() chan int {
		c := make(chan int, million)
		for v := range million {
			c <- v
		}
		close(c)
		return c
	}
	b.Run("impl=chan", func(b *testing.B) { // as fast as it goes, without a ctx
		for b.Loop() {
			b.StopTimer()
			c := filled()
			b.StartTimer()
			var all []int
			for v := range c {
				all = append(all, v)
			}
			if len(all) != million {
				b.Fatal(len(all))
			}
		}
	})
	b.Run("impl=chan with ctx", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			c := filled()
			b.StartTimer()
			var all []int
			for open := true; open; {
				var v int
				select {
				case v, open = <-c:
					if open {
						all = append(all, v)
					}
				case <-ctx.Done():
					open = false
				}
			}
			if len(all) != million {
				b.Fatal(len(all))
			}
		}
	})
}

// BenchmarkFused takes numbers through map, filter, map.
func BenchmarkFused(b *testing.B) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	fused := func(b *testing.B, ctx context.Context) {
		add := func(_ context.Context, v int) (int, error) { return v + 1, nil }
		odd := func(_ context.Context, v int) (bool, error) { return v%2 == 1, nil }
		s := stream.Map(stream.Filter(stream.Map(stream.From(numbers(many)), add), odd), add)
		b.ReportAllocs()
		for b.Loop() {
			sum := 0
			_ = stream.ForEach(ctx, s, func(_ context.Context, v int) error { sum += v; return nil })
		}
	}
	b.Run("impl=stream", func(b *testing.B) { fused(b, ctx) })
	b.Run("impl=stream in a task", func(b *testing.B) {
		_ = core.Run(ctx, func(ctx context.Context) error {
			fused(b, ctx)
			return nil
		})
	})
	b.Run("impl=iter.Seq", func(b *testing.B) {
		add := func(v int) int { return v + 1 }
		odd := func(v int) bool { return v%2 == 1 }
		s := mapSeq(filterSeq(mapSeq(numbers(many), add), odd), add)
		b.ReportAllocs()
		for b.Loop() {
			sum := 0
			for v := range s {
				sum += v
			}
		}
	})
	b.Run("impl=goroutines", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var wg sync.WaitGroup
			stage := func(in <-chan int, fn func(v int, out chan<- int)) <-chan int {
				out := make(chan int, 16)
				wg.Go(func() {
					defer close(out)
					for v := range in {
						fn(v, out)
					}
				})
				return out
			}
			src := make(chan int, 16)
			wg.Go(func() {
				defer close(src)
				for v := range numbers(many) {
					src <- v
				}
			})
			add := func(v int, out chan<- int) { out <- v + 1 }
			odd := func(v int, out chan<- int) {
				if v%2 == 1 {
					out <- v
				}
			}
			sum := 0
			for v := range stage(stage(stage(src, add), odd), add) {
				sum += v
			}
			wg.Wait()
		}
	})
}

func mapSeq(s iter.Seq[int], fn func(int) int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for v := range s {
			if !yield(fn(v)) {
				return
			}
		}
	}
}

func filterSeq(s iter.Seq[int], fn func(int) bool) iter.Seq[int] {
	return func(yield func(int) bool) {
		for v := range s {
			if fn(v) && !yield(v) {
				return
			}
		}
	}
}

// BenchmarkBatch takes values in hundreds; by time they come from a task.
func BenchmarkBatch(b *testing.B) {
	for name, delay := range map[string]time.Duration{"by=number": 0, "by=time": time.Hour} {
		s := stream.Batch(stream.From(numbers(many)), 100, delay)
		use := func(ctx context.Context) error {
			return stream.ForEach(ctx, s, func(context.Context, []int) error { return nil })
		}
		b.Run(name+"/goroutines", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = use(context.Background())
			}
		})
		b.Run(name+"/tasks", func(b *testing.B) {
			b.ReportAllocs()
			_ = core.Run(context.Background(), func(ctx context.Context) error {
				for b.Loop() {
					_ = use(ctx)
				}
				return nil
			})
		})
	}
}
