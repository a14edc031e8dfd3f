package event

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/seed-1e54c410/turnstile/internal/park"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// AsyncSignal is a flag that lets one waiter go and is taken back by that. The zero value is a
// signal that is not set. It must not be copied after first use.
//
// A Fire that finds a waiter lets that one go; otherwise it is remembered until the next Wait. Any
// number of them are remembered as one: a signal says that something has happened, not how
// often. Whoever it lets go has to look for all there is to do. To count, use a queue or an
// xsync.Semaphore.
//
// Fairness: strictly by arrival. Each Fire lets the first waiter go, and nobody who comes later
// can take the signal from it, not even by [AsyncSignal.TryWait].
//
// Cancellation: a wait that is canceled takes no signal, and the next Fire is for those behind it. If the
// signal came first, Wait returns nil all the same, and the cancel shows in the next wait with that
// context. So a Fire is never lost.
//
// Memory ordering: a Fire happens before the return of the Wait or TryWait that takes it, also
// one that was remembered together with others.
type AsyncSignal struct {
	state atomic.Uint32
	mu    sync.Mutex // guards the queue, and the changes of state from and to awaited
	queue xsync.WaitQueue[struct{}]
}

// The states of an AsyncSignal.
const (
	// unset: nothing is remembered, and nobody waits; fired or awaited follow.
	unset = iota
	// fired: a Fire is remembered. Entered by a Fire when nobody waits; unset follows.
	fired
	// awaited: somebody may wait, so that Fire has to take the mutex. Entered under the mutex by
	// a caller about to queue; unset or fired follow, when a Fire has let the last waiter go or has
	// found none.
	awaited
)

// Wait waits for a Fire that nobody else has taken, and takes it. If ctx ends first, or is done at the
// call, it returns ctx.Err() and the signal is as it was.
func (s *AsyncSignal) Wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return park.Failed(err)
	}
	if s.TryWait() {
		return nil
	}
	_, err := s.queue.Wait(ctx, &s.mu, struct{}{}, s.take)
	return err
}

// TryWait takes a Fire that is remembered, and reports whether there was one. There is none while
// somebody waits.
func (s *AsyncSignal) TryWait() bool { return s.state.CompareAndSwap(fired, unset) }

// take is asked for a newcomer when nobody waits, and for the waiter behind one that gave up; that
// one finds nothing, since nothing is remembered while somebody waits.
func (s *AsyncSignal) take(*struct{}) (bool, error) {
	for {
		switch s.state.Load() {
		case unset:
			if s.state.CompareAndSwap(unset, awaited) {
				return false, nil
			}
		case fired:
			if s.state.CompareAndSwap(fired, unset) {
				return true, nil
			}
		default:
			return false, nil
		}
	}
}

// Fire lets the first waiter go. If there is none it is remembered, unless one is already.
func (s *AsyncSignal) Fire() {
	// The second one changes nothing, but orders what the caller did before that of who
	// takes the signal, which a load does not.
	if s.state.CompareAndSwap(unset, fired) || s.state.CompareAndSwap(fired, fired) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch s.state.Load() {
		case unset:
			if s.state.CompareAndSwap(unset, fired) {
				return
			}
		case fired:
			if s.state.CompareAndSwap(fired, fired) {
				return
			}
		default:
			next := uint32(awaited)
			switch granted := s.queue.Grant(); {
			case !granted: // those who waited have given up
				next = fired
			case s.queue.Len() == 0:
				next = unset
			}
			s.state.Store(next)
			return
		}
	}
}

// IsSet reports whether a Fire is remembered at the moment: a Wait would not wait.
func (s *AsyncSignal) IsSet() bool { return s.state.Load() == fired }

// SignalStats is what an AsyncSignal knows of itself at one moment.
type SignalStats struct {
	Set     bool       // a Fire is remembered
	Waiting int        // callers in the queue
	Who     *xsync.Who // who waits, while core.Track is on; else nil
}

// Stats returns the state of the signal, for tests and diagnosis.
func (s *AsyncSignal) Stats() SignalStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return SignalStats{Set: s.IsSet(), Waiting: s.queue.Len(), Who: s.queue.Who()}
}
