package lock_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/check/tasks"
	"github.com/seed-1e54c410/turnstile/lock"
)

func rwWant(t *testing.T, l *lock.AsyncRWLock, want lock.RWStats) {
	t.Helper()
	if got := l.Stats(); got != want {
		t.Fatalf("Stats() = %+v, want %+v", got, want)
	}
}

// callers are calls that were started one after the other, each in the queue before the next.
type callers struct {
	mu  sync.Mutex
	got []string
}

// start starts a call of acquire, and lets it go as far as it goes.
func (c *callers) start(name string, acquire func(context.Context) error, ctx context.Context) {
	go func() {
		err := acquire(ctx)
		c.mu.Lock()
		defer c.mu.Unlock()
		if err != nil {
			name += " " + err.Error()
		}
		c.got = append(c.got, name)
	}()
	synctest.Wait()
}

// want asserts which calls have returned since the last time, sorted by name.
func (c *callers) want(t *testing.T, names ...string) {
	t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.Sort(c.got)
	if !slices.Equal(c.got, names) {
		t.Fatalf("returned: %q, want %q", c.got, names)
	}
	c.got = nil
}

func TestRWReadersTogether(t *testing.T) {
	ctx := t.Context()
	var l lock.AsyncRWLock
	for range 3 {
		if err := l.RAcquire(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if !l.TryRAcquire() || l.TryAcquire() {
		t.Fatal("readers do not exclude writers, and do other readers")
	}
	rwWant(t, &l, lock.RWStats{Readers: 4})
	for range 4 {
		l.RRelease()
	}
	if err := l.Acquire(ctx); err != nil {
		t.Fatal(err)
	}
	if l.TryRAcquire() || l.TryAcquire() {
		t.Fatal("a writer is not alone")
	}
	rwWant(t, &l, lock.RWStats{Writing: true})
	l.Release()
	if !l.TryAcquire() {
		t.Fatal("TryAcquire of a free lock failed")
	}
	l.Release()
	rwWant(t, &l, lock.RWStats{})
}

// The queue is one: w1 r2 r3 w4 r5 enter as w1, then r2 and r3, then w4, then r5.
func TestRWOrderOfArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		var l lock.AsyncRWLock
		var c callers
		l.TryRAcquire()
		c.start("w1", l.Acquire, ctx)
		c.start("r2", l.RAcquire, ctx)
		c.start("r3", l.RAcquire, ctx)
		c.start("w4", l.Acquire, ctx)
		c.start("r5", l.RAcquire, ctx)
		rwWant(t, &l, lock.RWStats{Readers: 1, Waiting: 5, WaitingWriters: 2})
		if l.TryRAcquire() || l.TryAcquire() {
			t.Fatal("a Try call overtook those who wait")
		}
		l.RRelease()
		// Before w1 has run: the lock is its own already.
		if l.TryRAcquire() || l.TryAcquire() {
			t.Fatal("a Try call took what was handed over")
		}
		c.want(t, "w1")
		l.Release()
		if l.TryRAcquire() {
			t.Fatal("TryRAcquire overtook a writer")
		}
		c.want(t, "r2", "r3")
		rwWant(t, &l, lock.RWStats{Readers: 2, Waiting: 2, WaitingWriters: 1})
		l.RRelease()
		c.want(t)
		l.RRelease()
		c.want(t, "w4")
		l.Release()
		c.want(t, "r5")
		l.RRelease()
		rwWant(t, &l, lock.RWStats{})
	})
}

// A writer that waits and gives up must not leave the readers behind it waiting: those who
// read let them in. The head of a weighted semaphore did, golang/go#37852.
func TestBugGo37852(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone, cancel := context.WithCancel(t.Context())
		var l lock.AsyncRWLock
		var c callers
		l.TryRAcquire()
		c.start("w1", l.Acquire, gone)
		c.start("r2", l.RAcquire, t.Context())
		c.start("r3", l.RAcquire, t.Context())
		c.start("w4", l.Acquire, t.Context())
		c.start("r5", l.RAcquire, t.Context())
		cancel()
		c.want(t, "r2", "r3", "w1 context canceled")
		rwWant(t, &l, lock.RWStats{Readers: 3, Waiting: 2, WaitingWriters: 1})
		for range 3 {
			l.RRelease()
		}
		c.want(t, "w4")
		l.Release()
		c.want(t, "r5")
		l.RRelease()
		rwWant(t, &l, lock.RWStats{})
	})
}

