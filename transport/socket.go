package transport

import (
	"context"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/park"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// Domains and types of sockets that [NewSocket] knows on every system with sockets. Those of
// package syscall do as well.
const (
	IPv4     = syscall.AF_INET
	IPv6     = syscall.AF_INET6
	Unix     = syscall.AF_UNIX
	Stream   = syscall.SOCK_STREAM
	Datagram = syscall.SOCK_DGRAM
)

// Socket is a socket of any domain, type and protocol that the system has, with the calls of
// the system: each takes a ctx where it may wait, and none allocates, copies or keeps the bytes
// of the caller. It is for protocols that [Conn], [Listener] and [PacketConn] do not know, for options to
// be set before a connection is made, and for code that was written against such calls. It is made by
// [NewSocket], [SocketFromFD], [DialSocket] and [Socket.Accept]; the zero value is of no use.
//
// It is safe for concurrent use by tasks of any dispatcher and by goroutines, and any number of
// calls may wait in each direction. They are served one at a time in order of arrival: Recv, RecvInto,
// RecvFromInto, Accept and AcceptAddr are one direction, Send, SendTo and Connect the other. The two do not
// hinder each other.
//
// A call whose ctx has ended before does nothing. One whose ctx ends while it waits has received, accepted or
// sent nothing, but for a Send of a stream, which tells how much has gone; and the socket stays as usable
// as it was. Close ends all that wait with net.ErrClosed.
//
// No option is set: TCP_NODELAY and SO_KEEPALIVE, for instance, are as the system has them.
type Socket struct {
	sock              sock
	domain, typ, kind int // kind is the protocol
	stream            bool
	packets           bool // in connection mode, but no stream
	up                atomic.Bool

	connecting int // calls of Connect; guarded by sock.rd.mu

	// The loop is told of the descriptor when a call might wait for the first time, and of one that
	// connects when that has begun: of a TCP socket that is neither connected nor listens epoll
	// says for a start that it is hung up, and then no short read would count as the last one.
	mu       sync.Mutex // guards the registration; before the mutexes of sock
	attached atomic.Bool
	closed   bool
}

// SocketFlag changes what a call of a [Socket] does.
type SocketFlag uint8

const (
	// Peek leaves what is received where it is: the next call receives it again.
	Peek SocketFlag = 1 << iota

	// SafeDisconn takes a connection that the peer has reset for one that it has ended in good order: the
	// call returns io.EOF. What had come in and was not read is lost by a reset, so a caller has to know by
	// other means that it has everything. It is for receiving alone: that a Send has failed is
	// never hidden. Accept passes over connections that were given up while they waited, with or without it.
	SafeDisconn
)

// NewSocket makes a socket on the dispatcher of ctx, as socket(2) does: not blocking and not inherited by
// child processes. Domain, type and protocol are numbers of the system, such as [IPv4],
// [Datagram] and syscall.IPPROTO_UDP; protocol 0 is the usual one of the domain and type. It does not
// wait. The socket stays open until it is closed, even if the dispatcher closes.
//
// The error is a *net.OpError, with ErrNoDispatcher inside if ctx belongs to no dispatcher, ctx.Err() if it
// has ended, and errors.ErrUnsupported where there are no sockets. A kind that the system does not
// know is an error of the system, syscall.EAFNOSUPPORT or syscall.EPROTONOSUPPORT for instance.
func NewSocket(ctx context.Context, domain, typ, protocol int) (*Socket, error) {
	d, err := home(ctx)
	fd := -1
	if err == nil {
		fd, err = sysRawSocket(domain, typ, protocol)
	}
	if err == nil {
		var s *Socket
		if s, err = newSocketOf(d, fd); err == nil {
			return s, nil
		}
		_ = sysClose(fd)
	}
	return nil, &net.OpError{Op: "socket", Net: netOf(domain, typ), Err: inside(err)}
}

// SocketFromFD returns a socket for a descriptor that was made elsewhere, on the dispatcher of ctx. It
// must be registered with no dispatcher, and is made non-blocking, which holds for all descriptors that
// refer to the same socket. It belongs to the Socket then; after an error it is the caller's as before.
// It may listen or be connected already, or begun to connect.
//
// The error is a *net.OpError, as that of [NewSocket]; with syscall.ENOTSOCK inside if fd is no
// socket.
func SocketFromFD(ctx context.Context, fd dispatch.FD) (*Socket, error) {
	d, err := home(ctx)
	if err == nil {
		var s *Socket
		if s, err = newSocketOf(d, int(fd)); err == nil {
			if err = sysNonblock(int(fd)); err == nil {
				return s, nil
			}
		}
	}
	return nil, &net.OpError{Op: "socket", Net: "fd" + strconv.Itoa(int(fd)), Err: inside(err)}
}

// newSocketOf returns the socket of fd, which it does not close after an error.
func newSocketOf(d *dispatch.Dispatcher, fd int) (*Socket, error) {
	domain, typ, protocol, err := sysKind(fd)
	if err != nil {
		return nil, err
	}
	s := &Socket{domain: domain, typ: typ, kind: protocol}
	if s.stream, s.sock.glued, err = poll.Stream(fd); err != nil {
		return nil, err
	}
	s.packets = !s.stream && typ == syscall.SOCK_SEQPACKET
	s.sock.prepare(d, fd)
	if _, err := sysPeerName(fd); err == nil {
		s.up.Store(true)
	}
	return s, nil
}

// Domain returns the domain of the socket, [IPv4] for instance.
func (s *Socket) Domain() int { return s.domain }

// Type returns the type of the socket, [Stream] for instance.
func (s *Socket) Type() int { return s.typ }

// Protocol returns the number of the protocol, syscall.IPPROTO_TCP for instance; 0 on systems that do not tell
// it, and where there is no choice.
func (s *Socket) Protocol() int { return s.kind }

// attach tells the loop of the descriptor, unless it knows it.
func (s *Socket) attach() error {
	if s.attached.Load() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attachLocked()
}

func (s *Socket) attachLocked() error {
	if s.sock.d == nil {
		return syscall.EINVAL // the zero value
	}
	if s.closed {
		return net.ErrClosed
	}
	if s.attached.Load() {
		return nil
	}
	if err := s.sock.link.attach(&s.sock); err != nil {
		return err
	}
	s.attached.Store(true)
	return nil
}

// enter is the beginning of a call that may wait.
func (s *Socket) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return park.Failed(err)
	}
	return s.attach()
}

