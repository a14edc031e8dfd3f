package transport

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

// Dialer connects to addresses. The zero value is what [Dial] uses. It may be used by many calls
// at the same time, and must not be changed meanwhile.
//
// # Names
//
// A host name is looked up without stopping the loop. For the networks "tcp" and "udp" addresses of both
// families are asked for at the same time, and connected to as RFC 8305 ("Happy Eyeballs")
// says: IPv6 first, unless its addresses come more than 50 ms later than those of IPv4; then the families
// take turns. An attempt begins when the one before has had FallbackDelay, or as soon as one fails. The
// first connection that is established wins, and all others are closed before Dial returns.
// Addresses that come in late join in.
type Dialer struct {
	// Dispatcher is where connections are; nil: that of ctx. It is for those who call with a ctx of
	// their own, as net/http does, and has to be turned by somebody.
	Dispatcher *dispatch.Dispatcher

	// Timeout limits a Dial, the lookup included, on the clock of the dispatcher. The error has
	// os.ErrDeadlineExceeded inside then. 0: no limit but those of ctx and of the system.
	Timeout time.Duration

	// FallbackDelay is how long an attempt goes on alone before one to another address begins, on
	// the clock of the dispatcher. 0: 250 ms, as RFC 8305 recommends; negative: until it fails.
	FallbackDelay time.Duration

	// LocalAddr is where connections come from: a *net.TCPAddr, *net.UDPAddr or *net.UnixAddr, as the
	// network is. Addresses of the other family are not tried then. nil: the system chooses. The file of a
	// Unix socket stays when the connection is closed.
	LocalAddr net.Addr

	// Resolver looks up names; nil: net.DefaultResolver.
	Resolver Resolver

	// KeepAlive says how the system looks after a silent peer, for TCP. The zero value is what package
	// net does, to ask every 15 s, nine times; net.KeepAliveConfig{Idle: -1} is not to.
	KeepAlive net.KeepAliveConfig

	// Control, if not nil, is called for each socket before it is bound or connected, with options
	// already set: what it sets counts. The network has the family, such as "tcp6", and addr is
	// resolved. The RawConn is good for its method Control, and until the call returns. It runs inside
	// the call of Dial, or in a task of the dispatcher where there are several addresses. An
	// error ends the attempt.
	Control func(ctx context.Context, network, addr string, c syscall.RawConn) error
}

// Dial connects to addr with the zero [Dialer].
func Dial(ctx context.Context, network, addr string) (*Conn, error) {
	return new(Dialer).Dial(ctx, network, addr)
}

// Dial connects to addr and waits until the connection is established. It is on the dispatcher
// of ctx, and stays open until it is closed, even if the dispatcher closes.
//
//   - "tcp", "tcp4" and "tcp6" go to "host:port"; without a host to this host. The port may be
//     the name of a service.
//   - "udp", "udp4" and "udp6" too: the socket exchanges messages with that address only. Nothing is
//     sent by Dial, so it does not tell whether somebody is there.
//   - "unix" and "unixpacket" go to the name of a Unix socket, "unixgram" to that of one for
//     datagrams. On Linux a name that begins with @ is abstract, none of a file. If the listener has no room,
//     Dial tries again until it has, some times in a second, since the system does not tell.
//
// If ctx ends first the attempts are given up and the error has ctx.Err() inside. The error is
// a *net.OpError, that of the first address if all have failed, with ErrNoDispatcher
// inside if ctx belongs to no dispatcher. Nothing is left open then.
func (d *Dialer) Dial(ctx context.Context, network, addr string) (*Conn, error) {
	if d.Dispatcher != nil {
		ctx = core.On(ctx, d.Dispatcher)
	}
	limited := ctx
	if d.Timeout > 0 {
		var cancel context.CancelFunc
		limited, cancel = core.WithTimeout(ctx, d.Timeout)
		defer cancel()
	}
	c, at, err := d.dial(limited, network, addr)
	if err == nil {
		return c, nil
	}
	if at == nil {
		at = unresolved(network, addr)
	}
	if limited.Err() != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		err = os.ErrDeadlineExceeded
	}
	return nil, &net.OpError{Op: "dial", Net: network, Source: d.LocalAddr, Addr: at, Err: inside(err)}
}

