package lock_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/lock"
)

// Tests that are called TestBug are named after bugs of other libraries, by their issues.

// A waiter that was woken and canceled took the wakeup along: the lock was free, and those behind
// waited for ever.
func TestBugBPO27585(t *testing.T) {
	var l lock.AsyncLock
	var rw lock.AsyncRWLock
	for name, of := range map[string]struct {
		acquire func(context.Context) error
		release func()
	}{
		"AsyncLock":           {l.Acquire, l.Release},
		"AsyncRWLock":         {rw.Acquire, rw.Release},
		"AsyncRWLock/reading": {rw.RAcquire, rw.RRelease},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for range 50 { // the select of the waiter is fair to both channels
					ctx, cancel := context.WithCancel(t.Context())
					l.TryAcquire()
					rw.TryAcquire()
					var c callers
					c.start("canceled", func(ctx context.Context) error {
						err := of.acquire(ctx)
						if err == nil {
							of.release()
						}
						return err
					}, ctx)
					c.start("next", of.acquire, t.Context())
					l.Release()
					rw.Release()
					cancel()
					c.want(t, "canceled", "next")
					of.release()
				}
			})
		})
	}
}

// While the queue is never empty, whoever tries at any moment of a hand-over gets nothing, though it
// wants to read and readers have the lock: writers starved so, golang/go#76808.
func TestRWTryNeverOvertakes(t *testing.T) {
	const users = 3
	var l lock.AsyncRWLock
	var wg sync.WaitGroup
	var stop, last atomic.Bool
	full := func() {
		for !last.Load() && l.Stats().Waiting < users-1 {
			runtime.Gosched()
		}
	}
	l.TryAcquire() // until all but one wait
	var rounds atomic.Int64
	rounds.Store(int64(check.Times(20000, 200000)))
	for i := range users {
		acquire, release := l.Acquire, l.Release
		if i == 0 {
			acquire, release = l.RAcquire, l.RRelease
		}
		wg.Go(func() {
			for !last.Load() {
				_ = acquire(context.Background())
				full()
				if rounds.Add(-1) <= 0 {
					stop.Store(true)
				}
				release()
			}
		})
	}
	full()
	l.Release()
	overtook := 0
	for n := 1; !stop.Load(); n++ {
		if l.TryRAcquire() {
			overtook++
			l.RRelease()
		}
		if n%64 == 0 {
			runtime.Gosched() // js has one thread, which nobody takes away
		}
	}
	last.Store(true)
	wg.Wait()
	if overtook != 0 {
		t.Errorf("%d waits were overtaken", overtook)
	}
}