// Bind gives the socket a local address. Port 0 is a free one, and an empty name of a Unix socket one
// that Linux picks; [Socket.LocalAddr] tells. To an IPv6 socket an IPv4 address is one in IPv6
// form. The file of a Unix socket is made by it, and stays behind when it is closed.
func (s *Socket) Bind(to dispatch.Addr) error {
	a, err := s.sysAddr(to)
	if err == nil {
		err = s.sock.wr.do(func(fd int) error { return sysBind(fd, &a) })
	}
	return s.wrap("bind", &to, err)
}

// Listen lets the socket accept connections, of which about backlog may wait for Accept: the
// system has a limit of its own. With backlog 0 or less it is as many as the system allows.
func (s *Socket) Listen(backlog int) error {
	if backlog <= 0 {
		backlog = maxBacklog
	}
	return s.wrap("listen", nil, s.sock.rd.do(func(fd int) error { return sysStartListen(fd, backlog) }))
}

// maxBacklog is more than any system allows, but some cut off what exceeds 16 bits.
const maxBacklog = 1<<16 - 1

// ShutHow says which directions [Socket.Shutdown] shuts.
type ShutHow uint8

const (
	// ShutRead has calls that receive return io.EOF when what has come is read.
	ShutRead ShutHow = 1 << iota
	// ShutWrite has the peer read io.EOF behind what was sent; calls that send fail.
	ShutWrite
	// ShutBoth is both.
	ShutBoth = ShutRead | ShutWrite
)

// Shutdown shuts a connection in one direction or both, for all descriptors that refer to it. Calls that
// wait in that direction end. The socket still has to be closed.
func (s *Socket) Shutdown(how ShutHow) error {
	var err error
	if how&ShutRead != 0 {
		err = s.sock.rd.cut()
	}
	if how&ShutWrite != 0 && err == nil {
		err = s.sock.wr.cut()
	}
	return s.wrap("shutdown", nil, err)
}

// Close closes the socket. Calls that wait fail with net.ErrClosed, and so do all to come, a second Close
// among them. Bytes that were sent are still delivered, connections that nobody has accepted are reset. It
// does not wait.
func (s *Socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return s.wrap("close", nil, s.sock.close())
}

// LocalAddr returns the address the socket is bound to: none if it is not, net.ErrClosed after Close. An IPv4 address of
// an IPv6 socket is in its short form; the zone of an address is the number of the interface.
func (s *Socket) LocalAddr() (dispatch.Addr, error) { return s.name("getsockname", sysLocalName) }

// PeerAddr returns the address the socket is connected to, in the form of [Socket.LocalAddr]. It fails if
// there is none.
func (s *Socket) PeerAddr() (dispatch.Addr, error) { return s.name("getpeername", sysPeerName) }

func (s *Socket) name(op string, ask func(fd int) (poll.SockAddr, error)) (dispatch.Addr, error) {
	var a poll.SockAddr
	err := s.sock.wr.do(func(fd int) (err error) {
		a, err = ask(fd)
		return err
	})
	return addrOf(&a), s.wrap(op, nil, err)
}

// sysAddr returns an address in the form that the socket takes.
func (s *Socket) sysAddr(to dispatch.Addr) (a poll.SockAddr, err error) {
	if to.Unix != "" && !to.IP.IsValid() || s.domain == Unix {
		return a, a.SetUnix(to.Unix)
	}
	return a, a.SetIP(inDomain(s.domain, to.IP))
}

func (s *Socket) wrap(op string, to *dispatch.Addr, err error) error {
	if err == nil {
		return nil
	}
	return s.failed(op, to, err)
}

// failed is apart from wrap, so that an address escapes only here.
func (s *Socket) failed(op string, to *dispatch.Addr, err error) error {
	e := &net.OpError{Op: op, Net: s.network(), Err: inside(err)}
	if to != nil {
		if a, err := s.sysAddr(*to); err == nil {
			e.Addr = netAddr(e.Net, &a)
		}
	}
	return e
}

// network returns what package net calls such a socket, "socket" if it does not know it.
func (s *Socket) network() string {
	n := netOf(s.domain, s.typ)
	if n == "tcp" && !s.sock.glued || n == "udp" && s.kind != 0 && s.kind != syscall.IPPROTO_UDP {
		return "socket"
	}
	return n
}

// netOf is network for the usual protocol.
func netOf(domain, typ int) string {
	switch {
	case domain == Unix && typ == Stream:
		return "unix"
	case domain == Unix && typ == Datagram:
		return "unixgram"
	case domain == Unix && typ == syscall.SOCK_SEQPACKET:
		return "unixpacket"
	case (domain == IPv4 || domain == IPv6) && typ == Stream:
		return "tcp"
	case (domain == IPv4 || domain == IPv6) && typ == Datagram:
		return "udp"
	}
	return "socket"
}
