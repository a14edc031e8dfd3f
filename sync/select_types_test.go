package xsync_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/proptest"
	"github.com/seed-1e54c410/turnstile/queue"
	"github.com/seed-1e54c410/turnstile/stream"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// Each type's case waits for what its waiting call waits for, and takes that.
func TestSelectTypes(t *testing.T) {
	var l lock.AsyncLock
	var rw lock.AsyncRWLock
	var e event.AsyncEvent
	var s event.AsyncSignal
	var w event.Watch[string]
	var g xsync.WaitGroup
	sem := xsync.NewSemaphore(2)
	log := event.NewAsyncEventQueue[int](0)
	reader := log.Subscribe()
	q := queue.New[int](1)
	prio := queue.NewPriority(1, func(a, b int) int { return a - b })
	var slot *queue.Slot[int]
	done := queue.New[int](0)
	prioDone := queue.NewPriority(0, func(a, b int) int { return a - b })
	bucket := xsync.NewTokenBucket(3, 0, xsync.Continuous)
	s1 := stream.New[int](1)
	var f *core.Future[int]
	var task *core.Task
	var got int
	var read []int
	var since uint64
	over := make(chan struct{})
	cases := map[string]struct {
		block   func() // makes it wait
		is      func() xsync.Case
		release func() // lets it go
		check   func() bool
	}{
		"AsyncLock": {
			func() { l.TryAcquire() }, l.AcquireCase, l.Release,
			func() bool { ok := l.Locked(); l.Release(); return ok },
		},
		"AsyncRWLock write": {
			func() { rw.TryRAcquire() }, rw.AcquireCase, rw.RRelease,
			func() bool { ok := rw.Stats().Writing; rw.Release(); return ok },
		},
		"AsyncRWLock read": {
			func() { rw.TryAcquire() }, rw.RAcquireCase, rw.Release,
			func() bool { ok := rw.Stats().Readers == 1; rw.RRelease(); return ok },
		},
		"Semaphore": {
			func() { sem.TryAcquireN(2) }, sem.AcquireCase, sem.Release,
			func() bool { ok := sem.Available() == 0; sem.ReleaseN(2); return ok },
		},
		"Semaphore n": {
			func() { sem.TryAcquire() }, func() xsync.Case { return sem.AcquireNCase(2) }, sem.Release,
			func() bool { ok := sem.Available() == 0; sem.ReleaseN(2); return ok },
		},
		"WaitGroup": {func() { g.Add(1) }, g.WaitCase, g.Done, func() bool { return true }},
		"AsyncEvent": {
			func() { e.Clear() }, e.WaitCase, e.Fire,
			func() bool { return e.IsSet() },
		},
		"AsyncSignal": {func() {}, s.WaitCase, s.Fire, func() bool { return !s.IsSet() }},
		"Watch": {
			func() { w.Set("a"); _, since = w.Load() },
			func() xsync.Case { return w.ChangedCase(since) },
			func() { w.Set("b") },
			func() bool { v, _ := w.Load(); return v == "b" },
		},
		"Reader": {
			func() {}, func() xsync.Case { return reader.ReadCase(0, &read) }, func() { _ = log.Emit(7) },
			func() bool { return len(read) == 1 && read[0] == 7 },
		},
		"AsyncQueue get": {
			func() {}, func() xsync.Case { return q.GetCase(&got) }, func() { _ = q.TryPut(1) },
			func() bool { return got == 1 && q.Empty() },
		},
		"AsyncQueue put": {
			func() { _ = q.TryPut(2) }, func() xsync.Case { return q.PutCase(3) }, func() { _, _ = q.TryGet() },
			func() bool { v, err := q.TryGet(); return v == 3 && err == nil },
		},
		"AsyncQueue get last": {
			func() {}, func() xsync.Case { return q.GetLastCase(&got) }, func() { _ = q.TryPut(11) },
			func() bool { return got == 11 && q.Empty() },
		},
		"AsyncQueue get batch": {
			func() { read = nil }, func() xsync.Case { return q.GetBatchCase(0, &read) }, func() { _ = q.TryPut(12) },
			func() bool { return len(read) == 1 && read[0] == 12 && q.Empty() },
		},
		"AsyncQueue put first": {
			func() { _ = q.TryPut(13) }, func() xsync.Case { return q.PutFirstCase(14) }, func() { _, _ = q.TryGet() },
			func() bool { v, err := q.TryGet(); return v == 14 && err == nil },
		},
		"AsyncQueue reserve": {
			func() { _ = q.TryPut(15) }, func() xsync.Case { return q.ReserveCase(&slot) }, func() { _, _ = q.TryGet() },
			func() bool {
				ok := q.Full() && q.Empty() && slot.Put(16) == nil
				v, err := q.TryGet()
				return ok && v == 16 && err == nil
			},
		},
		"AsyncQueue join": {
			func() { _ = done.TryPut(22) }, done.JoinCase, func() { _, _ = done.TryGet(); done.TaskDone() },
			func() bool { return done.Stats().Joiners == 0 },
		},
		"AsyncPriorityQueue join": {
			func() { _ = prioDone.TryPut(23) }, prioDone.JoinCase, func() { _, _ = prioDone.TryGet(); prioDone.TaskDone() },
			func() bool { return prioDone.Stats().Joiners == 0 },
		},
		"AsyncPriorityQueue get batch": {
			func() { read = nil }, func() xsync.Case { return prio.GetBatchCase(2, &read) }, func() { _ = prio.TryPut(17) },
			func() bool { return len(read) == 1 && read[0] == 17 && prio.Empty() },
		},
		"AsyncPriorityQueue reserve": {
			func() { _ = prio.TryPut(18) }, func() xsync.Case { return prio.ReserveCase(&slot) }, func() { _, _ = prio.TryGet() },
			func() bool { ok := prio.Full() && prio.Empty(); slot.Release(); return ok && !prio.Full() },
		},
		"TokenBucket": {
			func() { _ = bucket.Consume(context.Background(), 3) },
			func() xsync.Case { return bucket.ConsumeCase(2) },
			func() { bucket.Replenish(2) },
			func() bool { ok := bucket.Available() == 0; bucket.Replenish(3); return ok },
		},
		"FutureStream read": {
			func() {}, func() xsync.Case { return s1.ReadCase(&got) }, func() { _ = s1.TryWrite(19) },
			func() bool { return got == 19 && s1.Len() == 0 },
		},
		"FutureStream write": {
			func() { _ = s1.TryWrite(20) }, func() xsync.Case { return s1.WriteCase(21) }, func() { _, _ = s1.TryRead() },
			func() bool { v, err := s1.TryRead(); return v == 21 && err == nil },
		},
		"AsyncPriorityQueue get": {
			func() {}, func() xsync.Case { return prio.GetCase(&got) }, func() { _ = prio.TryPut(4) },
			func() bool { return got == 4 && prio.Empty() },
		},
		"AsyncPriorityQueue put": {
			func() { _ = prio.TryPut(5) }, func() xsync.Case { return prio.PutCase(6) }, func() { _, _ = prio.TryGet() },
			func() bool { v, err := prio.TryGet(); return v == 6 && err == nil },
		},
		"Future": {
			func() { f = core.NewFuture[int]() }, func() xsync.Case { return f.AwaitCase() }, func() { f.Complete(8) },
			func() bool { v, err := f.Read(); return v == 8 && err == nil },
		},
		"Task": {
			func() {
				over = make(chan struct{})
				task = core.Start(context.Background(), func(context.Context) error { <-over; return nil })
			},
			func() xsync.Case { return task.WaitCase() },
			func() { close(over); synctest.Wait() },
			func() bool { return task.Finished() },
		},
	}
	both(t, func(t *testing.T, start func(context.Context, ...xsync.Case) <-chan selected) {
		for name, c := range cases {
			for _, ready := range []bool{false, true} {
				var other permits
				c.block()
				if ready {
					c.release()
				}
				out := start(t.Context(), other.one(), c.is())
				if !ready {
					select {
					case s := <-out:
						t.Errorf("%s: Select = %d, %v, want it to wait", name, s.n, s.err)
					default:
					}
					c.release()
				}
				synctest.Wait()
				select {
				case s := <-out:
					if s.n != 1 || s.err != nil {
						t.Errorf("%s: Select = %d, %v", name, s.n, s.err)
					}
				default:
					t.Errorf("%s: Select waits", name)
				}
				if !c.check() {
					t.Errorf("%s: it has not had its effect (ready %v)", name, ready)
				}
				other.want(t, 0, 0)
			}
		}
	})
}

