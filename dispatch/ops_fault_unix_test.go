//go:build unix

package dispatch_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// TestOpsRefused: a Connect that is refused says so, also when an operation of the other direction
// waits that could take its error away.
func TestOpsRefused(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		for _, receiving := range []bool{false, true} {
			n, d := newNetwork(t), open(t, cfg)
			l := n.listenTCP()
			to := n.address(l)
			n.close(l)
			c := n.tcp()
			register(t, d, c)
			connect, recv, send := newOp(d), newOp(d), newOp(d)
			must(t, connect.Connect(c, to))
			if receiving {
				must(t, recv.Recv(c, make([]byte, 1)))
			}
			must(t, send.Send(c, []byte("x")))
			connect.done(t, d, 1)
			if !errors.Is(connect.err, unix.ECONNREFUSED) {
				t.Errorf("%v, want ECONNREFUSED", connect.err)
			}
			var sys *os.SyscallError
			if !errors.As(connect.err, &sys) || sys.Syscall != "connect" {
				t.Errorf("%v is not of connect", connect.err)
			}
			send.done(t, d, 1)
			if send.err == nil || send.n != 0 {
				t.Errorf("sent %d, %v", send.n, send.err)
			}
			if receiving {
				recv.done(t, d, 1)
				if recv.n != 0 {
					t.Errorf("received %d, %v", recv.n, recv.err)
				}
			}
		}
	})
}

// TestOpsConnectRobbed: a Connect whose error another call has taken away ends even so.
func TestOpsConnectRobbed(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.pair()
		register(t, d, a, b) // opens the poller
		l := n.listenTCP()
		to := n.address(l)
		n.close(l)
		c := n.tcp()
		register(t, d, c)
		connect := newOp(d)
		must(t, connect.Connect(c, to)) // on the loopback device it has failed by now
		_, err := unix.GetsockoptInt(int(c), unix.SOL_SOCKET, unix.SO_ERROR)
		must(t, err)
		connect.done(t, d, 1)
		if connect.err == nil {
			t.Error("connected to nobody")
		}
	})
}

// TestOpsReset: a connection that its peer resets ends what waits in both directions.
func TestOpsReset(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.pair()
		register(t, d, a)
		send, next, recv := newOp(d), newOp(d), newOp(d)
		const size = 8 << 20
		must(t, send.Send(a, make([]byte, size)))
		must(t, next.Send(a, []byte("x")))
		must(t, recv.Recv(a, make([]byte, 10)))
		settle(t, d)
		got, _ := n.sysRecv(b, make([]byte, 1000))
		n.reset(b)
		for _, o := range []*operation{send, next, recv} {
			o.done(t, d, 1)
		}
		if !isReset(send.err) || send.n < got || send.n >= size {
			t.Errorf("sent %d, %v; %d had arrived", send.n, send.err, got)
		}
		if !isReset(next.err) || next.n != 0 {
			t.Errorf("the next one sent %d, %v", next.n, next.err)
		}
		if recv.n != 0 || recv.err != nil && !isReset(recv.err) {
			t.Errorf("received %d, %v", recv.n, recv.err)
		}
	})
}

// TestOpsNoDescriptors: an Accept with no descriptor to spare fails, and the connection waits for one that
// has. It runs in a process of its own.
func TestOpsNoDescriptors(t *testing.T) {
	const name = "TURNSTILE_TEST_NO_DESCRIPTORS"
	if os.Getenv(name) == "" {
		cmd := check.Self(t.Context(), "-test.run=^TestOpsNoDescriptors$", "-test.v")
		cmd.Env = append(os.Environ(), name+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestOpsNoDescriptors") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		for _, waiting := range []bool{false, true} {
			n, d := newNetwork(t), open(t, cfg)
			l, c := n.listenTCP(), n.tcp()
			register(t, d, l, c)
			accept, next, connect := newOp(d), newOp(d), newOp(d)
			if waiting {
				must(t, accept.Accept(l))
				must(t, next.Accept(l))
				settle(t, d)
			}
			var was unix.Rlimit
			must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &was))
			low := was
			low.Cur = 3 // no more than are open
			must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &low))
			must(t, connect.Connect(c, n.address(l)))
			connect.done(t, d, 1)
			if !waiting {
				must(t, accept.Accept(l))
				must(t, next.Accept(l))
			}
			accept.done(t, d, 1)
			next.done(t, d, 1)
			must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &was))
			for _, o := range []*operation{accept, next} {
				if !errors.Is(o.err, unix.EMFILE) || int(o.Accepted()) != -1 {
					t.Errorf("accepted %d, %v; want EMFILE", o.Accepted(), o.err)
				}
			}
			must(t, accept.Accept(l))
			accept.done(t, d, 2)
			accept.want(t, 2, 0, nil)
			if got := accept.Peer(); got != n.address(c) {
				t.Errorf("accepted %v, want %v", got, n.address(c))
			}
			n.own(accept.Accepted())
		}
	})
}

