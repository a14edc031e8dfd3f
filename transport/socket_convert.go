package transport

import (
	"context"
	"errors"
	"net"
	"syscall"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// DialSocket connects to an address, as [Dial] does, and returns the connection as a [Socket]: the name of a host
// is looked up without blocking the loop. The options are those that Dial sets, and the errors its.
func DialSocket(ctx context.Context, network, addr string) (*Socket, error) {
	c, err := Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	// Nobody else has it: nothing waits, and nothing is lost.
	c.sock.rd.end(net.ErrClosed)
	c.sock.wr.end(net.ErrClosed)
	c.sock.detach()
	s, err := newSocketOf(c.sock.d, c.sock.fd)
	if err == nil {
		s.up.Store(true) // the peer may have gone already
		err = s.attach()
	}
	if err != nil {
		_ = sysClose(c.sock.fd)
		return nil, &net.OpError{Op: "dial", Net: network, Addr: c.RemoteAddr(), Err: inside(err)}
	}
	return s, nil
}

// Conn makes a connected socket a [Conn] of network "tcp", "unix", "unixpacket", "udp" or "unixgram", and closes the
// Socket: calls that wait end with net.ErrClosed. It does not wait. The descriptor is another one, for the same
// connection; options stay. After an error the Socket is as it was. The error is errors.ErrUnsupported inside for a
// socket of another kind, and on Windows; and syscall.ENOTCONN for one that is not connected.
func (s *Socket) Conn() (*Conn, error) {
	var c *Conn
	var peer poll.SockAddr
	_ = s.sock.wr.do(func(fd int) error {
		peer = sysPeer(fd)
		return nil
	})
	err := s.convert(true, func(fd int, network string) (err error) {
		c, err = newConn(s.sock.d, fd, network, false)
		return err
	})
	if err != nil {
		if c != nil {
			_ = c.Close()
		}
		return nil, s.wrap("convert", nil, err)
	}
	c.sock.rd.lost, c.sock.lingers = s.history()
	c.learnPeer(&peer)
	return c, nil
}

// PacketConn makes a socket for datagrams a [PacketConn] of network "udp" or "unixgram", connected or not, and closes the
// Socket, as [Socket.Conn] does, with the same errors.
func (s *Socket) PacketConn() (*PacketConn, error) {
	var c *PacketConn
	err := s.convert(false, func(fd int, network string) (err error) {
		if s.typ != syscall.SOCK_DGRAM {
			_ = sysClose(fd)
			return errors.ErrUnsupported
		}
		c, err = newPacketConn(s.sock.d, fd, network)
		return err
	})
	if err != nil {
		if c != nil {
			_ = c.Close()
		}
		return nil, s.wrap("convert", nil, err)
	}
	return c, nil
}

// convert gives fn another descriptor of the socket, and the name of its network, and closes the Socket. The
// descriptor is for fn to close if it fails, and what fn has made for the caller, if there is an error nevertheless.
func (s *Socket) convert(connected bool, fn func(fd int, network string) error) error {
	network := s.network()
	switch {
	case s.sock.d == nil:
		return syscall.EINVAL // the zero value
	case network == "socket":
		return errors.ErrUnsupported
	}
	fd := -1
	err := s.sock.wr.do(func(old int) (err error) {
		if connected {
			if _, err := sysPeerName(old); err != nil {
				return err
			}
		}
		fd, err = sysDuplicate(old)
		return err
	})
	if err == nil {
		err = fn(fd, network)
	}
	if err == nil && errors.Is(s.Close(), net.ErrClosed) {
		err = net.ErrClosed // somebody was faster, and may have converted it
	}
	return err
}

// history returns the error of a connection that is broken, if a call was told, and whether its close may
// take seconds.
func (s *Socket) history() (lost error, lingers bool) {
	rd, wr := &s.sock.rd, &s.sock.wr
	rd.mu.Lock()
	lost, lingers = rd.lost, s.sock.lingers
	rd.mu.Unlock()
	if lost == nil {
		wr.mu.Lock()
		lost = wr.lost
		wr.mu.Unlock()
	}
	return lost, lingers
}

// SyscallConn returns the socket for system calls that this package does not make, as [Conn.SyscallConn] does.
func (s *Socket) SyscallConn() (syscall.RawConn, error) {
	raw, err := newRawConn(ownCtx, &s.sock, func(op string, err error) error { return s.wrap(op, nil, err) })
	if err != nil {
		return nil, err
	}
	return &rawSocketConn{raw, s}, nil
}

// rawSocketConn tells the loop of the descriptor before it waits.
type rawSocketConn struct {
	syscall.RawConn
	s *Socket
}

func (r *rawSocketConn) Read(fn func(fd uintptr) (done bool)) error {
	if err := r.s.attach(); err != nil {
		return r.s.wrap("raw-read", nil, err)
	}
	return r.RawConn.Read(fn)
}

func (r *rawSocketConn) Write(fn func(fd uintptr) (done bool)) error {
	if err := r.s.attach(); err != nil {
		return r.s.wrap("raw-write", nil, err)
	}
	return r.RawConn.Write(fn)
}
