package laws_test

import (
	"context"
	"errors"
	"io"
	"regexp"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/proptest"
	"github.com/seed-1e54c410/turnstile/proptest/laws"
	"github.com/seed-1e54c410/turnstile/queue"
	"github.com/seed-1e54c410/turnstile/stream"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// single is a semaphore of which only the methods for one permit are not right.
type single struct {
	*xsync.Semaphore
	acquire func(ctx context.Context) error
	try     func() bool
}

func (s single) Acquire(ctx context.Context) error { return s.acquire(ctx) }
func (s single) TryAcquire() bool                  { return s.try() }

// Each type here breaks one promise, and the failure says which.
var mutants = []struct {
	name  string
	want  string // what the failure says, as a regular expression
	suite func(t proptest.TB)
}{
	{"no exclusion", `mutual exclusion: w\d was granted the lock while w\d had it`, locks(func(l *lockOf, _ *lock.AsyncLock) {
		l.acquire, l.release = func(ctx context.Context) error { return ctx.Err() }, func() {}
		l.try = func() bool { return true }
	})},
	{"one permit with a done ctx", `conservation: when all was given back|work conservation`, func(t proptest.TB) {
		laws.Semaphore(t, func(size int) laws.Locker {
			s := xsync.NewSemaphore(size)
			return single{s, func(ctx context.Context) error {
				if err := ctx.Err(); err != nil {
					s.TryAcquire() // and nobody gives it back
					return err
				}
				return s.Acquire(ctx)
			}, s.TryAcquire}
		})
	}},
	{"a try of one permit", `mutual exclusion|release of more permits than are held|overtakes`, func(t proptest.TB) {
		laws.Semaphore(t, func(size int) laws.Locker {
			s := xsync.NewSemaphore(size)
			return single{s, s.Acquire, func() bool { return true }}
		})
	}},
	{"a done ctx", `a done ctx: w\d could take the lock`, locks(func(l *lockOf, at *lock.AsyncLock) {
		l.acquire = func(ctx context.Context) error {
			if at.TryAcquire() {
				return nil
			}
			return at.Acquire(ctx)
		}
	})},
	{"an error from nowhere", `got an error though its ctx has not ended: odd`, locks(func(l *lockOf, at *lock.AsyncLock) {
		l.acquire = func(ctx context.Context) error {
			if at.Locked() {
				return errOdd
			}
			return at.Acquire(ctx)
		}
	})},
	{"a cancel that is not heard", `cancel: a wait ends when its ctx does`, locks(func(l *lockOf, at *lock.AsyncLock) {
		l.acquire = func(ctx context.Context) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return at.Acquire(core.Shield(ctx))
		}
	})},
	{"a release that is lost", `conservation: when all was given back, all can be taken|work conservation`, locks(func(l *lockOf, at *lock.AsyncLock) {
		l.release = func() {
			if at.Stats().Waiting != 1 {
				at.Release()
			}
		}
	})},
	{"a try that is refused", `work conservation: a try of w\d failed`, locks(func(l *lockOf, _ *lock.AsyncLock) {
		l.try = func() bool { return false }
	})},
	{"a try that overtakes", `strict order of arrival`, func(t proptest.TB) {
		laws.Semaphore(t, func(size int) laws.Locker { return &overtaking{free: size} })
	}},
	{"a writer that is not alone", `mutual exclusion`, func(t proptest.TB) {
		laws.RWLock(t, func() laws.RWLocker {
			l := new(lock.AsyncRWLock)
			return rwLockOf{l, l.RAcquire, l.RRelease}
		})
	}},
	{"readers one by one", `work conservation: the first in line`, func(t proptest.TB) {
		laws.RWLock(t, func() laws.RWLocker { return alone{new(lock.AsyncLock)} })
	}},
	{"an item from nowhere", `got -1, which nobody has put`, queues(func(q *queueOf, at *queue.AsyncQueue[int]) {
		q.get = func(ctx context.Context) (int, error) { v, err := at.Get(ctx); return v * -1 / max(v, 1), err }
	})},
	{"an item twice", `both got \d+, which was put once`, queues(func(q *queueOf, at *queue.AsyncQueue[int]) {
		again := 0
		q.get = func(ctx context.Context) (v int, err error) {
			if again > 0 && ctx.Err() == nil {
				return again, nil
			}
			again, err = at.Get(ctx)
			return again, err
		}
	})},
	{"a lost item", `conservation: `, queues(func(q *queueOf, at *queue.AsyncQueue[int]) {
		q.put = func(ctx context.Context, v int) error {
			err := at.Put(ctx, v)
			if err == nil && v == 2 {
				_, _ = at.TryGet()
			}
			return err
		}
	})},
	{"the last first", `strict order of arrival: \d+ was put before \d+`, queues(func(q *queueOf, at *queue.AsyncQueue[int]) {
		q.get = at.GetLast
	})},
	{"no bound", `bound: `, func(t proptest.TB) {
		laws.Queue(t, func(int) laws.Queuer { return queue.New[int](0) })
	}},
	{"room that is not used", `work conservation: nobody waits to put while there is room`, func(t proptest.TB) {
		laws.Queue(t, func(limit int) laws.Queuer { return struct{ laws.Queuer }{queue.New[int](1)} })
	}},
	{"a try to put that is refused", `work conservation: a try of p\d to put failed`, queues(func(q *queueOf, _ *queue.AsyncQueue[int]) {
		q.tryPut = func(int) error { return queue.ErrFull }
	})},
	{"a try to get that is refused", `work conservation: a try of g\d to get failed`, queues(func(q *queueOf, _ *queue.AsyncQueue[int]) {
		q.tryGet = func() (int, error) { return 0, queue.ErrEmpty }
	})},
	{"a shutdown that wakes nobody", `shutdown: nobody waits after it`, queues(func(q *queueOf, at *queue.AsyncQueue[int]) {
		down := false
		q.shutdown = func() { down = true }
		q.put = func(ctx context.Context, v int) error {
			if down {
				return queue.ErrShutdown
			}
			return at.Put(ctx, v)
		}
		q.tryPut = func(v int) error {
			if down {
				return queue.ErrShutdown
			}
			return at.TryPut(v)
		}
	})},
	{"a put after the shutdown", `shutdown: p\d could put after it`, queues(func(q *queueOf, at *queue.AsyncQueue[int]) {
		down := false
		q.shutdown = func() { down = true; at.Shutdown() }
		q.tryPut = func(v int) error {
			if down {
				return nil
			}
			return at.TryPut(v)
		}
	})},
	{"a shutdown that drops", `conservation: `, queues(func(q *queueOf, at *queue.AsyncQueue[int]) {
		q.shutdown = func() { at.ShutdownNow() }
	})},
	{"a fire that wakes one", `fire: it lets everybody go who waits`, events(func(e *eventOf, at *event.AsyncEvent) {
		set := false
		e.fire = func() {
			if set = true; at.Stats().Waiting < 2 {
				at.Fire()
			}
		}
		e.clear = func() { set = false; at.Clear() }
		e.isSet = func() bool { return set }
	})},
	{"a waiter that looks again", `fire: it lets everybody go who waits`, events(func(e *eventOf, at *event.AsyncEvent) {
		e.wait = func(ctx context.Context) error {
			for {
				if err := at.Wait(ctx); err != nil || at.IsSet() {
					return err
				}
			}
		}
	})},
	{"a flag that is not set", `the flag: IsSet says false`, events(func(e *eventOf, _ *event.AsyncEvent) {
		e.isSet = func() bool { return false }
	})},
	{"a wait that does not wait", `fire: w\d was let go`, events(func(e *eventOf, _ *event.AsyncEvent) {
		e.wait = func(ctx context.Context) error { return ctx.Err() }
	})},
	{"an end that comes twice", `the end: it comes once`, streams(func(s *streamOf, at *stream.FutureStream[int]) {
		s.complete = func() bool { at.Complete(); return true }
	})},
	{"another error at the end", `the end: \w\d( \(at the end\))? got odd`, streams(func(s *streamOf, at *stream.FutureStream[int]) {
		s.read = func(ctx context.Context) (int, error) {
			v, err := at.Read(ctx)
			if err == io.EOF {
				err = errOdd
			}
			return v, err
		}
	})},
	{"an end before the rest", `conservation: \w\d( \(at the end\))? got the end while \d`, streams(func(s *streamOf, at *stream.FutureStream[int]) {
		ended := false
		s.complete = func() bool {
			first := at.Complete()
			ended = ended || first
			return first
		}
		s.read = func(ctx context.Context) (int, error) {
			if ended && at.Len() > 0 && ctx.Err() == nil {
				return 0, io.EOF
			}
			return at.Read(ctx)
		}
	})},
	{"an item that some do not get", `every item once and in order|no lost wakeup|close: `, broadcasts(0, func(b *broadcastOf, at *event.AsyncEventQueue[int]) {
		b.emit = func(v int) error {
			if v == 2 {
				return nil
			}
			return at.Emit(v)
		}
	})},
	{"more than was wanted", `wanted 1 items`, broadcasts(0, func(b *broadcastOf, at *event.AsyncEventQueue[int]) {
		b.subscribe = func() laws.Subscriber {
			r := at.Subscribe()
			return readerOf(func(ctx context.Context, _ int) ([]int, error) { return r.Read(ctx, 0) })
		}
	})},
	{"a close that wakes nobody", `close: nobody waits after it`, broadcasts(0, func(b *broadcastOf, _ *event.AsyncEventQueue[int]) {
		b.close = func() {}
	})},
	{"a lag without need", `lag: r\d is told`, broadcasts(1, nil)},
}

