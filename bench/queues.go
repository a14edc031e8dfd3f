package main

import (
	"cmp"
	"container/heap"
	"context"
	"runtime"
	"sync"

	puzpuz "github.com/puzpuzpuz/xsync/v4"

	"github.com/seed-1e54c410/turnstile/queue"
)

func queues() []*pair {
	async := func(ctx context.Context, n int) {
		q := queue.New[int](128)
		for i := range n {
			_ = q.Put(ctx, i)
			sink, _ = q.Get(ctx)
		}
	}
	channel := timed(func(n int) {
		c := make(chan int, 128)
		for i := range n {
			c <- i
			sink = <-c
		}
	})
	return append([]*pair{
		line("AsyncQueue, put and get, Background", timed(func(n int) { async(background, n) }), "channel of 128", channel),
		line("AsyncQueue, put and get, cancelable ctx", timed(func(n int) { async(cancelable, n) }), "channel of 128 in a select with the ctx", timed(func(n int) {
			c := make(chan int, 128)
			for i := range n {
				put(c, i)
				sink = get(c)
			}
		})),
		line("AsyncQueue, put and get in a task", inTask(async), "channel of 128", channel),
		line("AsyncQueue, put and get, cancelable ctx", timed(func(n int) { async(cancelable, n) }), "xsync SPSCQueue of 128", timed(func(n int) {
			q := puzpuz.NewSPSCQueue[int](128)
			for i := range n {
				q.TryEnqueue(i)
				sink, _ = q.TryDequeue()
			}
		})),
		line("AsyncPriorityQueue, put and get among 100", timed(func(n int) {
			q := queue.NewPriority(0, cmp.Compare[int])
			for i := range 100 {
				_ = q.Put(cancelable, i)
			}
			for range n {
				_ = q.Put(cancelable, sink%100)
				sink, _ = q.Get(cancelable)
			}
		}), "container/heap with a mutex", timed(heaped)),
	}, handovers()...)
}

// handovers are those with one caller at each end at least.
func handovers() []*pair {
	var pairs []*pair
	for _, size := range []int{128, 1} {
		name, channel := "1", "channel of 1 in selects with the ctx"
		if size == 128 {
			name, channel = "128", "channel of 128 in selects with the ctx"
		}
		ours := func(n int) result {
			q := queue.New[int](size)
			return pingPong(func(n int) { putAll(cancelable, q, n) }, func(n int) { getAll(cancelable, q, n) })(n)
		}
		pairs = append(pairs,
			line("AsyncQueue of "+name+", two goroutines", ours, channel, throughChannel(size)),
			line("AsyncQueue of "+name+", two tasks", func(n int) result {
				q := queue.New[int](size)
				return tasksTogether(func(ctx context.Context, n int) { putAll(ctx, q, n) }, func(ctx context.Context, n int) { getAll(ctx, q, n) })(n)
			}, "two goroutines, "+channel, throughChannel(size)))
	}
	unbounded := func(n int) result {
		q := new(queue.AsyncQueue[int])
		return pingPong(func(n int) { putAll(cancelable, q, n) }, func(n int) { getAll(cancelable, q, n) })(n)
	}
	return append(pairs,
		line("AsyncQueue of 1, two goroutines", func(n int) result {
			q := queue.New[int](1)
			return pingPong(func(n int) { putAll(cancelable, q, n) }, func(n int) { getAll(cancelable, q, n) })(n)
		}, "channel without a buffer in selects with the ctx", throughChannel(0)),
		line("AsyncQueue of 128, two goroutines", func(n int) result {
			q := queue.New[int](128)
			return pingPong(func(n int) { putAll(cancelable, q, n) }, func(n int) { getAll(cancelable, q, n) })(n)
		}, "xsync SPSCQueue of 128 and Gosched", func(n int) result {
			q := puzpuz.NewSPSCQueue[int](128)
			return pingPong(func(n int) { spinPut(q.TryEnqueue, n) }, func(n int) { spinGet(q.TryDequeue, n) })(n)
		}),
		line("AsyncQueue without a bound, two goroutines", unbounded, "xsync UMPSCQueue", func(n int) result {
			q := puzpuz.NewUMPSCQueue[int]()
			return pingPong(func(n int) {
				for i := range n {
					q.Enqueue(i)
				}
			}, func(n int) {
				for range n {
					sink = q.Dequeue()
				}
			})(n)
		}),
		line("AsyncQueue of 128, 4 goroutines at each end", many(func() (func(int), func(int)) {
			q := queue.New[int](128)
			return func(n int) { putAll(cancelable, q, n) }, func(n int) { getAll(cancelable, q, n) }
		}), "channel of 128 in selects with the ctx", many(func() (func(int), func(int)) {
			c := make(chan int, 128)
			return func(n int) { putChannel(c, n) }, func(n int) { getChannel(c, n) }
		})),
		line("AsyncQueue of 128, 4 goroutines at each end", many(func() (func(int), func(int)) {
			q := queue.New[int](128)
			return func(n int) { putAll(cancelable, q, n) }, func(n int) { getAll(cancelable, q, n) }
		}), "xsync MPMCQueue of 128 and Gosched", many(func() (func(int), func(int)) {
			q := puzpuz.NewMPMCQueue[int](128)
			return func(n int) { spinPut(q.TryEnqueue, n) }, func(n int) { spinGet(q.TryDequeue, n) }
		})),
	)
}

