package transport

import (
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// family is the kind of addresses that a network has.
type family uint8

const (
	tcpFamily family = iota
	udpFamily
	unixFamily
)

// familyOf returns the family of a network whose name is valid, or empty: that of a zero value.
func familyOf(network string) family {
	if network == "" {
		return tcpFamily
	}
	switch network[0] {
	case 'u':
		if network[1] == 'd' {
			return udpFamily
		}
		return unixFamily
	}
	return tcpFamily
}

// netAddr returns a as an address of network in the types of package net, nil if it is none.
func netAddr(network string, a *poll.SockAddr) net.Addr {
	if ap, ok := a.IP(); ok {
		return netAddrIP(network, ap)
	}
	if name, ok := a.Unix(); ok {
		return &net.UnixAddr{Name: name, Net: network}
	}
	return nil
}

func netAddrIP(network string, ap netip.AddrPort) net.Addr {
	ap = named(ap)
	if familyOf(network) == udpFamily {
		return net.UDPAddrFromAddrPort(ap)
	}
	return net.TCPAddrFromAddrPort(ap)
}

// named returns ap with the name of a zone in place of its number, as package net has it, and an
// IPv4 address in its short form.
func named(ap netip.AddrPort) netip.AddrPort {
	ip := ap.Addr().Unmap()
	if zone := ip.Zone(); zone != "" {
		if n, err := strconv.Atoi(zone); err == nil {
			if i, err := net.InterfaceByIndex(n); err == nil {
				ip = ip.WithZone(i.Name)
			}
		}
	}
	return netip.AddrPortFrom(ip, ap.Port())
}

// unmapped returns ap with an IPv4 address in its short form.
func unmapped(ap netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// ends are the addresses of the two ends of a connection. Those of IP are kept as values, and made
// into those of package net when somebody asks for them: a connection that is idle has little else.
type ends struct {
	local, remote netip.AddrPort // invalid: none, or not of IP
	shown         atomic.Pointer[shownEnds]
}

type shownEnds struct{ local, remote net.Addr }

// learn takes the addresses over. It is called once, before anybody asks.
func (e *ends) learn(network string, local, remote *poll.SockAddr) {
	var ok1, ok2 bool
	e.local, ok1 = local.IP()
	e.remote, ok2 = remote.IP()
	if !ok1 && !ok2 {
		e.shown.Store(&shownEnds{netAddr(network, local), netAddr(network, remote)})
	}
}

// show returns the addresses as package net has them: the same ones each time.
func (e *ends) show(network string) *shownEnds {
	if s := e.shown.Load(); s != nil {
		return s
	}
	s := new(shownEnds)
	if e.local.IsValid() {
		s.local = netAddrIP(network, e.local)
	}
	if e.remote.IsValid() {
		s.remote = netAddrIP(network, e.remote)
	}
	if !e.shown.CompareAndSwap(nil, s) {
		s = e.shown.Load()
	}
	return s
}
