//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris

package poll_test

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

func TestCloseFD(t *testing.T) {
	c := newPipe(t)
	fd, err := unix.Dup(c.r)
	must(t, err)
	must(t, poll.CloseFD(fd))
	if err := poll.CloseFD(fd); !errors.Is(err, unix.EBADF) {
		t.Errorf("closing a closed descriptor: %v, want EBADF", err)
	}
}
