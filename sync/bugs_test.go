package xsync_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/lock"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// The tests of this file are named after bugs of other libraries, by their issues.

// A waiter is woken and canceled before it runs: the permit was lost with it, and the others hung.
func TestBugCPython90155(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := xsync.NewSemaphore(1)
		s.TryAcquire()
		ctx, cancel := context.WithCancel(t.Context())
		var c calls
		c.start("canceled", func() error {
			if err := s.Acquire(ctx); err != nil {
				return err
			}
			s.Release()
			return nil
		})
		c.start("next", func() error { return s.Acquire(t.Context()) })
		s.Release()
		cancel()
		c.want(t, "canceled <nil>", "next <nil>")
	})
}

// After a release somebody who comes later was served before those who wait.
func TestBugBPO45997(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := xsync.NewSemaphore(1)
		s.TryAcquire()
		c := start(2, func(int) error { return s.Acquire(t.Context()) })
		s.Release()
		late := make(chan struct{})
		go func() { // the one that was woken has not run yet
			defer close(late)
			if s.TryAcquire() {
				t.Error("somebody was overtaken")
			}
		}()
		<-late
		c.start("late", func() error { return s.Acquire(t.Context()) })
		c.want(t, "0 <nil>")
		s.Release()
		c.want(t, "1 <nil>")
		s.Release()
		c.want(t, "late <nil>")
	})
}

// A canceled waiter stayed in the queue, was handed what it did not want any more, and stranded the next.
func TestBugAnyIO1145(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := xsync.NewSemaphore(2), xsync.NewTokenBucket(2, 0, xsync.Continuous)
		s.TryAcquireN(2)
		b.TryConsume(2)
		ctx, cancel := context.WithCancel(t.Context())
		first := start(2, func(i int) error {
			if i == 0 {
				return s.Acquire(ctx)
			}
			return b.Consume(ctx, 1)
		})
		next := start(2, func(i int) error {
			if i == 0 {
				return s.Acquire(t.Context())
			}
			return b.Consume(t.Context(), 1)
		})
		cancel()
		first.want(t, "0 context canceled", "1 context canceled")
		s.Release()
		b.Replenish(1)
		next.want(t, "0 <nil>", "1 <nil>")
	})
}

// A limiter that grew counted the canceled ones among those it let go.
func TestBugAnyIO947(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := xsync.NewSemaphore(1)
		s.TryAcquire()
		ctx, cancel := context.WithCancel(t.Context())
		gone := start(3, func(int) error { return s.Acquire(ctx) })
		live := start(2, func(int) error { return s.Acquire(t.Context()) })
		cancel()
		gone.want(t, "0 context canceled", "1 context canceled", "2 context canceled")
		s.Resize(3)
		live.want(t, "0 <nil>", "1 <nil>")
		want(t, s.Stats(), xsync.SemaphoreStats{Size: 3, Held: 3})
	})
}

// The first waiter, which wanted much, gave up, and those behind it were not woken although there
// was enough for them.
func TestBugGo37852(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := xsync.NewSemaphore(2), xsync.NewTokenBucket(2, 0, xsync.Continuous)
		s.TryAcquire()
		b.TryConsume(1)
		ctx, cancel := context.WithCancel(t.Context())
		large := start(2, func(i int) error {
			if i == 0 {
				return s.AcquireN(ctx, 2)
			}
			return b.Consume(ctx, 2)
		})
		small := start(2, func(i int) error {
			if i == 0 {
				return s.Acquire(t.Context())
			}
			return b.Consume(t.Context(), 1)
		})
		small.want(t)
		cancel()
		large.want(t, "0 context canceled", "1 context canceled")
		small.want(t, "0 <nil>", "1 <nil>")
	})
}

