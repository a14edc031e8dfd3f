package xsync_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/check/tasks"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/queue"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

const contenders = 100

// Those who are let go together, or one by one, go in the order in which they came, and nobody goes who has
// come later, however many give up meanwhile.
func TestGatesInOrder(t *testing.T) {
	var mu sync.Mutex
	cond := xsync.Cond{L: &mu}
	var wg xsync.WaitGroup
	wg.Add(1)
	bar := xsync.NewBarrier(10)
	n := 0
	for name, gate := range map[string]struct {
		waiting func() int
		wait    func(ctx context.Context) error
		open    func()
	}{
		"Cond": {func() int { return cond.Stats().Waiting }, func(ctx context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			return cond.Wait(ctx)
		}, func() {
			if n++; n%10 == 0 {
				cond.NotifyAll()
				return
			}
			cond.Notify(n % 4)
		}},
		"WaitGroup": {func() int { return wg.Stats().Waiting }, wg.Wait, func() {
			wg.Done()
			wg.Add(1) // those who come now have to wait
		}},
		"Barrier": {func() int {
			if n := bar.Stats().Arrived; n < 9 {
				return n
			}
			return 0 // who comes next need not wait
		}, func(ctx context.Context) error { _, err := bar.Wait(ctx); return err }, func() {
			if n++; n%8 == 0 {
				bar.Break()
			}
			if bar.Stats().Broken {
				bar.Reset()
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var o tasks.Order
			if err := o.Gate(contenders, check.Many(100, 10_000), gate.waiting, gate.wait, gate.open); err != nil {
				t.Fatal(err)
			}
			t.Logf("%d waited, %d gave up, %d were overtaken", o.Waited, o.Canceled, o.Overtaken)
		})
	}
}

// Where initialisers fail, those who wait try in the order in which they came.
func TestOnceInOrder(t *testing.T) {
	var once xsync.Once[int]
	var o tasks.Order
	failed := errors.New("failed")
	turns := check.Many(100, 10_000)
	if err := o.Contend(contenders, func(ctx context.Context, rnd *rand.Rand) error {
		for range turns {
			_ = o.Call(ctx, once.Stats().Waiting, func(ctx context.Context) error {
				if _, err := once.Do(ctx, func(ctx context.Context) (int, error) {
					if rnd.IntN(2) == 0 {
						_ = core.Yield(ctx)
					}
					o.Turn()
					return 0, failed
				}); err != failed {
					return err
				}
				return nil
			})
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := o.Verdict(contenders * turns); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d waited, %d gave up, %d were overtaken", o.Waited, o.Canceled, o.Overtaken)
}

// A waiter of a Select stands in the queue as others do, who wait for the one thing alone: it overtakes nobody
// and is not overtaken, also while it is granted something else, or gives up.
func TestSelectInOrder(t *testing.T) {
	var l lock.AsyncLock
	var rw lock.AsyncRWLock
	s := xsync.NewSemaphore(2)
	q := queue.New[int](2)
	full := queue.New[int](1)
	_ = full.TryPut(0)
	other := errors.New("another case has won")
	for name, of := range map[string]struct {
		waiting func() int
		wait    func(ctx context.Context) error
		mkCase  func() xsync.Case
		free    func()
	}{
		"AsyncLock":   {func() int { return l.Stats().Waiting }, l.Acquire, l.AcquireCase, l.Release},
		"AsyncRWLock": {func() int { return rw.Stats().Waiting }, rw.Acquire, rw.AcquireCase, rw.Release},
		"Semaphore":   {func() int { return s.Stats().Waiting }, s.Acquire, s.AcquireCase, s.Release},
		"AsyncQueue, put": {
			func() int { return q.Stats().Putters },
			func(ctx context.Context) error { return q.Put(ctx, 1) },
			func() xsync.Case { return q.PutCase(1) },
			func() { _, _ = q.TryGet() },
		},
		"AsyncQueue, get": {
			func() int { return full.Stats().Getters },
			func(ctx context.Context) error { _, err := full.Get(ctx); return err },
			func() xsync.Case { return full.GetCase(new(int)) },
			func() { _ = full.TryPut(1) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			var o tasks.Order
			var signal event.AsyncSignal
			turns := check.Many(100, 10_000)
			selected := 0
			if err := o.Contend(contenders, func(ctx context.Context, rnd *rand.Rand) error {
				for range turns {
					wait := of.wait
					if rnd.IntN(2) == 0 {
						wait = func(ctx context.Context) error {
							switch i, err := xsync.Select(ctx, of.mkCase(), signal.WaitCase(), xsync.After(time.Hour)); {
							case err != nil:
								return err
							case i != 0:
								return other
							}
							selected++
							return nil
						}
					}
					if o.Call(ctx, of.waiting(), wait) != nil {
						continue
					}
					if rnd.IntN(2) == 0 {
						_ = core.Yield(ctx)
					}
					if rnd.IntN(4) == 0 && signal.Stats().Waiting > 0 {
						signal.Fire()
					}
					of.free()
					o.Turn()
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if err := o.Verdict(contenders * turns); err != nil {
				t.Fatal(err)
			}
			if selected < contenders*turns/10 {
				t.Errorf("%d by Select: that shows little", selected)
			}
			t.Logf("%d waited, %d by Select, %d gave up, %d were overtaken", o.Waited, selected, o.Canceled, o.Overtaken)
		})
	}
}