// What ends a wait ends a Select, with the number of its case.
func TestSelectErrors(t *testing.T) {
	both(t, func(t *testing.T, start func(context.Context, ...xsync.Case) <-chan selected) {
		q := queue.New[int](1)
		_ = q.TryPut(1)
		var other permits
		puts := start(t.Context(), other.one(), q.PutCase(2))
		waiting(t, puts)
		q.Shutdown()
		got(t, puts, 1, queue.ErrShutdown)
		got(t, start(t.Context(), q.PutCase(3)), 0, queue.ErrShutdown)
		var v int
		got(t, start(t.Context(), q.GetCase(&v)), 0, nil)
		got(t, start(t.Context(), q.GetCase(&v)), 0, queue.ErrShutdown)
		if v != 1 {
			t.Errorf("got %d", v)
		}
		sem := xsync.NewSemaphore(1)
		got(t, start(t.Context(), sem.AcquireNCase(2)), 0, xsync.ErrTooMany)
		got(t, start(t.Context(), sem.AcquireNCase(0)), 0, nil)
	})
}

// A comparison that panics in a Select unlocks the queue once.
func TestSelectPanicOfComparison(t *testing.T) {
	boom := false
	q := queue.NewPriority(0, func(a, b int) int {
		if boom {
			panic("boom")
		}
		return a - b
	})
	_, _ = q.TryPut(2), q.TryPut(1)
	boom = true
	func() {
		defer func() {
			if recover() != "boom" {
				t.Error("no panic")
			}
		}()
		_, _ = xsync.Select(t.Context(), q.PutCase(3))
	}()
	boom = false
	var v int
	if n, err := xsync.Select(t.Context(), q.GetCase(&v)); n != 0 || err != nil || v != 1 || q.Len() != 1 {
		t.Errorf("Select = %d, %v; got %d, %d are left", n, err, v, q.Len())
	}
}

