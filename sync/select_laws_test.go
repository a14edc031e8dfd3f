package xsync_test

import (
	"context"
	"testing"

	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/proptest/laws"
	"github.com/seed-1e54c410/turnstile/queue"
	"github.com/seed-1e54c410/turnstile/stream"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// turns makes every second call one by Select, beside a case that never wins, or all of them.
type turns struct {
	all   bool
	calls int
}

func (s *turns) next() bool {
	s.calls++
	return s.all || s.calls%2 == 0
}

// only waits for one case.
func only(ctx context.Context, c xsync.Case) error {
	var never permits
	_, err := xsync.Select(ctx, never.one(), c)
	return err
}

type lockBySelect struct {
	turns
	lock.AsyncLock
}

func (l *lockBySelect) Acquire(ctx context.Context) error {
	if l.next() {
		return only(ctx, l.AcquireCase())
	}
	return l.AsyncLock.Acquire(ctx)
}

type rwBySelect struct {
	turns
	lock.AsyncRWLock
}

func (l *rwBySelect) Acquire(ctx context.Context) error {
	if l.next() {
		return only(ctx, l.AcquireCase())
	}
	return l.AsyncRWLock.Acquire(ctx)
}

func (l *rwBySelect) RAcquire(ctx context.Context) error {
	if l.next() {
		return only(ctx, l.RAcquireCase())
	}
	return l.AsyncRWLock.RAcquire(ctx)
}

type semaphoreBySelect struct {
	turns
	*xsync.Semaphore
}

func (s *semaphoreBySelect) Acquire(ctx context.Context) error { return s.AcquireN(ctx, 1) }

func (s *semaphoreBySelect) AcquireN(ctx context.Context, n int) error {
	if s.next() {
		return only(ctx, s.AcquireNCase(n))
	}
	return s.Semaphore.AcquireN(ctx, n)
}

type eventBySelect struct {
	turns
	event.AsyncEvent
}

func (e *eventBySelect) Wait(ctx context.Context) error {
	if e.next() {
		return only(ctx, e.WaitCase())
	}
	return e.AsyncEvent.Wait(ctx)
}

type queueBySelect struct {
	turns
	*queue.AsyncQueue[int]
}

func (q *queueBySelect) Put(ctx context.Context, v int) error {
	if q.next() {
		return only(ctx, q.PutCase(v))
	}
	return q.AsyncQueue.Put(ctx, v)
}

func (q *queueBySelect) Get(ctx context.Context) (v int, err error) {
	if !q.next() {
		return q.AsyncQueue.Get(ctx)
	}
	if q.calls%4 != 0 {
		err = only(ctx, q.GetCase(&v))
		return v, err
	}
	var batch []int
	if err = only(ctx, q.GetBatchCase(1, &batch)); err == nil {
		v = batch[0]
	}
	return v, err
}

type streamBySelect struct {
	turns
	*stream.FutureStream[int]
}

func (s *streamBySelect) Write(ctx context.Context, v int) error {
	if s.next() {
		return only(ctx, s.WriteCase(v))
	}
	return s.FutureStream.Write(ctx, v)
}

func (s *streamBySelect) Read(ctx context.Context) (v int, err error) {
	if s.next() {
		err = only(ctx, s.ReadCase(&v))
		return v, err
	}
	return s.FutureStream.Read(ctx)
}

// What a type promises it promises those who wait for it in a Select, alone and beside those who do not.
func TestSelectLaws(t *testing.T) {
	for name, all := range map[string]bool{"Selects": true, "every second one": false} {
		by := turns{all: all}
		suite := func(of string, run func(t *testing.T)) {
			t.Run(name+"/"+of, func(t *testing.T) {
				check.Cases(t, 20_000)
				run(t)
			})
		}
		suite("AsyncLock", func(t *testing.T) {
			laws.Lock(t, func() laws.Locker { return &lockBySelect{turns: by} })
		})
		suite("AsyncRWLock", func(t *testing.T) {
			laws.RWLock(t, func() laws.RWLocker { return &rwBySelect{turns: by} })
		})
		suite("Semaphore", func(t *testing.T) {
			laws.Semaphore(t, func(size int) laws.Locker { return &semaphoreBySelect{by, xsync.NewSemaphore(size)} })
		})
		suite("AsyncEvent", func(t *testing.T) {
			laws.Event(t, func() laws.Waiter { return &eventBySelect{turns: by} })
		})
		suite("AsyncQueue", func(t *testing.T) {
			laws.Queue(t, func(limit int) laws.Queuer { return &queueBySelect{by, queue.New[int](limit)} })
		})
		suite("FutureStream", func(t *testing.T) {
			laws.Stream(t, func(buffer int) laws.Streamer { return &streamBySelect{by, stream.New[int](buffer)} })
		})
	}
}
