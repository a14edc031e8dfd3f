package stream_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/stream"
)

// spin is some work on v.
func spin(v, rounds int) int {
	x := uint64(v) + 1
	for range rounds {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return int(x)
}

// pool is a worker pool that gives its results in order, with a ctx, as one writes it by
// hand: each value has a place in the line, with a channel for its result.
func pool(ctx context.Context, values, workers int, fn func(int) int, use func(int)) error {
	type place struct {
		v      int
		result chan int
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	jobs := make(chan *place, workers)
	line := make(chan *place, 2*workers)
	free := make(chan *place, 2*workers+2)
	for range 2*workers + 2 {
		free <- &place{result: make(chan int, 1)}
	}
	wg.Go(func() {
		defer close(jobs)
		defer close(line)
		for v := range values {
			var p *place
			select {
			case p = <-free:
			case <-ctx.Done():
				return
			}
			p.v = v
			select {
			case line <- p:
			case <-ctx.Done():
				return
			}
			select {
			case jobs <- p:
			case <-ctx.Done():
				return
			}
		}
	})
	for range workers {
		wg.Go(func() {
			for p := range jobs {
				p.result <- fn(p.v)
			}
		})
	}
	for p := range line {
		select {
		case r := <-p.result:
			use(r)
			free <- p
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}

// BenchmarkMapN sends 10,000 values through 8 workers, in order.
func BenchmarkMapN(b *testing.B) {
	const values, workers = 10_000, 8
	for _, rounds := range []int{0, 500, 5000} {
		total := 0
		for v := range values {
			total += spin(v, rounds)
		}
		wrong := func(sum int, err error) {
			if sum != total || err != nil {
				b.Errorf("sum %d, want %d, %v", sum, total, err)
			}
		}
		run := func(ctx context.Context, order stream.Order) {
			sum := 0
			s := stream.MapN(stream.From(numbers(values)), workers, order, func(_ context.Context, v int) (int, error) { return spin(v, rounds), nil })
			err := stream.ForEach(ctx, s, func(_ context.Context, v int) error { sum += v; return nil })
			wrong(sum, err)
		}
		work := fmt.Sprint("/work=", rounds)
		for name, order := range map[string]stream.Order{"MapN": stream.Ordered, "MapN-unordered": stream.Unordered} {
			b.Run("impl="+name+work, func(b *testing.B) {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				b.ReportAllocs()
				for b.Loop() {
					run(ctx, order)
				}
			})
		}
		b.Run("impl=pool"+work, func(b *testing.B) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			b.ReportAllocs()
			for b.Loop() {
				sum := 0
				err := pool(ctx, values, workers, func(v int) int { return spin(v, rounds) }, func(v int) { sum += v })
				wrong(sum, err)
			}
		})
		b.Run("impl=MapN-tasks"+work, func(b *testing.B) {
			b.ReportAllocs()
			if err := core.Run(context.Background(), func(ctx context.Context) error {
				for b.Loop() {
					run(ctx, stream.Ordered)
				}
				return nil
			}); err != nil {
				b.Error(err)
			}
		})
	}
}
