package transport

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/park"
)

// Resolver looks up host names for a [Dialer]. A [*net.Resolver] is one.
//
// Its methods are called on goroutines of their own, by core.Blocking, so they may block; Dial
// waits for their end, so they should end soon after ctx does. If it also has the method LookupPort that a
// *net.Resolver has, that is asked for the numbers of services, else net.DefaultResolver is.
type Resolver interface {
	// LookupNetIP returns the addresses of a host, the best one first. The network is "ip4" or
	// "ip6", and addresses of the other family do not count.
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// portResolver is a Resolver that knows services.
type portResolver interface {
	LookupPort(ctx context.Context, network, service string) (port int, err error)
}

// errNoAddress is what remains to be said when a name has addresses, but none that fit.
var errNoAddress = &net.AddrError{Err: "no suitable address"}

// errMissingAddress is what package net says of an empty address.
var errMissingAddress = errors.New("missing address")

// loopbacks are the addresses of this host, that of the family to prefer first.
var loopbacks = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}

// literals returns the addresses to dial for a host that is none, or an address itself.
func literals(host string) (ips []netip.Addr, ok bool) {
	if host == "" {
		return loopbacks, true
	}
	ip, err := netip.ParseAddr(host)
	return []netip.Addr{ip}, err == nil
}

// dialable returns those of ips that fit and that keep accepts, in the form that is dialed.
func dialable(m medium, ips []netip.Addr, keep func(netip.Addr) bool) (list []netip.Addr) {
	for _, ip := range ips {
		ip = ip.Unmap()
		// Systems differ in what it means to connect to the unspecified address.
		switch {
		case ip == netip.IPv4Unspecified():
			ip = loopbacks[0]
		case ip == netip.IPv6Unspecified():
			ip = loopbacks[1]
		}
		if ip.IsValid() && m.fits(ip) && keep(ip) {
			list = append(list, ip)
		}
	}
	return list
}

// where returns the address to listen on. An IP that is not valid has a port only, and stands for all
// addresses of both families.
func where(ctx context.Context, m medium, addr string) (dispatch.Addr, error) {
	if m.domain == unixDomain {
		return dispatch.Addr{Unix: addr}, nil
	}
	host, port, err := split(ctx, m, net.DefaultResolver, addr)
	if err != nil {
		return dispatch.Addr{}, err
	}
	best := netip.Addr{}
	switch {
	case host != "":
		best, err = lookupLocal(ctx, m, host)
	case m.domain == ipv4:
		best = netip.IPv4Unspecified()
	case m.domain == ipv6:
		best = netip.IPv6Unspecified()
	}
	return dispatch.Addr{IP: netip.AddrPortFrom(best, port)}, err
}

// lookupLocal returns an address of host to listen on, of IPv4 if there is one.
func lookupLocal(ctx context.Context, m medium, host string) (best netip.Addr, err error) {
	ips, ok := literals(host)
	if !ok {
		network := map[domain]string{anyIP: "ip", ipv4: "ip4", ipv6: "ip6"}[m.domain]
		if ips, err = lookupHost(ctx, net.DefaultResolver, network, host); err != nil {
			return best, err
		}
	}
	for _, ip := range ips {
		if ip = ip.Unmap(); m.fits(ip) && (!best.IsValid() || ip.Is4() && !best.Is4()) {
			best = ip
		}
	}
	if !best.IsValid() {
		return best, &net.AddrError{Err: errNoAddress.Err, Addr: host}
	}
	return best, nil
}

// lookupHost asks a resolver, without stopping the loop.
func lookupHost(ctx context.Context, from Resolver, network, host string) ([]netip.Addr, error) {
	ips, err := core.Blocking(ctx, func(ctx context.Context) ([]netip.Addr, error) {
		return from.LookupNetIP(ctx, network, host)
	})
	return ips, plain(ctx, err)
}

// plain returns the error of ctx for one that a resolver has made of it.
func plain(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return park.Failed(ctx.Err())
	}
	return err
}

// split takes "host:port" apart.
func split(ctx context.Context, m medium, from Resolver, addr string) (host string, port uint16, err error) {
	if addr == "" {
		return "", 0, errMissingAddress
	}
	host, service, err := net.SplitHostPort(addr)
	if err != nil || service == "" {
		return host, 0, err
	}
	n, err := strconv.Atoi(service)
	if err != nil {
		ports, ok := from.(portResolver)
		if !ok {
			ports = net.DefaultResolver
		}
		n, err = core.Blocking(ctx, func(ctx context.Context) (int, error) {
			return ports.LookupPort(ctx, m.protocol(), service)
		})
		err = plain(ctx, err)
	}
	if err == nil && (n < 0 || n > 65535) {
		err = &net.AddrError{Err: "invalid port", Addr: service}
	}
	return host, uint16(n), err
}
