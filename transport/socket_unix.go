//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris

package transport

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// backlog is how many connections may wait to be accepted. Every system takes its own
// limit (somaxconn) for a larger number; one of more than 16 bits some of them cut off.
const backlog = 1<<16 - 1

// sysListen listens on where; on all addresses, of both families if there are both, if
// that is not valid.
func sysListen(where netip.AddrPort) (int, error) {
	if where.Addr().IsValid() {
		return listenOn(where, true)
	}
	fd, err := listenOn(netip.AddrPortFrom(netip.IPv6Unspecified(), where.Port()), false)
	if err != nil && !errors.Is(err, unix.EADDRINUSE) && !errors.Is(err, unix.EACCES) {
		// There is no IPv6, or it cannot serve both families.
		return listenOn(netip.AddrPortFrom(netip.IPv4Unspecified(), where.Port()), true)
	}
	return fd, err
}

func listenOn(where netip.AddrPort, v6only bool) (int, error) {
	fd, sa, err := newSocket(where)
	if err != nil {
		return -1, err
	}
	err = func() error {
		if where.Addr().Is6() {
			only := 0
			if v6only {
				only = 1
			}
			if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only); err != nil {
				return os.NewSyscallError("setsockopt", err)
			}
		}
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
		if inheritsOptions {
			if err := setOptions(fd); err != nil {
				return err
			}
		}
		if err := unix.Bind(fd, sa); err != nil {
			return os.NewSyscallError("bind", err)
		}
		return os.NewSyscallError("listen", unix.Listen(fd, backlog))
	}()
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// sysSocket makes a socket for a connection to an address.
func sysSocket(to netip.AddrPort) (int, error) {
	fd, _, err := newSocket(to)
	if err != nil {
		return -1, err
	}
	if err := setOptions(fd); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// sysTry makes the system call of o, and reports false if that would wait.
func sysTry(o *poll.Op) bool { return o.Try() }

// sysAccepted prepares a TCP connection that has been accepted.
func sysAccepted(fd int) {
	if !inheritsOptions {
		// The peer may be gone already, which a read will tell.
		_ = setOptions(fd)
	}
}

// setOptions gives a connection the options that those of package net have.
func setOptions(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	for _, o := range keepAlive {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, o.name, o.value); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return nil
}

// newSocket makes a socket for an address, which it returns in the system's form.
func newSocket(ap netip.AddrPort) (int, unix.Sockaddr, error) {
	var sa unix.Sockaddr
	family := unix.AF_INET
	if ip := ap.Addr(); ip.Is4() {
		sa = &unix.SockaddrInet4{Port: int(ap.Port()), Addr: ip.As4()}
	} else {
		zone, err := zoneID(ip.Zone())
		if err != nil {
			return -1, nil, err
		}
		family = unix.AF_INET6
		sa = &unix.SockaddrInet6{Port: int(ap.Port()), Addr: ip.As16(), ZoneId: zone}
	}
	fd, err := socket(family)
	return fd, sa, os.NewSyscallError("socket", err)
}

// zoneID returns the number of a network interface.
func zoneID(zone string) (uint32, error) {
	if zone == "" {
		return 0, nil
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n), nil
	}
	i, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, err
	}
	return uint32(i.Index), nil
}

// sysLocalAddr returns the local address, nil if there is none any more.
func sysLocalAddr(network string, fd int) net.Addr {
	a, _ := poll.LocalAddr(fd)
	return netAddr(network, &a)
}

// sysPeerAddr returns the address of the peer, nil if it is gone.
func sysPeerAddr(network string, fd int) net.Addr {
	a, _ := poll.PeerAddr(fd)
	return netAddr(network, &a)
}

func sysShutdown(fd int, write bool) error {
	how := unix.SHUT_RD
	if write {
		how = unix.SHUT_WR
	}
	return os.NewSyscallError("shutdown", unix.Shutdown(fd, how))
}

// sysClose closes a descriptor, which is closed even if there is an error.
func sysClose(fd int) error { return os.NewSyscallError("close", unix.Close(fd)) }

// sysLost reports whether the error of a write says that the connection is broken for both
// directions. EPIPE does not: the peer may have ended it in good order.
func sysLost(err error) bool {
	for _, e := range []unix.Errno{
		unix.ECONNRESET, unix.ECONNABORTED, unix.ETIMEDOUT, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.ENETDOWN,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// option is an option of TCP.
type option struct{ name, value int }
