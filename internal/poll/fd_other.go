//go:build !unix && !windows

package poll

import (
	"errors"
	"fmt"
)

// CloseFD is not supported here, as there is no poller to register a descriptor with.
func CloseFD(int) error { return fmt.Errorf("poll: close: %w", errors.ErrUnsupported) }

// Valid reports whether fd can be a descriptor.
func Valid(fd uintptr) bool { return fd != ^uintptr(0) }

// Blocks is for systems whose poller tells readiness only.
func Blocks(int) bool { return false }
