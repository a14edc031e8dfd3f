//go:build windows

package poll_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/windows"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// The operations of a completion port.

// socket makes a socket of our own, bound to p.
func socket(tb testing.TB, p poll.Poller, kind int) int {
	tb.Helper()
	s, err := windows.Socket(windows.AF_INET, kind, 0)
	must(tb, err)
	tb.Cleanup(func() { poll.CloseFD(int(s)) })
	must(tb, p.Bind(int(s)))
	return int(s)
}

// named gives fd a port of the loopback device, which it returns.
func named(tb testing.TB, fd int) netip.AddrPort {
	tb.Helper()
	must(tb, windows.Bind(windows.Handle(fd), &windows.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	return nameOf(tb, fd)
}

func nameOf(tb testing.TB, fd int) netip.AddrPort {
	tb.Helper()
	sa, err := windows.Getsockname(windows.Handle(fd))
	must(tb, err)
	sa4 := sa.(*windows.SockaddrInet4)
	return netip.AddrPortFrom(netip.AddrFrom4(sa4.Addr), uint16(sa4.Port))
}

// bound is a pair whose ends do operations.
func bound(tb testing.TB, p poll.Poller) *pair {
	tb.Helper()
	c := newTCP(tb)
	must(tb, p.Bind(c.r))
	must(tb, p.Bind(c.w))
	return c
}

// complete waits for the end of all ops, and fails if anything else is reported.
func complete(tb testing.TB, p poll.Poller, ops ...*poll.Op) {
	tb.Helper()
	events := make([]poll.Event, 4)
	for left := slices.Clone(ops); len(left) > 0; {
		n, err := p.Wait(events, soon)
		must(tb, err)
		if n == 0 {
			tb.Fatalf("%d operations do not end", len(left))
		}
		for _, ev := range events[:n] {
			i := slices.Index(left, ev.Op)
			if i < 0 || ev != (poll.Event{Op: ev.Op}) {
				tb.Fatalf("unexpected %+v", ev)
			}
			left = slices.Delete(left, i, i+1)
		}
	}
}

// send writes one byte, which may be taken by an operation that waits for it.
func send(tb testing.TB, fd int) {
	tb.Helper()
	_, err := write(fd, []byte{1})
	must(tb, err)
}

// do submits op and waits for its end.
func do(tb testing.TB, p poll.Poller, op *poll.Op) {
	tb.Helper()
	must(tb, p.Submit(op))
	complete(tb, p, op)
}

func TestSendRecv(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		c := bound(t, p)
		in := &poll.Op{Kind: poll.OpRecv, FD: c.r, Buf: make([]byte, 16), Owner: t}
		out := &poll.Op{Kind: poll.OpSend, FD: c.w, Buf: []byte("hello"), Owner: p}
		for range 3 {
			must(t, p.Submit(in)) // before there is anything
			quiet(t, p)
			must(t, p.Submit(out))
			complete(t, p, in, out)
			if in.Err != nil || out.Err != nil || out.N != 5 || string(in.Buf[:in.N]) != "hello" || in.Owner != t || out.Owner != p {
				t.Errorf("in %+v, out %+v", in, out)
			}
			clear(in.Buf)
		}
		do(t, p, out) // and after
		do(t, p, in)
		if string(in.Buf[:in.N]) != "hello" {
			t.Errorf("in %+v", in)
		}
		none := &poll.Op{Kind: poll.OpRecv, FD: c.r}
		do(t, p, none)
		if none.Err != nil || none.N != 0 {
			t.Errorf("into no buffer: %+v", none)
		}
		none = &poll.Op{Kind: poll.OpSend, FD: c.w}
		do(t, p, none)
		if none.Err != nil || none.N != 0 {
			t.Errorf("of nothing: %+v", none)
		}
		quiet(t, p)
		must(t, p.Submit(in))
		c.closeW()
		complete(t, p, in)
		if in.Err != nil || in.N != 0 {
			t.Errorf("at the end: %+v", in)
		}
	})
}

func TestOpErrors(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		c := bound(t, p)
		in := &poll.Op{Kind: poll.OpRecv, FD: c.r, Buf: make([]byte, 16)}
		must(t, p.Submit(in))
		if err := p.Submit(in); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("submitted twice: %v", err)
		}
		c.reset(t)
		complete(t, p, in)
		if !errors.Is(in.Err, windows.WSAECONNRESET) || in.N != 0 {
			t.Errorf("reset: %+v", in)
		}
		do(t, p, in) // whatever it says now, it ends
		fd := socket(t, p, windows.SOCK_STREAM)
		// A call that fails at once: that is told by an event all the same.
		not := &poll.Op{Kind: poll.OpRecv, FD: fd, Buf: make([]byte, 1)}
		do(t, p, not)
		if !errors.Is(not.Err, windows.WSAENOTCONN) {
			t.Errorf("not connected: %v", not.Err)
		}
		not = &poll.Op{Kind: poll.OpAccept, FD: fd}
		do(t, p, not)
		if not.Err == nil || not.Accepted != -1 {
			t.Errorf("accept without listen: %+v", not)
		}
		for _, bad := range []*poll.Op{{FD: fd}, {FD: fd, Kind: 99}, {FD: newTCP(t).r, Kind: poll.OpRecv}} {
			if err := p.Submit(bad); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("%+v: %v", bad, err)
			}
			must(t, p.Cancel(bad))
		}
		quiet(t, p)
	})
}

