//go:build windows

package poll_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/windows"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// Operations on datagrams, who may have operations where, and many of them.

func TestDatagrams(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		a, b := socket(t, p, windows.SOCK_DGRAM), socket(t, p, windows.SOCK_DGRAM)
		from, to := named(t, a), named(t, b)
		out := &poll.Op{Kind: poll.OpSendTo, FD: a, Messages: true}
		must(t, out.Addr.SetIP(to))
		in := &poll.Op{Kind: poll.OpRecvFrom, FD: b, Buf: make([]byte, 8), Messages: true}
		for _, text := range []string{"12345678", "", "123456789", "x"} {
			for _, first := range []bool{true, false} {
				out.Buf = []byte(text)
				if first {
					must(t, p.Submit(in))
					quiet(t, p)
				}
				must(t, p.Submit(out))
				if !first {
					complete(t, p, out)
					if !ready(b, readable, int(soon.Milliseconds())) {
						t.Fatal("the datagram does not arrive")
					}
					must(t, p.Submit(in))
					complete(t, p, in)
				} else {
					complete(t, p, in, out)
				}
				if out.Err != nil || out.N != len(text) {
					t.Errorf("%q: out %+v", text, out)
				}
				want := text[:min(len(text), 8)]
				tooLarge := errors.Is(in.Err, poll.ErrTruncated) && errors.Is(in.Err, windows.WSAEMSGSIZE)
				if in.N != len(want) || string(in.Buf[:in.N]) != want || tooLarge != (len(text) > 8) || in.Err != nil && !tooLarge {
					t.Errorf("%q, first %t: in %+v, want %q", text, first, in, want)
				}
				if got, ok := in.Addr.IP(); !tooLarge && (!ok || got != from) {
					t.Errorf("%q: from %v, want %v", text, got, from)
				}
			}
		}
		// Nobody is at the port any more; that must not become an error of receiving.
		must(t, poll.CloseFD(b))
		out.Buf = []byte("lost")
		do(t, p, out)
		back := &poll.Op{Kind: poll.OpRecvFrom, FD: a, Buf: make([]byte, 8), Messages: true}
		must(t, p.Submit(back))
		quiet(t, p)
		must(t, p.Cancel(back))
		complete(t, p, back)
		if !errors.Is(back.Err, context.Canceled) {
			t.Errorf("back %+v", back)
		}
		// A datagram socket has nothing to wait for when it connects.
		c := socket(t, p, windows.SOCK_DGRAM)
		connect := &poll.Op{Kind: poll.OpConnect, FD: c}
		must(t, connect.Addr.SetIP(from))
		do(t, p, connect)
		must(t, connect.Err)
		do(t, p, &poll.Op{Kind: poll.OpSend, FD: c, Buf: []byte("hi"), Messages: true})
		do(t, p, back)
		if got, _ := back.Addr.IP(); back.Err != nil || string(back.Buf[:back.N]) != "hi" || got != nameOf(t, c) {
			t.Errorf("from the connected socket: %+v", back)
		}
	})
}

func TestBind(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p, q := open(), open()
		c := bound(t, p)
		must(t, p.Bind(c.r))
		if err := q.Bind(c.r); !errors.Is(err, poll.ErrBound) {
			t.Errorf("bound to another: %v", err)
		}
		if err := q.Submit(&poll.Op{Kind: poll.OpRecv, FD: c.r}); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("Submit at another: %v", err)
		}
		for _, fd := range []int{-1, 1 << 20} {
			if err := p.Bind(fd); !errors.Is(err, syscall.EBADF) {
				t.Errorf("Bind(%d) = %v", fd, err)
			}
		}
		// A foreign port, as Go's own is one.
		port, err := windows.CreateIoCompletionPort(windows.InvalidHandle, 0, 0, 0)
		must(t, err)
		defer windows.CloseHandle(port)
		d := newTCP(t)
		_, err = windows.CreateIoCompletionPort(windows.Handle(d.r), port, 7, 0)
		must(t, err)
		if err := p.Bind(d.r); !errors.Is(err, poll.ErrBound) {
			t.Errorf("bound to a foreign port: %v", err)
		}
		// A number that came back is another handle, which belongs to whom it was given.
		e := newTCP(t)
		must(t, p.Bind(e.r))
		old := e.r
		e.close()
		for found, tries := false, 0; !found; tries++ {
			if tries == 100 {
				t.Fatalf("number %d does not come back", old)
			}
			d := newTCP(t) // stays open, so that all that are free are used
			for _, fd := range []int{d.r, d.w} {
				_, err = windows.CreateIoCompletionPort(windows.Handle(fd), port, 7, 0)
				must(t, err)
				if err := p.Bind(fd); !errors.Is(err, poll.ErrBound) {
					t.Errorf("Bind(%d), before %d: %v", fd, old, err)
				}
				found = found || fd == old
			}
		}
		// It is for life, also if that of the port is over.
		must(t, p.Close())
		if err := q.Bind(c.r); !errors.Is(err, poll.ErrBound) {
			t.Errorf("after Close of its poller: %v", err)
		}
		for _, err := range []error{p.Bind(c.r), p.Submit(&poll.Op{FD: c.r}), p.Cancel(&poll.Op{})} {
			if !errors.Is(err, poll.ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		}
		for range 10 {
			d := newTCP(t)
			must(t, q.Bind(d.r))
			must(t, q.Bind(d.w))
			d.close()
			e := newTCP(t)
			r := open()
			must(t, r.Bind(e.r))
			must(t, r.Bind(e.w))
			e.close()
		}
	})
}

