package park

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/seed-1e54c410/turnstile/internal/gid"
)

// Case is one of the things that a Select waits for. It is documented as xsync.Case.
type Case struct{ entry }

// entry is how a Select waits for one thing. One Select at a time uses it.
type entry interface {
	// try takes what the case is about if nobody waits for it and it is there.
	try() (done bool, err error)
	// join puts the case into its queue, or takes what has become free meanwhile.
	join(s *selector, at int) (done bool, err error)
	// leave takes a case that has not won out of its queue.
	leave()
	// result ends a case that was granted.
	result() error
	// place returns the queue.
	place() any
}

// selector is what the waiters of one Select, one in each queue, have in common: the first one that
// is granted claims it.
type selector struct {
	state  atomic.Uint32
	asker  atomic.Uintptr // the goroutine that is asking
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
		if ended {
			return
		}
		// Code of others has panicked. What was granted meanwhile is lost with the call, as what a
		// panic takes along behind any grant is.
		s.giveUp()
		for _, c := range cases[:joined] {
			c.leave()
		}
	}()
	for i, c := range cases {
		done, err := c.join(s, i)
		if done {
			ended = true
			s.leaveOthers(cases[:joined], -1)
			return i, err
		}
		joined++
		if s.state.Load() == won {
			break
		}
	}
	for _, c := range cases[:joined] {
		s.reason.Queues = append(s.reason.Queues, c.place())
	}
	err := s.wait(ctx)
	ended = true
	if err != nil {
		s.leaveOthers(cases[:joined], -1)
		if s.host != nil {
			s.host.Failed()
		}
		return -1, err
	}
	s.leaveOthers(cases[:joined], s.winner)
	return s.winner, cases[s.winner].result()
}

func (s *selector) leaveOthers(cases []Case, but int) {
	for i, c := range cases {
		if i != but {
			c.leave()
		}
	}
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

// NewCase returns the case of a waiter in q that brings v. Where it wins, ended gets what it takes away, and
// how it ended; it may be nil.
func NewCase[V any](q *Queue[V], mu *sync.Mutex, v V, take func(*V) (bool, error), ended func(V, error)) Case {
	return Case{&queueCase[V]{queue: q, mu: mu, v: v, take: take, ended: ended}}
}

// queueCase is a case that waits in a [Queue].
type queueCase[V any] struct {
	queue *Queue[V]
	mu    *sync.Mutex // of the owner
	v     V
	take  func(*V) (bool, error)
	ended func(v V, err error)
	after func() // see Settling
	open  bool   // see Open

	gate gate
	node *node[V] // not nil while a Select uses the case; guarded by mu
}

// Settling returns c, of which settle is what lets others go who may, on both sides of what c is about,
// with the mutex of the owner held. It is called when c was granted as a newcomer, and when it has left the
// queue, instead of a take function that does so itself: that would decide over others while it is asked
// for one Select, and two such calls could wait for each other. A panic of settle has unlocked the mutex.
func Settling(c Case, settle func()) Case {
	c.entry.(interface{ settling(func()) }).settling(settle)
	return c
}

func (c *queueCase[V]) settling(settle func()) { c.after = settle }

// Open returns c, whose take function is asked for a newcomer also while others wait: what c is about is not
// taken from anybody, and each waiter waits for another state of it.
func Open(c Case) Case {
	c.entry.(interface{ opened() }).opened()
	return c
}

func (c *queueCase[V]) opened() { c.open = true }

func (c *queueCase[V]) place() any { return c.queue }

func (c *queueCase[V]) try() (bool, error) {
	q := c.queue
	c.mu.Lock()
	q.clean()
	if q.head != nil && !c.open {
		c.mu.Unlock()
		return false, nil
	}
	v := c.v
	done, err := ask(c.mu, c.take, &v)
	if !done {
		c.v = v // it may have been served in part
		c.mu.Unlock()
		return false, nil
	}
	return c.served(v, err)
}

// served ends a case that was granted as a newcomer. The mutex is held at the call and free at the return.
func (c *queueCase[V]) served(v V, err error) (bool, error) {
	if c.after != nil {
		c.after()
	}
	c.mu.Unlock()
	if c.ended != nil {
		c.ended(v, err)
	}
	return true, err
}

// checkFree unlocks the mutex and panics if another Select uses the case, or this one does already.
func (c *queueCase[V]) checkFree() {
	if c.node != nil {
		c.mu.Unlock()
		panic("xsync: Case in two Selects, or twice in one")
	}
}

func (c *queueCase[V]) join(s *selector, at int) (bool, error) {
	q := c.queue
	c.mu.Lock()
	c.checkFree()
	q.clean()
	if q.head == nil || c.open {
		if s.claim() != isMine { // something else was granted
			c.mu.Unlock()
			return false, nil
		}
		v := c.v
		done, err := askFor(s, c.mu, c.take, &v)
		if done {
			s.win(at)
			return c.served(v, err)
		}
		s.unclaim()
		c.v = v // it may have been served in part
	}
	n := q.get()
	n.v = c.v
	c.gate = gate{sel: s, at: at}
	n.gate, n.host, n.note, c.node = &c.gate, s.host, waiting(), n
	q.push(n)
	c.mu.Unlock()
	return false, nil
}

// askFor is ask while s is claimed.
func askFor[V any](s *selector, mu *sync.Mutex, take func(*V) (bool, error), v *V) (bool, error) {
	returned := false
	defer func() {
		if !returned {
			s.unclaim()
		}
	}()
	var done bool
	var err error
	if mu != nil {
		done, err = ask(mu, take, v)
	} else {
		done, err = take(v)
	}
	returned = true
	return done, err
}

func (c *queueCase[V]) leave() {
	q := c.queue
	c.mu.Lock()
	n := c.node
	if n == nil {
		c.mu.Unlock()
		return
	}
	c.node = nil
	// Whoever has taken it out already as one that has won something else may have left those behind it
	// where they were.
	first := n.done || q.head == n
	if !n.done {
		q.unlink(n)
	}
	c.v = n.v
	n.gate = nil
	q.put(n)
	switch {
	case !first:
	case c.after != nil:
		c.after()
	case c.take != nil:
		q.settle(c.mu, c.take)
	}
	c.mu.Unlock()
}

func (c *queueCase[V]) result() error {
	c.mu.Lock()
	n := c.node
	c.node = nil
	v, err := n.v, n.err
	n.gate = nil
	c.queue.put(n)
	c.mu.Unlock()
	if c.ended != nil {
		c.ended(v, err)
	}
	return err
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
