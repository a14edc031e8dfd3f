package transport

import (
	"os"

	"golang.org/x/sys/unix"
)

// sysKind returns what fd is.
func sysKind(fd int) (domain, typ, protocol int, err error) {
	for _, o := range []struct {
		name int
		to   *int
	}{{unix.SO_DOMAIN, &domain}, {unix.SO_TYPE, &typ}, {unix.SO_PROTOCOL, &protocol}} {
		if *o.to, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, o.name); err != nil {
			return 0, 0, 0, os.NewSyscallError("getsockopt", err)
		}
	}
	return domain, typ, protocol, nil
}

var reusePort = optionNumber{unix.SOL_SOCKET, unix.SO_REUSEPORT}
