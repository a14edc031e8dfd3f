//go:build !unix && !windows

package poll

import (
	"errors"
	"fmt"
)

// CloseFD is not supported here, as there is no poller to register a descriptor with.
func CloseFD(int) error { return fmt.Errorf("poll: close: %w", errors.ErrUnsupported) }