// TestOpsClosedBehind: a descriptor that was closed without telling the dispatcher leaves nothing that
// hangs once CloseFD or Unregister is called.
func TestOpsClosedBehind(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		for _, unregister := range []bool{false, true} {
			n, d := newNetwork(t), open(t, cfg)
			_, b := n.pair()
			register(t, d, b)
			recv, send, late := newOp(d), newOp(d), newOp(d)
			must(t, recv.Recv(b, make([]byte, 10)))
			must(t, send.Send(b, make([]byte, 8<<20)))
			settle(t, d)
			n.close(b)
			settle(t, d)
			late.Recv(b, make([]byte, 10)) // may fail, wait or end
			settle(t, d)
			want := dispatch.ErrFDClosed
			if unregister {
				must(t, d.Unregister(b))
				want = dispatch.ErrNotRegistered
			} else if err := d.CloseFD(b); !errors.Is(err, unix.EBADF) {
				t.Errorf("CloseFD = %v", err)
			}
			settle(t, d)
			for i, o := range []*operation{recv, send} {
				if o.runs != 1 || o.err != want && !errors.Is(o.err, unix.EBADF) && !errors.Is(o.err, unix.ENOENT) {
					t.Errorf("%d: %d runs, %v", i, o.runs, o.err)
				}
			}
			if got := d.Pending(); got != 0 {
				t.Errorf("%d pending", got)
			}
		}
	})
}

// TestOpsPanic: a callback that panics leaves a dispatcher, and an Op, that work.
func TestOpsPanic(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.pair()
		register(t, d, b)
		o, next := newOp(d), newOp(d)
		buf := make([]byte, 1)
		must(t, o.Recv(b, buf))
		must(t, next.Recv(b, buf))
		o.then = func() { panic("oops") }
		n.sysSend(a, []byte("ab"))
		p := panicOf(func() { o.done(t, d, 1) })
		if p != "oops" {
			t.Errorf("Poll panicked with %v", p)
		}
		next.done(t, d, 1)
		next.want(t, 1, 1, nil)
		o.then = nil
		must(t, o.Recv(b, buf))
		n.sysSend(a, []byte("c"))
		o.done(t, d, 2)
		o.want(t, 2, 1, nil)
	})
}

// TestOpsPassedDescriptor: on a Unix socket a receive ends at a message that descriptors were sent along
// with; what is behind it is received by the next one.
func TestOpsPassedDescriptor(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		s, d := sockets(t), open(t, cfg)
		register(t, d, s.r)
		recv := newOp(d)
		var got []byte
		buf := make([]byte, 100)
		for i := range 4 {
			text := fmt.Sprintf("with%d", i)
			must(t, unix.Sendmsg(int(s.w), []byte(text), unix.UnixRights(int(s.w)), nil, 0))
			write(t, s.w)
			for want := len(text) + 1; want > 0; {
				must(t, recv.Recv(s.r, buf))
				recv.done(t, d, recv.runs+1)
				must(t, recv.err)
				got = append(got, buf[:recv.n]...)
				want -= recv.n
			}
		}
		if !bytes.Equal(got, []byte("with0\x01with1\x01with2\x01with3\x01")) {
			t.Errorf("received %q", got)
		}
	})
}

// TestOpsUnixFull: the system does not tell when a Unix socket has room for a connection or a message of
// one that is not connected to it, so that those fail; a Send waits.
func TestOpsUnixFull(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		dir := t.TempDir()
		at := &unix.SockaddrUnix{Name: dir + "/d"}
		if len(at.Name) > 90 {
			t.Fatalf("%s is too long", dir)
		}
		to, from := n.socket(unix.AF_UNIX, unix.SOCK_DGRAM), n.socket(unix.AF_UNIX, unix.SOCK_DGRAM)
		n.bind(to, at)
		register(t, d, to, from)
		o := newOp(d)
		for o.err == nil && o.runs < 10_000 {
			must(t, o.SendTo(from, make([]byte, 1000), dispatch.Addr{Unix: at.Name}))
			o.done(t, d, o.runs+1)
		}
		if runtime.GOOS != "linux" {
			return // ENOBUFS, and no queue to wait for
		}
		if !errors.Is(o.err, unix.EAGAIN) {
			t.Errorf("SendTo: %v", o.err)
		}
		connected := n.socket(unix.AF_UNIX, unix.SOCK_DGRAM)
		must(t, unix.Connect(int(connected), at))
		register(t, d, connected)
		send := newOp(d)
		must(t, send.Send(connected, []byte("x")))
		settle(t, d)
		if send.runs != 0 {
			t.Fatalf("sent %d, %v", send.n, send.err)
		}
		for got, ok := 1, true; got > 0 && ok; {
			got, ok = n.sysRecv(to, make([]byte, 1000))
		}
		send.done(t, d, 1)
		send.want(t, 1, 1, nil)

		l := n.socket(unix.AF_UNIX, unix.SOCK_STREAM)
		name := dir + "/l"
		n.bind(l, &unix.SockaddrUnix{Name: name})
		must(t, unix.Listen(int(l), 0))
		connect := newOp(d)
		for connect.err == nil && connect.runs < 100 {
			c := n.socket(unix.AF_UNIX, unix.SOCK_STREAM)
			register(t, d, c)
			must(t, connect.Connect(c, dispatch.Addr{Unix: name}))
			connect.done(t, d, connect.runs+1)
		}
		if !errors.Is(connect.err, unix.EAGAIN) {
			t.Errorf("Connect: %v", connect.err)
		}
	})
}

