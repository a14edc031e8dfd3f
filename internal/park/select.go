package park

import (
	"context"
	"runtime"
	"sync/atomic"

	"github.com/seed-1e54c410/turnstile/internal/gid"
)

// selector is what the waiters of one Select, one in each queue, have in common: the first one that
// is granted claims it.
type selector struct {
	state  atomic.Uint32
	asker  atomic.Uintptr // the goroutine that is asking
	ranked atomic.Uint64  // see rank; 0: not yet
	winner int            // set before state becomes won
	host   Host           // nil: a goroutine, which waits on ch
	ch     chan struct{}
	reason Selected
}

// Selected is the reason of a wait for the first of several queues.
type Selected struct {
	Queues []any // of type *Queue[V]
}

// The states of a selector.
const (
	// undecided: nothing was granted yet.
	undecided uint32 = iota
	// asking: a take function is asked for one of the waiters, under the mutex of its owner. It
	// takes only moments; undecided or won follow.
	asking
	// won: one waiter was granted, or is about to be.
	won
	// dropped: the call has given up.
	dropped
)

// claim outcomes.
type claimed uint8

const (
	isLost claimed = iota // it has won something else, or has given up
	isMine                // the caller may grant it, and has to say won or not
	isSelf                // the caller is asking for another waiter of the same selector
)

// claim makes the caller the one that decides. Only a call that asks keeps it waiting, and that
// holds no lock which the caller could have but this.
func (s *selector) claim() claimed {
	for {
		switch s.state.Load() {
		case undecided:
			if s.state.CompareAndSwap(undecided, asking) {
				s.asker.Store(gid.Current())
				return isMine
			}
		case asking:
			if s.asker.Load() == gid.Current() {
				return isSelf
			}
			runtime.Gosched()
		default:
			return isLost
		}
	}
}

// unclaim is the end of a claim with no grant.
func (s *selector) unclaim() {
	s.asker.Store(0)
	s.state.Store(undecided)
}

// win is the end of a claim with a grant to waiter number at.
func (s *selector) win(at int) {
	s.winner = at
	s.asker.Store(0)
	s.state.Store(won)
}

// giveUp reports whether nothing was granted, and nothing will be from now on.
func (s *selector) giveUp() bool {
	if s.claim() != isMine {
		return false
	}
	s.asker.Store(0)
	s.state.Store(dropped)
	return true
}

func (s *selector) wake() {
	if s.host != nil {
		s.host.Wake()
		return
	}
	select {
	case s.ch <- struct{}{}:
	default:
	}
}

// Select waits until one of the cases is granted, and returns its number. See xsync.Select.
func Select(ctx context.Context, cases []Case) (int, error) {
	if err := ctx.Err(); err != nil {
		return -1, Failed(err)
	}
	for i, c := range cases {
		if c.entry == nil {
			panic("xsync: Select of a zero Case")
		}
		if done, err := c.try(); done {
			return i, err
		}
	}
	s := &selector{host: Self()}
	if s.host == nil {
		s.ch = make(chan struct{}, 1)
	}
	joined := 0
	ended := false
	defer func() {
		if !ended {
			s.abandon(cases[:joined])
		}
	}()
	for i, c := range cases {
		done, err := c.join(s, i)
		if done {
			leaveAll(cases[:joined], -1)
			ended = true
			return i, err
		}
		joined++
		if s.state.Load() == won {
			break
		}
	}
	if s.host != nil { // nobody asks what a goroutine waits for
		s.reason.Queues = make([]any, joined)
		for i, c := range cases[:joined] {
			s.reason.Queues[i] = c.place()
		}
	}
	var err error
	if s.state.Load() != won { // else a ctx that panics would take the grant along
		err = s.wait(ctx)
	}
	if err != nil {
		leaveAll(cases[:joined], -1)
		ended = true
		if s.host != nil {
			s.host.Failed()
		}
		return -1, err
	}
	leaveAll(cases[:joined], s.winner)
	ended = true
	return s.winner, cases[s.winner].result()
}

func leaveAll(cases []Case, but int) {
	for i, c := range cases {
		if i != but {
			c.leave()
		}
	}
}

// abandon ends a Select that a panic of others' code leaves, or their Goexit: no case may stay in its queue,
// where others would wait behind it for ever. The number of one that has won is lost with the call, but the
// owner hears who has what was granted.
func (s *selector) abandon(cases []Case) {
	s.giveUp()
	winner := -1
	if s.state.Load() == won && s.winner < len(cases) { // else it was granted as a newcomer, and has ended
		winner = s.winner
		defer quietly(func() { _ = cases[winner].result() })
	}
	leaveEach(cases, winner)
}

// leaveEach is leaveAll where one that panics keeps none of the rest.
func leaveEach(cases []Case, but int) {
	if len(cases) == 0 {
		return
	}
	defer leaveEach(cases[1:], but-1)
	if but != 0 {
		quietly(cases[0].leave)
	}
}

// quietly keeps a panic of fn from taking the place of the first one, which says what went wrong.
func quietly(fn func()) {
	defer func() { _ = recover() }()
	fn()
}

// wait waits until a case has won, or ctx ends first.
func (s *selector) wait(ctx context.Context) error {
	if s.host == nil {
		done := ctx.Done()
		for {
			ended := false
			if s.state.Load() != won {
				select {
				case <-s.ch:
				case <-done:
					ended = true
				}
			}
			if s.state.Load() == won {
				return nil
			}
			err := ctx.Err()
			if err == nil && ended {
				err = context.Canceled
			}
			if err != nil && s.giveUp() {
				return err
			}
		}
	}
	s.host.Arm(ctx)
	defer s.host.Disarm()
	for {
		if s.state.Load() == won {
			return nil // before a ctx that may panic is asked, which would take the grant along
		}
		err := ctx.Err() // of somebody else's, which may wait, and so use up the wake of a grant
		if err == nil {
			err = s.host.Err()
		}
		switch {
		case s.state.Load() == won:
			return nil
		case err == nil:
			s.host.Suspend(&s.reason)
		case s.giveUp():
			return err
		}
	}
}

// sel returns the selector of a waiter that is one of several.
func (n *node[V]) sel() *selector {
	if n.gate == nil {
		return nil
	}
	return n.gate.sel
}

// clean takes waiters off the head of the queue that have won something else and have not left yet.
func (q *Queue[V]) clean() {
	for n := q.head; n != nil; n = q.head {
		s := n.sel()
		if s == nil || s.state.Load() < won {
			return
		}
		q.drop(n)
	}
}

// drop takes out a waiter that has won something else.
func (q *Queue[V]) drop(n *node[V]) {
	q.unlink(n)
	n.done = true
}

// front returns the first waiter that can be granted, claimed if it is one of several, and nil if
// there is none.
func (q *Queue[V]) front() *node[V] {
	for n := q.head; n != nil; {
		s := n.sel()
		if s == nil {
			return n
		}
		next := n.next
		switch s.claim() {
		case isMine:
			return n
		case isLost:
			q.drop(n)
		}
		n = next
	}
	return nil
}