// A ctx that was done already got what was free.
func TestBugGo63615(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s, b, bar := xsync.NewSemaphore(1), xsync.NewTokenBucket(1, 0, xsync.Continuous), xsync.NewBarrier(1)
	var wg xsync.WaitGroup
	var o xsync.Once[int]
	for range 100 { // one that selects between the two has luck at times
		_, barrier := bar.Wait(ctx)
		_, once := o.Do(ctx, func(context.Context) (int, error) { return 1, nil })
		for what, err := range map[string]error{
			"Semaphore": s.Acquire(ctx), "TokenBucket": b.Consume(ctx, 1), "WaitGroup": wg.Wait(ctx),
			"Barrier": barrier, "Once": once,
		} {
			wantErr(t, what, err, context.Canceled)
		}
	}
	want(t, s.Available()+b.Available(), 2)
}

// Somebody waited for ever, because the only one who was to go had been woken by a barging
// newcomer again and again.
func TestBugAsyncLock23(t *testing.T) {
	s := xsync.NewSemaphore(1)
	s.TryAcquire()
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.Acquire(context.Background())
	}()
	for s.Stats().Waiting == 0 {
		runtime.Gosched()
	}
	s.Release()
	for range 1000 { // it is served, whether it has run or not
		if s.TryAcquire() {
			t.Fatal("the waiter was overtaken")
		}
	}
	<-served
}

// A grant came in the moment of a cancel, in the same turn of a loop: it was the cancel that
// was told, and the permit stayed with nobody.
func TestBugKotlin2380(t *testing.T) {
	s := xsync.NewSemaphore(1)
	s.TryAcquire()
	if err := core.Run(t.Context(), func(ctx context.Context) error {
		waiter := func(ctx context.Context) error {
			if err := s.Acquire(ctx); err != nil {
				return err
			}
			s.Release()
			return core.Yield(ctx) // this is where the cancel shows
		}
		first, second := core.Start(ctx, waiter), core.Start(ctx, waiter)
		s.Release()
		first.Cancel()
		if err := second.Wait(ctx); err != nil {
			t.Errorf("the next one: %v", err)
		}
		if first.Wait(ctx); !first.Canceled() {
			t.Error("the cancel is lost")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want(t, s.Stats(), xsync.SemaphoreStats{Size: 1})
}

// A notification went to a waiter that was canceled in the same moment, and to nobody after it.
func TestBugCPython112201(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, notifyFirst := range []bool{true, false} {
			w := newWatched(0)
			ctx, cancel := context.WithCancel(t.Context())
			var c calls
			// Whoever is notified passes it on, as one does who has no use for it.
			c.start("canceled", func() error {
				err := w.wait(ctx)
				if err == nil {
					w.cond.Notify(1)
				}
				return err
			})
			c.start("next", func() error { return w.wait(t.Context()) })
			if notifyFirst {
				w.Lock() // neither of them can return meanwhile
				w.cond.Notify(1)
				cancel()
				w.Unlock()
				c.want(t, "canceled <nil>", "next <nil>")
				continue
			}
			cancel()
			c.want(t, "canceled context canceled")
			want(t, w.cond.Notify(1), 1)
			c.want(t, "next <nil>")
		}
	})
}

// A listener went away with the notification for one that it had been given.
func TestBugTokio4618(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(0)
		ctx, cancel := context.WithCancel(t.Context())
		c := start(4, func(i int) error {
			if i%2 == 0 {
				return w.wait(ctx)
			}
			return w.wait(t.Context())
		})
		cancel()
		c.want(t, "0 context canceled", "2 context canceled")
		want(t, w.cond.Notify(3), 2)
		c.want(t, "1 <nil>", "3 <nil>")
	})
}

// One call that notifies all woke somebody who came after it.
func TestBugTokio5396(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(0)
		var c calls
		again := 0
		c.start("first", func() error {
			if err := w.wait(t.Context()); err != nil {
				return err
			}
			again++
			return w.wait(t.Context())
		})
		c.start("second", func() error { return w.wait(t.Context()) })
		want(t, w.cond.NotifyAll(), 2)
		c.start("late", func() error { return w.wait(t.Context()) })
		c.want(t, "second <nil>")
		want(t, again, 1)
		want(t, w.cond.NotifyAll(), 2)
		c.want(t, "first <nil>", "late <nil>")
	})
}

