package transport

import (
	"context"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/park"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// side is one direction of a descriptor: a queue of calls, and how the first of them is served. The
// system calls are made with its mutex held, by the caller at first and then by who waits as
// the first in the queue: they do not block. So calls are served one at a time and in
// order, a call that is canceled has moved nothing that is not reported, and once a
// side is shut nobody is inside a system call on its descriptor.
//
// How a side hears that a call which had to wait may go on depends on the system: see serving.
//
// Lock order: mu of rd, then that of wr, then those of the dispatcher.
type side struct {
	// What every call needs comes first, to be close together.
	mu     sync.Mutex // guards what follows, but for s, fd, reads and the atomics
	queue  park.Queue[op]
	s      *sock
	last   *park.G // of the task that waited last; it lets go of a task that ends
	fd     int32
	reads  bool  // the direction
	streak uint8 // calls since one had to wait
	shut   bool  // err is set
	timed  bool  // deadline is set, or has passed
	posted bool  // in the ready FIFO, to go on with a long write
	late   bool  // the deadline has passed
	ended  bool  // the end of the stream has been told
	serving

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
	asking                 // what x.ask does, on the goroutine that calls, until it answers that it is done
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

	more   bool // set by ask with its false: it would not wait, but lets others have their turn
	asked  bool // ask has been called
	queued bool // by a queue, which unlocks the mutex if it panics
}

var extras = sync.Pool{New: func() any { return new(extra) }}

func newExtra() *extra {
	x := extras.Get().(*extra)
	x.sys.Reset()
	x.more, x.asked, x.queued = false, false, false
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
	s.serving.init()
}

// ownCtx is nil, and stands for the ctx of the task that calls.
var ownCtx context.Context

// call makes one call.
func (s *side) call(ctx context.Context, o *op) error {
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
	if ctx != ownCtx {
		return s.waitWith(ctx, o)
	}
	task := s.caller()
	if task == nil || o.verb == asking { // what asking calls may panic, and then its wait cleans up
		return s.queue.WaitHere(&s.mu, o, take)
	}
	for first := false; ; first = true {
		turn, err := s.queue.WaitTurn(task, &s.mu, o, take, first)
		if !turn {
			return err
		}
		if ok, err := s.serve(o); ok {
			s.queue.Settle(take)
			s.mu.Unlock()
			return err
		}
	}
}

// waitWith is the wait of a call with a ctx. It is apart so that others have less on the stack meanwhile:
// an idle connection is little else than the stack of the task that reads from it.
//
//go:noinline
func (s *side) waitWith(ctx context.Context, o *op) (err error) {
	*o, err = s.queue.WaitLocked(ctx, &s.mu, *o, take)
	return err
}

// take is the take function of the queues. What asking calls is code of others, perhaps. It may care for
// the goroutine it is on, and panic: so it is called on its own only, where the queue has taken
// the call out for the time being. On that of somebody else it is told to try by itself.
func take(o *op) (bool, error) {
	if o.verb != asking {
		return o.s.serve(o)
	}
	s := o.s
	if s.shut || s.timed && s.expired() || s.queue.First() != o {
		o.x.queued = true
		return s.serve(o)
	}
	s.setAlarm()
	s.queue.Nudge()
	return false, nil
}

// caller returns the task that calls, nil on an ordinary goroutine. It is quick for the coroutine
// that has called before, which is the rule.
func (s *side) caller() park.Host {
	if s.last != nil && s.last.Is() {
		return s.last.Host
	}
	s.last = nil
	if g := park.Current(); g != nil && g.Host != nil {
		s.last = g
		return g.Host
	}
	return nil
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

// setAlarm prepares for a wait that the deadline may end.
func (s *side) setAlarm() {
	if s.deadline == 0 || s.alarmAt != 0 && s.alarmAt <= s.deadline {
		return
	}
	s.alarmAt = s.deadline
	wait := time.Duration(s.deadline - s.s.loop().Now())
	if s.alarm == nil {
		s.alarm = s.s.d.AfterFunc(wait, s.ring)
	} else {
		s.alarm.Reset(wait)
	}
}

// later makes the loop go on with a long write.
func (s *side) later() {
	if !s.posted {
		s.posted = true
		s.s.loop().Ready(s)
	}
}

// try makes the system call.
func (s *side) try(o *op) (outcome, error) {
	switch o.verb {
	case reading:
		return s.read(o)
	case writing:
		return s.write(o)
	case asking:
		return s.ask(o.x)
	}
	x := &o.x.sys
	x.FD, x.Buf = int(s.fd), o.buf
	if !sysTry(x) {
		return again, nil
	}
	if o.n = x.N; o.verb == accepting {
		o.n = x.Accepted
	}
	if x.Err != nil && s.lost == nil && sysLost(x.Err) {
		s.lost = x.Err // asked for by sockets whose messages have an end
	}
	return done, x.Err
}

// ask does what asking does.
func (s *side) ask(x *extra) (outcome, error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		s.queue.Nudge()
		if !x.queued {
			s.mu.Unlock()
		}
	}()
	x.asked = true
	ok, err := x.ask(int(s.fd))
	returned = true
	switch {
	case err != nil:
		if !s.reads && s.lost == nil && sysLost(err) {
			s.lost = err
		}
		return done, err
	case ok:
		return done, nil
	case x.more:
		x.more = false
		return more, nil
	}
	return again, nil
}

func (s *side) read(o *op) (outcome, error) {
	p := o.buf[:min(len(o.buf), maxChunk)]
	n, err := s.s.sysRead(p)
	switch {
	case err == errAgain:
		return again, nil
	case err != nil && s.ended:
		return done, io.EOF // it has been broken since, where the system tells of that
	case err != nil:
		s.lost = err
		return done, err
	case n == 0:
		return done, s.ending()
	}
	o.n = n
	if n < len(p) && s.emptied() {
		return drained, nil
	}
	return done, nil
}

// ending tells the end of the stream from a connection that is broken: the system says so
// once, to the first call in either direction.
func (s *side) ending() error {
	if s.ended {
		return io.EOF
	}
	if s.lost != nil {
		return s.lost
	}
	wr := &s.s.wr
	wr.mu.Lock() // and so waits for who is being told just now
	defer wr.mu.Unlock()
	if wr.lost != nil {
		return wr.lost
	}
	s.ended = true
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
	if s.deadline != 0 && !s.late && s.s.loop().Now() >= s.deadline {
		s.late = true
	}
	return s.late
}

// setDeadline sets the deadline, for calls that wait too. The zero Time is none.
func (s *side) setDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.gone(); err != nil {
		return err
	}
	s.late, s.deadline, s.timed = false, 0, !t.IsZero()
	if !t.IsZero() {
		now := s.s.loop().Now()
		left := int64(t.Sub(s.s.loop().Time(now)))
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
	s.quit()
	s.queue.Settle(take)
	return true
}

// do calls fn with the descriptor, which stays open meanwhile.
func (s *side) do(fn func(fd int) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.gone(); err != nil {
		return err
	}
	return fn(int(s.fd))
}

// gone returns the error of all calls, EINVAL for one of a zero value, as package net has it. The
// mutex is held.
func (s *side) gone() error {
	if s.s == nil {
		return syscall.EINVAL
	}
	return s.err
}

// cut shuts the direction of a connection.
func (s *side) cut() error {
	return s.do(func(fd int) error {
		err := sysShutdown(fd, !s.reads)
		s.stir()
		return err
	})
}
