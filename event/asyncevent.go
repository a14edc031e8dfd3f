package event

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/seed-1e54c410/turnstile/internal/park"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// AsyncEvent is a flag that can be waited for. The zero value is an event that is
// not set. It must not be copied after first use.
//
// Fairness: all waiters go at each Fire. Tasks go in order of arrival, in one queue with
// goroutines whose contexts cannot end and with those that wait in an xsync.Select. Goroutines whose
// contexts can end share a channel: there is no order among them, nor between them and the others.
//
// Cancellation: a wait that is canceled leaves nothing behind. A waiter that was let go
// by a Fire returns nil even if the event has been cleared or its context has
// ended since.
//
// In tests with testing/synctest, goroutines that share the channel at a time must be of one bubble.
//
// Memory ordering: a Fire happens before the return of every Wait that it lets go, and of
// every Wait or IsSet that finds the event set by it.
type AsyncEvent struct {
	set   atomic.Bool // written under mu
	mu    sync.Mutex
	queue xsync.WaitQueue[struct{}]
	crowd crowd
}

// Wait waits until the event is set, and does not wait if it is. If ctx ends
// first, or is done at the call, it returns ctx.Err().
func (e *AsyncEvent) Wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return park.Failed(err)
	}
	if e.set.Load() {
		return nil
	}
	if _, ours := ctx.(park.Carrier); !ours { // else it is a task's, most likely
		if done := outside(ctx); done != nil {
			return e.waitOutside(ctx, done)
		}
	}
	_, err := e.queue.Wait(ctx, &e.mu, struct{}{}, e.take)
	return err
}

// waitOutside is the wait of a goroutine.
func (e *AsyncEvent) waitOutside(ctx context.Context, done <-chan struct{}) error {
	e.mu.Lock()
	if e.set.Load() {
		e.mu.Unlock()
		return nil
	}
	return e.crowd.wait(ctx, done, &e.mu)
}

func (e *AsyncEvent) take(*struct{}) (bool, error) { return e.set.Load(), nil }

// Fire sets the event (Set, in other libraries) and lets everybody go who waits for it at that moment,
// also if Clear follows at once. On an event that is set it does nothing.
func (e *AsyncEvent) Fire() {
	if e.set.Load() {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.set.Store(true)
	e.crowd.open()
	e.queue.GrantN(-1)
}

// Clear takes the event back: whoever waits from now on waits for the next Fire.
func (e *AsyncEvent) Clear() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.set.Store(false)
}

// IsSet reports whether the event is set at the moment.
func (e *AsyncEvent) IsSet() bool { return e.set.Load() }

// Stats is what an event knows of itself at one moment.
type Stats struct {
	Set     bool       // the event is set
	Waiting int        // callers in the queue
	Who     *xsync.Who // who waits, while core.Track is on; else nil
}

// Stats returns the state of the event, for tests and diagnosis.
func (e *AsyncEvent) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return Stats{Set: e.set.Load(), Waiting: e.queue.Len() + e.crowd.n, Who: e.queue.Who()}
}
