package transport

import (
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/park"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// sock is a descriptor on the loop of a dispatcher.
type sock struct {
	rd, wr side
	seat   park.Seat[op] // of the first call that waits to read
	fd     int
	d      *dispatch.Dispatcher
	link
	glued bool // a read that has not filled its buffer has taken all there was
	file  bool // it is no socket
	now   bool // a file that is one: its description blocks, and must not be changed

	messages bool        // it is a socket of messages: each call moves one
	odd      atomic.Bool // it is, or something is ahead: a Read is more than one of the socket
	ahead    *ahead

	// Guarded by mu of rd.
	users   int32 // that have the descriptor outside of a call: it must stay open
	orphan  bool  // the last of them closes it
	lingers bool  // to close it may take seconds
}

// attach puts fd on the loop of d. With pending set a connect is under way: the first event says that
// there is something to ask. After an error fd is closed.
func (s *sock) attach(d *dispatch.Dispatcher, fd int, pending bool) error {
	s.prepare(d, fd)
	if pending {
		s.wr.expectEvent()
	}
	if err := s.link.attach(s); err != nil {
		_ = sysClose(fd)
		return err
	}
	return nil
}

// prepare is what comes before the loop is told of fd.
func (s *sock) prepare(d *dispatch.Dispatcher, fd int) {
	s.fd, s.d = fd, d
	s.rd.init(s, true)
	s.rd.queue.Lend(&s.seat)
	s.wr.init(s, false)
}

// loop returns the loop of the dispatcher. It is not kept: a server has many connections.
func (s *sock) loop() seam.Loop { return seam.Of(s.d) }

func (s *sock) sysRead(p []byte) (int, error) {
	if s.file {
		if s.now {
			return sysReadNow(s.fd, p)
		}
		return sysReadFile(s.fd, p)
	}
	return sysRead(s.fd, p)
}

func (s *sock) sysWrite(p []byte) (int, error) {
	if s.file {
		if s.now {
			return sysWriteNow(s.fd, p)
		}
		return sysWriteFile(s.fd, p)
	}
	return sysWrite(s.fd, p)
}

// Closed implements seam.Latch.
func (s *sock) Closed() {
	s.rd.end(dispatch.ErrClosed)
	s.wr.end(dispatch.ErrClosed)
}

// close ends both sides and closes the descriptor: nobody is inside a system call on it
// then, and nobody will be.
func (s *sock) close() error {
	if s.d == nil {
		return syscall.EINVAL // the zero value
	}
	if !s.rd.end(net.ErrClosed) {
		return net.ErrClosed
	}
	s.wr.end(net.ErrClosed)
	s.detach()
	s.rd.mu.Lock()
	s.orphan = s.users > 0
	left, lingers := s.orphan, s.lingers
	s.rd.mu.Unlock()
	if left {
		return nil
	}
	return s.drop(lingers)
}

// drop closes the descriptor. Linux has a close wait for the time to linger, also if the descriptor does
// not block otherwise (socket(7), SO_LINGER): a goroutine waits then, and what it is told is lost.
func (s *sock) drop(lingers bool) error {
	if !lingers {
		return sysClose(s.fd)
	}
	fd := s.fd
	go func() { _ = sysClose(fd) }()
	return nil
}

// setLinger is SetLinger: a descriptor with a time to linger is closed in another way.
func (s *sock) setLinger(sec int) error {
	return s.rd.do(func(fd int) error {
		err := sysSetLinger(fd, fitting(sec))
		if err == nil {
			s.lingers = sec > 0
		}
		return err
	})
}

// use calls fn with the descriptor, which stays open meanwhile, also if it is closed. No mutex is held.
func (s *sock) use(fn func(fd int)) error {
	if err := s.rd.do(func(int) error { s.users++; return nil }); err != nil {
		return err
	}
	defer func() {
		s.rd.mu.Lock()
		s.users--
		last, lingers := s.users == 0 && s.orphan, s.lingers
		s.rd.mu.Unlock()
		if last {
			_ = s.drop(lingers)
		}
	}()
	fn(s.fd)
	return nil
}

func (s *sock) setDeadline(t time.Time) error {
	if err := s.rd.setDeadline(t); err != nil {
		return err // what has ended one side has ended both
	}
	return s.wr.setDeadline(t)
}