// Selects over all kinds, under drawn schedules and cancels: no item is lost or doubled, and what was not
// selected was not taken.
func TestSelectTypesSchedules(t *testing.T) {
	kinds := rapid.SliceOfN(rapid.SampledFrom([]string{"get", "get2", "put", "put2", "lock", "permit", "signal", "future"}), 1, 3)
	proptest.Check(t, func(p *proptest.P) {
		var l lock.AsyncLock
		var signal event.AsyncSignal
		sem := xsync.NewSemaphore(1)
		a, b := queue.New[int](1), queue.New[int](1)
		f := core.NewFuture[int]()
		put, gets := map[int]bool{}, []int{}
		next := 0
		p.Go("fire", func(ctx context.Context) error {
			signal.Fire()
			if err := core.Sleep(ctx, 5); err != nil {
				return err
			}
			f.TryComplete(1)
			return nil
		})
		for i := range p.IntRange(2, 4, "tasks") {
			rounds := rapid.SliceOfN(kinds, 1, 3).Draw(p.T, "rounds")
			p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
				for _, round := range rounds {
					var cases []xsync.Case
					var won []func()
					add := func(c xsync.Case, then func()) {
						cases = append(cases, c)
						won = append(won, then)
					}
					var v int
					for _, kind := range round {
						switch kind {
						case "get":
							add(a.GetCase(&v), func() { gets = append(gets, v) })
						case "get2":
							add(b.GetCase(&v), func() { gets = append(gets, v) })
						case "put":
							next++
							id := next
							add(a.PutCase(id), func() { put[id] = true })
						case "put2":
							next++
							id := next
							add(b.PutCase(id), func() { put[id] = true })
						case "lock":
							add(l.AcquireCase(), l.Release)
						case "permit":
							add(sem.AcquireCase(), sem.Release)
						case "signal":
							add(signal.WaitCase(), func() {})
						case "future":
							add(f.AwaitCase(), func() {})
						}
					}
					add(xsync.After(3), func() {})
					n, err := xsync.Select(ctx, cases...)
					if err != nil {
						return err
					}
					err = core.Yield(ctx)
					won[n]()
					if err != nil {
						return err
					}
				}
				return nil
			})
		}
		p.Always("who waits has to", func() bool {
			sa, sb := a.Stats(), b.Stats()
			return (sa.Len == 0 || sa.Getters == 0) && (sa.Len == 1 || sa.Putters == 0) &&
				(sb.Len == 0 || sb.Getters == 0) && (sb.Len == 1 || sb.Putters == 0) &&
				(l.Locked() || l.Stats().Waiting == 0) && (sem.Available() == 0 || sem.Stats().Waiting == 0)
		})
		p.Finally("no item is lost or doubled, and nobody waits", func() bool {
			for _, v := range append(append(gets, a.Clear()...), b.Clear()...) {
				if !put[v] {
					return false
				}
				delete(put, v)
			}
			sa, sb := a.Stats(), b.Stats()
			return len(put) == 0 && !l.Locked() && sem.Available() == 1 &&
				sa.Getters+sa.Putters+sb.Getters+sb.Putters+l.Stats().Waiting+sem.Stats().Waiting+signal.Stats().Waiting == 0
		})
	}, proptest.Cancels(3), proptest.Timers(2))
}
