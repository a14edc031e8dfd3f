//go:build darwin || dragonfly || freebsd || netbsd || openbsd || solaris

package transport

import (
	"errors"
	"fmt"
)

// pipeBuf is the least that PIPE_BUF may be (POSIX, limits.h), and what it is on most of these systems.
const pipeBuf = 512

// sysReopen: what is below /dev/fd here is the same description again, if it is there at all.
func sysReopen(int) (int, error) {
	return -1, fmt.Errorf("transport: a new description of a descriptor: %w", errors.ErrUnsupported)
}

// sysTerminal is asked only to reopen it.
func sysTerminal(int) bool { return false }
