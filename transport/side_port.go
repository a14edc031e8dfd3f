//go:build windows || ports

package transport

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"

	"github.com/seed-1e54c410/turnstile/internal/poll"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// serving is the operation of a side with a poller that takes operations and tells of their end.
//
// The calls are tried here as everywhere, into and from the buffer of the caller. One that would wait
// makes its side hand an operation to the poller, one at a time, whose end lets the first in
// the queue go on. A side that reads waits for the end of a receive of nothing, one that writes for
// room: these operations have no buffer and move nothing. So a call that is canceled is over at
// once, nothing that was received can be lost with it, and no system has the buffer of a call
// that has returned. The operation stays, and its end is for who is first in the queue by then.
//
// A connection and the outcome of a connect are another matter: they do come with the end of an operation.
// If the call that started it is gone, the next one that accepts, or connects, gets it.
type serving struct {
	flight *poll.Op // nil: none
	landed bool     // flight is done, and its result not used yet
}

func (v *serving) init() {}

// expectEvent has no meaning here: a connect is an operation of its own.
func (v *serving) expectEvent() {}

func (v *serving) renew() {}

// flights are operations that nobody has.
var flights = sync.Pool{New: func() any { return new(poll.Op) }}

// release gives the operation back. It is done.
func (v *serving) release() {
	v.flight.Owner = nil
	flights.Put(v.flight)
	v.flight, v.landed = nil, false
}

// link is what joins a sock to the loop.
type link struct{ port seam.Port }

// attachPort is replaced by tests on systems whose pollers take no operations.
var attachPort = func(s *sock) (seam.Port, error) { return s.loop().AttachPort(uintptr(s.fd), s) }

func (l *link) attach(s *sock) (err error) {
	l.port, err = attachPort(s)
	return err
}

func (l *link) detach() {
	if l.port != nil { // nil: the loop has not been told yet
		l.port.Detach()
	}
}

// Ready implements seam.Latch: nothing is watched.
func (s *sock) Ready(bool, bool, bool) {}

// serve tries to make a call.
func (s *side) serve(o *op) (bool, error) {
	if s.shut {
		return true, s.err
	}
	if s.timed && s.expired() {
		return true, os.ErrDeadlineExceeded
	}
	if s.s == nil {
		return true, syscall.EINVAL // a zero value
	}
	for {
		var told error
		if s.flight != nil {
			// What asking does may find out more than whether it would wait, so it is done once at least.
			if !s.landed && (o.verb != asking || o.x.asked) {
				s.setAlarm()
				return false, nil
			}
			if s.landed {
				var over bool
				if over, told = s.collect(o); over {
					return true, told
				}
			}
		}
		switch how, err := s.try(o); how {
		case done, drained:
			return true, err
		case more:
			s.later()
			return false, nil
		}
		// The error of an operation may be told once only (that of an ICMP message is), so it counts where the
		// call itself has nothing to tell.
		if told != nil {
			return true, told
		}
		if atBrink != nil {
			atBrink()
		}
		if s.flight == nil {
			if s.reads && s.s.wr.connects() {
				s.setAlarm() // the system would say that there is no connection; it is told to try again
				return false, nil
			}
			if err := s.submit(o); err != nil {
				return true, err
			}
		} else if s.landed {
			// A connection has been accepted that nobody has asked for again.
			return true, errors.ErrUnsupported
		}
	}
}

// collect uses the result of the operation that has landed, and reports whether it is that of o.
func (s *side) collect(o *op) (bool, error) {
	p := s.flight
	kind, err := p.Kind, p.Err
	if kind == poll.OpAccept {
		if o.verb != accepting {
			return false, nil // it is for another call
		}
		o.n, o.x.sys.Addr = p.Accepted, p.Addr
	}
	s.release()
	switch {
	case errors.Is(err, context.Canceled):
		return false, nil // it has done nothing
	case kind == poll.OpAccept, kind == poll.OpConnect && o.verb == connecting:
		return true, err
	case kind == poll.OpConnect:
		return false, nil
	case err != nil && o.verb == reading && !s.ended:
		s.lost = err
	}
	return false, err
}

// submit hands the operation to the poller that o waits for.
func (s *side) submit(o *op) error {
	p := flights.Get().(*poll.Op)
	p.Reset()
	p.Owner, p.Messages = s, s.s.messages
	switch {
	case o.verb == accepting:
		p.Kind = poll.OpAccept
	case o.verb == connecting:
		p.Kind, p.Addr = poll.OpConnect, o.x.sys.Addr
	case s.reads:
		p.Kind = poll.OpReadable
	default:
		p.Kind = poll.OpWritable
	}
	s.flight, s.landed = p, false
	err := s.s.port.Submit(p)
	if err != nil {
		s.release()
	}
	return err
}

// connects reports whether a connect is under way.
func (s *side) connects() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flight != nil && !s.landed && s.flight.Kind == poll.OpConnect
}

// Completed implements seam.Completer.
func (s *side) Completed(o *poll.Op) {
	connect := o.Kind == poll.OpConnect
	s.mu.Lock()
	s.landed = true
	if s.shut {
		s.discard()
	} else {
		s.queue.Nudge()
	}
	s.mu.Unlock()
	if connect {
		s.s.rd.nudge()
	}
}

// discard ends the use of a result that nobody will ask for.
func (s *side) discard() {
	if p := s.flight; p.Kind == poll.OpAccept && p.Err == nil {
		_ = sysSetLinger(p.Accepted, 0) // as one that waits in the system when its listener is closed
		_ = sysClose(p.Accepted)
	}
	s.release()
}

// quit ends the operation: no call will wait any more. The mutex is held.
func (s *side) quit() {
	switch {
	case s.flight == nil:
	case s.landed:
		s.discard()
	default:
		s.s.port.Cancel(s.flight)
	}
}

// stir makes the first call that waits try again, though no operation has come to its end: what was done to
// the descriptor does not end one everywhere. The mutex is held.
func (s *side) stir() {
	if s.flight != nil && !s.landed {
		s.s.port.Cancel(s.flight)
		return
	}
	s.queue.Nudge()
}

// emptied is of no use here: to try once more than necessary costs less than to wait for an operation.
func (s *side) emptied() bool { return false }

// nudge makes the first call that waits try again.
func (s *side) nudge() {
	s.mu.Lock()
	s.queue.Nudge()
	s.mu.Unlock()
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
	if s.s == nil || s.queue.Len() > 0 {
		return 0, nil
	}
	n, err := s.s.sysWrite(p)
	switch {
	case err == errAgain:
		return 0, nil
	case err != nil:
		if s.lost == nil && sysLost(err) {
			s.lost = err
		}
		return 0, err
	}
	return n, nil
}
