package park

import "sync"

// Case is one of the things that a Select waits for. It is documented as xsync.Case.
type Case struct{ entry }

// entry is how a Select waits for one thing. One Select at a time uses it.
type entry interface {
	// try takes what the case is about if nobody waits for it and it is there.
	try() (done bool, err error)
	// join puts the case into its queue, or takes what has become free meanwhile.
	join(s *selector, at int) (done bool, err error)
	// leave takes a case that has not won out of its queue. A second call does nothing.
	leave()
	// result ends a case that was granted.
	result() error
	// place returns the queue.
	place() any
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
	v     V           // with which every Select begins
	rest  V           // what a take function gets, which may serve it in part; guarded by mu
	take  func(*V) (bool, error)
	ended func(v V, err error)
	match func() // see Matching
	open  bool   // see Open

	gate gate
	node *node[V] // not nil while a Select uses the case; guarded by mu
}

// Matching returns c for an owner that lets others go on both sides of what c is about, such as those who put and
// those who get. A take function that did so would decide over others while it is asked for one Select, and two such
// calls could wait for each other. So it is asked only when a Select begins, for which nothing is decided by then; it
// is the call without the wait, as far as it is about the caller. All else is done by match, which is called with the
// mutex held when c was granted so, when it has gone into the queue, and when it has left that. A panic of one or the
// other has unlocked the mutex.
func Matching(c Case, match func()) Case {
	c.entry.(interface{ matching(func()) }).matching(match)
	return c
}

func (c *queueCase[V]) matching(match func()) { c.match = match }

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
	c.rest = c.v
	var done bool
	var err error
	switch {
	case c.match != nil:
		done, err = c.take(&c.rest)
	case c.asks():
		done, err = ask(c.mu, c.take, &c.rest)
	}
	if !done {
		c.mu.Unlock()
		return false, nil
	}
	return c.served(err)
}

// asks reports whether the take function is to be asked for a newcomer.
func (c *queueCase[V]) asks() bool { return c.take != nil && (c.queue.head == nil || c.open) }

// served ends a case that was granted as a newcomer. The mutex is held at the call and free at the return.
func (c *queueCase[V]) served(err error) (bool, error) {
	v := c.rest
	c.rest = c.v
	if c.match != nil {
		matched := false
		defer func() {
			if !matched && c.ended != nil { // what was taken is taken, and there is no other way to tell
				quietly(func() { c.ended(v, err) })
			}
		}()
		c.match()
		matched = true
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
	if c.match == nil && c.asks() {
		if s.claim() != isMine { // something else was granted
			c.mu.Unlock()
			return false, nil
		}
		done, err := askFor(s, c.mu, c.take, &c.rest)
		if done {
			s.win(at)
			return c.served(err)
		}
		s.unclaim()
	}
	n := q.get()
	n.v, c.rest = c.rest, c.v
	c.gate = gate{sel: s, at: at}
	n.gate, n.host, n.note, c.node = &c.gate, s.host, waiting(), n
	q.push(n)
	if c.match != nil {
		c.matchJoined(s, at)
	}
	c.mu.Unlock()
	return false, nil
}

// matchJoined lets go who may, now that c is in the queue, c itself included. After a panic it has left the queue, or
// has ended if it was granted.
func (c *queueCase[V]) matchJoined(s *selector, at int) {
	matched := false
	defer func() {
		if matched {
			return
		}
		s.giveUp() // the mutex is free: without this, c could be granted when it leaves
		if s.state.Load() == won && s.winner == at {
			quietly(func() { _ = c.result() })
		} else {
			quietly(c.leave)
		}
	}()
	c.match()
	matched = true
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
	c.part(n)
	switch {
	case !first:
	case c.match != nil:
		c.match()
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
	c.part(n)
	c.mu.Unlock()
	if c.ended != nil {
		c.ended(v, err)
	}
	return err
}

// part gives back the node of a case. A case that is kept for another Select must not keep the one that was,
// nor its task.
func (c *queueCase[V]) part(n *node[V]) {
	c.gate.sel, n.gate = nil, nil
	c.queue.put(n)
}
