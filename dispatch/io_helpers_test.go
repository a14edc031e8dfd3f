//go:build unix

package dispatch_test

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// ends are the two ends of a pipe or of a pair of sockets, non-blocking. They are closed
// at the end of the test, but for those that the test has closed.
type ends struct {
	r, w dispatch.FD
	open map[dispatch.FD]bool
}

func pipe(tb testing.TB) ends {
	tb.Helper()
	var p [2]int
	must(tb, unix.Pipe(p[:]))
	return own(tb, p)
}

func sockets(tb testing.TB) ends {
	tb.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	must(tb, err)
	return own(tb, p)
}

func own(tb testing.TB, p [2]int) ends {
	tb.Helper()
	e := ends{dispatch.FD(p[0]), dispatch.FD(p[1]), map[dispatch.FD]bool{}}
	tb.Cleanup(func() {
		for fd := range e.open {
			e.close(tb, fd)
		}
	})
	for _, fd := range p {
		e.open[dispatch.FD(fd)] = true
		unix.CloseOnExec(fd)
		must(tb, unix.SetNonblock(fd, true))
	}
	return e
}

// close closes one end.
func (e ends) close(tb testing.TB, fd dispatch.FD) {
	tb.Helper()
	delete(e.open, fd)
	must(tb, unix.Close(int(fd)))
}

// closeFD has the dispatcher close one end.
func (e ends) closeFD(tb testing.TB, d *dispatch.Dispatcher, fd dispatch.FD) {
	tb.Helper()
	delete(e.open, fd)
	must(tb, d.CloseFD(fd))
}

func write(tb testing.TB, fd dispatch.FD) {
	tb.Helper()
	n, err := unix.Write(int(fd), []byte{1})
	if n != 1 || err != nil {
		tb.Fatalf("write: %d, %v", n, err)
	}
}

// read reads up to n bytes and returns how many there were, 0 at the end or if there is
// none.
func read(tb testing.TB, fd dispatch.FD, n int) int {
	tb.Helper()
	got, err := unix.Read(int(fd), make([]byte, n))
	if errors.Is(err, unix.EAGAIN) {
		return 0
	}
	must(tb, err)
	return got
}

// watchNothing makes d wait in its poller: for a pipe that nobody writes to.
func watchNothing(tb testing.TB, d *dispatch.Dispatcher) {
	tb.Helper()
	p := pipe(tb)
	must(tb, d.Register(p.r))
	_, err := d.AddRead(p.r, func(dispatch.FDEvent) bool { return false })
	must(tb, err)
}
