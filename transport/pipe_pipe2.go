//go:build dragonfly || freebsd || linux || netbsd || openbsd || solaris

package transport

import (
	"os"
	"syscall"
)

// sysPipe makes a pipe, whose ends block and are not inherited.
func sysPipe() ([2]int, error) {
	var fds [2]int
	return fds, os.NewSyscallError("pipe2", syscall.Pipe2(fds[:], syscall.O_CLOEXEC))
}
