//go:build darwin || dragonfly || freebsd || netbsd || openbsd || solaris

package transport

import (
	"os"

	"golang.org/x/sys/unix"
)

// sysKind returns what fd is. The domain is that of its address, which a socket that is not bound has, too; the
// protocol is not to be had on all of these systems.
func sysKind(fd int) (domain, typ, protocol int, err error) {
	typ, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return 0, 0, 0, os.NewSyscallError("getsockopt", err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil && err != unix.EAFNOSUPPORT {
		return 0, 0, 0, os.NewSyscallError("getsockname", err)
	}
	switch sa.(type) {
	case *unix.SockaddrInet4:
		domain = unix.AF_INET
	case *unix.SockaddrInet6:
		domain = unix.AF_INET6
	case *unix.SockaddrUnix:
		domain = unix.AF_UNIX
	}
	return domain, typ, 0, nil
}
