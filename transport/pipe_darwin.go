package transport

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// pollsPipes: kqueue does not tell those who read a FIFO here that its last writer has gone.
const pollsPipes = false

func sysPipe() ([2]int, error) {
	syscall.ForkLock.RLock() // keeps a fork from inheriting them before they are marked
	defer syscall.ForkLock.RUnlock()
	var fds [2]int
	if err := unix.Pipe(fds[:]); err != nil {
		return fds, os.NewSyscallError("pipe", err)
	}
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	return fds, nil
}
