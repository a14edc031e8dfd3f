package transport

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/park"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// side is one direction of a descriptor: a queue of calls and what is known of its
// readiness. The system calls are made with its mutex held, by the caller at first and then by
// the loop for the first in the queue: they do not block. So calls are served one at a time and in
// order, a call that is canceled has moved nothing that is not reported, and once a
// side is shut nobody is inside a system call on its descriptor.
//
// Lock order: mu of rd, then that of wr, then those of the dispatcher.
type side struct {
	// What every call needs comes first, to be close together.
	mu      sync.Mutex // guards what follows, but for s, fd, kind and the atomics
	queue   park.Queue[op]
	s       *sock
	last    regular // the task that waited last
	fd      int32
	seen    uint32      // the calls have used up what the first so many edges told
	reads   bool        // the direction
	streak  uint8       // calls since one had to wait
	shut    bool        // err is set
	timed   bool        // deadline is set, or has passed
	posted  bool        // in the ready FIFO, to go on with a long write
	late    bool        // the deadline has passed
	hup     atomic.Bool // a short read does not mean that all is read
	waiting atomic.Bool // somebody may be in the queue

	// edges counts the events of the poller. It is written without mu, so that the loop does
	// not wait for somebody who is inside a system call; it takes mu only if waiting is
	// set. Who is about to wait sets that first and then looks at edges once more: one of the
	// two sees what the other did.
	edges atomic.Uint32

	armed    uint32          // seen when the poller was last armed
	err      error           // of all calls
	lost     error           // the connection is broken, as a call in this direction was told
	deadline int64           // loop time; 0: none
	alarm    *dispatch.Timer // made by the first call that waits with a deadline
	alarmAt  int64           // when it goes off; 0: it does not
}

// verb is what a call does.
type verb uint8

const (
	reading    verb = iota // up to len(buf) bytes of a stream
	writing                // all of buf
	accepting              // a connection; n is its descriptor
	connecting             // ends a connect that has begun
	receiving              // one message; peer is who has sent it
	sending                // one message
	asking                 // what x.ask does, until it answers that it is done
)

// op is one call.
type op struct {
	s    *side
	buf  []byte // read into or written from
	n    int    // bytes moved so far; accepting: the new descriptor
	x    *extra // nil for reading and writing
	verb verb
}

// extra is what the less frequent calls need besides. It comes from extras.
type extra struct {
	sys poll.Op                    // of accepting, connecting, receiving and sending
	ask func(fd int) (bool, error) // of asking: false if it would wait
}

var extras = sync.Pool{New: func() any { return new(extra) }}

func newExtra() *extra {
	x := extras.Get().(*extra)
	x.sys.Reset()
	return x
}

// free gives x back.
func (x *extra) free() {
	x.sys.Buf, x.ask = nil, nil
	extras.Put(x)
}

// outcome is how a system call ended.
type outcome uint8

const (
	done    outcome = iota // the call is over; the next one may succeed too
	drained                // the call is over; the next one would wait
	again                  // it would wait
	more                   // it has moved as much as it may in one go
)

// maxChunk bounds what one system call moves: a thread that is inside one cannot be
// stopped, nor runs the loop anything else.
const maxChunk = 256 << 10

// maxStreak is how many calls in a row a task may make that need not wait before the others on
// its loop have their turn: a peer that never pauses must not keep them from it.
const maxStreak = 64

func (s *side) init(of *sock, reads bool) {
	s.s, s.fd, s.reads = of, int32(of.fd), reads
	s.edges.Store(1) // nothing is known: try
}

// ownCtx is nil, and stands for the ctx of the task that calls.
var ownCtx context.Context

// call makes one call.
func (s *side) call(ctx context.Context, o *op) (err error) {
	o.s = s
	s.mu.Lock()
	if s.queue.Len() == 0 {
		if ok, err := s.serve(o); ok {
			s.streak++
			rest := s.streak >= maxStreak
			if rest {
				s.streak = 0
			}
			s.mu.Unlock()
			if rest {
				rests()
			}
			return err
		}
	}
	s.streak = 0
	if ctx == ownCtx {
		*o, err = s.queue.WaitOwn(s.caller(), &s.mu, *o, take)
	} else {
		*o, err = s.queue.WaitLocked(ctx, &s.mu, *o, take)
	}
	return err
}

// take is the take function of the queues.
func take(o *op) (bool, error) { return o.s.serve(o) }

// regular is a task that can tell whether the caller runs in it.
type regular interface {
	park.Host
	Here() bool
}

// caller returns the task that calls, if it is the one that has called before, which is the
// rule, else nil.
func (s *side) caller() park.Host {
	if s.last != nil && s.last.Here() {
		return s.last
	}
	s.last = nil
	if g := park.Current(); g != nil {
		s.last, _ = g.Host.(regular)
	}
	return s.last
}

// rests lets the others on the loop have their turn, if the caller is a task.
func rests() {
	if g := park.Current(); g != nil && g.Host != nil {
		// The call has succeeded, and a cancel shows in the next one that waits.
		_ = core.Yield(g.Host.Context())
	}
}

