package transport

import (
	"net"
	"net/netip"
	"strings"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// domain is a family of addresses.
type domain uint8

const (
	anyIP domain = iota // of both families
	ipv4
	ipv6
	unixDomain
)

// kind is what a socket moves.
type kind uint8

const (
	streams   kind = iota // of bytes
	datagrams             // messages to anybody
	packets               // messages over a connection
)

// medium is what the name of a network stands for.
type medium struct {
	name   string // as given
	domain domain
	kind   kind
}

// mediumOf returns the medium of a network.
func mediumOf(network string) (medium, error) {
	m := medium{name: network}
	switch network {
	case "unix", "unixgram", "unixpacket":
		m.domain = unixDomain
	case "tcp4", "udp4":
		m.domain = ipv4
	case "tcp6", "udp6":
		m.domain = ipv6
	case "tcp", "udp":
	default:
		return m, net.UnknownNetworkError(network)
	}
	switch network[:3] {
	case "udp":
		m.kind = datagrams
	case "uni":
		m.kind = map[string]kind{"unixgram": datagrams, "unixpacket": packets}[network]
	}
	return m, nil
}

// protocol is the network without a family.
func (m medium) protocol() string { return strings.TrimRight(m.name, "46") }

// isTCP reports whether the sockets are those of TCP.
func (m medium) isTCP() bool { return m.kind == streams && m.domain != unixDomain }

// fits reports whether ip is of a family that m has.
func (m medium) fits(ip netip.Addr) bool {
	return m.domain == anyIP || m.domain == domainOf(ip)
}

// of returns m with the family of a, and so as the hooks of package net see it.
func (m medium) of(a dispatch.Addr) medium {
	if m.domain == anyIP {
		m.domain = domainOf(a.IP.Addr())
		m.name += map[domain]string{ipv4: "4", ipv6: "6"}[m.domain]
	}
	return m
}

// everywhere returns the address that stands for all of the family.
func (m medium) everywhere() netip.Addr {
	if m.domain == ipv4 {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// netAddr returns a in the types of package net.
func (m medium) netAddr(a dispatch.Addr) net.Addr {
	switch {
	case m.domain == unixDomain:
		return &net.UnixAddr{Name: a.Unix, Net: m.name}
	case m.kind == datagrams:
		return net.UDPAddrFromAddrPort(a.IP)
	}
	return net.TCPAddrFromAddrPort(a.IP)
}

// unresolved returns addr as an address, for errors; nil for none.
func unresolved(network, addr string) net.Addr {
	if addr == "" {
		return nil
	}
	return address{network, addr}
}

// address is an address that has not been resolved.
type address struct{ network, text string }

func (a address) Network() string { return a.network }
func (a address) String() string  { return a.text }

// local returns an address in the types of package net as one of m.
func (m medium) local(a net.Addr) (dispatch.Addr, error) {
	switch a := a.(type) {
	case *net.TCPAddr:
		if a != nil && m.isTCP() {
			return dispatch.Addr{IP: unmapped(a.AddrPort())}, nil
		}
	case *net.UDPAddr:
		if a != nil && m.domain != unixDomain && m.kind == datagrams {
			return dispatch.Addr{IP: unmapped(a.AddrPort())}, nil
		}
	case *net.UnixAddr:
		if a != nil && m.domain == unixDomain {
			return dispatch.Addr{Unix: a.Name}, nil
		}
	}
	return dispatch.Addr{}, &net.AddrError{Err: "local address is none of network " + m.name, Addr: a.String()}
}

func domainOf(ip netip.Addr) domain {
	switch {
	case ip.Is4():
		return ipv4
	case ip.IsValid():
		return ipv6
	}
	return anyIP
}

// setAddr makes s the address a.
func setAddr(s *poll.SockAddr, a dispatch.Addr) error {
	if a.IP.IsValid() {
		return s.SetIP(a.IP)
	}
	return s.SetUnix(a.Unix)
}
