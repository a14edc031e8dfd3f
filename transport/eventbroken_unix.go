//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris

package transport

import (
	"os"

	"golang.org/x/sys/unix"
)

// sysBroken returns the error of a connection that is broken, where nobody has been told: it takes it away
// (SO_ERROR, socket(7)).
func sysBroken(fd int) error {
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	return nil
}
