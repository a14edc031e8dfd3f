//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris

package poll_test

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// socket makes a socket that is closed at the end of the test.
func socket(tb testing.TB, family, kind int) int {
	tb.Helper()
	fd, err := unix.Socket(family, kind, 0)
	must(tb, err)
	tb.Cleanup(func() { unix.Close(fd) })
	must(tb, unix.SetNonblock(fd, true))
	return fd
}

func TestStream(t *testing.T) {
	for _, test := range []struct {
		name          string
		fd            int
		stream, glued bool
		err           error
	}{
		{"TCP", socket(t, unix.AF_INET, unix.SOCK_STREAM), true, true, nil},
		{"TCP, connected", newTCP(t).r, true, true, nil},
		{"Unix", socket(t, unix.AF_UNIX, unix.SOCK_STREAM), true, false, nil},
		{"Unix, connected", newSockets(t).r, true, false, nil},
		{"UDP", socket(t, unix.AF_INET, unix.SOCK_DGRAM), false, false, nil},
		{"pipe", newPipe(t).r, false, false, unix.ENOTSOCK},
		{"none", -1, false, false, unix.EBADF},
	} {
		stream, glued, err := poll.Stream(test.fd)
		if stream != test.stream || glued != test.glued || !errors.Is(err, test.err) {
			t.Errorf("%s: %v, %v, %v; want %v, %v, %v", test.name, stream, glued, err, test.stream, test.glued, test.err)
		}
	}
}

// TestPassOver: an accept passes over connections that have ended, but not for ever, and returns what
// tells of something else.
func TestPassOver(t *testing.T) {
	for _, want := range []error{nil, unix.EAGAIN, unix.EMFILE, unix.EINTR} {
		calls := 0
		err := poll.PassOver(func() error {
			if calls++; calls <= 3 {
				return unix.ECONNABORTED
			}
			return want
		})
		if err != want || calls != 4 {
			t.Errorf("%v after %d calls, want %v after 4", err, calls, want)
		}
	}
	calls := 0
	err := poll.PassOver(func() error {
		if calls++; calls > 1e4 {
			return nil // as many connections do not end in a row
		}
		return unix.ECONNABORTED
	})
	if err != unix.ECONNABORTED {
		t.Errorf("%v after %d calls", err, calls)
	}
}

// TestTry: a call that would wait has done nothing; an error names the call.
func TestTry(t *testing.T) {
	c := newTCP(t)
	try := func(o *poll.Op) bool {
		kind, fd, buf := o.Kind, o.FD, o.Buf
		o.Reset()
		o.Kind, o.FD, o.Buf = kind, fd, buf
		return o.Try()
	}
	recv := &poll.Op{Kind: poll.OpRecv, FD: c.r, Buf: make([]byte, 10)}
	from := &poll.Op{Kind: poll.OpRecvFrom, FD: c.r, Buf: make([]byte, 2)}
	for _, o := range []*poll.Op{recv, from} {
		if try(o) {
			t.Errorf("received %d, %v from nobody", o.N, o.Err)
		}
	}
	send := &poll.Op{Kind: poll.OpSend, FD: c.w, Buf: []byte("hello")}
	if !try(send) || send.N != 5 || send.Err != nil {
		t.Errorf("sent %d, %v", send.N, send.Err)
	}
	waitReadable(t, c.r)
	// What does not fit stays in the stream, also where an address is asked for.
	if !try(from) || from.N != 2 || from.Err != nil || string(from.Buf) != "he" {
		t.Errorf("received %d, %v: %q", from.N, from.Err, from.Buf)
	}
	if !try(recv) || recv.N != 3 || recv.Err != nil || string(recv.Buf[:3]) != "llo" {
		t.Errorf("received %d, %v: %q", recv.N, recv.Err, recv.Buf)
	}
	fill(t, c.w)
	if try(send) {
		t.Errorf("sent %d, %v, though there is no room", send.N, send.Err)
	}
	send.FD = socket(t, unix.AF_INET, unix.SOCK_STREAM)
	var sys *os.SyscallError
	if !try(send) || send.N != 0 || !errors.As(send.Err, &sys) || sys.Syscall != "send" {
		t.Errorf("without a connection: %d, %v", send.N, send.Err)
	}
	if o := new(poll.Op); !o.Try() || !errors.Is(o.Err, unix.EINVAL) {
		t.Errorf("no operation: %v", o.Err)
	}
}

// waitReadable waits until fd is readable.
func waitReadable(tb testing.TB, fd int) {
	tb.Helper()
	p, err := poll.Open(poll.Config{})
	must(tb, err)
	defer p.Close()
	must(tb, p.Add(fd, 1, poll.Read, poll.Level))
	waitFor(tb, p, 1, poll.Read)
}
