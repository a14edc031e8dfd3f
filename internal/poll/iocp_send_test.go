//go:build windows

package poll_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// Sends: how much of them has gone when they end, and what they wait for.

// crammed is a bound pair of which w has no room for another byte.
func crammed(tb testing.TB, p poll.Poller) *pair {
	tb.Helper()
	c := bound(tb, p)
	smallBuffer(tb, c.w)
	cram(tb, c.w)
	return c
}

// cram writes to fd until it is full, and stays so.
func cram(tb testing.TB, fd int) (written int) {
	tb.Helper()
	for {
		n, err := write(fd, make([]byte, 1<<16))
		written += n
		if wouldBlock(err) && full(tb, fd) {
			return written
		}
		if !wouldBlock(err) {
			must(tb, err)
		}
	}
}

// empty reads all that is on its way to fd, and returns it. The other end must have been shut down for writing.
func empty(tb testing.TB, fd int) []byte {
	tb.Helper()
	var all []byte
	for buf := make([]byte, 1<<16); ; {
		n, err := read(fd, buf)
		if wouldBlock(err) {
			if !ready(fd, readable, int(soon.Milliseconds())) {
				tb.Fatal("what was sent does not arrive")
			}
			continue
		}
		must(tb, err)
		if n == 0 {
			return all
		}
		all = append(all, buf[:n]...)
	}
}

// TestSendWaits: a send that finds no room ends when there is some, with what there was room for,
// and leaves nothing behind.
func TestSendWaits(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		c := bound(t, p)
		smallBuffer(t, c.w)
		before := cram(t, c.w)
		data := make([]byte, 1<<20)
		for i := range data {
			data[i] = byte(i*7 + i>>8)
		}
		op := &poll.Op{Kind: poll.OpSend, FD: c.w, Buf: data}
		sent := 0
		for sent < len(data)/2 {
			must(t, p.Submit(op))
			if sent == 0 {
				quiet(t, p)
			}
			buf := make([]byte, 30_000)
			for before > 0 {
				n, err := read(c.r, buf[:min(len(buf), before)])
				if before -= n; n == 0 {
					t.Fatal(err)
				}
			}
			complete(t, p, op)
			if op.Err != nil || op.N == 0 {
				t.Fatalf("%+v", op)
			}
			sent += op.N
			op.Buf = data[sent:]
			before = op.N
		}
		must(t, windows.Shutdown(windows.Handle(c.w), windows.SHUT_WR))
		if got := empty(t, c.r); !bytes.Equal(got, data[sent-before:sent]) {
			t.Errorf("%d bytes arrive, which are not the last %d", len(got), before)
		}
		quiet(t, p)
		if n := p.(interface{ Users() int }).Users(); n != 0 {
			t.Errorf("helpers are left with %d users", n)
		}
	})
}

// TestSendCanceled: what a canceled send says has gone is what arrives, whether it waits or the peer
// makes room at that moment.
func TestSendCanceled(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		c := bound(t, p)
		smallBuffer(t, c.w)
		sent, received := cram(t, c.w), 0
		op := &poll.Op{Kind: poll.OpSend, FD: c.w, Buf: make([]byte, 1<<20)}
		canceled := 0
		for round := range 60 {
			must(t, p.Submit(op))
			var both sync.WaitGroup
			if round%3 != 0 {
				both.Go(func() {
					n, err := read(c.r, make([]byte, 100_000))
					if received += n; err != nil && !wouldBlock(err) && n == 0 {
						t.Error(err)
					}
				})
			}
			both.Go(func() {
				if err := p.Cancel(op); err != nil {
					t.Error(err)
				}
			})
			complete(t, p, op)
			both.Wait()
			switch {
			case errors.Is(op.Err, context.Canceled) && op.N == 0:
				canceled++
			case op.Err != nil || op.N == 0:
				t.Fatalf("round %d: %+v", round, op)
			}
			sent += op.N
		}
		if canceled < 20 {
			t.Errorf("%d were canceled, want those at least that nobody made room for", canceled)
		}
		must(t, windows.Shutdown(windows.Handle(c.w), windows.SHUT_WR))
		if received += len(empty(t, c.r)); received != sent {
			t.Errorf("%d bytes arrive, want %d", received, sent)
		}
	})
}

