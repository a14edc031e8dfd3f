package transport

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/windows"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

const abstractNames = false

// sysSocket makes a socket with its options.
//
// One that listens has neither SO_REUSEADDR, by which anybody could take over a port that is in use, nor
// SO_EXCLUSIVEADDRUSE, with which the port could not be had again while connections from it are left; package net
// does as much.
func sysSocket(p plan) (int, error) {
	family := map[domain]int{ipv4: windows.AF_INET, ipv6: windows.AF_INET6, unixDomain: windows.AF_UNIX}[p.domain]
	typ := map[kind]int{streams: windows.SOCK_STREAM, datagrams: windows.SOCK_DGRAM, packets: windows.SOCK_SEQPACKET}[p.kind]
	if p.reusePort {
		return -1, errors.ErrUnsupported
	}
	fd, err := poll.NewSocket(family, typ, 0)
	if err != nil {
		return -1, err
	}
	if err := setUp(fd, p); err != nil {
		_ = sysClose(fd)
		return -1, err
	}
	return fd, nil
}

// setUp sets the options of a new socket.
func setUp(fd int, p plan) error {
	switch {
	case p.isTCP():
		if !p.bound {
			sysAccepted(fd, p.keepAlive)
		}
	case p.kind == datagrams && p.domain == ipv4: // as package net has it
		if err := setInt(fd, windows.SOL_SOCKET, windows.SO_BROADCAST, 1); err != nil {
			return err
		}
	}
	if p.bound && p.domain == ipv6 {
		if err := setInt(fd, windows.IPPROTO_IPV6, windows.IPV6_V6ONLY, toInt(!p.dual)); err != nil {
			return err
		}
	}
	if p.reuseAddr && p.kind == datagrams {
		return setInt(fd, windows.SOL_SOCKET, windows.SO_REUSEADDR, 1)
	}
	return nil
}

// sysBindTo gives a socket its local address.
func sysBindTo(fd int, a dispatch.Addr) error {
	var to poll.SockAddr
	if err := setAddr(&to, a); err != nil {
		return err
	}
	return poll.BindAddr(fd, &to)
}

// sysListen makes a socket listen.
func sysListen(fd, backlog int) error {
	return os.NewSyscallError("listen", windows.Listen(windows.Handle(fd), backlog))
}

// sysTry makes the system call of o, and reports false if that would wait, or is one that only the
// poller can make.
func sysTry(o *poll.Op) bool { return o.Try() }

// sysAccepting does nothing: nothing is inherited from a socket that listens.
func sysAccepting(int) {}

// sysAccepted gives a TCP connection the options that those of package net have. The peer may be gone
// already, which a read will tell, and older systems lack some.
func sysAccepted(fd int, keepAlive net.KeepAliveConfig) {
	_ = sysSetNoDelay(fd, true)
	_ = sysSetKeepAlive(fd, probing(keepAlive))
}

// sysTaken reports whether err says that an address, rather than its family, is not to be had.
func sysTaken(err error) bool {
	return isOneOf(err, windows.WSAEADDRINUSE, windows.WSAEACCES, windows.WSAEMFILE, windows.WSAENOBUFS)
}

// sysPassing reports whether a listener goes on after err, which does not say so itself.
func sysPassing(err error) bool {
	return isOneOf(err, windows.WSAEMFILE, windows.WSAENOBUFS)
}

func sysRead(fd int, p []byte) (int, error) {
	n, err := poll.Recv(fd, p)
	switch {
	case err == nil:
		return n, nil
	case poll.Waits(err):
		return 0, errAgain
	case errors.Is(err, windows.WSAESHUTDOWN):
		return 0, nil // reading was ended here
	}
	return 0, os.NewSyscallError("recv", err)
}

func sysWrite(fd int, p []byte) (int, error) {
	n, err := poll.Send(fd, p)
	switch {
	case err == nil:
		return n, nil
	case poll.Waits(err):
		return 0, errAgain
	}
	return 0, os.NewSyscallError("send", err)
}

// Nothing but sockets has operations here.

func sysReadFile(int, []byte) (int, error)  { return 0, errors.ErrUnsupported }
func sysWriteFile(int, []byte) (int, error) { return 0, errors.ErrUnsupported }

func sysShutdown(fd int, write bool) error {
	how := windows.SHUT_RD
	if write {
		how = windows.SHUT_WR
	}
	return os.NewSyscallError("shutdown", windows.Shutdown(windows.Handle(fd), how))
}

// sysClose closes a socket, which is closed even if there is an error.
func sysClose(fd int) error { return poll.CloseFD(fd) }

// sysLost reports whether the error of a write says that the connection is broken for both
// directions.
func sysLost(err error) bool {
	return isOneOf(err,
		windows.WSAECONNRESET, windows.WSAECONNABORTED, windows.WSAENETRESET, windows.WSAETIMEDOUT,
		windows.WSAEHOSTUNREACH, windows.WSAENETUNREACH, windows.WSAENETDOWN)
}
