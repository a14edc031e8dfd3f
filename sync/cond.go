package xsync

import (
	"context"
	"sync"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// Cond lets callers wait for a change of a state that a lock guards, as [sync.Cond] does, with
// a context. It is used with L set, which must not change after first use. It must not be
// copied after first use.
//
// A waiter looks at the state with L held, in a loop:
//
//	mu.Lock()
//	defer mu.Unlock()
//	for !ready {
//		if err := cond.Wait(ctx); err != nil {
//			return err
//		}
//	}
//
// Prefer [WaitQueue] to it, where the state says who may go: its owner says that once, and
// everybody gets a turn. With a Cond the one that is notified has to look, and finds perhaps
// that another was faster. Prefer event.AsyncEvent for a plain flag.
//
// Fairness: notifications go to the waiters in order of arrival, and never to one that comes
// later than the notification. Who of those notified has L first is decided by L.
//
// Cancellation: a waiter that is canceled leaves the queue, and takes no notification with it: it
// goes to the next one that waits. Who was notified first returns nil, and the cancel shows in
// the next wait with that context. So of n notified waiters each has the chance to look, and
// none of them throws the notification away.
//
// Memory ordering: what happened before a Notify happens before the return of the waits
// that it ends.
type Cond struct {
	// L is held by those who look at the state and change it. With a [sync.Mutex], a task that
	// waits for it blocks its whole loop: its sections have to be short and must not wait for
	// anything else. Where they do wait, L is a Locker of the user's whose Lock acquires a
	// lock.AsyncLock with a context that does not end. Even so that fails in a task whose dispatcher
	// has closed and given up on it: Lock should panic then, and Unlock must not release what
	// another one holds.
	L sync.Locker

	// mu is apart from L, so that a Notify need not hold L. It is locked with L held, never the
	// other way round.
	mu    sync.Mutex
	queue WaitQueue[struct{}]
}

// NewCond returns a Cond for a state that l guards.
func NewCond(l sync.Locker) *Cond { return &Cond{L: l} }

// Wait unlocks L, waits for a notification, and locks L again before it returns, whatever it
// returns, also if it panics. A change that is made and notified with L held after the caller looked
// is not missed. The error is ctx.Err() if ctx ended first, or was done at the call.
//
// The state may be anything again when Wait returns, since others may have had L before.
func (c *Cond) Wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		c.L.Unlock() // a task that fails again and again is made to give way, and not with L held
		defer c.L.Lock()
		return park.Failed(err)
	}
	c.mu.Lock()
	c.unlockL()
	defer c.L.Lock()
	_, err := c.queue.WaitLocked(ctx, &c.mu, struct{}{}, nil)
	return err
}

// unlockL unlocks L with mu held, so that no notification comes in between. A panic of L
// finds mu free.
func (c *Cond) unlockL() {
	ok := false
	defer func() {
		if !ok {
			c.mu.Unlock()
		}
	}()
	c.L.Unlock()
	ok = true
}

// Notify lets the first n waiters go, all if there are fewer, and returns their number. The caller
// may hold L, and should have had it for the change that it tells of. Notify is never
// remembered: where nobody waits, nothing happens. A negative n panics.
func (c *Cond) Notify(n int) int {
	if n < 0 {
		panic("xsync: notify of a negative number of waiters")
	}
	return c.notify(n)
}

// NotifyAll lets all waiters go, and returns their number.
func (c *Cond) NotifyAll() int { return c.notify(-1) }

func (c *Cond) notify(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queue.GrantN(n)
}

// CondStats is what a [Cond] knows of itself at one moment.
type CondStats struct {
	Waiting int  // callers in the queue
	Who     *Who // who waits, while core.Track is on; else nil
}

// Stats returns the state of the Cond, for tests and diagnosis.
func (c *Cond) Stats() CondStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return CondStats{Waiting: c.queue.Len(), Who: c.queue.Who()}
}
