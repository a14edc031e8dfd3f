package xsync

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// WaitGroup is a counter whose zero can be waited for, as [sync.WaitGroup] is, with a context. The
// zero value is a counter at zero. It must not be copied after first use.
//
// Prefer core.WithGroup for tasks, whose failures matter and who should end together. Prefer
// event.AsyncEvent where there is nothing to count.
//
// Fairness: when the counter reaches zero, all who wait go, in order of arrival, also if it
// leaves zero again at once. So a WaitGroup can be used again without waiting for those
// who waited before.
//
// Cancellation: a wait that is canceled leaves the queue and nothing else behind. If the counter
// reached zero first, Wait succeeds all the same, and the cancel shows in the next wait with that
// context.
//
// Memory ordering: a call of Done or Add happens before the return of every Wait that it ends, and
// of those that find the counter at zero after it.
type WaitGroup struct {
	state atomic.Int64 // the counter, times two, plus contended
	// mu guards queue. While contended is set, it guards state too.
	mu    sync.Mutex
	queue WaitQueue[struct{}]
}

// Add adds n, which may be negative, to the counter, and lets those who wait go if that makes it
// zero. It panics if the counter would be negative or too large to be kept, and changes nothing
// then.
//
// An Add that raises the counter from zero happens before a Wait only if the program makes sure of
// it: call Add before what is counted is started.
func (g *WaitGroup) Add(n int) {
	if g.add(int64(n), false) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.add(int64(n), true)
	if g.state.Load() == contended {
		g.queue.GrantN(-1)
	}
	if g.queue.Len() == 0 {
		g.state.And(^contended)
	}
}

// add changes the counter. Without the lock it fails if somebody may wait.
func (g *WaitGroup) add(n int64, locked bool) bool {
	for {
		st := g.state.Load()
		if !locked && st&contended != 0 {
			return false
		}
		switch count := st >> 1; {
		case n < -count:
			panic("xsync: negative counter of a WaitGroup")
		case n > maxPermits-count:
			panic("xsync: counter of a WaitGroup out of range")
		}
		if g.state.CompareAndSwap(st, st+2*n) {
			return true
		}
	}
}

// Done takes one from the counter.
func (g *WaitGroup) Done() { g.Add(-1) }

// Go calls fn in a new goroutine that the counter counts until fn has ended, in whatever way. For
// tasks, start them and call Done when they end, or use core.WithGroup.
func (g *WaitGroup) Go(fn func()) {
	g.Add(1)
	go func() {
		defer g.Done()
		fn()
	}()
}

// Wait waits until the counter is zero. If ctx ends first, or is done at the call, it returns
// ctx.Err(), and the counter goes on.
func (g *WaitGroup) Wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return park.Failed(err)
	}
	if g.state.Load()>>1 == 0 {
		return nil
	}
	g.mu.Lock()
	g.state.Or(contended)
	if g.state.Load() == contended {
		if g.queue.Len() == 0 {
			g.state.And(^contended)
		}
		g.mu.Unlock()
		return nil
	}
	_, err := g.queue.WaitLocked(ctx, &g.mu, struct{}{}, nil)
	return err
}

// WaitGroupStats is what a [WaitGroup] knows of itself at one moment.
type WaitGroupStats struct {
	Count   int  // the counter
	Waiting int  // callers in the queue
	Who     *Who // who waits, while core.Track is on; else nil
}

// Stats returns the state of the WaitGroup, for tests and diagnosis.
func (g *WaitGroup) Stats() WaitGroupStats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return WaitGroupStats{Count: int(g.state.Load() >> 1), Waiting: g.queue.Len(), Who: g.queue.Who()}
}
