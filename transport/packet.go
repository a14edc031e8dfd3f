package transport

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/park"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// PacketConn is a socket of messages: UDP, or a Unix socket for datagrams. It is made by
// [ListenPacket]; the zero value is of no use. It is a [net.PacketConn], also a [net.Conn] for one that is
// connected, and safe for concurrent use by tasks of any dispatcher and by goroutines.
//
// Calls that receive are served one at a time in order of arrival, each with one message, and so are
// calls that send. A message may be empty: 0 bytes and no error. What is longer than the buffer
// is cut off, of which ReadMessage tells; the others drop the rest in silence, as package net does on
// Unix systems, so that a peer cannot make them fail. A call that is canceled, or whose
// deadline passes, takes no message away.
//
// Sending waits only while the system has no room for the message. That UDP has taken it does not mean
// that it arrives. A Unix socket waits while the receiver has no room (unix(7)). Of that the system tells
// only sockets that are connected; others ask again every few milliseconds, and such a call
// holds up no other.
//
// A socket that is connected hears of a peer that refuses (ICMP): one of the next calls in either
// direction fails with ECONNREFUSED, and the socket goes on.
type PacketConn struct {
	c    Conn
	v6   bool // an IPv6 socket, which takes IPv4 addresses in their long form
	peer bool // it is connected
}

// newPacketConn returns the socket of fd, which may be connected. After an error fd is closed.
func newPacketConn(d *dispatch.Dispatcher, fd int, network string) (*PacketConn, error) {
	c := new(PacketConn)
	if err := c.c.open(d, fd, network, false); err != nil {
		return nil, err
	}
	remote := sysPeer(fd)
	c.c.learn(nil, &remote)
	c.v6 = c.c.ends.local.Addr().Is6()
	_, isUnix := remote.Unix()
	c.peer = c.c.ends.remote.IsValid() || isUnix
	return c, nil
}

// ReadFrom waits for a message and receives it into p. It returns how much of it is there and who
// has sent it, a *net.UDPAddr or *net.UnixAddr; nil for a Unix socket without a name.
func (c *PacketConn) ReadFrom(p []byte) (int, net.Addr, error) { return c.readFrom(ownCtx, p) }

func (c *PacketConn) readFrom(ctx context.Context, p []byte) (int, net.Addr, error) {
	x := newExtra()
	defer x.free()
	n, _, err := c.c.receive(ctx, poll.OpRecvFrom, p, x)
	if err != nil {
		return n, nil, c.wrap("read", err)
	}
	return n, netAddr(c.c.network, &x.sys.Addr), nil
}

// ReadFromAddrPort is ReadFrom for UDP. The address is that of the sender; an IPv4 address is in its short
// form, and the zone of an IPv6 address is the name of the interface. Of a Unix
// socket it is invalid. It allocates nothing on Linux (but on 386 and s390x).
func (c *PacketConn) ReadFromAddrPort(p []byte) (int, netip.AddrPort, error) {
	return c.readFromAddrPort(ownCtx, p)
}

func (c *PacketConn) readFromAddrPort(ctx context.Context, p []byte) (int, netip.AddrPort, error) {
	x := newExtra()
	defer x.free()
	n, _, err := c.c.receive(ctx, poll.OpRecvFrom, p, x)
	if err != nil {
		return n, netip.AddrPort{}, c.wrap("read", err)
	}
	from, _ := x.sys.Addr.IP()
	return n, named(from), nil
}

// ReadMessage is ReadFrom with a ctx, and tells whether the message was cut off. If ctx ends first the
// error has ctx.Err() inside, and no message is lost.
func (c *PacketConn) ReadMessage(ctx context.Context, p []byte) (Message, error) {
	x := newExtra()
	defer x.free()
	n, truncated, err := c.c.receive(ctx, poll.OpRecvFrom, p, x)
	if err != nil {
		return Message{N: n}, c.wrap("read", err)
	}
	m := Message{N: n, Truncated: truncated}
	if from, ok := x.sys.Addr.IP(); ok {
		m.From = named(from)
	} else {
		m.FromUnix, _ = x.sys.Addr.Unix()
	}
	return m, nil
}

