//go:build darwin || netbsd || openbsd || solaris

package poll

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// acceptPrepared accepts a connection that is non-blocking and not inherited. No call that does
// both is within reach here; the lock keeps a fork from inheriting it meanwhile.
func acceptPrepared(listener int) (int, unix.Sockaddr, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, sa, err := unix.Accept(listener)
	if err != nil {
		return -1, nil, err
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return -1, nil, err
	}
	return fd, sa, nil
}
