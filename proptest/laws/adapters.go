package laws

import (
	"context"
	"sync"

	"github.com/seed-1e54c410/turnstile/proptest"
)

// Mutex fits a [sync.Locker], such as a [sync.Mutex], to [Lock]. It is run on goroutines. What it has no ctx for is
// not asked, nor is the order of arrival, because nobody can see that a goroutine waits for
// a mutex; the log of the test says so. TryLock() bool is put to its law too, if l has it.
func Mutex(l sync.Locker) Locker {
	m := mutex{l}
	if t, ok := l.(interface{ TryLock() bool }); ok {
		return tryMutex{m, t.TryLock}
	}
	return m
}

type mutex struct{ l sync.Locker }

func (m mutex) Acquire(context.Context) error {
	m.l.Lock()
	return nil
}

func (m mutex) Release() { m.l.Unlock() }

func (m mutex) limit(t proptest.TB, c *config) {
	t.Helper()
	noContext(t, c)
}

type tryMutex struct {
	mutex
	try func() bool
}

func (m tryMutex) TryAcquire() bool { return m.try() }

// RWMutex fits a [sync.RWMutex], or another type with its methods, to [RWLock], as [Mutex] does.
func RWMutex(l interface {
	sync.Locker
	RLock()
	RUnlock()
},
) RWLocker {
	return rwMutex{mutex{l}, l.RLock, l.RUnlock}
}

type rwMutex struct {
	mutex
	rLock, rUnlock func()
}

func (m rwMutex) RAcquire(context.Context) error {
	m.rLock()
	return nil
}

func (m rwMutex) RRelease() { m.rUnlock() }

// noContext is for what blocks goroutines, without a ctx and without anybody seeing it.
func noContext(t proptest.TB, c *config) {
	t.Helper()
	c.check = append(c.check, proptest.Goroutines(), proptest.Cancels(0))
	c.modes = []mode{patient}
	c.awake = true
	t.Log("laws: run on goroutines. Not asked, as no call has a ctx: a wait ends with its ctx, a canceled wait leaves nothing behind, a done ctx takes nothing. " +
		"Not asked, as nobody can see that a goroutine waits for a mutex: strict order of arrival, work conservation while others hold it.")
}

// int64Semaphore is what a semaphore of golang.org/x/sync/semaphore has.
type int64Semaphore interface {
	Acquire(ctx context.Context, n int64) error
	TryAcquire(n int64) bool
	Release(n int64)
}

// Int64Semaphore fits a semaphore with the methods of the one in golang.org/x/sync/semaphore to [Semaphore]. It is run on
// goroutines.
func Int64Semaphore(s int64Semaphore) Locker { return weighted{s} }

type weighted struct{ s int64Semaphore }

func (w weighted) Acquire(ctx context.Context) error         { return w.s.Acquire(ctx, 1) }
func (w weighted) AcquireN(ctx context.Context, n int) error { return w.s.Acquire(ctx, int64(n)) }
func (w weighted) TryAcquireN(n int) bool                    { return w.s.TryAcquire(int64(n)) }
func (w weighted) Release()                                  { w.s.Release(1) }
func (w weighted) ReleaseN(n int)                            { w.s.Release(int64(n)) }
func (w weighted) limit(t proptest.TB, c *config)            { t.Helper(); onGoroutines(t, c) }

// Channel fits a Go channel with a buffer to [Queue]. It is run on goroutines.
func Channel(ch chan int) Queuer { return channel(ch) }

type channel chan int

func (c channel) Put(ctx context.Context, v int) error {
	if err := ctx.Err(); err != nil {
		return err // else the select may take what is ready
	}
	select {
	case c <- v:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c channel) Get(ctx context.Context) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	select {
	case v := <-c:
		return v, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (c channel) Len() int { return len(c) }

func (c channel) limit(t proptest.TB, conf *config) { t.Helper(); onGoroutines(t, conf) }

// onGoroutines is for what blocks goroutines so that a bubble sees it.
func onGoroutines(t proptest.TB, c *config) {
	t.Helper()
	c.check = append(c.check, proptest.Goroutines())
	t.Log("laws: run on goroutines. Strict order of arrival is asked only of calls that had blocked before the next one was made; " +
		"that a try call succeeds where it must is not asked.")
}
