//go:build darwin || netbsd || openbsd || solaris

package transport

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Here no call that makes a socket with its flags is within reach. The lock keeps
// a fork from inheriting it meanwhile.

func socket(family int) (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := unix.Socket(family, unix.SOCK_STREAM, unix.IPPROTO_TCP)
	return prepared(fd, err)
}

func prepared(fd int, err error) (int, error) {
	if err != nil {
		return -1, err
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}
