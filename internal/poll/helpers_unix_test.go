//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris

package poll_test

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// What the conformance suite needs of the system.

// soon is the timeout of a Wait that must have something to report. Only a
// failing test waits for its end.
const soon = 20 * time.Second

const (
	slow          = 1     // by what the numbers of rounds are divided
	numbersReturn = true  // a new descriptor has the lowest free number
	late          = false // what happens to a descriptor may be reported later
)

func setUp() {}

// openFDs counts the open descriptors below 8192.
func openFDs() int {
	n := 0
	for fd := range uintptr(8192) {
		if _, err := unix.FcntlInt(fd, unix.F_GETFD, 0); err == nil {
			n++
		}
	}
	return n
}

// inherited reports whether fd goes to child processes.
func inherited(fd uintptr) bool {
	flags, err := unix.FcntlInt(fd, unix.F_GETFD, 0)
	return err != nil || flags&unix.FD_CLOEXEC == 0
}

func newPipe(tb testing.TB) *pair {
	tb.Helper()
	r, w, err := pipe()
	must(tb, err)
	c := own(tb, [2]int{r, w})
	must(tb, errors.Join(unix.SetNonblock(r, true), unix.SetNonblock(w, true)))
	return c
}

// pipe returns the ends of a pipe, which block.
func pipe() (r, w int, err error) {
	var fds [2]int
	err = unix.Pipe(fds[:])
	return fds[0], fds[1], err
}

func newSockets(tb testing.TB) *pair {
	tb.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	must(tb, err)
	c := own(tb, fds)
	must(tb, errors.Join(unix.SetNonblock(c.r, true), unix.SetNonblock(c.w, true)))
	return c
}

// newTCP is a connection over the loopback device, w on the connecting side.
func newTCP(tb testing.TB) *pair {
	tb.Helper()
	l, addr := listen(tb)
	defer unix.Close(l)
	w, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	must(tb, err)
	must(tb, unix.Connect(w, addr))
	r, _, err := unix.Accept(l)
	must(tb, err)
	c := own(tb, [2]int{r, w})
	must(tb, errors.Join(unix.SetNonblock(r, true), unix.SetNonblock(w, true)))
	return c
}

// listen opens a TCP port of the loopback device.
func listen(tb testing.TB) (int, unix.Sockaddr) {
	tb.Helper()
	l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	must(tb, err)
	must(tb, unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(tb, unix.Listen(l, 1))
	addr, err := unix.Getsockname(l)
	must(tb, err)
	return l, addr
}

func closeFD(fd int) { unix.Close(fd) }

func dup(tb testing.TB, fd int) int {
	tb.Helper()
	fd, err := unix.Dup(fd)
	must(tb, err)
	return fd
}

func read(fd int, p []byte) (int, error) {
	for {
		if n, err := unix.Read(fd, p); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

func write(fd int, p []byte) (int, error) {
	for {
		if n, err := unix.Write(fd, p); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

func wouldBlock(err error) bool { return errors.Is(err, unix.EAGAIN) }

// arrived waits until what was written to fd is at the other end: it is.
func arrived(testing.TB, int) {}

// full reports whether fd, of which a write would have waited, stays so: it does.
func full(testing.TB, int) bool { return true }

// drain reads until EAGAIN or the end and returns the number of bytes.
func drain(tb testing.TB, fd int) int {
	tb.Helper()
	var buf [4096]byte
	for sum := 0; ; {
		n, err := read(fd, buf[:])
		if wouldBlock(err) || err == nil && n == 0 {
			return sum
		}
		must(tb, err)
		sum += n
	}
}

// smallBuffer makes writes to fd wait soon.
func smallBuffer(tb testing.TB, fd int) {
	must(tb, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 4096))
}

// reset closes the writing end of a TCP connection so that the other learns of it as an error.
func (c *pair) reset(tb testing.TB) {
	must(tb, unix.SetsockoptLinger(c.w, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
	c.closeW()
}

var endings = []ended{
	{name: "pipe loses its writer", ready: poll.Read, hup: true, make: func(t *testing.T) (int, func()) {
		c := newPipe(t)
		return c.r, c.closeW
	}},
	{name: "pipe loses its reader", ready: poll.Write, err: true, make: func(t *testing.T) (int, func()) {
		c := newPipe(t)
		fill(t, c.w)
		return c.w, c.closeR
	}},
	{name: "socket half-closed by the peer", ready: poll.Read, hup: true, halfClosed: true, make: func(t *testing.T) (int, func()) {
		c := newTCP(t)
		return c.r, func() { must(t, unix.Shutdown(c.w, unix.SHUT_WR)) }
	}},
	{name: "socket closed by the peer", ready: poll.Read | poll.Write, hup: true, make: func(t *testing.T) (int, func()) {
		c := newSockets(t)
		return c.r, c.closeW
	}},
	{name: "connection reset", ready: poll.Read | poll.Write, hup: true, err: true, make: func(t *testing.T) (int, func()) {
		c := newTCP(t)
		return c.r, func() { c.reset(t) }
	}},
	{name: "connection refused", ready: poll.Read | poll.Write, err: true, hup: true, make: func(t *testing.T) (int, func()) {
		l, addr := listen(t)
		unix.Close(l) // so that nobody listens there
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		must(t, err)
		t.Cleanup(func() { unix.Close(fd) })
		must(t, unix.SetNonblock(fd, true))
		return fd, func() {
			if err := unix.Connect(fd, addr); !errors.Is(err, unix.EINPROGRESS) && !errors.Is(err, unix.ECONNREFUSED) {
				t.Fatal(err)
			}
		}
	}},
}

// unasked is a descriptor, an interest, and what makes an error of it that concerns only the other
// direction.
func unasked(t *testing.T) (fd int, interest poll.Mode, end func()) {
	c := newPipe(t)
	return c.w, poll.Read, c.closeR
}
