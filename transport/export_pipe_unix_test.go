//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris

package transport

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// SlowPipe returns a pipe whose descriptors block, and stay out of the poller.
func SlowPipe(ctx context.Context) (r, w *Pipe, err error) {
	d, err := home(ctx)
	if err != nil {
		return nil, nil, err
	}
	fds, err := sysPipe()
	if err != nil {
		return nil, nil, err
	}
	return slowOf(d, fds[0], unix.O_RDONLY), slowOf(d, fds[1], unix.O_WRONLY), nil
}

func slowOf(d *dispatch.Dispatcher, fd, access int) *Pipe {
	return &Pipe{slow: newSlowFile(d, slowHandle{fd: fd, access: access})}
}

// AttendAside has processes collected as where the dispatcher cannot watch them, until the function is called
// that it returns.
func AttendAside() (end func()) {
	noWatch.Store(true)
	return func() { noWatch.Store(false) }
}

// AtOpen has fn called as atOpen says, until stop.
func AtOpen(fn func(letGo bool)) (stop func()) {
	atOpen = fn
	return func() { atOpen = nil }
}
