package proptest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/proptest"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// holder is something that tasks hold.
type holder interface {
	Acquire(ctx context.Context) error
	Release()
}

// In a deadlock the report says who holds what the others wait for, found by the queue that they wait in.
func TestWaitForHolders(t *testing.T) {
	for name, mk := range map[string]func() holder{
		"AsyncLock":   func() holder { return new(lock.AsyncLock) },
		"AsyncRWLock": func() holder { return new(lock.AsyncRWLock) },
		"Semaphore":   func() holder { return xsync.NewSemaphore(1) },
		"part of a larger thing": func() holder {
			return &new(struct {
				_    [3]int
				a, b lock.AsyncLock
			}).b
		},
	} {
		t.Run(name, func(t *testing.T) {
			out := wantFound(t, "deadlock", func(p *proptest.P) {
				h := mk()
				p.Go("keeper", func(ctx context.Context) error {
					if err := h.Acquire(ctx); err != nil {
						return err
					}
					defer h.Release()
					return new(event.AsyncEvent).Wait(ctx)
				})
				p.Go("waiter", func(ctx context.Context) error {
					if err := h.Acquire(ctx); err != nil {
						return err
					}
					h.Release()
					return nil
				})
			})
			if !strings.Contains(out, "held by keeper") {
				t.Errorf("the report does not name the holder:\n%s", out)
			}
		})
	}
}

// A lock that one task takes and another one gives back is held by nobody at the end, and one that is tried for
// in vain neither.
func TestHandedOver(t *testing.T) {
	passes(t, func(p *proptest.P) {
		var l lock.AsyncLock
		s := xsync.NewSemaphore(3)
		p.Go("a", func(ctx context.Context) error {
			if err := l.Acquire(ctx); err != nil {
				return err
			}
			core.Start(ctx, func(ctx context.Context) error {
				defer l.Release()
				return core.Yield(core.Shield(ctx))
			})
			if l.TryAcquire() {
				return fmt.Errorf("taken twice")
			}
			return s.AcquireN(ctx, 2) // permits may stay with those who are gone
		})
		p.Go("b", func(ctx context.Context) error { return l.Do(ctx, core.Yield) })
	}, proptest.Cancels(1))
}
