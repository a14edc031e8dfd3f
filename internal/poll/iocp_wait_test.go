//go:build windows

package poll_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/windows"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// Operations that move nothing and only wait, and the calls that are tried after them.

// wants fails the test unless op ended with n and an error that is want.
func wants(tb testing.TB, op *poll.Op, n int, want error) {
	tb.Helper()
	if op.N != n || !errors.Is(op.Err, want) {
		tb.Errorf("%d, %v; want %d, %v", op.N, op.Err, n, want)
	}
}

// try makes the call of op.
func try(op *poll.Op) bool {
	op.N, op.Err = 0, nil
	return op.Try()
}

// TestReadable: it ends when a byte has come, takes none, and ends again as long as one is left, and at
// the end of the stream.
func TestReadable(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		c := bound(t, p)
		waits := &poll.Op{Kind: poll.OpReadable, FD: c.r}
		recv := &poll.Op{Kind: poll.OpRecv, FD: c.r, Buf: make([]byte, 2)}
		for range 3 {
			must(t, p.Submit(waits))
			quiet(t, p)
			if try(recv) {
				t.Errorf("received %d, %v while there is nothing", recv.N, recv.Err)
			}
			for range 3 {
				send(t, c.w)
			}
			complete(t, p, waits)
			wants(t, waits, 0, nil)
			receive(t, recv, 2)
			do(t, p, waits)
			wants(t, waits, 0, nil)
			receive(t, recv, 1)
		}
		must(t, p.Submit(waits))
		quiet(t, p)
		c.closeW()
		complete(t, p, waits)
		wants(t, waits, 0, nil)
		if !try(recv) {
			t.Error("the end would wait")
		}
		wants(t, recv, 0, nil)
	})
}

// receive receives n bytes, which are on their way at least.
func receive(tb testing.TB, recv *poll.Op, n int) {
	tb.Helper()
	for got := 0; got < n; {
		if !ready(recv.FD, readable, int(soon.Milliseconds())) || !try(recv) || recv.Err != nil {
			tb.Fatalf("received %d of %d, then %v", got, n, recv.Err)
		}
		got += recv.N
	}
}

// TestReadableReset: a peer that breaks the connection ends it, with the error or for a receive to
// tell.
func TestReadableReset(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		c := bound(t, p)
		waits := &poll.Op{Kind: poll.OpReadable, FD: c.r}
		must(t, p.Submit(waits))
		c.reset(t)
		complete(t, p, waits)
		recv := &poll.Op{Kind: poll.OpRecv, FD: c.r, Buf: make([]byte, 1)}
		if !try(recv) || waits.Err == nil && recv.Err == nil {
			t.Errorf("%v, then %d, %v", waits.Err, recv.N, recv.Err)
		}
	})
}

// TestReadableMessage: no message is taken, nor is the beginning of one, nor one of size 0.
func TestReadableMessage(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		a, b := socket(t, p, windows.SOCK_DGRAM), socket(t, p, windows.SOCK_DGRAM)
		from, to := named(t, a), named(t, b)
		out := &poll.Op{Kind: poll.OpSendTo, FD: a, Messages: true}
		in := &poll.Op{Kind: poll.OpRecvFrom, FD: b, Messages: true, Buf: make([]byte, 5)}
		waits := &poll.Op{Kind: poll.OpReadable, FD: b, Messages: true}
		for _, test := range []struct {
			message string
			n       int
			err     error
		}{{"hello", 5, nil}, {"", 0, nil}, {"x", 1, nil}, {"much more", 5, poll.ErrTruncated}} {
			must(t, p.Submit(waits))
			quiet(t, p)
			if try(in) {
				t.Errorf("received %d, %v while there is nothing", in.N, in.Err)
			}
			must(t, out.Addr.SetIP(to))
			out.Buf = []byte(test.message)
			if !try(out) {
				t.Fatal("no room")
			}
			wants(t, out, len(test.message), nil)
			complete(t, p, waits)
			wants(t, waits, 0, nil)
			do(t, p, waits) // it is still there
			wants(t, waits, 0, nil)
			if !try(in) {
				t.Fatalf("%q is lost", test.message)
			}
			wants(t, in, test.n, test.err)
			if got := string(in.Buf[:in.N]); got != test.message[:test.n] {
				t.Errorf("%q, want %q", got, test.message)
			}
			if peer, _ := in.Addr.IP(); peer != from {
				t.Errorf("from %v, want %v", peer, from)
			}
		}
	})
}

