package transport

import (
	"context"
	"net/netip"
	"syscall"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/park"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// Connect connects the socket to an address and waits until that is done. Of a datagram socket it sets the
// address that Send goes to and the only one received from, without a wait.
//
// After an error, and if ctx has ended first, a stream socket is fit for nothing but to be closed: an
// attempt goes on in the system, and systems differ in what they do with a second one. Calls that receive
// wait meanwhile, and none takes the error away that belongs to Connect. A Unix socket whose peer has
// a full backlog fails with syscall.EAGAIN: the system does not tell when there is room.
//
// Names of hosts are looked up by [DialSocket].
func (s *Socket) Connect(ctx context.Context, to dispatch.Addr) error {
	return s.wrap("connect", &to, s.connect(ctx, to))
}

func (s *Socket) connect(ctx context.Context, to dispatch.Addr) error {
	if err := ctx.Err(); err != nil {
		return park.Failed(err)
	}
	if s.sock.d == nil {
		return syscall.EINVAL // the zero value
	}
	x := newExtra()
	defer x.free()
	var err error
	if x.sys.Addr, err = s.sysAddr(to); err != nil {
		return err
	}
	x.sys.Kind, x.sys.FD = poll.OpConnect, s.sock.fd
	s.connects(1)
	defer s.connects(-1)
	over, err := s.begin(x)
	if err != nil {
		return err
	}
	if !over {
		if err := s.sock.wr.call(ctx, &op{verb: connecting, x: x}); err != nil {
			return err
		}
	}
	s.up.Store(true)
	return nil
}

// begin begins to connect a socket that the loop does not know yet, and tells the loop of it.
func (s *Socket) begin(x *extra) (over bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if lateAttach && s.stream && !s.closed && !s.attached.Load() {
		if over = sysTry(&x.sys); over && x.sys.Err != nil {
			return false, x.sys.Err
		}
		if !over {
			wr := &s.sock.wr
			wr.mu.Lock()
			wr.expectEvent()
			wr.mu.Unlock()
		}
	}
	return over, s.attachLocked()
}

// connects counts the calls of Connect, and tells those who wait for them that one has ended.
func (s *Socket) connects(n int) {
	rd := &s.sock.rd
	rd.mu.Lock()
	s.connecting += n
	rd.mu.Unlock()
	if n < 0 {
		rd.retry()
	}
}

// Accept is AcceptAddr for who does not need the address.
func (s *Socket) Accept(ctx context.Context) (*Socket, error) {
	c, _, err := s.AcceptAddr(ctx)
	return c, err
}

// AcceptAddr waits for a connection, and returns it with the address it comes from. It is on the dispatcher
// of the socket that listens, whichever task accepts it. A connection that its peer has given up
// meanwhile is passed over.
//
// If ctx ends first, no connection is lost. After an error other than net.ErrClosed, such as syscall.EMFILE when
// the process has too many descriptors, connections wait in the system, and a later call gets them; one
// at once fails again.
func (s *Socket) AcceptAddr(ctx context.Context) (*Socket, dispatch.Addr, error) {
	c, from, err := s.accept(ctx)
	return c, from, s.wrap("accept", nil, err)
}

func (s *Socket) accept(ctx context.Context) (*Socket, dispatch.Addr, error) {
	if err := s.enter(ctx); err != nil {
		return nil, dispatch.Addr{}, err
	}
	x := newExtra()
	defer x.free()
	x.sys.Kind = poll.OpAccept
	o := op{verb: accepting, x: x}
	if err := s.sock.rd.call(ctx, &o); err != nil {
		return nil, dispatch.Addr{}, err
	}
	c, err := newSocketOf(s.sock.d, o.n)
	if err == nil {
		c.up.Store(true) // the peer may have gone, and then the socket has no peer's name
		err = c.attach()
	}
	if err != nil {
		_ = sysClose(o.n)
		return nil, dispatch.Addr{}, err
	}
	return c, addrOf(&x.sys.Addr), nil
}

// addrOf returns an address of the system; IPv4 in its short form.
func addrOf(a *poll.SockAddr) dispatch.Addr {
	if ip, ok := a.IP(); ok {
		if ip.Addr().Is4In6() {
			ip = netip.AddrPortFrom(ip.Addr().Unmap(), ip.Port())
		}
		return dispatch.Addr{IP: ip}
	}
	name, _ := a.Unix()
	return dispatch.Addr{Unix: name}
}

// inDomain returns an address in the form of the domain: one of IPv4 can be had in that of IPv6, if the
// socket is for both (rfc4291, 2.5.5.2).
func inDomain(domain int, ip netip.AddrPort) netip.AddrPort {
	switch a := ip.Addr(); {
	case domain == IPv6 && a.Is4():
		return netip.AddrPortFrom(netip.AddrFrom16(a.As16()), ip.Port())
	case domain == IPv4 && a.Is4In6():
		return netip.AddrPortFrom(a.Unmap(), ip.Port())
	}
	return ip
}
