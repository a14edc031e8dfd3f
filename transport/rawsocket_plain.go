//go:build darwin || netbsd || openbsd || solaris

package transport

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// rawSocket makes a socket. No call that makes one with its flags is within reach here; the lock
// keeps a fork from inheriting it meanwhile.
func rawSocket(domain, typ, protocol int) (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := unix.Socket(domain, typ, protocol)
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
