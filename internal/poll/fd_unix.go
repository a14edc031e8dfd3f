//go:build unix

package poll

import (
	"math"

	"golang.org/x/sys/unix"
)

// Valid reports whether fd can be a descriptor. The system looks at the lower half only.
func Valid(fd uintptr) bool { return fd <= math.MaxInt32 }

// Blocks reports whether fd is in blocking mode, in which a system call on it may hold its
// thread.
func Blocks(fd int) bool {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_NONBLOCK == 0
}

// CloseFD closes a descriptor. It has been closed even if an error is returned.
func CloseFD(fd int) error { return unix.Close(fd) }