func locks(change func(l *lockOf, at *lock.AsyncLock)) func(proptest.TB) {
	return func(t proptest.TB) {
		laws.Lock(t, func() laws.Locker {
			at := new(lock.AsyncLock)
			l := &lockOf{at.Acquire, at.Release, at.TryAcquire}
			change(l, at)
			return l
		})
	}
}

func queues(change func(q *queueOf, at *queue.AsyncQueue[int])) func(proptest.TB) {
	return func(t proptest.TB) {
		laws.Queue(t, func(limit int) laws.Queuer {
			at := queue.New[int](limit)
			q := &queueOf{at.Put, at.Get, at.TryPut, at.TryGet, at.Shutdown, at.Len}
			change(q, at)
			return q
		})
	}
}

func events(change func(e *eventOf, at *event.AsyncEvent)) func(proptest.TB) {
	return func(t proptest.TB) {
		laws.Event(t, func() laws.Waiter {
			at := new(event.AsyncEvent)
			e := &eventOf{at.Wait, at.Fire, at.Clear, at.IsSet}
			change(e, at)
			return e
		})
	}
}

func streams(change func(s *streamOf, at *stream.FutureStream[int])) func(proptest.TB) {
	return func(t proptest.TB) {
		laws.Stream(t, func(buffer int) laws.Streamer {
			at := stream.New[int](buffer)
			s := &streamOf{at, at.Read, at.Complete}
			change(s, at)
			return s
		})
	}
}

// broadcasts keeps less than it says by so many items.
func broadcasts(less int, change func(b *broadcastOf, at *event.AsyncEventQueue[int])) func(proptest.TB) {
	lagged := func(err error) (missed int, ok bool) {
		var l *event.LaggedError
		if ok = errors.As(err, &l); ok {
			missed = int(l.Missed)
		}
		return missed, ok
	}
	return func(t proptest.TB) {
		laws.Broadcast(t, func(limit int) laws.Broadcaster {
			if limit > 1 {
				limit -= less
			}
			at := event.NewAsyncEventQueue[int](limit)
			b := &broadcastOf{at.Emit, func() laws.Subscriber { return at.Subscribe() }, at.Close}
			if change != nil {
				change(b, at)
			}
			return b
		}, lagged)
	}
}

func TestMutants(t *testing.T) {
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			failed, log := outcome(t, m.suite)
			if !failed || !regexp.MustCompile(m.want).MatchString(log) {
				t.Errorf("failed: %t, want %s:\n%s", failed, m.want, log)
			}
		})
	}
}