// atBrink is for tests: it is called where an event may come between the steps of a call that
// is about to wait.
var atBrink func()

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
		if e == s.seen {
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
		switch how, err := s.try(o); how {
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
			if !s.posted {
				s.posted = true
				s.s.loop.Ready(s)
			}
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
	if s.deadline != 0 && (s.alarmAt == 0 || s.alarmAt > s.deadline) {
		s.alarmAt = s.deadline
		wait := time.Duration(s.deadline - s.s.loop.Now())
		if s.alarm == nil {
			s.alarm = s.s.d.AfterFunc(wait, s.ring)
		} else {
			s.alarm.Reset(wait)
		}
	}
	return false, nil
}

// try makes the system call.
func (s *side) try(o *op) (outcome, error) {
	switch o.verb {
	case reading:
		return s.read(o)
	case writing:
		return s.write(o)
	case asking:
		if ok, err := o.x.ask(int(s.fd)); ok || err != nil {
			return done, err
		}
		return again, nil
	}
	x := &o.x.sys
	x.FD, x.Buf = int(s.fd), o.buf
	if !sysTry(x) {
		return again, nil
	}
	if o.n = x.N; o.verb == accepting {
		o.n = x.Accepted
	}
	return done, x.Err
}

func (s *side) read(o *op) (outcome, error) {
	p := o.buf[:min(len(o.buf), maxChunk)]
	n, err := s.s.sysRead(p)
	switch {
	case err == errAgain:
		return again, nil
	case err != nil:
		s.lost = err
		return done, err
	case n == 0:
		return done, s.ending()
	}
	o.n = n
	// A read of a stream that returns less than it could has emptied the buffer of the kernel, and
	// what comes in after it is a new edge: epoll(7), "Do I need to continuously read/write a
	// file descriptor until EAGAIN when using the EPOLLET flag". So the read that would
	// only say EAGAIN is not made. The exceptions are an end that came with the data, and a read
	// that urgent data has cut short; an event with hup tells of both. A backend without edges
	// looks at the state of the descriptor when it is armed. Sockets that are not TCP and pipes have more
	// exceptions, so they are not glued.
	if n < len(p) && s.s.glued && !s.hup.Load() {
		return drained, nil
	}
	return done, nil
}

// ending tells the end of the stream from a connection that is broken: the system says so
// once, to the first call in either direction.
func (s *side) ending() error {
	if s.lost != nil {
		return s.lost
	}
	wr := &s.s.wr
	wr.mu.Lock() // and so waits for who is being told just now
	defer wr.mu.Unlock()
	if wr.lost != nil {
		return wr.lost
	}
	return io.EOF
}

func (s *side) write(o *op) (outcome, error) {
	for chunks := 0; ; {
		p := o.buf[o.n:]
		if len(p) > maxChunk {
			if chunks++; chunks > 1 {
				return more, nil
			}
			p = p[:maxChunk]
		}
		n, err := s.s.sysWrite(p)
		switch {
		case err == errAgain:
			return again, nil
		case err != nil:
			if s.lost == nil && sysLost(err) {
				s.lost = err
			}
			return done, err
		}
		o.n += n
		if o.n == len(o.buf) {
			return done, nil
		}
	}
}

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

// RunReady goes on with a long write.
func (s *side) RunReady() {
	s.mu.Lock()
	s.posted = false
	s.mu.Unlock()
	s.nudge()
}

// ring hears that the alarm goes off.
func (s *side) ring() {
	s.mu.Lock()
	s.alarmAt = 0
	s.queue.Settle(take)
	s.mu.Unlock()
}

// expired reports whether the deadline has passed.
func (s *side) expired() bool {
	if s.deadline != 0 && !s.late && s.s.loop.Now() >= s.deadline {
		s.late = true
	}
	return s.late
}

// setDeadline sets the deadline, for calls that wait too. The zero Time is none.
func (s *side) setDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.late, s.deadline, s.timed = false, 0, !t.IsZero()
	if !t.IsZero() {
		now := s.s.loop.Now()
		left := int64(t.Sub(s.s.loop.Time(now)))
		switch {
		case left <= 0:
			s.late = true
		case left < 1<<63-1-now: // else it is centuries away
			s.deadline = now + left
		}
	}
	if s.deadline == 0 {
		s.silence()
	}
	s.queue.Settle(take)
	return nil
}

// silence stops the alarm. The mutex is held.
func (s *side) silence() {
	if s.alarmAt != 0 {
		s.alarm.Stop()
		s.alarmAt = 0
	}
}

// end ends the side: calls that wait and all to come fail with err. It reports whether
// that was new; net.ErrClosed is, after another error.
func (s *side) end(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == net.ErrClosed || s.err != nil && err != net.ErrClosed {
		return false
	}
	s.shut, s.err = true, err
	s.silence()
	s.queue.Settle(take)
	return true
}

// do calls fn with the descriptor, which stays open meanwhile.
func (s *side) do(fn func(fd int) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	return fn(int(s.fd))
}
