//go:build windows

package poll_test

import (
	"errors"
	"syscall"
	"testing"

	"golang.org/x/sys/windows"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// What is special in how a completion port tells of readiness.

// TestDatagramsUntouched: watching a datagram socket takes nothing from it, and sends nothing.
func TestDatagramsUntouched(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p, q := open(), open()
		a, b := socket(t, q, windows.SOCK_DGRAM), socket(t, q, windows.SOCK_DGRAM)
		named(t, a)
		to := named(t, b)
		must(t, p.Add(b, 1, poll.Read, poll.Level))
		must(t, p.Add(a, 2, poll.Write, poll.Level))
		for range 3 {
			if got := wait(t, p, 0); len(got) != 1 || got[2].Ready != poll.Write {
				t.Errorf("writable: %v", got)
			}
		}
		must(t, p.Remove(a))
		quiet(t, p)
		out := &poll.Op{Kind: poll.OpSendTo, FD: a, Messages: true}
		must(t, out.Addr.SetIP(to))
		in := &poll.Op{Kind: poll.OpRecvFrom, FD: b, Buf: make([]byte, 8), Messages: true}
		for _, text := range []string{"", "first", "second"} {
			out.Buf = []byte(text)
			do(t, q, out)
			for range 3 {
				waitFor(t, p, 1, poll.Read)
			}
			do(t, q, in)
			if in.Err != nil || string(in.Buf[:in.N]) != text {
				t.Errorf("want %q, got %+v", text, in)
			}
			quiet(t, p)
		}
	})
}

// TestConditionEnds: what ended between the packet and the Wait that takes it is not reported.
func TestConditionEnds(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		for _, trigger := range []poll.Trigger{poll.Level, poll.Edge} {
			p, c := open(), newTCP(t)
			must(t, p.Add(c.r, 1, poll.Read, trigger))
			arm := func() {
				if trigger == poll.Edge {
					must(t, p.Arm(c.r, poll.Read))
				}
			}
			arm()
			for range 5 {
				quiet(t, p) // makes the request
				put(t, c.w)
				drain(t, c.r)
			}
			quiet(t, p)
			put(t, c.w)
			waitFor(t, p, 1, poll.Read) // still armed
		}
	})
}

// TestListener: a connection to accept makes a listener readable.
func TestListener(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		l, addr := listen(t)
		defer closeFD(l)
		must(t, p.Add(l, 1, poll.Read|poll.Write, poll.Level))
		quiet(t, p)
		s, err := windows.Socket(windows.AF_INET, windows.SOCK_STREAM, 0)
		must(t, err)
		defer closeFD(int(s))
		nonblocking(int(s))
		must(t, p.Add(int(s), 2, poll.Write, poll.Edge))
		if err := windows.Connect(s, addr); !wouldBlock(err) {
			must(t, err)
		}
		must(t, p.Arm(int(s), poll.Write))
		var connected, came bool
		for !connected || !came {
			got := wait(t, p, soon)
			if len(got) == 0 {
				t.Fatalf("connected %t, came %t", connected, came)
			}
			came = came || got[1].Ready == poll.Read
			connected = connected || got[2] == poll.Event{Tag: 2, Ready: poll.Write}
		}
	})
}

// TestClosedWithoutRemove: a socket that was closed is reported once, and forgotten.
func TestClosedWithoutRemove(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		for _, asked := range []bool{true, false} {
			p, c := open(), newTCP(t)
			must(t, p.Add(c.r, 1, poll.Read, poll.Level))
			if asked {
				quiet(t, p) // makes the request
			}
			fd := c.r
			c.closeR()
			if ev := waitFor(t, p, 1, poll.Read|poll.Write); !ev.Err {
				t.Errorf("got %+v", ev)
			}
			quiet(t, p)
			if err := p.Remove(fd); !errors.Is(err, syscall.ENOENT) {
				t.Errorf("Remove: %v", err)
			}
		}
	})
}

// TestRequestsEnd: what was given up comes back from the system, and is used again.
func TestRequestsEnd(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p, c := open(), newTCP(t)
		count := p.(interface{ Requests() int }).Requests
		must(t, p.Add(c.r, 1, poll.Read, poll.Level))
		for range 20 {
			must(t, p.Modify(c.r, 1, poll.Read, poll.Level))
			quiet(t, p)
		}
		for tries := 0; count() != 1; tries++ {
			if tries == 1000 {
				t.Fatalf("%d requests for one socket", count())
			}
			wait(t, p, 1)
		}
		must(t, p.Remove(c.r))
		for tries := 0; count() != 0; tries++ {
			if tries == 1000 {
				t.Fatalf("%d requests for none", count())
			}
			wait(t, p, 1)
		}
	})
}

// TestHelpersAreShared: many watches need few handles, and many one after another need no more.
func TestHelpersAreShared(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p, c := open(), newTCP(t)
		must(t, p.Add(c.r, 1, poll.Read, poll.Level))
		before := openFDs()
		for range 100 {
			must(t, p.Add(c.w, 2, poll.Read, poll.Level))
			must(t, p.Remove(c.w))
		}
		if after := openFDs(); after != before {
			t.Errorf("%d handles before, %d after", before, after)
		}
	})
}

// TestNoSocket: handles of other kinds are refused.
func TestNoSocket(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		var r, w windows.Handle
		must(t, windows.CreatePipe(&r, &w, nil, 0))
		defer windows.CloseHandle(r)
		defer windows.CloseHandle(w)
		if err := p.Add(int(r), 1, poll.Read, poll.Level); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Add of a pipe: %v", err)
		}
	})
}
