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
	reg    seam.FD
	edges  bool // the poller has edges, and need not be armed
	glued  bool // a read that has not filled its buffer has taken all there was
	file   bool // it is no socket
}

// attach puts fd on the loop of d. With pending set a connect is under way: the first event says that
// there is something to ask. After an error fd is closed.
func (s *sock) attach(d *dispatch.Dispatcher, fd int, pending bool) error {
	s.fd, s.d, s.loop = fd, d, seam.Of(d)
	s.rd.init(s, true)
	s.wr.init(s, false)
	if pending {
		s.wr.seen = 1
	}
	reg, err := s.loop.Attach(uintptr(fd), s)
	if err != nil {
		_ = sysClose(fd)
		return err
	}
	s.reg, s.edges = reg, reg.Edges()
	return nil
}

func (s *sock) sysRead(p []byte) (int, error) {
	if s.file {
		return sysReadFile(s.fd, p)
	}
	return sysRead(s.fd, p)
}

func (s *sock) sysWrite(p []byte) (int, error) {
	if s.file {
		return sysWriteFile(s.fd, p)
	}
	return sysWrite(s.fd, p)
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
	s.reg.Detach()
	return sysClose(s.fd)
}

func (s *sock) setDeadline(t time.Time) error {
	return errors.Join(s.rd.setDeadline(t), s.wr.setDeadline(t))
}
