//go:build darwin || dragonfly || freebsd || netbsd || openbsd || solaris

package poll

import (
	"errors"
	"fmt"
)

func addProcess(Poller, func(int, Tag, Mode, Trigger) error, int, Tag) (Process, error) {
	return nil, fmt.Errorf("poll: the end of a process: %w", errors.ErrUnsupported)
}