// A waiter that has given up must not stay behind in the queue: once the last one has, the lock is as if it
// had never come. agronholm/anyio#1145.
func TestBugAnyIO1145(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lock.AsyncRWLock
		var c callers
		for range 2 {
			gone, cancel := context.WithCancel(t.Context())
			l.TryRAcquire()
			c.start("w", l.Acquire, gone)
			cancel()
			c.want(t, "w context canceled")
			if !l.TryRAcquire() {
				t.Fatal("TryRAcquire failed with nobody in the queue")
			}
			if l.TryAcquire() {
				t.Fatal("TryAcquire beside readers")
			}
			if err := l.RAcquire(t.Context()); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				l.RRelease()
			}
			if !l.TryAcquire() {
				t.Fatal("TryAcquire of a free lock failed")
			}
			l.Release()
			rwWant(t, &l, lock.RWStats{})
		}
	})
}

// A lock that was handed over in the moment of the cancel is held, and not lost:
// Kotlin/kotlinx.coroutines#2380.
func TestBugKotlin2380(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 { // the select of the waiter is fair to both channels
			ctx, cancel := context.WithCancel(t.Context())
			var l lock.AsyncRWLock
			var c callers
			l.TryAcquire()
			c.start("r", l.RAcquire, ctx)
			c.start("w", l.Acquire, ctx)
			l.Release()
			cancel()
			c.want(t, "r", "w context canceled")
			rwWant(t, &l, lock.RWStats{Readers: 1})
			if err := l.RAcquire(ctx); err != context.Canceled {
				t.Fatalf("the next RAcquire() = %v", err)
			}
			ctx, cancel = context.WithCancel(t.Context())
			c.start("w", l.Acquire, ctx)
			l.RRelease()
			cancel()
			c.want(t, "w")
			rwWant(t, &l, lock.RWStats{Writing: true})
		}
	})
}

// A done ctx loses also where the lock is free: golang/go#63615.
func TestBugGo63615(t *testing.T) {
	ctx := check.NewCtx()
	ctx.SetErr(errors.New("over"))
	var l lock.AsyncRWLock
	fn := func(context.Context) error { t.Error("fn ran"); return nil }
	for name, call := range map[string]func() error{
		"Acquire":  func() error { return l.Acquire(ctx) },
		"RAcquire": func() error { return l.RAcquire(ctx) },
		"Do":       func() error { return l.Do(ctx, fn) },
		"RDo":      func() error { return l.RDo(ctx, fn) },
	} {
		if err := call(); err != ctx.Err() {
			t.Errorf("free: %s() = %v, want %v", name, err, ctx.Err())
		}
		rwWant(t, &l, lock.RWStats{})
		l.TryAcquire()
		if err := call(); err != ctx.Err() {
			t.Errorf("held: %s() = %v, want %v", name, err, ctx.Err())
		}
		rwWant(t, &l, lock.RWStats{Writing: true})
		l.Release()
	}
	var plain lock.AsyncLock
	for range 2 { // free, and then held
		held := plain.Stats()
		if err := plain.Acquire(ctx); err != ctx.Err() || plain.Stats() != held {
			t.Errorf("AsyncLock.Acquire() = %v, %+v", err, plain.Stats())
		}
		plain.TryAcquire()
	}
}

func TestRWDowngrade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		var l lock.AsyncRWLock
		var c callers
		l.TryAcquire()
		l.Downgrade()
		rwWant(t, &l, lock.RWStats{Readers: 1})
		l.RRelease()

		l.TryAcquire()
		c.start("r1", l.RAcquire, ctx)
		c.start("w2", l.Acquire, ctx)
		c.start("r3", l.RAcquire, ctx)
		l.Downgrade()
		c.want(t, "r1")
		rwWant(t, &l, lock.RWStats{Readers: 2, Waiting: 2, WaitingWriters: 1})
		l.RRelease()
		l.RRelease()
		c.want(t, "w2")
		l.Downgrade()
		c.want(t, "r3")
		l.RRelease()
		l.RRelease()
		rwWant(t, &l, lock.RWStats{})
	})
}

func TestRWMisusePanics(t *testing.T) {
	const (
		release   = "lock: release of AsyncRWLock that nobody holds for writing"
		rrelease  = "lock: release of AsyncRWLock that nobody holds for reading"
		downgrade = "lock: downgrade of AsyncRWLock that nobody holds for writing"
	)
	var l lock.AsyncRWLock
	mustPanic(t, release, l.Release)
	mustPanic(t, rrelease, l.RRelease)
	mustPanic(t, downgrade, l.Downgrade)
	l.TryRAcquire()
	mustPanic(t, release, l.Release)
	mustPanic(t, downgrade, l.Downgrade)
	rwWant(t, &l, lock.RWStats{Readers: 1})
	l.RRelease()
	l.TryAcquire()
	mustPanic(t, rrelease, l.RRelease)
	rwWant(t, &l, lock.RWStats{Writing: true})
	l.Release()
	rwWant(t, &l, lock.RWStats{})
	if !l.TryRAcquire() {
		t.Fatal("the lock is lost after the panics")
	}
}

