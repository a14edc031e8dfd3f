package transport

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// Dial connects to addr, "host:port", and waits until the connection is established. It is on the
// dispatcher of ctx. The network is "tcp", "tcp4" or "tcp6". A host name is looked
// up by core.Blocking, and its addresses are tried in turn, each until it fails; without a host
// it is this host. The connection stays open until it is closed, even if the
// dispatcher closes.
//
// If ctx ends first the attempt is given up and the error has ctx.Err() inside. The error is
// a *net.OpError, that of the first address if all have failed, with ErrNoDispatcher
// inside if ctx belongs to no dispatcher. Nothing is left open then.
func Dial(ctx context.Context, network, addr string) (*Conn, error) {
	d, err := place(ctx, network)
	var targets []netip.AddrPort
	if err == nil {
		targets, err = resolveDial(ctx, network, addr)
	}
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: address(addr), Err: inside(err)}
	}
	var first error
	for _, to := range targets {
		c, err := dial(ctx, d, network, to)
		if err == nil {
			return c, nil
		}
		if first == nil || ctx.Err() != nil {
			first = &net.OpError{Op: "dial", Net: network, Addr: net.TCPAddrFromAddrPort(to), Err: inside(err)}
		}
		if ctx.Err() != nil || errors.Is(err, dispatch.ErrClosed) {
			break
		}
	}
	return nil, first
}

func dial(ctx context.Context, d *dispatch.Dispatcher, network string, to netip.AddrPort) (*Conn, error) {
	for tries := 0; ; tries++ {
		fd, err := sysSocket(to)
		if err != nil {
			return nil, err
		}
		c, err := connect(ctx, d, fd, network, to)
		if err != nil {
			return nil, err
		}
		// A port that the system picks for us may be the one we dial, if nobody listens there. TCP
		// allows both ends to connect at the same time, and so a socket to itself.
		if tries < 2 && c.local != nil && c.remote != nil && c.local.String() == c.remote.String() {
			_ = c.sock.close()
			continue
		}
		return c, nil
	}
}

// connect connects the socket fd, which is closed after an error.
func connect(ctx context.Context, d *dispatch.Dispatcher, fd int, network string, to netip.AddrPort) (*Conn, error) {
	x := newExtra()
	defer x.free()
	x.sys.Kind, x.sys.FD = poll.OpConnect, fd
	if err := x.sys.Addr.SetIP(to); err != nil {
		_ = sysClose(fd)
		return nil, err
	}
	over := sysTry(&x.sys)
	if over && x.sys.Err != nil {
		_ = sysClose(fd)
		return nil, x.sys.Err
	}
	c, err := newConn(d, fd, network, !over)
	if err != nil {
		return nil, err
	}
	if !over {
		if err := c.sock.wr.call(ctx, &op{verb: connecting, x: x}); err != nil {
			_ = c.sock.close()
			return nil, err
		}
	}
	_ = c.sock.wr.do(func(fd int) error {
		c.sock.wr.seen = 0
		c.local, c.remote = sysLocalAddr(network, fd), sysPeerAddr(network, fd)
		return nil
	})
	return c, nil
}
