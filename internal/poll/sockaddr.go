package poll

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
)

// SockAddr is room for the address of a socket in the system's form. The zero value is no
// address.
type SockAddr struct {
	n   int32
	_   int32
	raw [sockAddrRoom]byte // family, as the system has it, and what belongs to it
}

// Where IP addresses have their parts, on all systems.
const (
	portAt  = 2
	ip4At   = 4
	ip4Len  = 16
	ip6At   = 8
	scopeAt = 24
	ip6Len  = 28
	pathAt  = 2
	maxUnix = sockAddrRoom - pathAt
)

// SetIP makes a the address ap. It fails if ap has a zone that is no interface of this machine.
func (a *SockAddr) SetIP(ap netip.AddrPort) error {
	ip := ap.Addr()
	*a = SockAddr{}
	if !ip.IsValid() {
		return fmt.Errorf("invalid address %v: %w", ap, syscall.EINVAL)
	}
	if ip.Is4() {
		a.setFamily(syscall.AF_INET, ip4Len)
		*(*[4]byte)(a.raw[ip4At:]) = ip.As4()
	} else {
		var scope uint32
		if zone := ip.Zone(); zone != "" {
			n, err := strconv.ParseUint(zone, 10, 32)
			if err != nil {
				ifi, err := net.InterfaceByName(zone)
				if err != nil {
					return fmt.Errorf("zone %q: %w", zone, err)
				}
				n = uint64(ifi.Index)
			}
			scope = uint32(n)
		}
		a.setFamily(syscall.AF_INET6, ip6Len)
		*(*[16]byte)(a.raw[ip6At:]) = ip.As16()
		binary.NativeEndian.PutUint32(a.raw[scopeAt:], scope)
	}
	binary.BigEndian.PutUint16(a.raw[portAt:], ap.Port())
	return nil
}

// SetUnix makes a the address of a Unix socket. A name that begins with @ is abstract, which only
// Linux knows. It fails if name is too long, or if the system would see less of it than there is.
func (a *SockAddr) SetUnix(name string) error {
	*a = SockAddr{}
	if len(name) >= maxUnix { // the last byte is 0
		return fmt.Errorf("name %q is too long for a Unix socket: %w", name, syscall.EINVAL)
	}
	abstract := strings.HasPrefix(name, "@")
	if !abstract && strings.Contains(name, "\x00") {
		return fmt.Errorf("name %q of a Unix socket has a 0 in it: %w", name, syscall.EINVAL)
	}
	n := pathAt + copy(a.raw[pathAt:], name)
	if abstract {
		a.raw[pathAt] = 0
	} else if name != "" {
		n++
	}
	a.setFamily(syscall.AF_UNIX, n)
	return nil
}

// IP returns the address of an IP socket; ok is false if it is none. An IPv6 zone is
// given as the number of the interface.
func (a *SockAddr) IP() (ap netip.AddrPort, ok bool) {
	port := binary.BigEndian.Uint16(a.raw[portAt:])
	switch {
	case a.family() == syscall.AF_INET && a.n >= ip4Len:
		return netip.AddrPortFrom(netip.AddrFrom4(*(*[4]byte)(a.raw[ip4At:])), port), true
	case a.family() == syscall.AF_INET6 && a.n >= ip6Len:
		ip := netip.AddrFrom16(*(*[16]byte)(a.raw[ip6At:]))
		if scope := binary.NativeEndian.Uint32(a.raw[scopeAt:]); scope != 0 {
			ip = ip.WithZone(strconv.FormatUint(uint64(scope), 10))
		}
		return netip.AddrPortFrom(ip, port), true
	}
	return netip.AddrPort{}, false
}

// Unix returns the name of a Unix socket, "" if it has none; ok is false if it is no such
// socket. An abstract name of zeros only counts as none, since some systems say none so.
func (a *SockAddr) Unix() (name string, ok bool) {
	if a.family() != syscall.AF_UNIX || a.n < pathAt {
		return "", false
	}
	path := a.raw[pathAt:a.n]
	switch end := bytes.IndexByte(path, 0); {
	case end < 0:
		return string(path), true
	case end > 0 || len(bytes.Trim(path, "\x00")) == 0:
		return string(path[:end]), true
	}
	return "@" + string(path[1:]), true
}
