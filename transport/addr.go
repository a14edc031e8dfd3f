package transport

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// netAddr returns a as an address of network in the types of package net, nil if it is none.
func netAddr(network string, a *poll.SockAddr) net.Addr {
	if ap, ok := a.IP(); ok {
		ap = named(ap)
		if strings.HasPrefix(network, "udp") {
			return net.UDPAddrFromAddrPort(ap)
		}
		return net.TCPAddrFromAddrPort(ap)
	}
	if name, ok := a.Unix(); ok {
		return &net.UnixAddr{Name: name, Net: network}
	}
	return nil
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