// WriteTo sends p to an address, a *net.UDPAddr or *net.UnixAddr, as one message, an empty one if p
// is empty. It waits until the system has room for it. A message that is too large fails with
// EMSGSIZE, and an address of another kind with EINVAL or a *net.AddrError inside. On a connected
// socket it fails with net.ErrWriteToConnected.
func (c *PacketConn) WriteTo(p []byte, to net.Addr) (int, error) { return c.writeTo(ownCtx, p, to) }

func (c *PacketConn) writeTo(ctx context.Context, p []byte, to net.Addr) (int, error) {
	x := newExtra()
	defer x.free()
	err := c.address(&x.sys.Addr, to)
	n := 0
	if err == nil {
		n, err = c.sendTo(ctx, p, x)
	}
	return n, c.wrapTo(err, to)
}

// sendTo sends p to x.sys.Addr.
func (c *PacketConn) sendTo(ctx context.Context, p []byte, x *extra) (int, error) {
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		n, err := c.c.send(ctx, poll.OpSendTo, p, x)
		if err == nil || familyOf(c.c.network) != unixFamily || !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.ENOBUFS) {
			return n, err
		}
		if err := sleep(ctx, pause); err != nil {
			return 0, err
		}
	}
}

// How long a call waits before it asks again whether a Unix socket has room.
const (
	minPause = time.Millisecond
	maxPause = 8 * time.Millisecond
)

// sleep waits in a call that ctx ends, or without one the task that calls.
func sleep(ctx context.Context, pause time.Duration) error {
	if ctx == ownCtx {
		ctx = context.Background()
		if g := park.Current(); g != nil && g.Host != nil {
			ctx = g.Host.Context()
		}
	}
	return core.Sleep(ctx, pause)
}

// WriteToAddrPort is WriteTo for UDP. It allocates nothing on Linux (but on 386 and s390x), unless
// the address has a zone.
func (c *PacketConn) WriteToAddrPort(p []byte, to netip.AddrPort) (int, error) {
	return c.writeToAddrPort(ownCtx, p, to)
}

func (c *PacketConn) writeToAddrPort(ctx context.Context, p []byte, to netip.AddrPort) (int, error) {
	x := newExtra()
	defer x.free()
	err := c.addressIP(&x.sys.Addr, to)
	n := 0
	if err == nil {
		n, err = c.c.send(ctx, poll.OpSendTo, p, x)
	}
	if err != nil {
		return n, c.wrapTo(err, net.UDPAddrFromAddrPort(to))
	}
	return n, nil
}

// address puts to into a.
func (c *PacketConn) address(a *poll.SockAddr, to net.Addr) error {
	switch to := to.(type) {
	case *net.UDPAddr:
		if to == nil {
			return syscall.EINVAL
		}
		ap := to.AddrPort()
		if len(to.IP) == 0 { // this host, as package net has it
			ap = netip.AddrPortFrom(netip.IPv4Unspecified(), ap.Port())
			if c.v6 {
				ap = netip.AddrPortFrom(netip.IPv6Unspecified(), ap.Port())
			}
		}
		return c.addressIP(a, ap)
	case *net.UnixAddr:
		if to == nil || familyOf(c.c.network) != unixFamily || to.Net != c.c.network {
			return syscall.EINVAL
		}
		if c.peer {
			return net.ErrWriteToConnected
		}
		return a.SetUnix(to.Name)
	}
	return syscall.EINVAL
}

func (c *PacketConn) addressIP(a *poll.SockAddr, to netip.AddrPort) error {
	switch ip := to.Addr(); {
	case familyOf(c.c.network) != udpFamily || !ip.IsValid():
		return syscall.EINVAL
	case c.peer:
		return net.ErrWriteToConnected
	case c.v6 && ip.Is4():
		to = netip.AddrPortFrom(netip.AddrFrom16(ip.As16()), to.Port())
	case !c.v6 && ip.Is4In6():
		to = unmapped(to)
	case !c.v6 && ip.Is6():
		return &net.AddrError{Err: "not an IPv4 address", Addr: ip.String()}
	}
	return a.SetIP(to)
}

