package transport

import (
	"errors"
	"net"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// sock is a descriptor on the loop of a dispatcher.
type sock struct {
	rd, wr side
	fd     int
	d      *dispatch.Dispatcher
	loop   seam.Loop
	link
	glued bool // a read that has not filled its buffer has taken all there was
	file  bool // it is no socket
	now   bool // a file that is one: its description blocks, and must not be changed

	messages bool // it is a socket of messages: each call moves one
	odd      bool // it is, or something is ahead: a Read is more than one of the socket
	ahead    *ahead

	// Guarded by mu of rd.
	users  int32 // that have the descriptor outside of a call: it must stay open
	orphan bool  // the last of them closes it
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
	s.fd, s.d, s.loop = fd, d, seam.Of(d)
	s.rd.init(s, true)
	s.wr.init(s, false)
}

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
	if !s.rd.end(net.ErrClosed) {
		return net.ErrClosed
	}
	s.wr.end(net.ErrClosed)
	s.detach()
	s.rd.mu.Lock()
	s.orphan = s.users > 0
	left := s.orphan
	s.rd.mu.Unlock()
	if left {
		return nil
	}
	return sysClose(s.fd)
}

// use calls fn with the descriptor, which stays open meanwhile, also if it is closed. No mutex is held.
func (s *sock) use(fn func(fd int)) error {
	if err := s.rd.do(func(int) error { s.users++; return nil }); err != nil {
		return err
	}
	defer func() {
		s.rd.mu.Lock()
		s.users--
		last := s.users == 0 && s.orphan
		s.rd.mu.Unlock()
		if last {
			_ = sysClose(s.fd)
		}
	}()
	fn(s.fd)
	return nil
}

func (s *sock) setDeadline(t time.Time) error {
	return errors.Join(s.rd.setDeadline(t), s.wr.setDeadline(t))
}