// late is a ctx that is canceled right after it has been asked for the nth time and has said that it is not.
type late struct {
	context.Context
	n      int
	cancel func()
}

func (l *late) Err() error {
	err := l.Context.Err()
	if l.n--; l.n == 0 {
		l.cancel()
		for range 100 { // whoever is to be told is told now
			runtime.Gosched()
		}
	}
	return err
}

// A cancel that came between the look at the state and the wait was not heard.
func TestBugE2B3629(t *testing.T) {
	for n := range 6 {
		synctest.Test(t, func(t *testing.T) {
			w := newWatched(0)
			ctx, cancel := context.WithCancel(t.Context())
			var c calls
			c.start("waiter", func() error { return w.wait(&late{ctx, n, cancel}) })
			cancel() // where it has not been asked so often
			c.want(t, "waiter context canceled")
		})
	}
	for range check.Times(500, 10_000) {
		w := newWatched(0)
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() {
			w.Lock()
			defer w.Unlock()
			for ctx.Err() == nil {
				_ = w.cond.Wait(ctx) // hangs if it misses the cancel
			}
		})
		wg.Go(cancel)
		wg.Wait()
	}
}

// The first caller panicked, and those who waited for its result hung.
func TestBugGo33519(t *testing.T) {
	onceFails(t, func() { panic("boom") })
}

// The first caller ended its goroutine, and those who waited for its result hung.
func TestBugGo41133(t *testing.T) {
	onceFails(t, runtime.Goexit)
}

func onceFails(t *testing.T, fail func()) {
	synctest.Test(t, func(t *testing.T) {
		var o xsync.Once[int]
		go func() {
			defer func() { _ = recover() }()
			_, _ = o.Do(t.Context(), func(context.Context) (int, error) {
				time.Sleep(time.Second)
				fail()
				return 1, nil
			})
		}()
		synctest.Wait()
		c := start(3, func(i int) error {
			v, err := o.Do(t.Context(), func(context.Context) (int, error) { return 2 + i, nil })
			want(t, v, 2)
			return err
		})
		want(t, o.Stats(), xsync.OnceStats{Running: true, Waiting: 3})
		time.Sleep(2 * time.Second)
		c.want(t, "0 <nil>", "1 <nil>", "2 <nil>")
	})
}

// A select had one waiter of its task in the queue of a lock, and its other branch waited for that lock, too: it
// was handed to the first waiter, whom nobody asked any more. A case that has not won is out of the queue.
func TestBugTokio6450(t *testing.T) {
	for _, early := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			if err := core.Run(t.Context(), func(ctx context.Context) error {
				var l lock.AsyncLock
				var ready event.AsyncEvent
				if err := l.Acquire(ctx); err != nil {
					return err
				}
				task := core.Start(ctx, func(ctx context.Context) error {
					i, err := xsync.Select(ctx, l.AcquireCase(), ready.WaitCase(), l.AcquireCase())
					if i != 1 || err != nil {
						t.Errorf("case %d has won, %v", i, err)
					}
					if err := l.Acquire(ctx); err != nil { // hangs if the case is still in the queue
						return err
					}
					l.Release()
					return nil
				})
				ready.Fire()
				if early {
					l.Release() // before the task has run
				} else if err := core.Sleep(ctx, time.Second); err != nil {
					return err
				} else {
					want(t, l.Stats().Waiting, 1)
					l.Release()
				}
				ctx, cancel := core.WithTimeout(ctx, time.Hour)
				defer cancel()
				if err := task.WaitOrCancel(ctx); err != nil {
					t.Errorf("the second wait: %v", err)
				}
				want(t, l.Stats(), lock.Stats{})
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
}