// Read receives a message from the peer of a connected socket; on one that is not, from anybody. See
// [Conn.Read].
func (c *PacketConn) Read(p []byte) (int, error) { return c.c.Read(p) }

// Write sends p to the peer of a connected socket as one message. Without a peer it fails with
// EDESTADDRREQ or ENOTCONN.
func (c *PacketConn) Write(p []byte) (int, error) { return c.c.Write(p) }

// Close closes the socket. Calls that wait fail with net.ErrClosed, and so do all to come, a
// second Close among them. Messages that have been received and not read are lost. It does not wait.
func (c *PacketConn) Close() error { return c.c.Close() }

// LocalAddr returns the local address, after Close too.
func (c *PacketConn) LocalAddr() net.Addr { return c.c.LocalAddr() }

// RemoteAddr returns the address of the peer of a connected socket, else nil.
func (c *PacketConn) RemoteAddr() net.Addr { return c.c.RemoteAddr() }

// SetDeadline sets the time, on the clock of the dispatcher, at which calls that receive or send fail
// with os.ErrDeadlineExceeded, those that wait already among them. The zero Time is none.
func (c *PacketConn) SetDeadline(t time.Time) error { return c.c.SetDeadline(t) }

// SetReadDeadline is SetDeadline for calls that receive.
func (c *PacketConn) SetReadDeadline(t time.Time) error { return c.c.SetReadDeadline(t) }

// SetWriteDeadline is SetDeadline for calls that send.
func (c *PacketConn) SetWriteDeadline(t time.Time) error { return c.c.SetWriteDeadline(t) }

// SetReadBuffer sets the size of the system's buffer for messages that come in, in bytes. The system
// may choose another: see socket(7), SO_RCVBUF.
func (c *PacketConn) SetReadBuffer(bytes int) error { return c.c.SetReadBuffer(bytes) }

// SetWriteBuffer sets the size of the system's buffer for messages that go out, in bytes. The system
// may choose another: see socket(7), SO_SNDBUF.
func (c *PacketConn) SetWriteBuffer(bytes int) error { return c.c.SetWriteBuffer(bytes) }

// SetBroadcast says whether messages may be sent to broadcast addresses (SO_BROADCAST), which those of IPv4
// may unless it says otherwise.
func (c *PacketConn) SetBroadcast(on bool) error {
	return c.setOption(socketOptions.broadcast, numberOf(on))
}

// SetTTL sets how many hops the messages that are sent may go, to one address (ip(7), IP_TTL, and ipv6(7),
// IPV6_UNICAST_HOPS).
func (c *PacketConn) SetTTL(hops int) error {
	if !c.v6 {
		return c.setOption(socketOptions.ttl4, hops)
	}
	err := c.setOption(socketOptions.ttl6, hops)
	if err == nil {
		_ = c.setOption(socketOptions.ttl4, hops) // for IPv4, where the socket is for both
	}
	return err
}

// setOption sets an option of UDP.
func (c *PacketConn) setOption(o optionNumber, value int) error {
	return c.c.set(func(fd int) error {
		if o == (optionNumber{}) || familyOf(c.c.network) != udpFamily {
			return errors.ErrUnsupported
		}
		return sysSetOption(fd, o.level, o.name, value)
	})
}

// SyscallConn returns the socket for calls of the system, see [Conn.SyscallConn].
func (c *PacketConn) SyscallConn() (syscall.RawConn, error) { return c.c.SyscallConn() }

func (c *PacketConn) wrap(op string, err error) error { return c.c.wrap(op, err) }

func (c *PacketConn) wrapTo(err error, to net.Addr) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: "write", Net: c.c.network, Source: c.LocalAddr(), Addr: to, Err: inside(err)}
}
