package main

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/seed-1e54c410/turnstile/lock"
)

func locks() []*pair {
	asyncLock := func(ctx context.Context) work {
		return timed(func(n int) {
			var l lock.AsyncLock
			for range n {
				_ = l.Acquire(ctx)
				l.Release()
			}
		})
	}
	mutex := timed(func(n int) {
		var m sync.Mutex
		for range n {
			m.Lock()
			m.Unlock()
		}
	})
	contended := func() (func() error, func()) {
		l := new(lock.AsyncLock)
		return func() error { return l.Acquire(cancelable) }, l.Release
	}
	contendedMutex := func() (func() error, func()) {
		m := new(sync.Mutex)
		return func() error { m.Lock(); return nil }, m.Unlock
	}
	return append([]*pair{
		line("AsyncLock, Background", asyncLock(background), "sync.Mutex", mutex),
		line("AsyncLock, cancelable ctx", asyncLock(cancelable), "sync.Mutex", mutex),
		line("AsyncLock, ctx of a task", inTask(func(ctx context.Context, n int) { asyncLock(ctx)(n) }), "sync.Mutex", mutex),
		line("AsyncLock, cancelable ctx", asyncLock(cancelable), "x/sync Weighted(1)", weighted(1, cancelable)),
		line("AsyncLock, cancelable ctx", asyncLock(cancelable), "channel of 1 in a select with the ctx", channelSemaphore(1)),
		line("AsyncLock, 100 goroutines, empty section", byGoroutines(nothing, 1, contended), "sync.Mutex", byGoroutines(nothing, 1, contendedMutex)),
		line("AsyncLock, 100 goroutines, empty section", byGoroutines(nothing, 1, contended), "x/sync Weighted(1)", byGoroutines(nothing, 1, contendedWeighted(1))),
		line("AsyncLock, 100 goroutines, section of 20 µs", byGoroutines(work20, 1, contended), "sync.Mutex", byGoroutines(work20, 1, contendedMutex)),
		line("AsyncLock, 100 tasks", byTasks(func() (func(context.Context) error, func()) {
			l := new(lock.AsyncLock)
			return l.Acquire, l.Release
		}), "switch of a bare iter.Pull", switches(contenders)),
	}, rwLocks()...)
}

func rwLocks() []*pair {
	var m sync.RWMutex
	// Each tenth acquisition is for writing.
	mix := func(acquire, rAcquire func() error, release, rRelease func()) (func() error, func()) {
		turn, writing := 0, false
		var own sync.Mutex
		return func() error {
				own.Lock()
				turn++
				write := turn%10 == 0
				own.Unlock()
				if !write {
					return rAcquire()
				}
				err := acquire()
				writing = true
				return err
			}, func() {
				if writing {
					writing = false
					release()
					return
				}
				rRelease()
			}
	}
	return []*pair{
		line("AsyncRWLock, read, cancelable ctx", timed(func(n int) {
			var l lock.AsyncRWLock
			for range n {
				_ = l.RAcquire(cancelable)
				l.RRelease()
			}
		}), "sync.RWMutex", timed(func(n int) {
			for range n {
				m.RLock()
				m.RUnlock()
			}
		})),
		line("AsyncRWLock, write, cancelable ctx", timed(func(n int) {
			var l lock.AsyncRWLock
			for range n {
				_ = l.Acquire(cancelable)
				l.Release()
			}
		}), "sync.RWMutex", timed(func(n int) {
			for range n {
				m.Lock()
				m.Unlock()
			}
		})),
		line("AsyncRWLock, 100 goroutines, every tenth writes", byGoroutines(nothing, 1, func() (func() error, func()) {
			l := new(lock.AsyncRWLock)
			return mix(func() error { return l.Acquire(cancelable) }, func() error { return l.RAcquire(cancelable) }, l.Release, l.RRelease)
		}), "sync.RWMutex", byGoroutines(nothing, 1, func() (func() error, func()) {
			m := new(sync.RWMutex)
			return mix(func() error { m.Lock(); return nil }, func() error { m.RLock(); return nil }, m.Unlock, m.RUnlock)
		})),
	}
}

func weighted(size int64, ctx context.Context) work {
	return timed(func(n int) {
		s := semaphore.NewWeighted(size)
		for range n {
			_ = s.Acquire(ctx, 1)
			s.Release(1)
		}
	})
}

func contendedWeighted(size int64) func() (func() error, func()) {
	return func() (func() error, func()) {
		s := semaphore.NewWeighted(size)
		return func() error { return s.Acquire(cancelable, 1) }, func() { s.Release(1) }
	}
}

func channelSemaphore(size int) work {
	return timed(func(n int) {
		c := make(chan struct{}, size)
		for range n {
			select {
			case c <- struct{}{}:
			case <-cancelable.Done():
			}
			<-c
		}
	})
}

func contendedChannel(size int) func() (func() error, func()) {
	return func() (func() error, func()) {
		c := make(chan struct{}, size)
		return func() error {
			select {
			case c <- struct{}{}:
				return nil
			case <-cancelable.Done():
				return cancelable.Err()
			}
		}, func() { <-c }
	}
}
