package xsync

import (
	"context"
	"errors"
	"sync"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// ErrBroken is returned by [Barrier.Wait] when not all parties will come.
var ErrBroken = errors.New("xsync: barrier is broken")

// Barrier is a place where a fixed number of parties wait for each other, round after round: the
// last one to arrive lets all of them go. It is made by [NewBarrier].
//
// Prefer [WaitGroup] where one waits for others that do not wait for it.
//
// Fairness: the parties of a round are those who arrived first; if more call Wait than there are
// parties, the others are in the next round. All of a round go together, in order of arrival.
//
// Cancellation: a party that gives up breaks the barrier, since its round can never be
// complete: the others of the round get [ErrBroken], and so does everybody after them until
// [Barrier.Reset]. It does not if the round is complete first: then its Wait succeeds all the
// same, and the cancel shows in the next wait with that context. A party that cannot come at all
// calls [Barrier.Break].
//
// Memory ordering: each party's call of Wait happens before the return of the Wait of all
// parties of its round.
type Barrier struct {
	parties int
	mu      sync.Mutex
	arrived int    // in this round
	broken  bool   // since the last Reset; nobody waits then
	round   *round // that is filling up
	queue   WaitQueue[struct{}]
}

// round is one use of a barrier. Barrier.mu guards it.
type round struct{ complete bool }

// NewBarrier returns a barrier for n parties, with a first round to fill. An n below 1 panics.
func NewBarrier(n int) *Barrier {
	if n < 1 {
		panic("xsync: barrier of less than one party")
	}
	return &Barrier{parties: n, round: new(round)}
}

// Wait waits until all parties have arrived. It returns the number of those who arrived earlier in
// this round: 0 for the first, n-1 for the last of n parties. So each number comes once, and one
// party can be singled out.
//
// If ctx ends first it returns ctx.Err(), and the barrier is broken. If ctx is done at the call it
// returns ctx.Err(), and the party has not arrived. It returns [ErrBroken] if the barrier is
// broken, becomes so or is reset.
func (b *Barrier) Wait(ctx context.Context) (arrival int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, park.Failed(err)
	}
	if b.parties == 0 {
		panic("xsync: Barrier not made by NewBarrier")
	}
	b.mu.Lock()
	if b.broken {
		b.mu.Unlock()
		return 0, ErrBroken
	}
	arrival = b.arrived
	b.arrived++
	if b.arrived == b.parties {
		b.round.complete = true
		b.next()
		b.queue.GrantN(-1)
		b.mu.Unlock()
		return arrival, nil
	}
	mine := b.round
	gone := true
	defer func() { // also when a panic takes the party away
		if gone && b.leave(mine) {
			err = nil
		}
		if err != nil {
			arrival = 0
		}
	}()
	_, err = b.queue.WaitLocked(ctx, &b.mu, struct{}{}, nil)
	gone = err != nil
	return arrival, err
}

// leave breaks the barrier if the round is still filling up, and reports whether it is complete. The
// party counts as arrived until then, so that a round is complete or broken, but never waits for
// one more.
func (b *Barrier) leave(r *round) (complete bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.round == r {
		b.fail()
	}
	return r.complete
}

// Break breaks the barrier: those who wait get [ErrBroken], and so does everybody who comes
// before the next Reset. It is for a party that will not come. A second Break does nothing.
func (b *Barrier) Break() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.broken {
		b.fail()
	}
}

// Reset begins a new round of a barrier, broken or not. Those who wait get [ErrBroken].
func (b *Barrier) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail()
	b.broken = false
}

// fail ends the round without success. The mutex is held.
func (b *Barrier) fail() {
	b.broken = true
	b.next()
	b.queue.Fail(-1, ErrBroken)
}

// next begins a round. The mutex is held.
func (b *Barrier) next() {
	b.arrived = 0
	b.round = new(round)
}

// BarrierStats is what a [Barrier] knows of itself at one moment.
type BarrierStats struct {
	Parties int  // that make a round complete
	Arrived int  // parties that have arrived in this round
	Broken  bool // nobody can wait before a Reset
	Who     *Who // who waits, while core.Track is on; else nil
}

// Stats returns the state of the barrier, for tests and diagnosis.
func (b *Barrier) Stats() BarrierStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return BarrierStats{Parties: b.parties, Arrived: b.arrived, Broken: b.broken, Who: b.queue.Who()}
}
