package transport

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// ListenConfig says how to listen. The zero value is what [Listen] and [ListenPacket] use. It may
// be used by many calls at the same time, and must not be changed meanwhile.
type ListenConfig struct {
	// Backlog is how many connections may wait in the system to be accepted. The system has a limit of
	// its own (somaxconn), which is taken for 0. UDP has none.
	Backlog int

	// ReusePort lets several sockets be bound to the same address, each with this set
	// (SO_REUSEPORT; on FreeBSD SO_REUSEPORT_LB). Linux, DragonFly and FreeBSD share out connections
	// and peers among them by their addresses; elsewhere one socket may get them all. Where the system does
	// not have it, and for Unix sockets, it is an error that is errors.ErrUnsupported.
	ReusePort bool

	// ReuseAddr lets several sockets of UDP be bound to the same address, as receivers of multicast
	// are (SO_REUSEADDR). Listeners of TCP can always have the address of one that has been
	// closed, and never that of one that listens.
	ReuseAddr bool

	// KeepAlive is that of a [Dialer], for connections that are accepted.
	KeepAlive net.KeepAliveConfig

	// Control, if not nil, is called for each socket before it is bound, with options already
	// set: what it sets counts, on Linux for connections that are accepted as well. The network has
	// the family, such as "tcp6", which stands for both families if addr has no host; addr is
	// resolved. The RawConn is good for its method Control, and until the call returns. An error
	// becomes that of the call.
	Control func(ctx context.Context, network, addr string, c syscall.RawConn) error
}

// Listen listens on addr with the zero [ListenConfig].
func Listen(ctx context.Context, network, addr string) (*Listener, error) {
	return new(ListenConfig).Listen(ctx, network, addr)
}

// ListenPacket opens a socket for messages at addr with the zero [ListenConfig].
func ListenPacket(ctx context.Context, network, addr string) (*PacketConn, error) {
	return new(ListenConfig).ListenPacket(ctx, network, addr)
}

// Listen listens on addr, on the dispatcher of ctx. The listener stays open until it is closed,
// even if the dispatcher closes.
//
//   - "tcp", "tcp4" and "tcp6" listen on "host:port". Without a host they listen on all
//     addresses, "tcp" on those of both families, as it does on "[::]"; where the system has
//     no IPv6, or no sockets for both, on those of IPv4. Port 0 is a free one, which Addr tells.
//   - "unix" and "unixpacket" listen on a file of that name, which must not be there, and which
//     Close removes. On Linux a name that begins with @ is abstract, none of a file, and without a
//     name the system chooses one.
//
// A host name is looked up by net.DefaultResolver, without stopping the loop, and Listen waits for
// that alone; of several addresses it takes the first one of IPv4, if there is one.
//
// The error is a *net.OpError, with ErrNoDispatcher inside if ctx belongs to no
// dispatcher, and ctx.Err() if ctx has ended. Nothing is left open then.
func (lc *ListenConfig) Listen(ctx context.Context, network, addr string) (*Listener, error) {
	l, err := lc.listen(ctx, network, addr)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: unresolved(network, addr), Err: inside(err)}
	}
	return l, nil
}

func (lc *ListenConfig) listen(ctx context.Context, network, addr string) (*Listener, error) {
	d, fd, at, err := lc.open(ctx, network, addr, true)
	if err != nil {
		return nil, err
	}
	l := &Listener{network: network, keepAlive: lc.KeepAlive}
	l.file.made(at.Unix)
	backlog := lc.Backlog
	if backlog <= 0 {
		backlog = maxBacklog
	}
	if err := sysListen(fd, backlog); err != nil {
		_ = sysClose(fd)
		l.file.remove()
		return nil, err
	}
	if err := l.sock.attach(d, fd, false); err != nil {
		l.file.remove()
		return nil, err
	}
	local := sysLocal(fd)
	l.local = netAddr(network, &local)
	return l, nil
}

// ListenPacket opens a socket for messages at addr, on the dispatcher of ctx. It stays open until it
// is closed, even if the dispatcher closes.
//
//   - "udp", "udp4" and "udp6" have addresses as those of TCP, see [ListenConfig.Listen].
//   - "unixgram" makes a file of that name, which must not be there. As with package net the
//     file stays when the socket is closed. On Linux there are abstract names, too.
//
// Errors are those of Listen.
func (lc *ListenConfig) ListenPacket(ctx context.Context, network, addr string) (*PacketConn, error) {
	d, fd, at, err := lc.open(ctx, network, addr, false)
	var c *PacketConn
	if err == nil {
		if c, err = newPacketConn(d, fd, network); err != nil {
			var file socketFile
			file.made(at.Unix)
			file.remove()
		}
	}
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: unresolved(network, addr), Err: inside(err)}
	}
	return c, nil
}

// open makes a socket that is bound to addr.
func (lc *ListenConfig) open(ctx context.Context, network, addr string, conns bool) (d *dispatch.Dispatcher, fd int, at dispatch.Addr, err error) {
	d, m, err := place(ctx, network)
	if err == nil && conns != (m.kind != datagrams) {
		err = net.UnknownNetworkError(network)
	}
	if err == nil {
		at, err = where(ctx, m, addr)
	}
	if err == nil {
		fd, err = lc.bind(ctx, m, at)
	}
	if h, ok := err.(hookError); ok {
		err = h.error
	}
	return d, fd, at, err
}

// bind makes a socket that is bound to at.
func (lc *ListenConfig) bind(ctx context.Context, m medium, at dispatch.Addr) (int, error) {
	anyHost := m.domain != unixDomain && !at.IP.Addr().IsValid()
	if m.domain == anyIP && (anyHost || at.IP.Addr() == netip.IPv6Unspecified()) {
		at.IP = netip.AddrPortFrom(netip.IPv6Unspecified(), at.IP.Port())
		fd, err := lc.bindOne(ctx, m, at, true)
		if err == nil || !lacksDual(err) {
			return fd, err
		}
		if anyHost {
			at.IP = netip.AddrPortFrom(netip.IPv4Unspecified(), at.IP.Port())
		}
	}
	return lc.bindOne(ctx, m, at, false)
}

func (lc *ListenConfig) bindOne(ctx context.Context, m medium, at dispatch.Addr, dual bool) (int, error) {
	p := plan{
		medium: m.of(at), bound: true, dual: dual,
		reuseAddr: lc.ReuseAddr, reusePort: lc.ReusePort, keepAlive: lc.KeepAlive,
	}
	fd, err := sysSocket(p)
	if err != nil {
		return -1, err
	}
	bound := false
	defer func() {
		if !bound { // also if the hook panics
			_ = sysClose(fd)
		}
	}()
	if lc.Control != nil {
		if err := control(ctx, lc.Control, fd, p.medium, at); err != nil {
			return -1, hookError{err}
		}
	}
	if err := sysBindTo(fd, at); err != nil {
		return -1, err
	}
	bound = true
	return fd, nil
}

// hookError is an error of a hook, which says nothing about the system.
type hookError struct{ error }

// lacksDual reports whether err may mean that there is no IPv6, or that no socket can serve both
// families.
func lacksDual(err error) bool {
	_, ok := errors.AsType[*os.SyscallError](err)
	return ok && !sysTaken(err)
}
