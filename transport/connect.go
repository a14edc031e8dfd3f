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
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// attempt is how a Dialer connects to one address.
type attempt struct {
	d    *Dialer
	on   *dispatch.Dispatcher
	m    medium
	from *dispatch.Addr // nil: the system chooses
}

// mayReach reports whether ip is of the family of the local address.
func (a *attempt) mayReach(ip netip.Addr) bool {
	if a.from == nil || anywhere(a.from.IP.Addr()) {
		return true
	}
	return ip.Is4() == a.from.IP.Addr().Is4()
}

// anywhere reports whether ip stands for all addresses.
func anywhere(ip netip.Addr) bool { return !ip.IsValid() || ip.IsUnspecified() }

// run connects to one address.
func (a *attempt) run(ctx context.Context, to dispatch.Addr) (*Conn, error) {
	chosen := a.from == nil || a.from.IP.Port() == 0 // the system chooses the port
	for tries := 0; ; tries++ {
		c, err := a.try(ctx, to)
		switch {
		case err == nil && a.m.isTCP() && chosen && tries < 2 && c.toItself():
			// A port that the system picks for us may be the one we dial, if nobody listens there. TCP
			// allows both ends to connect at the same time, and so a socket to itself.
			_ = c.sock.close()
		case err == nil:
			return c, nil
		case a.m.isTCP() && chosen && tries < 2 && errors.Is(err, syscall.EADDRNOTAVAIL):
			// Another thread was quicker with the port that the system had picked.
		default:
			return nil, err
		}
	}
}

func (a *attempt) try(ctx context.Context, to dispatch.Addr) (c *Conn, err error) {
	m := a.m.of(to)
	fd, err := sysSocket(plan{medium: m, keepAlive: a.d.KeepAlive})
	if err != nil {
		return nil, err
	}
	ours := true // nobody else closes fd, also if a hook panics
	defer func() {
		if ours {
			_ = sysClose(fd)
		}
	}()
	if err := a.prepare(ctx, fd, m, to); err != nil {
		return nil, err
	}
	x := newExtra()
	defer x.free()
	x.sys.Kind, x.sys.FD = poll.OpConnect, fd
	if err := setAddr(&x.sys.Addr, to); err != nil {
		return nil, err
	}
	over, err := a.begin(ctx, &x.sys)
	if err != nil {
		return nil, err
	}
	ours = false
	c, err = newConn(a.on, fd, a.m.name, !over)
	if err != nil {
		return nil, err
	}
	if !over {
		connected, under := false, &c.sock
		defer func() {
			if !connected { // or where a call must not wait, and panics
				_ = under.close()
			}
		}()
		if err := c.sock.wr.call(ctx, &op{verb: connecting, x: x}); err != nil {
			return nil, err
		}
		connected = true
	}
	_ = c.sock.wr.do(func(int) error {
		c.sock.wr.renew()
		c.learnPeer(&x.sys.Addr)
		return nil
	})
	return c, nil
}

// begin begins to connect, and reports whether that is over already.
func (a *attempt) begin(ctx context.Context, o *poll.Op) (over bool, err error) {
	for pause := time.Millisecond; sysTry(o); pause = min(2*pause, 64*time.Millisecond) {
		if o.Err == nil || a.m.domain != unixDomain || !errors.Is(o.Err, syscall.EAGAIN) {
			return true, o.Err
		}
		// The listener has no room. A connect that blocked would wait, here nothing tells. It is the same socket that
		// tries again: another one could not be bound to its local address.
		if err := core.Sleep(ctx, pause); err != nil {
			return false, err
		}
	}
	return false, nil
}

// prepare does what comes before the connect.
func (a *attempt) prepare(ctx context.Context, fd int, m medium, to dispatch.Addr) error {
	if a.d.Control != nil {
		if err := control(ctx, a.d.Control, fd, m, to); err != nil {
			return err
		}
	}
	if a.from == nil {
		return nil
	}
	from := *a.from
	if m.domain != unixDomain && anywhere(from.IP.Addr()) {
		from.IP = netip.AddrPortFrom(m.everywhere(), from.IP.Port())
	}
	return sysBindTo(fd, from)
}

// control calls a hook.
func control(ctx context.Context, hook func(context.Context, string, string, syscall.RawConn) error, fd int, m medium, a dispatch.Addr) error {
	addr := a.Unix
	if a.IP.IsValid() {
		addr = a.IP.String()
	}
	raw := &bareSocket{fd: fd}
	defer func() { raw.over = true }()
	return hook(ctx, m.name, addr, raw)
}

// bareSocket is a socket that is not on a loop yet.
type bareSocket struct {
	fd   int
	over bool
}

// Control calls fn with the descriptor.
func (s *bareSocket) Control(fn func(fd uintptr)) error {
	if s.over {
		return net.ErrClosed
	}
	fn(uintptr(s.fd))
	return nil
}

// Read fails: there is nothing to wait for.
func (s *bareSocket) Read(func(fd uintptr) bool) error { return errors.ErrUnsupported }

// Write fails: there is nothing to wait for.
func (s *bareSocket) Write(func(fd uintptr) bool) error { return errors.ErrUnsupported }

// toItself reports whether c is connected to itself.
func (c *Conn) toItself() bool {
	return c.ends.local.IsValid() && c.ends.local == c.ends.remote
}
