package lock_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/check/tasks"
	"github.com/seed-1e54c410/turnstile/lock"
)

// inOrder lets 100 tasks contend, and asserts that nobody was overtaken.
func inOrder(t *testing.T, o *tasks.Order, body func(ctx context.Context, rnd *rand.Rand) error) {
	t.Helper()
	rounds := check.Many(100, 10000)
	if err := o.Contend(100, func(ctx context.Context, rnd *rand.Rand) error {
		for range rounds {
			if err := body(ctx, rnd); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if o.Overtaken != 0 {
		t.Errorf("%d overtakings", o.Overtaken)
	}
	if all := 100 * rounds; o.Waited < all/2 || o.Canceled < all/100 {
		t.Errorf("of %d calls %d waited and %d were canceled: that shows little", all, o.Waited, o.Canceled)
	}
}

// Nobody overtakes a waiter, however many come and give up: the opposite starves waiters,
// golang/go#13086, smol-rs/async-lock#23.
func TestBugGo13086(t *testing.T) {
	var l lock.AsyncLock
	var o tasks.Order
	inOrder(t, &o, func(ctx context.Context, rnd *rand.Rand) error {
		if o.Call(ctx, l.Stats().Waiting, l.Acquire) != nil {
			return nil
		}
		defer func() { l.Release(); o.Turn() }()
		if waiting := l.Stats().Waiting; waiting > 0 && l.TryAcquire() {
			t.Error("TryAcquire took a lock that is held")
		}
		if rnd.IntN(2) == 0 {
			return core.Yield(ctx)
		}
		return nil
	})
}

// Neither readers nor writers are overtaken: a writer waits for those before it and for nobody else,
// golang/go#76808.
func TestBugGo76808(t *testing.T) {
	var l lock.AsyncRWLock
	var o tasks.Order
	inOrder(t, &o, func(ctx context.Context, rnd *rand.Rand) error {
		acquire, release, try := l.RAcquire, l.RRelease, l.TryRAcquire
		if rnd.IntN(3) == 0 {
			acquire, release, try = l.Acquire, l.Release, l.TryAcquire
		}
		if o.Call(ctx, l.Stats().Waiting, acquire) != nil {
			return nil
		}
		defer func() { release(); o.Turn() }()
		if waiting := l.Stats().Waiting; waiting > 0 && try() {
			t.Error("a Try call overtook those who wait")
			release()
		}
		if rnd.IntN(2) == 0 {
			return core.Yield(ctx)
		}
		return nil
	})
}