// TestWaitCanceled: each wait can be canceled, and then be started again.
func TestWaitCanceled(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		c := crammed(t, p)
		u := socket(t, p, windows.SOCK_DGRAM)
		named(t, u)
		for range 3 {
			for _, op := range []*poll.Op{
				{Kind: poll.OpReadable, FD: c.w},
				{Kind: poll.OpReadable, FD: u, Messages: true},
				{Kind: poll.OpWritable, FD: c.w},
			} {
				must(t, p.Submit(op))
				quiet(t, p)
				must(t, p.Cancel(op))
				complete(t, p, op)
				wants(t, op, 0, context.Canceled)
			}
		}
	})
}

// TestWritable: it ends at once where there is room, else when there is some.
func TestWritable(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		c := bound(t, p)
		waits := &poll.Op{Kind: poll.OpWritable, FD: c.w}
		do(t, p, waits)
		wants(t, waits, 0, nil)
		smallBuffer(t, c.w)
		cram(t, c.w)
		out := &poll.Op{Kind: poll.OpSend, FD: c.w, Buf: make([]byte, 1<<20)}
		if try(out) {
			t.Errorf("sent %d, %v where there is no room", out.N, out.Err)
		}
		must(t, p.Submit(waits))
		quiet(t, p)
		drain(t, c.r)
		complete(t, p, waits)
		wants(t, waits, 0, nil)
		if !try(out) || out.Err != nil || out.N == 0 || out.N == len(out.Buf) {
			t.Errorf("sent %d, %v where there is some room", out.N, out.Err)
		}
	})
}

// TestTryErrors: errors name the call; a connect and an accept are for the poller.
func TestTryErrors(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		s := socket(t, p, windows.SOCK_STREAM)
		recv := &poll.Op{Kind: poll.OpRecv, FD: s, Buf: make([]byte, 1)}
		if !try(recv) {
			t.Error("a socket without a peer waits")
		}
		wants(t, recv, 0, windows.WSAENOTCONN)
		for _, op := range []*poll.Op{{Kind: poll.OpAccept, FD: s}, {Kind: poll.OpConnect, FD: s}} {
			if try(op) {
				t.Errorf("kind %d has been tried", op.Kind)
			}
		}
		// That of messages needs no wait.
		u, v := socket(t, p, windows.SOCK_DGRAM), socket(t, p, windows.SOCK_DGRAM)
		to := named(t, v)
		op := &poll.Op{Kind: poll.OpConnect, FD: u}
		must(t, op.Addr.SetIP(to))
		if !try(op) {
			t.Error("the connect of a socket for messages waits")
		}
		wants(t, op, 0, nil)
		if peer, err := poll.PeerAddr(u); err != nil || addrOf(&peer) != to {
			t.Errorf("connected to %v, %v", addrOf(&peer), err)
		}
		if local, err := poll.LocalAddr(v); err != nil || addrOf(&local) != to {
			t.Errorf("at %v, %v", addrOf(&local), err)
		}
		if none := (&poll.Op{Kind: 99, FD: s}); !try(none) || none.Err == nil {
			t.Errorf("a kind that is none: %v", none.Err)
		}
	})
}

func addrOf(a *poll.SockAddr) netip.AddrPort {
	ap, _ := a.IP()
	return ap
}
