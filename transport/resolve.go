package transport

import (
	"context"
	"net"
	"net/netip"
	"strconv"

	"github.com/seed-1e54c410/turnstile/core"
)

// resolveDial returns the addresses that addr stands for, in the order in which they are
// tried.
func resolveDial(ctx context.Context, network, addr string) ([]netip.AddrPort, error) {
	host, port, err := split(ctx, addr)
	if err != nil {
		return nil, err
	}
	ips := []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	if host != "" {
		if ips, err = lookup(ctx, network, host); err != nil {
			return nil, err
		}
	}
	var list []netip.AddrPort
	for _, ip := range ips {
		// Systems differ in what it means to connect to the unspecified address.
		switch {
		case ip == netip.IPv4Unspecified():
			ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		case ip == netip.IPv6Unspecified():
			ip = netip.IPv6Loopback()
		}
		if fits(network, ip) {
			list = append(list, netip.AddrPortFrom(ip, port))
		}
	}
	if len(list) == 0 {
		return nil, &net.AddrError{Err: "no suitable address", Addr: host}
	}
	return list, nil
}

// resolveListen returns the address to listen on. Only its port is
// valid where that means all addresses of both families.
func resolveListen(ctx context.Context, network, addr string) (netip.AddrPort, error) {
	host, port, err := split(ctx, addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if host == "" {
		var all netip.Addr
		switch network {
		case "tcp4":
			all = netip.IPv4Unspecified()
		case "tcp6":
			all = netip.IPv6Unspecified()
		}
		return netip.AddrPortFrom(all, port), nil
	}
	ips, err := lookup(ctx, network, host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	var best netip.Addr
	for _, ip := range ips {
		if fits(network, ip) && (!best.IsValid() || ip.Is4() && !best.Is4()) {
			best = ip
		}
	}
	if !best.IsValid() {
		return netip.AddrPort{}, &net.AddrError{Err: "no suitable address", Addr: host}
	}
	return netip.AddrPortFrom(best, port), nil
}

// split takes "host:port" apart.
func split(ctx context.Context, addr string) (host string, port uint16, err error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil || service == "" {
		return host, 0, err
	}
	n, err := strconv.Atoi(service)
	if err != nil {
		n, err = core.Blocking(ctx, func(ctx context.Context) (int, error) {
			return net.DefaultResolver.LookupPort(ctx, "tcp", service)
		})
	}
	if err == nil && (n < 0 || n > 65535) {
		err = &net.AddrError{Err: "invalid port", Addr: service}
	}
	return host, uint16(n), err
}

// lookup returns the addresses of host, without asking anybody if it is one itself.
func lookup(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip.Unmap()}, nil
	}
	return core.Blocking(ctx, func(ctx context.Context) ([]netip.Addr, error) {
		family := "ip" + network[len("tcp"):]
		ips, err := net.DefaultResolver.LookupNetIP(ctx, family, host)
		for i, ip := range ips {
			ips[i] = ip.Unmap()
		}
		return ips, err
	})
}

// fits reports whether ip is of the family that network names.
func fits(network string, ip netip.Addr) bool {
	switch network {
	case "tcp4":
		return ip.Is4()
	case "tcp6":
		return !ip.Is4()
	}
	return true
}