// TestOpsSignals: signals that interrupt the calls are of no consequence.
func TestOpsSignals(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.pair()
		register(t, d, a, b)
		end := make(chan struct{})
		go func() {
			for i := 0; ; i++ {
				select {
				case <-end:
					return
				default:
					_ = unix.Kill(unix.Getpid(), unix.SIGURG) // the runtime's own; no other effect
					runtime.Gosched()
				}
			}
		}()
		const size = 1 << 20
		send, recv := newOp(d), newOp(d)
		buf := make([]byte, 5000)
		got := 0
		recv.then = func() {
			compare(t, buf[:recv.n], got)
			if got += recv.n; recv.err == nil && recv.n > 0 {
				must(t, recv.Recv(b, buf))
			}
		}
		send.then = func() { n.shutdownWrite(a) }
		must(t, send.Send(a, fill(make([]byte, size), 0)))
		must(t, recv.Recv(b, buf))
		for d.Pending() > 0 {
			_, err := d.Poll(-1)
			must(t, err)
		}
		close(end)
		send.want(t, 1, size, nil)
		if got != size || recv.err != nil {
			t.Errorf("received %d, %v", got, recv.err)
		}
	})
}

// broken is a poller that takes no more descriptors, or cannot be asked for events.
type broken struct {
	poll.Poller
	add, arm error
}

func (b *broken) Add(fd int, tag poll.Tag, interest poll.Mode, trigger poll.Trigger) error {
	if b.add != nil {
		return b.add
	}
	return b.Poller.Add(fd, tag, interest, trigger)
}

func (b *broken) Arm(fd int, mode poll.Mode) error {
	if b.arm != nil {
		return b.arm
	}
	return b.Poller.Arm(fd, mode)
}

// TestOpsPollerFails: an operation that has to wait and cannot ends with the error, and tells
// what it has done.
func TestOpsPollerFails(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.pair()
		register(t, d, a)
		oops := errors.New("no more")
		var real poll.Poller
		d.WrapPoller(func(p poll.Poller) poll.Poller { real = p; return &broken{p, oops, nil} })
		send, recv := newOp(d), newOp(d)
		must(t, send.Send(a, fill(make([]byte, 8<<20), 0)))
		must(t, recv.Recv(a, make([]byte, 1)))
		settle(t, d)
		recv.want(t, 1, 0, oops)
		if send.runs != 1 || send.err != oops || send.n == 0 {
			t.Errorf("%d runs, %d, %v", send.runs, send.n, send.err)
		}
		d.WrapPoller(func(poll.Poller) poll.Poller { return real })
		must(t, d.CloseFD(a))
		n.disown(a)
		got := drain(t, d, n, b)
		compare(t, got, 0)
		if len(got) != send.n {
			t.Errorf("%d bytes arrived, N is %d", len(got), send.n)
		}
	})
}

// TestOpsPollerFailsLater: when the event for one operation has come and the next one cannot wait, it ends
// with the error; and one that is started then is not taken to be waiting for an event.
func TestOpsPollerFailsLater(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.pair()
		register(t, d, b)
		p := new(broken)
		d.WrapPoller(func(real poll.Poller) poll.Poller { p.Poller = real; return p })
		recv, next := newOp(d), newOp(d)
		must(t, recv.Recv(b, make([]byte, 1)))
		must(t, next.Recv(b, make([]byte, 1)))
		settle(t, d)
		p.arm = errors.New("no more")
		n.sysSend(a, []byte("a"))
		recv.done(t, d, 1)
		recv.want(t, 1, 1, nil)
		next.done(t, d, 1)
		next.want(t, 1, 0, p.arm)
		must(t, next.Recv(b, make([]byte, 1)))
		next.done(t, d, 2)
		next.want(t, 2, 0, p.arm)
		p.arm = nil
		must(t, next.Recv(b, make([]byte, 1)))
		n.sysSend(a, []byte("b"))
		next.done(t, d, 3)
		next.want(t, 3, 1, nil)
	})
}
