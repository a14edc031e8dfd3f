//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris

package transport

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// sysSocket makes a socket, non-blocking and not inherited, with its options.
func sysSocket(p plan) (int, error) {
	family := map[domain]int{ipv4: unix.AF_INET, ipv6: unix.AF_INET6, unixDomain: unix.AF_UNIX}[p.domain]
	typ := map[kind]int{streams: unix.SOCK_STREAM, datagrams: unix.SOCK_DGRAM, packets: unix.SOCK_SEQPACKET}[p.kind]
	fd, err := sysRawSocket(family, typ, 0)
	if err != nil {
		return -1, err
	}
	if err := setUp(fd, p); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// setUp sets the options of a new socket.
func setUp(fd int, p plan) error {
	switch {
	case p.isTCP():
		if p.bound {
			p.reuseAddr = true
		}
		if !p.bound || inheritsOptions {
			if err := setOptions(fd, p.keepAlive); err != nil {
				return err
			}
		}
	case p.kind == datagrams && p.domain == ipv4: // as package net has it
		if err := setInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1); err != nil {
			return err
		}
	}
	if p.bound && p.domain == ipv6 {
		if err := setInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, toInt(!p.dual)); err != nil {
			return err
		}
	}
	if p.reuseAddr {
		if err := setInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return err
		}
	}
	if !p.reusePort {
		return nil
	}
	if sharePort == 0 || p.domain == unixDomain {
		return errors.ErrUnsupported
	}
	return setInt(fd, unix.SOL_SOCKET, sharePort, 1)
}

// setOptions gives a connection of TCP the options that those of package net have.
func setOptions(fd int, keepAlive net.KeepAliveConfig) error {
	if err := sysSetNoDelay(fd, true); err != nil {
		return err
	}
	return sysSetKeepAlive(fd, probing(keepAlive))
}

// sysBindTo gives a socket its local address.
func sysBindTo(fd int, a dispatch.Addr) error {
	var to poll.SockAddr
	if err := setAddr(&to, a); err != nil {
		return err
	}
	return sysBind(fd, &to)
}

// sysListen makes a socket listen.
func sysListen(fd, backlog int) error { return sysStartListen(fd, min(backlog, maxBacklog)) }

// sysAccepting prepares a TCP socket that listens, for connections to have the usual options.
func sysAccepting(fd int) {
	if inheritsOptions {
		_ = setOptions(fd, net.KeepAliveConfig{})
	}
}

// sysAccepted prepares a TCP connection that has been accepted.
func sysAccepted(fd int, keepAlive net.KeepAliveConfig) {
	if !inheritsOptions {
		// The peer may be gone already, which a read will tell.
		_ = setOptions(fd, keepAlive)
	}
}

// sysTaken reports whether err says that an address, rather than its family, is not to be had.
func sysTaken(err error) bool {
	return isOneOf(err, unix.EADDRINUSE, unix.EACCES, unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM)
}

// sysPassing reports whether a listener goes on after err, which does not say so itself.
func sysPassing(err error) bool {
	return isOneOf(err, unix.ENOBUFS, unix.ENOMEM, unix.ENOSPC, unix.EPERM)
}

// sysTry makes the system call of o, and reports false if that would wait.
func sysTry(o *poll.Op) bool { return o.Try() }

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
	return isOneOf(err, unix.ECONNRESET, unix.ECONNABORTED, unix.ETIMEDOUT, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.ENETDOWN)
}

// option is an option of TCP.
type option struct{ name, value int }