// TestSendAfterClose: a send that waits ends when its socket is closed, and goes to no other socket that
// gets the number, also when it was canceled after there had come to be room.
func TestSendAfterClose(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		for want, canceled := range map[error]bool{windows.WSAENOTSOCK: false, context.Canceled: true} {
			p := open()
			spare := newTCP(t)
			c := crammed(t, p)
			op := &poll.Op{Kind: poll.OpSend, FD: c.w, Buf: []byte("lost")}
			must(t, p.Submit(op))
			quiet(t, p)
			if canceled {
				for ready(c.r, readable, 50) { // the answer that there is room is in the port now
					_, err := read(c.r, make([]byte, 1<<16))
					must(t, err)
				}
				must(t, p.Cancel(op))
			}
			old := c.w
			spare.close() // its numbers are for what else is opened when a connection is made
			c.closeW()
			var successors []*pair
			for found, tries := false, 0; !found; tries++ {
				if tries == 100 {
					t.Fatalf("number %d does not come back", old)
				}
				d := newTCP(t)
				successors = append(successors, d)
				found = d.r == old || d.w == old
			}
			complete(t, p, op)
			if !errors.Is(op.Err, want) || op.N != 0 {
				t.Errorf("%+v, want %v", op, want)
			}
			for _, d := range successors {
				for _, fd := range []int{d.r, d.w} {
					if n, err := read(fd, make([]byte, 10)); !wouldBlock(err) {
						t.Errorf("a successor received %d, %v", n, err)
					}
				}
			}
		}
	})
}

// TestSendTwo: of two sends that wait the one that finds no room any more goes on waiting.
func TestSendTwo(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		c := bound(t, p)
		must(t, windows.SetsockoptInt(windows.Handle(c.r), windows.SOL_SOCKET, windows.SO_RCVBUF, 8192))
		smallBuffer(t, c.w)
		cram(t, c.w)
		var ops [4]*poll.Op
		for i := range ops {
			ops[i] = &poll.Op{Kind: poll.OpSend, FD: c.w, Buf: make([]byte, 1<<20)}
			must(t, p.Submit(ops[i]))
		}
		left := len(ops)
		events := make([]poll.Event, 4)
		for left > 0 {
			if _, err := read(c.r, make([]byte, 30_000)); err != nil && !wouldBlock(err) {
				t.Fatal(err)
			}
			n, err := p.Wait(events, 0)
			must(t, err)
			for _, ev := range events[:n] {
				if ev.Op.Err != nil || ev.Op.N == 0 {
					t.Errorf("%+v", ev.Op)
				}
			}
			left -= n
		}
	})
}

// TestSendAtOnce: what one call sends has a bound, also where there is room for more.
func TestSendAtOnce(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		c := bound(t, p)
		must(t, windows.SetsockoptInt(windows.Handle(c.w), windows.SOL_SOCKET, windows.SO_SNDBUF, 1<<20))
		op := &poll.Op{Kind: poll.OpSend, FD: c.w, Buf: make([]byte, 8<<20)}
		do(t, p, op)
		if op.Err != nil || op.N == 0 || op.N > 256<<10 {
			t.Errorf("%+v", op)
		}
	})
}

// TestSendReset: a send that waits hears that the connection is gone.
func TestSendReset(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		c := bound(t, p)
		smallBuffer(t, c.r)
		cram(t, c.r)
		op := &poll.Op{Kind: poll.OpSend, FD: c.r, Buf: []byte("lost")}
		must(t, p.Submit(op))
		quiet(t, p)
		c.reset(t)
		complete(t, p, op)
		if !errors.Is(op.Err, windows.WSAECONNRESET) && !errors.Is(op.Err, windows.WSAECONNABORTED) || op.N != 0 {
			t.Errorf("%+v", op)
		}
	})
}

// TestSendTooLarge: a message that is too large for any is refused, not cut off.
func TestSendTooLarge(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		a := socket(t, p, windows.SOCK_DGRAM)
		op := &poll.Op{Kind: poll.OpSendTo, FD: a, Buf: make([]byte, 100_000), Messages: true}
		must(t, op.Addr.SetIP(named(t, a)))
		do(t, p, op)
		if !errors.Is(op.Err, windows.WSAEMSGSIZE) || errors.Is(op.Err, poll.ErrTruncated) || op.N != 0 {
			t.Errorf("%+v", op)
		}
	})
}

