package core_test

import (
	"context"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/lock"
)

// In a task that is nothing but a call of this module, nobody has made the call: it is named without a place, be
// it what the task holds at its end or what it waits for.
func TestTaskThatIsACall(t *testing.T) {
	track(t)
	const call = "lock.(*AsyncLock).Acquire"
	var l lock.AsyncLock
	held := reports(t, func(ctx context.Context) error {
		if err := core.Start(ctx, l.Acquire).Wait(ctx); err != nil {
			return err
		}
		waiter := core.Start(ctx, l.Acquire)
		infos := core.PendingFutures()
		if got := infos[len(infos)-1].Waits; got != call {
			t.Errorf("the task waits in %q, want %q", got, call)
		}
		if w := l.Stats().Who.Waiters; len(w) != 1 || w[0].Call != call || w[0].Place != "" {
			t.Errorf("waiters %v", w)
		}
		waiter.Cancel()
		return nil
	})
	if len(held) != 1 || held[0].Call != call || held[0].Place != "" {
		t.Errorf("held %v", held)
	}
}
