package laws_test

import (
	"context"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/proptest"
	"github.com/seed-1e54c410/turnstile/proptest/laws"
	"github.com/seed-1e54c410/turnstile/queue"
	"github.com/seed-1e54c410/turnstile/stream"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// int64s has the methods of a semaphore of golang.org/x/sync/semaphore.
type int64s struct{ s *xsync.Semaphore }

func (s int64s) Acquire(ctx context.Context, n int64) error { return s.s.AcquireN(ctx, int(n)) }
func (s int64s) TryAcquire(n int64) bool                    { return s.s.TryAcquireN(int(n)) }
func (s int64s) Release(n int64)                            { s.s.ReleaseN(int(n)) }

// noLock is a mutex that excludes nobody.
type noLock struct{}

func (noLock) Lock()    {}
func (noLock) Unlock()  {}
func (noLock) RLock()   {}
func (noLock) RUnlock() {}

// Types that block goroutines are put to the laws that can be asked of them, and the log says which cannot.
func TestAdapters(t *testing.T) {
	for _, c := range []struct {
		name  string
		said  string
		suite func(t proptest.TB)
	}{
		{"mutex", "Not asked, as no call has a ctx", func(t proptest.TB) {
			laws.Lock(t, func() laws.Locker { return laws.Mutex(new(sync.Mutex)) })
		}},
		{"rwmutex", "Not asked, as no call has a ctx", func(t proptest.TB) {
			laws.RWLock(t, func() laws.RWLocker { return laws.RWMutex(new(sync.RWMutex)) })
		}},
		{"int64", "run on goroutines", func(t proptest.TB) {
			laws.Semaphore(t, func(size int) laws.Locker { return laws.Int64Semaphore(int64s{xsync.NewSemaphore(size)}) })
		}},
		{"channel", "run on goroutines", func(t proptest.TB) {
			laws.Queue(t, func(limit int) laws.Queuer { return laws.Channel(make(chan int, limit)) })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cases(t, "300")
			failed, log := record(t, c.suite)
			if failed || !strings.Contains(log, c.said) {
				t.Errorf("failed: %t, want it to say %q:\n%s", failed, c.said, log)
			}
		})
	}
}

// The laws can fail on goroutines, too.
func TestAdaptersCanFail(t *testing.T) {
	for _, c := range []struct {
		name  string
		want  string
		suite func(t proptest.TB)
	}{
		{"mutex", "mutual exclusion", func(t proptest.TB) {
			laws.Lock(t, func() laws.Locker { return laws.Mutex(noLock{}) })
		}},
		{"rwmutex", "mutual exclusion", func(t proptest.TB) {
			laws.RWLock(t, func() laws.RWLocker { return laws.RWMutex(noLock{}) })
		}},
		{"int64", "(?s)mutual exclusion|conservation", func(t proptest.TB) {
			laws.Semaphore(t, func(size int) laws.Locker { return laws.Int64Semaphore(int64s{xsync.NewSemaphore(size + 1)}) })
		}},
		{"channel", "work conservation: nobody waits to put", func(t proptest.TB) {
			laws.Queue(t, func(limit int) laws.Queuer { return laws.Channel(make(chan int, limit-1)) })
		}},
		{"order", "strict order of arrival", func(t proptest.TB) {
			laws.Lock(t, func() laws.Locker { return &lifo{} }, laws.Goroutines())
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			failed, log := outcome(t, c.suite)
			if !failed || !regexp.MustCompile(c.want).MatchString(log) {
				t.Errorf("failed: %t, want %s:\n%s", failed, c.want, log)
			}
		})
	}
}

// The types of this module keep their promises on goroutines, too.
func TestGoroutines(t *testing.T) {
	cases(t, "200")
	on := laws.Goroutines()
	laws.Lock(t, func() laws.Locker { return new(lock.AsyncLock) }, on)
	laws.RWLock(t, func() laws.RWLocker { return new(lock.AsyncRWLock) }, on)
	laws.Semaphore(t, func(size int) laws.Locker { return xsync.NewSemaphore(size) }, on)
	laws.Queue(t, func(limit int) laws.Queuer { return queue.New[int](limit) }, on)
	laws.Event(t, func() laws.Waiter { return new(event.AsyncEvent) }, on)
	laws.Stream(t, func(buffer int) laws.Streamer { return stream.New[int](buffer) }, on)
}

// lifo is a lock that the last one to come gets first.
type lifo struct {
	mu      sync.Mutex
	locked  bool
	waiting []chan struct{}
}

func (l *lifo) Acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	if !l.locked {
		l.locked = true
		l.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	l.waiting = append(l.waiting, turn)
	l.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, w := range l.waiting {
		if w == turn {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
			return ctx.Err()
		}
	}
	return nil // it was its turn already
}

func (l *lifo) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.waiting); n > 0 {
		close(l.waiting[n-1])
		l.waiting = l.waiting[:n-1]
		return
	}
	l.locked = false
}

// Bypass allows what strict order does not.
func TestBypass(t *testing.T) {
	mk := func() laws.Locker { return &barging{} }
	if failed, log := outcome(t, func(t proptest.TB) { laws.Lock(t, mk, laws.Bypass(1)) }); !failed || !strings.Contains(log, "bounded bypass: ") {
		t.Errorf("failed: %t:\n%s", failed, log)
	}
	if failed, log := outcome(t, func(t proptest.TB) { laws.Lock(t, mk, laws.Bypass(20)) }); failed {
		t.Errorf("failed:\n%s", log)
	}
	if _, log := outcome(t, func(t proptest.TB) { laws.Lock(t, mk, laws.With(proptest.Deviations(0))) }); !strings.Contains(log, "strict order of arrival: ") {
		t.Errorf("strict order:\n%s", log)
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic for a negative number")
		}
	}()
	laws.Bypass(-1)
}

// barging is a lock that is free between the Release and the moment when the one that was woken runs.
type barging struct {
	mu     sync.Mutex
	locked bool
	queue  xsync.WaitQueue[struct{}]
}

func (l *barging) Acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for {
		l.mu.Lock()
		if !l.locked {
			l.locked = true
			l.mu.Unlock()
			return nil
		}
		if _, err := l.queue.WaitLocked(ctx, &l.mu, struct{}{}, nil); err != nil {
			return err
		}
	}
}

func (l *barging) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.locked = false
	l.queue.Grant()
}