// TestSendBlockingSocket: a socket that would wait does not after Bind.
func TestSendBlockingSocket(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p, c := open(), newTCP(t)
		smallBuffer(t, c.w)
		const fionbio = 0x8004667e
		off := uint32(0)
		if r, _, err := procIoctlsocket.Call(uintptr(c.w), fionbio, uintptr(unsafe.Pointer(&off))); r != 0 {
			t.Fatal(err)
		}
		must(t, p.Bind(c.w))
		cram(t, c.w)
		op := &poll.Op{Kind: poll.OpSend, FD: c.w, Buf: []byte("x")}
		must(t, p.Submit(op))
		must(t, p.Cancel(op))
		complete(t, p, op)
	})
}

// TestSendAllocations: to wait for room allocates nothing.
func TestSendAllocations(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		c := crammed(t, p)
		op := &poll.Op{Kind: poll.OpSend, FD: c.w, Buf: []byte("x")}
		events := make([]poll.Event, 4)
		if n := testing.AllocsPerRun(50, func() {
			if p.Submit(op) != nil || p.Cancel(op) != nil {
				t.Fatal("Submit or Cancel failed")
			}
			if n, err := p.Wait(events, soon); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
		if !errors.Is(op.Err, context.Canceled) {
			t.Errorf("%+v", op)
		}
	})
}

// TestAcceptPassesOver: an accept goes on when the connection it was about to get is gone, unless it was
// canceled.
func TestAcceptPassesOver(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		l := socket(t, p, windows.SOCK_STREAM)
		addr := named(t, l)
		must(t, windows.Listen(windows.Handle(l), 5))
		fail := p.(interface{ Fail(*poll.Op, error) }).Fail
		before := openFDs()
		op := &poll.Op{Kind: poll.OpAccept, FD: l}
		must(t, p.Submit(op))
		for _, err := range []error{
			windows.WSAECONNRESET, windows.WSAECONNABORTED, windows.WSAENOTCONN, windows.ERROR_NETNAME_DELETED,
		} {
			fail(op, err)
			quiet(t, p)
		}
		connect := &poll.Op{Kind: poll.OpConnect, FD: socket(t, p, windows.SOCK_STREAM)}
		must(t, connect.Addr.SetIP(addr))
		must(t, p.Submit(connect))
		complete(t, p, op, connect)
		must(t, op.Err)
		must(t, poll.CloseFD(op.Accepted))
		must(t, poll.CloseFD(connect.FD))

		must(t, p.Submit(op))
		fail(op, windows.WSAEMFILE) // is not of the connection
		complete(t, p, op)
		if !errors.Is(op.Err, windows.WSAEMFILE) || op.Accepted != -1 {
			t.Errorf("%+v", op)
		}
		must(t, p.Submit(op))
		must(t, p.Cancel(op))
		fail(op, windows.WSAECONNRESET)
		complete(t, p, op)
		if !errors.Is(op.Err, context.Canceled) || op.Accepted != -1 {
			t.Errorf("%+v", op)
		}
		if after := openFDs(); after != before {
			t.Errorf("%d handles before, %d after", before, after)
		}
	})
}

// TestRecvNothing: a receive of a message into no buffer waits for it, and tells that it was cut off,
// if it was.
func TestRecvNothing(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		a, b := socket(t, p, windows.SOCK_DGRAM), socket(t, p, windows.SOCK_DGRAM)
		named(t, a)
		out := &poll.Op{Kind: poll.OpSendTo, FD: a, Messages: true}
		must(t, out.Addr.SetIP(named(t, b)))
		for _, kind := range []poll.OpKind{poll.OpRecv, poll.OpRecvFrom} {
			for _, text := range []string{"", "x", "more"} {
				in := &poll.Op{Kind: kind, FD: b, Messages: true}
				must(t, p.Submit(in))
				quiet(t, p)
				out.Buf = []byte(text)
				must(t, p.Submit(out))
				complete(t, p, in, out)
				if in.N != 0 || errors.Is(in.Err, poll.ErrTruncated) != (text != "") || text == "" && in.Err != nil {
					t.Errorf("%q: %+v", text, in)
				}
			}
		}
	})
}