// DialContext is Dial for package net/http and others that want a net.Conn. Where ctx is theirs, set
// Dispatcher.
//
// A client of net/http waits for its connections by means of its own, channels and mutexes, that know of no
// task: a request made in a task stops the loop that is to serve its connection, for ever. Run it on
// a goroutine, or in a task by core.Blocking.
func (d *Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := d.Dial(ctx, network, addr)
	if err != nil {
		return nil, err // a nil interface
	}
	return c, nil
}

// dial is Dial without its error: at is the address to which it belongs, nil if that is no particular one.
func (d *Dialer) dial(ctx context.Context, network, addr string) (c *Conn, at net.Addr, err error) {
	a := attempt{d: d}
	if a.on, a.m, err = place(ctx, network); err != nil {
		return nil, nil, err
	}
	if d.LocalAddr != nil {
		from, err := a.m.local(d.LocalAddr)
		if err != nil {
			return nil, nil, err
		}
		a.from = &from
	}
	if a.m.domain == unixDomain {
		if addr == "" {
			return nil, nil, errMissingAddress
		}
		to := dispatch.Addr{Unix: addr}
		c, err = a.run(ctx, to)
		return c, a.m.netAddr(to), err
	}
	host, port, err := split(ctx, a.m, d.resolver(), addr)
	if err != nil {
		return nil, nil, err
	}
	known, lookups, err := d.targets(ctx, &a, host)
	if err != nil {
		return nil, nil, err
	}
	run := func(ctx context.Context, ip netip.Addr) (*Conn, error) {
		return a.run(ctx, dispatch.Addr{IP: netip.AddrPortFrom(ip, port)})
	}
	var ip netip.Addr
	if len(known) == 1 && lookups == nil {
		ip = known[0]
		c, err = run(ctx, ip)
	} else {
		r := race[*Conn]{connect: run, delay: d.FallbackDelay, lookups: lookups}
		if r.delay == 0 {
			r.delay = attemptDelay
		}
		for _, ip := range known {
			rank := 0
			if domainOf(ip) != domainOf(known[0]) {
				rank = 1
			}
			r.known[rank] = append(r.known[rank], ip)
		}
		c, ip, err = r.run(ctx)
	}
	if ip.IsValid() {
		at = a.m.netAddr(dispatch.Addr{IP: netip.AddrPortFrom(ip, port)})
	}
	return c, at, err
}

// targets returns the addresses of host that are known, and how to learn of others.
func (d *Dialer) targets(ctx context.Context, a *attempt, host string) (known []netip.Addr, lookups []lookup, err error) {
	known, ok := literals(host)
	if !ok {
		ask := func(network string) func(context.Context) ([]netip.Addr, error) {
			return func(ctx context.Context) ([]netip.Addr, error) {
				ips, err := lookupHost(ctx, d.resolver(), network, host)
				m := medium{domain: map[string]domain{"ip4": ipv4, "ip6": ipv6}[network]}
				return dialable(m, ips, a.mayReach), err
			}
		}
		if a.m.domain == anyIP {
			return nil, []lookup{{0, ask("ip6")}, {1, ask("ip4")}}, nil
		}
		known, err = ask(map[domain]string{ipv4: "ip4", ipv6: "ip6"}[a.m.domain])(ctx)
		if err != nil {
			return nil, nil, err
		}
	}
	known = dialable(a.m, known, a.mayReach)
	if len(known) == 0 {
		return nil, nil, &net.AddrError{Err: errNoAddress.Err, Addr: host}
	}
	return known, nil, nil
}

func (d *Dialer) resolver() Resolver {
	if d.Resolver == nil {
		return net.DefaultResolver
	}
	return d.Resolver
}