func TestCancel(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		c, l, d := bound(t, p), socket(t, p, windows.SOCK_STREAM), socket(t, p, windows.SOCK_DGRAM)
		named(t, l)
		must(t, windows.Listen(windows.Handle(l), 1))
		named(t, d)
		before := openFDs()
		ops := []*poll.Op{
			{Kind: poll.OpRecv, FD: c.r, Buf: make([]byte, 4)},
			{Kind: poll.OpRecv, FD: c.r, Buf: make([]byte, 4)},
			{Kind: poll.OpAccept, FD: l},
			{Kind: poll.OpRecvFrom, FD: d, Buf: make([]byte, 4), Messages: true},
		}
		for range 3 {
			for _, op := range ops {
				must(t, p.Submit(op))
			}
			for i, op := range ops {
				if i != 1 {
					must(t, p.Cancel(op))
					must(t, p.Cancel(op)) // makes no difference
				}
			}
			complete(t, p, ops[0], ops[2], ops[3])
			quiet(t, p)
			send(t, c.w)
			complete(t, p, ops[1])
			must(t, p.Cancel(ops[1])) // comes late
			if ops[1].Err != nil || ops[1].N != 1 {
				t.Errorf("the one that was not canceled: %+v", ops[1])
			}
			for _, op := range []*poll.Op{ops[0], ops[2], ops[3]} {
				if !errors.Is(op.Err, context.Canceled) || op.N != 0 || op.Accepted != -1 {
					t.Errorf("kind %d: %+v", op.Kind, op)
				}
			}
		}
		if after := openFDs(); after != before {
			t.Errorf("%d handles before, %d after", before, after)
		}
	})
}

// TestCancelLater: a cancel is not lost if the system could not be told at once.
func TestCancelLater(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		c := bound(t, p)
		op := &poll.Op{Kind: poll.OpRecv, FD: c.r, Buf: make([]byte, 4)}
		must(t, p.Submit(op))
		quiet(t, p)
		must(t, p.(interface{ CancelLater(*poll.Op) error }).CancelLater(op))
		complete(t, p, op)
		if !errors.Is(op.Err, context.Canceled) || op.N != 0 {
			t.Errorf("%+v", op)
		}
	})
}

// TestCancelRace cancels from another goroutine while data comes in: one event, with all or
// nothing.
func TestCancelRace(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		c := bound(t, p)
		op := &poll.Op{Kind: poll.OpRecv, FD: c.r, Buf: make([]byte, 4)}
		for i := range 100 {
			must(t, p.Submit(op))
			var both sync.WaitGroup
			both.Go(func() {
				if err := p.Cancel(op); err != nil {
					t.Error(err)
				}
			})
			both.Go(func() {
				if _, err := write(c.w, []byte{byte(i)}); err != nil {
					t.Error(err)
				}
			})
			complete(t, p, op)
			both.Wait()
			if errors.Is(op.Err, context.Canceled) {
				do(t, p, op) // nothing was taken
			}
			if op.Err != nil || op.N != 1 || op.Buf[0] != byte(i) {
				t.Fatalf("round %d: %+v", i, op)
			}
		}
	})
}

func TestAcceptConnect(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		l := socket(t, p, windows.SOCK_STREAM)
		addr := named(t, l)
		must(t, windows.Listen(windows.Handle(l), 5))
		accept := &poll.Op{Kind: poll.OpAccept, FD: l}
		for range 3 {
			s := socket(t, p, windows.SOCK_STREAM)
			connect := &poll.Op{Kind: poll.OpConnect, FD: s}
			must(t, connect.Addr.SetIP(addr))
			must(t, p.Submit(accept))
			must(t, p.Submit(connect))
			complete(t, p, accept, connect)
			if accept.Err != nil || connect.Err != nil || connect.N != 0 || connect.Accepted != -1 {
				t.Fatalf("accept %+v, connect %+v", accept, connect)
			}
			a := accept.Accepted
			if inherited(uintptr(a)) {
				t.Error("the accepted socket is inherited")
			}
			if _, err := read(a, make([]byte, 1)); !wouldBlock(err) {
				t.Errorf("the accepted socket does not refuse to wait: %v", err)
			}
			if from, ok := accept.Addr.IP(); !ok || from != nameOf(t, s) {
				t.Errorf("accepted from %v, want %v", from, nameOf(t, s))
			}
			// Without the update of their contexts, they would not know their peers, nor shutdown.
			for _, fd := range []int{a, s} {
				if _, err := windows.Getpeername(windows.Handle(fd)); err != nil {
					t.Error(err)
				}
				must(t, windows.Shutdown(windows.Handle(fd), windows.SHUT_WR))
			}
			must(t, p.Bind(a))
			in := &poll.Op{Kind: poll.OpRecv, FD: a, Buf: make([]byte, 1)}
			do(t, p, in)
			if in.Err != nil || in.N != 0 {
				t.Errorf("after shutdown: %+v", in)
			}
			must(t, poll.CloseFD(a))
		}
		must(t, poll.CloseFD(l))
		s := socket(t, p, windows.SOCK_STREAM)
		named(t, s) // one that is bound already
		connect := &poll.Op{Kind: poll.OpConnect, FD: s}
		must(t, connect.Addr.SetIP(addr))
		do(t, p, connect)
		if !errors.Is(connect.Err, windows.WSAECONNREFUSED) && !errors.Is(connect.Err, windows.ERROR_CONNECTION_REFUSED) {
			t.Errorf("nobody listens: %v", connect.Err)
		}
		// No address at all.
		none := &poll.Op{Kind: poll.OpConnect, FD: socket(t, p, windows.SOCK_STREAM)}
		do(t, p, none)
		if none.Err == nil {
			t.Error("connected to nothing")
		}
	})
}
