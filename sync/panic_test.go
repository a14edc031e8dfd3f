package xsync_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// exploding is a ctx that panics when it is asked for the nth time, whatever for, and makes something happen
// right before that.
type exploding struct {
	context.Context
	done chan struct{}
	n    atomic.Int32
	fuse func()
}

func (e *exploding) ask() {
	if e.n.Add(-1) == 0 {
		e.fuse()
		panic("boom")
	}
}

// AfterFunc keeps the standard library from asking on a goroutine of its own.
func (e *exploding) AfterFunc(func()) (stop func() bool) { return func() bool { return true } }

func (e *exploding) Done() <-chan struct{} { e.ask(); return e.done }
func (e *exploding) Err() error            { e.ask(); return nil }

// A ctx that panics inside a wait takes the call out of all its queues, and those that it has kept waiting go.
func TestPanicOfContextLetsOthersGo(t *testing.T) {
	ways := map[string]func(ctx context.Context, s *xsync.Semaphore) error{
		"AcquireN": func(ctx context.Context, s *xsync.Semaphore) error { return s.AcquireN(ctx, 2) },
		"Select": func(ctx context.Context, s *xsync.Semaphore) error {
			other := xsync.NewSemaphore(1)
			other.TryAcquire()
			defer func() { want(t, other.Stats().Waiting, 0) }()
			_, err := xsync.Select(ctx, other.AcquireCase(), s.AcquireNCase(2), other.AcquireCase())
			return err
		},
	}
	for name, wait := range ways {
		for _, task := range []bool{false, true} {
			queued := 0
			for n := int32(1); ; n++ {
				exploded := false
				synctest.Test(t, func(t *testing.T) {
					s := xsync.NewSemaphore(2)
					s.TryAcquire()
					var served atomic.Bool
					ctx := &exploding{Context: t.Context(), done: make(chan struct{})}
					ctx.n.Store(n)
					ctx.fuse = func() {
						before := s.Stats().Waiting
						queued += before
						go func() {
							if err := s.Acquire(context.Background()); err != nil {
								t.Error(err)
							}
							served.Store(true)
						}()
						for s.Stats().Waiting == before && !served.Load() {
							runtime.Gosched()
						}
					}
					call := func() { exploded = panics(func() { _ = wait(ctx, s) }) == "boom" }
					go func() {
						if !task {
							call()
							return
						}
						if err := core.Run(t.Context(), func(context.Context) error { call(); return nil }); err != nil {
							t.Error(err)
						}
					}()
					synctest.Wait()
					if !exploded { // it is not asked so often while it waits
						s.Release()
						synctest.Wait()
						want(t, s.Stats(), xsync.SemaphoreStats{Size: 2, Held: 2})
						return
					}
					if !served.Load() {
						t.Errorf("%s, task %t, %d: it is not served", name, task, n)
						s.Release()
						return
					}
					want(t, s.Stats(), xsync.SemaphoreStats{Size: 2, Held: 2})
				})
				if !exploded {
					break
				}
			}
			if queued == 0 {
				t.Errorf("%s, task %t: it is never asked in the queue", name, task)
			}
		}
	}
}

// So it is where those behind wait for a moment that is set for the first of them.
func TestPanicOfContextSetsTheAlarm(t *testing.T) {
	for name, how := range map[string]func(){"panic": func() {}, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := xsync.NewTokenBucket(1, time.Second, xsync.Continuous)
				b.TryConsume(1)
				ctx := &exploding{Context: t.Context(), done: make(chan struct{}), fuse: how}
				ctx.n.Store(3) // at the call, for Done, and after that
				go func() {
					defer func() { _ = recover() }()
					_ = b.Consume(ctx, 1000)
				}()
				synctest.Wait()
				var c calls
				c.start("small", func() error { return b.Consume(t.Context(), 1) })
				close(ctx.done)
				time.Sleep(time.Second)
				c.want(t, "small <nil>")
			})
		})
	}
}
