package dispatch

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// readySet is the operations of a descriptor whose poller tells when it is ready: the
// system calls are made here, at the start of an operation by the goroutine that starts it, and
// then by the loop.
type readySet struct {
	d      *Dispatcher
	poller poll.Poller
	fd     int
	tag    poll.Tag
	edges  bool // the poller tells every edge, armed or not
	stream bool
	glued  bool // what a stream has is received in one piece, if the buffer is large enough
	rd, wr readySide

	// connecting is set while a Connect is under way. A receive would take its error away.
	connecting atomic.Bool

	adding sync.Mutex // comes after those of the sides
	added  bool       // the poller has fd
}

// readySide is one direction: a queue, of which the first is being served.
//
// The system calls are made with the mutex held; they do not block. So none passes another, and
// an edge that comes between a call that would wait and the entry into the queue is not lost: the
// loop hears of it before it, or waits for the mutex and serves the queue afterwards.
type readySide struct {
	mu     sync.Mutex
	set    *readySet
	queue  opQueue
	left   error // no operation may be added any more
	dry    bool  // the last call would have waited, and no edge has come since
	armed  bool
	hup    bool // a short read does not mean that all is read
	posted bool // in the FIFO, to go on
}

const (
	// maxChunk bounds what one system call sends: a thread that is inside one cannot be stopped, nor
	// runs the loop anything else.
	maxChunk = 256 << 10
	// maxCalls bounds the system calls that one event leads to before the others have their turn.
	maxCalls = 16
)

// newReadySet puts slot i into operation mode. The io mutex is held.
func (d *Dispatcher) newReadySet(i uint32) (opSet, error) {
	s := &d.io.slots[i]
	stream, glued, err := poll.Stream(int(s.fd))
	if err != nil {
		return nil, err
	}
	if poll.Blocks(int(s.fd)) {
		return nil, fmt.Errorf("dispatch: descriptor in blocking mode: %w", syscall.EINVAL)
	}
	p := d.io.poller
	e, ok := p.(interface{ Edges() bool })
	r := &readySet{
		d: d, poller: p, fd: int(s.fd), tag: s.tag(i),
		edges: ok && e.Edges(), stream: stream, glued: glued,
	}
	r.rd.set, r.wr.set = r, r
	s.ops, s.latch = r, r
	return r, nil
}

func (r *readySet) side(kind poll.OpKind) *readySide {
	if incoming(kind) {
		return &r.rd
	}
	return &r.wr
}

// The hooks of tests: before an operation that would wait enters the queue, and before an edge
// is taken in.
var (
	atBrink func()
	atEdge  func()
)

func (r *readySet) submit(o *Op) error {
	s := r.side(o.op.Kind)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left != nil {
		return errLeft
	}
	o.op.Messages = !r.stream
	s.dry = s.dry || s == &r.rd && r.connecting.Load()
	if s.queue.first == nil && !s.dry {
		calls := maxCalls
		if s.serve(o, &calls) {
			r.d.land(o)
			return nil
		}
		if atBrink != nil {
			atBrink()
		}
	}
	s.append(o)
	if err := s.await(); err != nil {
		s.fail(err, r.d.land) // some of it may be done, so that it has a result
	}
	return nil
}

// serve goes on with o. It reports false if o has to wait, or to let others go first.
func (s *readySide) serve(o *Op, calls *int) bool {
	p := &o.op
	for {
		if *calls == 0 {
			return false
		}
		*calls--
		if p.Kind == poll.OpSend && s.set.stream {
			p.Buf = o.whole[o.moved:min(len(o.whole), o.moved+maxChunk)]
		}
		if !p.Try() {
			s.dry = true
			if p.Kind == poll.OpConnect {
				s.set.connecting.Store(true)
			}
			return false
		}
		switch p.Kind {
		case poll.OpSend:
			o.moved += p.N
			if p.Err == nil && s.set.stream && o.moved < len(o.whole) {
				continue
			}
		case poll.OpRecv:
			s.dry = s.set.glued && !s.hup && p.Err == nil && 0 < p.N && p.N < len(p.Buf)
		}
		return true
	}
}

// await makes the side hear of what the first in the queue waits for.
func (s *readySide) await() error {
	if !s.dry {
		if !s.posted {
			s.posted = true
			s.set.d.mu.Lock()
			s.set.d.push(s)
			s.set.d.mu.Unlock()
		}
		return nil
	}
	if err := s.set.add(); err != nil {
		return err
	}
	if s.set.edges || s.armed {
		return nil
	}
	mode := poll.Read
	if s == &s.set.wr {
		mode = poll.Write
	}
	err := s.set.poller.Arm(s.set.fd, mode)
	s.armed = err == nil
	return err
}

// add tells the poller of the descriptor, not before an operation has to wait: a socket that is not
// even connecting would be reported as hung up.
func (r *readySet) add() error {
	r.adding.Lock()
	defer r.adding.Unlock()
	if r.added {
		return nil
	}
	err := r.poller.Add(r.fd, r.tag, poll.Read|poll.Write, poll.Edge)
	r.added = err == nil
	return err
}

// Ready is called on the loop by an event.
func (r *readySet) Ready(read, write, hup bool) {
	if atEdge != nil {
		atEdge()
	}
	if write { // first, so that a Connect is told of before what follows it, and gets its own error
		r.wr.ready(hup)
	}
	if read {
		r.rd.ready(hup)
	}
}

func (s *readySide) ready(hup bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dry, s.armed = false, false
	s.hup = s.hup || hup
	s.run(s.set.d.landNow)
}

// RunReady goes on where a limit was reached.
func (s *readySide) RunReady() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posted = false
	s.run(s.set.d.land)
}

// run serves the queue. The mutex is held.
func (s *readySide) run(land func(*Op)) {
	calls := maxCalls
	for o := s.queue.first; o != nil && !s.dry && s.serve(o, &calls); o = s.queue.first {
		s.remove(o)
		land(o)
	}
	if s.queue.first == nil {
		return
	}
	if err := s.await(); err != nil {
		s.fail(err, land)
	}
}

// fail ends all operations with err. The mutex is held.
func (s *readySide) fail(err error, land func(*Op)) {
	for o := s.queue.first; o != nil; o = s.queue.first {
		s.remove(o)
		o.op.N, o.op.Err = 0, err
		land(o)
	}
}

func (s *readySide) append(o *Op) {
	s.queue.append(o)
	o.where.Store(s)
}

func (s *readySide) remove(o *Op) {
	s.queue.remove(o)
	o.where.Store(nil)
	if o.op.Kind == poll.OpConnect {
		s.set.connecting.Store(false)
	}
}

// cancel ends o if it is still in the queue. Where it was the first, what it waited for is what
// the next one waits for.
func (s *readySide) cancel(o *Op) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.where.Load() != s {
		return false
	}
	s.remove(o)
	o.op.N, o.op.Err = 0, context.Canceled
	s.set.d.land(o)
	return true
}

func (r *readySet) leave() bool {
	r.rd.mu.Lock()
	defer r.rd.mu.Unlock()
	r.wr.mu.Lock()
	defer r.wr.mu.Unlock()
	if r.rd.queue.first != nil || r.wr.queue.first != nil {
		return false
	}
	r.rd.left, r.wr.left = errLeft, errLeft
	return true
}

func (r *readySet) shut(err error) {
	for _, s := range []*readySide{&r.rd, &r.wr} {
		s.mu.Lock()
		s.left = err
		s.fail(err, r.d.land)
		s.mu.Unlock()
	}
}

// Closed is the end of a latch; drop has called shut.
func (r *readySet) Closed() {}
