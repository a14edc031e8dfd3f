//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris || windows)

package poll

import (
	"errors"
	"fmt"
)

// Try is not for this system, which has no sockets.
func (o *Op) Try() bool {
	o.Err = fmt.Errorf("poll: operation: %w", errors.ErrUnsupported)
	return true
}

// Stream is not for this system either.
func Stream(int) (stream, glued bool, err error) {
	return false, false, fmt.Errorf("poll: type of a socket: %w", errors.ErrUnsupported)
}
