package queue_test

import (
	"context"
	"sync"
	"testing"

	"github.com/seed-1e54c410/turnstile/queue"
)

// chanQueue is a buffered channel.
type chanQueue chan int

func (q chanQueue) Put(ctx context.Context, v int) error {
	select {
	case q <- v:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (q chanQueue) Get(ctx context.Context) (int, error) {
	select {
	case v := <-q:
		return v, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// condQueue is a slice with a mutex and two condition variables, which know no ctx.
type condQueue struct {
	mu       sync.Mutex
	notEmpty sync.Cond
	notFull  sync.Cond
	max      int
	items    []int
}

func newCondQueue(max int) *condQueue {
	q := &condQueue{max: max}
	q.notEmpty.L, q.notFull.L = &q.mu, &q.mu
	return q
}

func (q *condQueue) Put(_ context.Context, v int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == q.max {
		q.notFull.Wait()
	}
	q.items = append(q.items, v)
	q.notEmpty.Signal()
	return nil
}

func (q *condQueue) Get(context.Context) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 {
		q.notEmpty.Wait()
	}
	v := q.items[0]
	q.items = append(q.items[:0], q.items[1:]...)
	q.notFull.Signal()
	return v, nil
}

type putGetter interface {
	Put(ctx context.Context, v int) error
	Get(ctx context.Context) (int, error)
}

func eachQueue(b *testing.B, run func(b *testing.B, ctx context.Context, q putGetter)) {
	const size = 16
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, impl := range []struct {
		name string
		mk   func() putGetter
	}{
		{"AsyncQueue", func() putGetter { return queue.New[int](size) }},
		{"chan", func() putGetter { return make(chanQueue, size) }},
		{"sync.Cond", func() putGetter { return newCondQueue(size) }},
	} {
		b.Run("impl="+impl.name, func(b *testing.B) {
			b.ReportAllocs()
			run(b, ctx, impl.mk())
		})
	}
}

func BenchmarkPutGet(b *testing.B) {
	eachQueue(b, func(b *testing.B, ctx context.Context, q putGetter) {
		for b.Loop() {
			_ = q.Put(ctx, 1)
			_, _ = q.Get(ctx)
		}
	})
}

// BenchmarkPipe sends items from one goroutine to another.
func BenchmarkPipe(b *testing.B) {
	eachQueue(b, func(b *testing.B, ctx context.Context, q putGetter) {
		var wg sync.WaitGroup
		n := b.N
		wg.Go(func() {
			for range n {
				_, _ = q.Get(ctx)
			}
		})
		b.ResetTimer()
		for range n {
			_ = q.Put(ctx, 1)
		}
		wg.Wait()
	})
}

// BenchmarkBatch puts and gets 64 items, one by one and together.
func BenchmarkBatch(b *testing.B) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	items := make([]int, 64)
	b.Run("impl=each", func(b *testing.B) {
		q := queue.New[int](len(items))
		b.ReportAllocs()
		for b.Loop() {
			for _, v := range items {
				_ = q.Put(ctx, v)
			}
			for range items {
				_, _ = q.Get(ctx)
			}
		}
	})
	b.Run("impl=batch", func(b *testing.B) {
		q := queue.New[int](len(items))
		b.ReportAllocs()
		for b.Loop() {
			_, _ = q.PutBatch(ctx, items)
			_, _ = q.GetBatch(ctx, 0)
		}
	})
}

// BenchmarkPriority puts and gets in a queue of 1000.
func BenchmarkPriority(b *testing.B) {
	ctx := context.Background()
	q := queue.NewPriority(0, func(a, b int) int { return a - b })
	for v := range 1000 {
		_ = q.Put(ctx, v*7919%1000)
	}
	b.ReportAllocs()
	for v := 0; b.Loop(); v++ {
		_ = q.Put(ctx, v*7919%1000)
		_, _ = q.Get(ctx)
	}
}