// TestForeignPackets posts what is none of the poller's business, before a Wait and while one
// blocks.
func TestForeignPackets(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		c, d := bound(t, p), newTCP(t)
		in := &poll.Op{Kind: poll.OpRecv, FD: c.r, Buf: make([]byte, 4)}
		must(t, p.Submit(in))
		must(t, p.Add(d.r, 1, poll.Read, poll.Level))
		quiet(t, p)
		post := p.(interface {
			Post(key, id uintptr) error
			IDs() []uintptr
		})
		flood := func() {
			for key := range uintptr(9) {
				for _, id := range append(post.IDs(), 0, 1, 12345) {
					must(t, post.Post(key, id))
				}
			}
		}
		flood()
		quiet(t, p)
		got := make(chan map[poll.Tag]poll.Event)
		go func() { got <- wait(t, p, soon) }()
		asleep(p)
		flood()
		asleep(p) // again
		put(t, d.w)
		if got := <-got; len(got) != 1 || got[1] != (poll.Event{Tag: 1, Ready: poll.Read}) {
			t.Errorf("got %+v", got)
		}
		must(t, p.Remove(d.r))
		send(t, c.w)
		complete(t, p, in)
		quiet(t, p)
	})
}

func TestOpsFromMany(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		const links, total = 8, 4000
		var all sync.WaitGroup
		for g := range links {
			c := bound(t, p)
			done := make(chan *poll.Op, 2) // of this goroutine's operations
			all.Go(func() {
				in := &poll.Op{Kind: poll.OpRecv, FD: c.r, Buf: make([]byte, 300), Owner: done}
				out := &poll.Op{Kind: poll.OpSend, FD: c.w, Owner: done}
				data := bytes.Repeat([]byte{byte(g), 1, 2, 3, 4}, total/5)
				var got []byte
				next := func(op *poll.Op) bool {
					if op.Err != nil {
						t.Error(op.Err)
						return false
					}
					if op == in {
						got = append(got, in.Buf[:in.N]...)
						return len(got) == total || p.Submit(in) == nil
					}
					data = data[out.N:]
					out.Buf = data[:min(len(data), 700)]
					return len(data) == 0 || p.Submit(out) == nil
				}
				want := slices.Clone(data)
				out.Buf = data[:100]
				if p.Submit(in) != nil || p.Submit(out) != nil {
					t.Error("Submit failed")
					return
				}
				for len(got) < total || len(data) > 0 {
					if !next(<-done) {
						return
					}
				}
				if !bytes.Equal(got, want) {
					t.Error("other bytes than were sent")
				}
			})
		}
		finished := make(chan struct{})
		go func() {
			all.Wait()
			close(finished)
			p.Wake()
		}()
		events := make([]poll.Event, 3)
		for {
			n, err := p.Wait(events, soon)
			must(t, err)
			for _, ev := range events[:n] {
				ev.Op.Owner.(chan *poll.Op) <- ev.Op
			}
			select {
			case <-finished:
				return
			default:
			}
			if n == 0 {
				t.Fatal("lost completion: nobody gets on")
			}
		}
	})
}

func TestOpAllocations(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		c := bound(t, p)
		a, b := socket(t, p, windows.SOCK_DGRAM), socket(t, p, windows.SOCK_DGRAM)
		named(t, a)
		in := &poll.Op{Kind: poll.OpRecv, FD: c.r, Buf: make([]byte, 8)}
		out := &poll.Op{Kind: poll.OpSend, FD: c.w, Buf: []byte("data")}
		inFrom := &poll.Op{Kind: poll.OpRecvFrom, FD: b, Buf: make([]byte, 8)}
		outTo := &poll.Op{Kind: poll.OpSendTo, FD: a, Buf: []byte("data")}
		must(t, outTo.Addr.SetIP(named(t, b)))
		events := make([]poll.Event, 4)
		if n := testing.AllocsPerRun(50, func() {
			for _, op := range []*poll.Op{in, inFrom, out, outTo} {
				if err := p.Submit(op); err != nil {
					t.Error(err)
				}
			}
			for left := 4; left > 0; {
				n, err := p.Wait(events, soon)
				if n == 0 || err != nil {
					t.Fatal(n, err)
				}
				left -= n
			}
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
		if in.Err != nil || inFrom.Err != nil || in.N != 4 || inFrom.N != 4 {
			t.Errorf("%+v, %+v", in, inFrom)
		}
	})
}