func TestRWDo(t *testing.T) {
	over := errors.New("over")
	var l lock.AsyncRWLock
	for name, c := range map[string]struct {
		do   func(context.Context, func(context.Context) error) error
		held lock.RWStats
	}{
		"Do":  {l.Do, lock.RWStats{Writing: true}},
		"RDo": {l.RDo, lock.RWStats{Readers: 1}},
	} {
		if err := c.do(t.Context(), func(got context.Context) error {
			rwWant(t, &l, c.held)
			if got != t.Context() {
				t.Error("fn has another ctx")
			}
			return over
		}); err != over {
			t.Errorf("%s() = %v, want the error of fn", name, err)
		}
		mustPanic(t, "boom", func() {
			_ = c.do(t.Context(), func(context.Context) error { panic("boom") })
		})
		var wg sync.WaitGroup
		wg.Go(func() {
			_ = c.do(t.Context(), func(context.Context) error { runtime.Goexit(); return nil })
		})
		wg.Wait()
		rwWant(t, &l, lock.RWStats{})
	}
}

func TestRWNoAllocations(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var l lock.AsyncRWLock
	if n := testing.AllocsPerRun(1000, func() {
		_ = l.Acquire(ctx)
		l.Downgrade()
		_ = l.RAcquire(ctx)
		l.TryRAcquire()
		for range 3 {
			l.RRelease()
		}
		l.TryAcquire()
		l.Release()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Readers and writers with random cancels, on goroutines and tasks: a writer is alone, and
// what a writer writes is seen by all who come after it.
func TestRWStress(t *testing.T) {
	for name, steppers := range tasks.Steppers() {
		t.Run(name, func(t *testing.T) {
			var l lock.AsyncRWLock
			var inside atomic.Int64 // readers, or -1000 for a writer
			value := [2]int{}       // written by writers alone
			r := steppers()
			for i := range 24 {
				r.Go(fmt.Sprint(i), func(own context.Context) {
					rnd := rand.New(rand.NewPCG(uint64(i), 1))
					for range check.Times(100, 4000) {
						ctx, cancel := context.WithCancel(own)
						if rnd.IntN(3) == 0 {
							go cancel()
						}
						if rnd.IntN(4) > 0 {
							if l.RAcquire(ctx) == nil {
								if inside.Add(1) < 1 || value[0] != value[1] {
									t.Error("a reader beside a writer")
								}
								if rnd.IntN(4) == 0 {
									runtime.Gosched()
								}
								inside.Add(-1)
								l.RRelease()
							}
						} else if l.Acquire(ctx) == nil {
							if inside.Add(-1000) != -1000 {
								t.Error("a writer is not alone")
							}
							value[0]++
							runtime.Gosched()
							value[1]++
							if inside.Add(1000); rnd.IntN(2) == 0 {
								l.Release()
							} else {
								l.Downgrade()
								if value[0] != value[1] {
									t.Error("somebody wrote behind a Downgrade")
								}
								l.RRelease()
							}
						}
						cancel()
					}
				})
			}
			r.Wait()
			rwWant(t, &l, lock.RWStats{})
			if !l.TryAcquire() {
				t.Error("the lock is held when all have gone")
			}
		})
	}
}

// However many readers there are, they keep writers out: 2³⁰ of them would have filled a state of 32 bits.
func TestRWManyReaders(t *testing.T) {
	for _, n := range []uint64{1 << 30, 1<<31 - 1} {
		var l lock.AsyncRWLock
		l.AddReaders(n - 1)
		if !l.TryRAcquire() || l.TryAcquire() {
			t.Errorf("not held by %d readers", n)
		}
		rwWant(t, &l, lock.RWStats{Readers: int(n)})
		l.RRelease()
		rwWant(t, &l, lock.RWStats{Readers: int(n - 1)})
	}
}

// A nil function panics before the lock is waited for.
func TestDoOfNil(t *testing.T) {
	var l lock.AsyncLock
	var rw lock.AsyncRWLock
	l.TryAcquire()
	rw.TryAcquire()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	mustPanic(t, "lock: Do of nil", func() { _ = l.Do(ctx, nil) })
	mustPanic(t, "lock: Do of nil", func() { _ = rw.Do(ctx, nil) })
	mustPanic(t, "lock: RDo of nil", func() { _ = rw.RDo(ctx, nil) })
}
