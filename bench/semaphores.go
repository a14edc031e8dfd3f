package main

import (
	"context"

	"github.com/seed-1e54c410/turnstile/lock"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

func semaphores() []*pair {
	sem := func(size int, ctx context.Context) work {
		return timed(func(n int) {
			s := xsync.NewSemaphore(size)
			for range n {
				_ = s.Acquire(ctx)
				s.Release()
			}
		})
	}
	contended := func() (func() error, func()) {
		s := xsync.NewSemaphore(4)
		return func() error { return s.Acquire(cancelable) }, s.Release
	}
	return []*pair{
		line("Semaphore(4), cancelable ctx", sem(4, cancelable), "x/sync Weighted(4)", weighted(4, cancelable)),
		line("Semaphore(4), cancelable ctx", sem(4, cancelable), "channel of 4 in a select with the ctx", channelSemaphore(4)),
		line("Semaphore(1), cancelable ctx", sem(1, cancelable), "AsyncLock", timed(func(n int) {
			var l lock.AsyncLock
			for range n {
				_ = l.Acquire(cancelable)
				l.Release()
			}
		})),
		line("Semaphore(4), 100 goroutines", byGoroutines(nothing, 4, contended), "x/sync Weighted(4)", byGoroutines(nothing, 4, contendedWeighted(4))),
		line("Semaphore(4), 100 goroutines", byGoroutines(nothing, 4, contended), "channel of 4 in a select with the ctx", byGoroutines(nothing, 4, contendedChannel(4))),
		line("Semaphore(4), 100 goroutines, section of 20 µs", byGoroutines(work20, 4, contended), "x/sync Weighted(4)", byGoroutines(work20, 4, contendedWeighted(4))),
		line("Semaphore(1), 100 tasks", byTasks(func() (func(context.Context) error, func()) {
			s := xsync.NewSemaphore(1)
			return s.Acquire, s.Release
		}), "switch of a bare iter.Pull", switches(contenders)),
	}
}
