package lock_test

import (
	"context"
	"sync"
	"testing"

	"github.com/seed-1e54c410/turnstile/lock"
)

// chanLock is the lock that a channel makes, the usual way to a lock with a ctx.
type chanLock chan struct{}

func (l chanLock) Acquire(ctx context.Context) error {
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l chanLock) Release() { <-l }

// mutex is sync.Mutex, which knows no ctx.
type mutex struct{ sync.Mutex }

func (m *mutex) Acquire(context.Context) error { m.Lock(); return nil }
func (m *mutex) Release()                      { m.Unlock() }

type acquirer interface {
	Acquire(ctx context.Context) error
	Release()
}

func eachLock(b *testing.B, run func(b *testing.B, l acquirer, ctx context.Context)) {
	cancelable, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, impl := range []struct {
		name string
		mk   func() acquirer
	}{
		{"AsyncLock", func() acquirer { return new(lock.AsyncLock) }},
		{"sync.Mutex", func() acquirer { return new(mutex) }},
		{"chan", func() acquirer { return make(chanLock, 1) }},
	} {
		for _, ctx := range []struct {
			name string
			ctx  context.Context
		}{{"background", context.Background()}, {"cancelable", cancelable}} {
			b.Run("impl="+impl.name+"/ctx="+ctx.name, func(b *testing.B) {
				b.ReportAllocs()
				run(b, impl.mk(), ctx.ctx)
			})
		}
	}
}

func BenchmarkLock(b *testing.B) {
	eachLock(b, func(b *testing.B, l acquirer, ctx context.Context) {
		for b.Loop() {
			if l.Acquire(ctx) == nil {
				l.Release()
			}
		}
	})
}

// Contended: goroutines that do nothing but take turns. FIFO makes each of them a switch.
func BenchmarkLockContended(b *testing.B) {
	eachLock(b, func(b *testing.B, l acquirer, ctx context.Context) {
		b.SetParallelism(4)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if l.Acquire(ctx) == nil {
					l.Release()
				}
			}
		})
	})
}

// rwMutex is sync.RWMutex, which knows no ctx.
type rwMutex struct{ sync.RWMutex }

func (m *rwMutex) Acquire(context.Context) error  { m.Lock(); return nil }
func (m *rwMutex) Release()                       { m.Unlock() }
func (m *rwMutex) RAcquire(context.Context) error { m.RLock(); return nil }
func (m *rwMutex) RRelease()                      { m.RUnlock() }

type rAcquirer interface {
	acquirer
	RAcquire(ctx context.Context) error
	RRelease()
}

func eachRWLock(b *testing.B, run func(b *testing.B, l rAcquirer, ctx context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, impl := range []struct {
		name string
		mk   func() rAcquirer
	}{
		{"AsyncRWLock", func() rAcquirer { return new(lock.AsyncRWLock) }},
		{"sync.RWMutex", func() rAcquirer { return new(rwMutex) }},
	} {
		b.Run("impl="+impl.name, func(b *testing.B) {
			b.ReportAllocs()
			run(b, impl.mk(), ctx)
		})
	}
}

func BenchmarkRead(b *testing.B) {
	eachRWLock(b, func(b *testing.B, l rAcquirer, ctx context.Context) {
		for b.Loop() {
			if l.RAcquire(ctx) == nil {
				l.RRelease()
			}
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	eachRWLock(b, func(b *testing.B, l rAcquirer, ctx context.Context) {
		for b.Loop() {
			if l.Acquire(ctx) == nil {
				l.Release()
			}
		}
	})
}

// Readers on all processors, and nobody writes.
func BenchmarkReadParallel(b *testing.B) {
	eachRWLock(b, func(b *testing.B, l rAcquirer, ctx context.Context) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if l.RAcquire(ctx) == nil {
					l.RRelease()
				}
			}
		})
	})
}
