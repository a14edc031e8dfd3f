//go:build !(windows || ports)

package transport

import (
	"os"
	"sync/atomic"
	"syscall"

	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// serving is what a side knows of the readiness of its descriptor, which the poller tells.
type serving struct {
	seen    uint32      // the calls have used up what the first so many edges told
	hup     atomic.Bool // a short read does not mean that all is read
	waiting atomic.Bool // somebody may be in the queue

	// edges counts the events of the poller. It is written without mu, so that the loop does
	// not wait for somebody who is inside a system call; it takes mu only if waiting is
	// set. Who is about to wait sets that first and then looks at edges once more: one of the
	// two sees what the other did.
	edges atomic.Uint32

	armed uint32 // seen when the poller was last armed
}

func (v *serving) init() {
	v.edges.Store(1) // nothing is known: try
}

// expectEvent says that the first event is worth waiting for: a connect is under way.
func (v *serving) expectEvent() { v.seen = 1 }

// renew forgets what was known, after a connect.
func (v *serving) renew() { v.seen = 0 }

// quit is told that no call will wait any more.
func (v *serving) quit() {}

// stir is for systems that do not tell of what was done to the descriptor on this side.
func (v *serving) stir() {}

// link is what joins a sock to the loop.
type link struct {
	reg   seam.FD
	edges bool // the poller has edges, and need not be armed
}

func (l *link) attach(s *sock) error {
	reg, err := s.loop().Attach(uintptr(s.fd), s)
	if err != nil {
		return err
	}
	l.reg, l.edges = reg, reg.Edges()
	return nil
}

func (l *link) detach() {
	if l.reg != nil { // nil: the loop has not been told yet
		l.reg.Detach()
	}
}

// Ready implements seam.Latch.
func (s *sock) Ready(read, write, hup bool) {
	if hup {
		s.rd.hup.Store(true)
	}
	if read {
		s.rd.event()
	}
	if write {
		s.wr.event()
	}
}

// serve tries to make a call.
func (s *side) serve(o *op) (bool, error) {
	if s.shut {
		return true, s.err
	}
	if s.timed && s.expired() {
		return true, os.ErrDeadlineExceeded
	}
	for {
		// Before the system call: an event that comes later counts.
		e := s.edges.Load()
		if e == s.seen && s.s == nil {
			return true, syscall.EINVAL // a zero value: init lets a call be tried
		}
		// What asking does may find out more than whether it would wait, so it is done once at least.
		if e == s.seen && (o.verb != asking || o.x.asked) {
			if atBrink != nil {
				atBrink()
			}
			if !s.waiting.Load() {
				s.waiting.Store(true)
			}
			if s.edges.Load() != e {
				continue
			}
			if s.s.edges && s.deadline == 0 {
				return false, nil
			}
			return s.settleDown(e)
		}
		var how outcome
		var err error
		switch o.verb { // not all by try, which would be on the stack for the most frequent ones
		case reading:
			how, err = s.read(o)
		case writing:
			how, err = s.write(o)
		default:
			how, err = s.try(o)
		}
		switch how {
		case done:
			return true, err
		case drained:
			s.seen = e
			return true, err
		case again:
			if atBrink != nil {
				atBrink()
			}
			s.seen = e
		case more:
			s.waiting.Store(true)
			s.later()
			return false, nil
		}
	}
}

// settleDown prepares for a wait: for an event behind the first e, and for the deadline.
func (s *side) settleDown(e uint32) (bool, error) {
	if s.armed != e && !s.s.edges {
		s.armed = e
		if err := s.s.reg.Arm(s.reads, !s.reads); err != nil {
			return true, err
		}
	}
	s.setAlarm()
	return false, nil
}

// emptied reports whether a read that has returned less than it could has emptied the buffer of the
// kernel, so that what comes in after it is a new edge: epoll(7), "Do I need to continuously
// read/write a file descriptor until EAGAIN when using the EPOLLET flag". So the read that would
// only say EAGAIN is not made. The exceptions are an end that came with the data, and a read
// that urgent data has cut short; an event with hup tells of both. A backend without edges
// looks at the state of the descriptor when it is armed. Sockets that are not TCP and pipes have more
// exceptions, so they are not glued.
func (s *side) emptied() bool { return s.s.glued && !s.hup.Load() }

// event hears of the poller, on the loop.
func (s *side) event() {
	if s.told() {
		s.nudge()
	}
}

// told counts an event, and reports whether somebody has to be told of it.
func (s *side) told() bool {
	s.edges.Add(1)
	return s.waiting.Load()
}

// nudge makes the first call that waits try again. It does so where it runs: what it reads is
// near there then, and the loop is not kept.
func (s *side) nudge() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.queue.Nudge() {
		s.waiting.Store(false)
	}
}

// tryWrite makes the system call of a write that does not wait, if nobody is before it.
func (s *side) tryWrite(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return 0, s.err
	}
	if s.timed && s.expired() {
		return 0, os.ErrDeadlineExceeded
	}
	e := s.edges.Load()
	if s.queue.Len() > 0 || e == s.seen {
		return 0, nil
	}
	n, err := s.s.sysWrite(p)
	switch {
	case err == errAgain:
		s.seen = e
		return 0, nil
	case err != nil:
		if s.lost == nil && sysLost(err) {
			s.lost = err
		}
		return 0, err
	}
	return n, nil
}
