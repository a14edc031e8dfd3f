package main

import (
	"context"

	"github.com/seed-1e54c410/turnstile/queue"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

func selects() []*pair {
	ready := func(ctx context.Context, n int) {
		a, b := queue.New[int](1), queue.New[int](1)
		fromA, fromB := a.GetCase(&sink), b.GetCase(&sink)
		for i := range n {
			_ = b.TryPut(i)
			_, err := xsync.Select(ctx, fromA, fromB)
			must(err)
		}
	}
	channels := timed(func(n int) {
		a, b := make(chan int, 1), make(chan int, 1)
		for i := range n {
			b <- i
			select {
			case sink = <-a:
			case sink = <-b:
			case <-cancelable.Done():
			}
		}
	})
	return []*pair{
		line("Select over two queues, one has an item", timed(func(n int) { ready(cancelable, n) }), "select over two channels and the ctx", channels),
		line("Select over two queues, that waits, two goroutines", func(n int) result {
			a, b, back := queue.New[int](1), queue.New[int](1), queue.New[int](1)
			return pingPong(func(n int) {
				for i := range n {
					must(b.Put(cancelable, i))
					_, err := back.Get(cancelable)
					must(err)
				}
			}, func(n int) {
				v := 0
				for range n {
					_, err := xsync.Select(cancelable, a.GetCase(&v), b.GetCase(&v))
					must(err)
					must(back.Put(cancelable, v))
				}
			})(n)
		}, "select over two channels and the ctx", func(n int) result {
			a, b, back := make(chan int, 1), make(chan int, 1), make(chan int, 1)
			return pingPong(func(n int) {
				for i := range n {
					put(b, i)
					get(back)
				}
			}, func(n int) {
				v := 0
				for range n {
					select {
					case v = <-a:
					case v = <-b:
					case <-cancelable.Done():
					}
					put(back, v)
				}
			})(n)
		}),
	}
}