func putAll(ctx context.Context, q *queue.AsyncQueue[int], n int) {
	for i := range n {
		must(q.Put(ctx, i))
	}
}

func getAll(ctx context.Context, q *queue.AsyncQueue[int], n int) {
	for range n {
		_, err := q.Get(ctx)
		must(err)
	}
}

func put(c chan int, v int) {
	select {
	case c <- v:
	case <-cancelable.Done():
	}
}

func get(c chan int) (v int) {
	select {
	case v = <-c:
	case <-cancelable.Done():
	}
	return v
}

func putChannel(c chan int, n int) {
	for i := range n {
		put(c, i)
	}
}

func getChannel(c chan int, n int) {
	for range n {
		get(c)
	}
}

func throughChannel(size int) work {
	return func(n int) result {
		c := make(chan int, size)
		return pingPong(func(n int) { putChannel(c, n) }, func(n int) { getChannel(c, n) })(n)
	}
}

// spinPut and spinGet wait for a queue that nobody can wait for.
func spinPut(try func(int) bool, n int) {
	for i := range n {
		for !try(i) {
			runtime.Gosched()
		}
	}
}

func spinGet(try func() (int, bool), n int) {
	for range n {
		for {
			if _, ok := try(); ok {
				break
			}
			runtime.Gosched()
		}
	}
}

// many lets four goroutines put and four get.
func many(mk func() (put, get func(n int))) work {
	return timed(func(n int) {
		put, get := mk()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { put(n/4 + 1) })
			wg.Go(func() { get(n/4 + 1) })
		}
		wg.Wait()
	})
}

// ints is a heap.
type ints []int

func (h ints) Len() int           { return len(h) }
func (h ints) Less(i, j int) bool { return h[i] < h[j] }
func (h ints) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *ints) Push(v any)        { *h = append(*h, v.(int)) }
func (h *ints) Pop() any {
	last := len(*h) - 1
	v := (*h)[last]
	*h = (*h)[:last]
	return v
}

func heaped(n int) {
	var mu sync.Mutex
	var h ints
	for i := range 100 {
		heap.Push(&h, i)
	}
	for range n {
		mu.Lock()
		heap.Push(&h, sink%100)
		mu.Unlock()
		mu.Lock()
		sink = heap.Pop(&h).(int)
		mu.Unlock()
	}
}
