//go:build unix || windows

package dispatch_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// conn is a connection of which the dispatcher has one end and the script the other. What goes
// through it in each direction is counted, and each byte tells its place.
type conn struct {
	fd, peer dispatch.FD // 0 when closed
	sent     []byte      // by operations, as their callbacks tell
	got      []byte      // of that by the peer
	given    int         // by the peer
	received int         // of that by operations
	ended    bool        // the peer has closed its side
	broken   bool        // the dispatcher's end, or all of the peer's, is closed
	inFlight [2][]*try   // receives and sends, in the order of their start
}

// try is one start of an operation.
type try struct {
	op       *dispatch.Op
	c        *conn
	send     bool
	buf      []byte
	canceled bool // Cancel was called, and was true
	done     bool
}

// opsScript is what rapid draws from.
type opsScript struct {
	*rapid.T
	n     *network
	d     *dispatch.Dispatcher
	conns []*conn
	free  []*try // to be started again
	fresh byte   // what the next buffer is full of
	runs  int
	began int
}

func (s *opsScript) conn() *conn { return s.conns[rapid.IntRange(0, len(s.conns)-1).Draw(s.T, "conn")] }

func (s *opsScript) start(t *rapid.T) {
	c := s.conn()
	var y *try
	if len(s.free) > 0 && rapid.Bool().Draw(t, "used") {
		y, s.free = s.free[0], s.free[1:]
	} else {
		y = new(try)
		y.op = s.d.NewOp(func(*dispatch.Op) { s.ended(y) })
	}
	y.c, y.send, y.canceled, y.done = c, rapid.Bool().Draw(t, "send"), false, false
	var err error
	if y.send {
		s.fresh++
		size := rapid.SampledFrom([]int{0, 1, 100, 70_000, 600_000}).Draw(t, "size")
		y.buf = bytes.Repeat([]byte{s.fresh}, size)
		err = y.op.Send(c.fd, y.buf)
	} else {
		y.buf = make([]byte, rapid.IntRange(1, 200).Draw(t, "size"))
		err = y.op.Recv(c.fd, y.buf)
	}
	if c.fd == 0 {
		if err != dispatch.ErrNotRegistered {
			t.Fatalf("started on a closed descriptor: %v", err)
		}
		s.free = append(s.free, y)
		return
	}
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	s.began++
	c.inFlight[dir(y.send)] = append(c.inFlight[dir(y.send)], y)
}

func dir(send bool) int {
	if send {
		return 1
	}
	return 0
}

// ended is the callback of y.
func (s *opsScript) ended(y *try) {
	s.runs++
	c, q := y.c, dir(y.send)
	if y.done {
		s.Fatalf("a second callback of one start")
	}
	y.done = true
	n, err := y.op.N(), y.op.Err()
	list := c.inFlight[q]
	// What was canceled may come before what was started earlier, nothing else may.
	for i, o := range list {
		if o == y {
			c.inFlight[q] = append(append([]*try(nil), list[:i]...), list[i+1:]...)
			break
		}
		if err == nil && !o.canceled {
			s.Fatalf("the callback of a later start ran first")
		}
	}
	switch {
	case err == nil:
	case err == context.Canceled:
		if !y.canceled {
			s.Fatalf("canceled by nobody")
		}
	case errors.Is(err, dispatch.ErrFDClosed):
		if c.fd != 0 {
			s.Fatalf("%v, but it is not", err)
		}
	case !c.broken || !isReset(err):
		s.Fatalf("send %v: %d, %v", y.send, n, err)
	}
	if y.send {
		if err == nil && n != len(y.buf) {
			s.Fatalf("sent %d of %d without an error", n, len(y.buf))
		}
		c.sent = append(c.sent, y.buf[:n]...)
	} else {
		if n > 0 && err != nil {
			s.Fatalf("received %d, and %v", n, err)
		}
		if n == 0 && err == nil && !c.ended && !c.broken {
			s.Fatalf("the end of a stream that has not ended")
		}
		compare(s, y.buf[:n], c.received)
		c.received += n
	}
	s.free = append(s.free, y)
}

func (s *opsScript) cancel(t *rapid.T) {
	c := s.conn()
	all := append(append([]*try(nil), c.inFlight[0]...), c.inFlight[1]...)
	if len(all) == 0 {
		t.Skip("nothing in flight")
	}
	y := all[rapid.IntRange(0, len(all)-1).Draw(t, "which")]
	was := y.op.Cancel()
	if was && y.canceled {
		t.Fatalf("canceled twice")
	}
	y.canceled = y.canceled || was
}

func (s *opsScript) give(t *rapid.T) {
	c := s.conn()
	if c.peer == 0 || c.ended || c.broken {
		t.Skip("closed")
	}
	p := fill(make([]byte, rapid.IntRange(1, 300).Draw(t, "size")), c.given)
	c.given += s.n.sysSend(c.peer, p)
}

func (s *opsScript) take(t *rapid.T) {
	c := s.conn()
	if c.peer == 0 {
		t.Skip("closed")
	}
	s.takeUpTo(c, rapid.SampledFrom([]int{1, 1000, 100_000}).Draw(t, "size"))
}

func (s *opsScript) takeUpTo(c *conn, size int) (more bool) {
	buf := make([]byte, size)
	n, ok := s.n.sysRecv(c.peer, buf)
	c.got = append(c.got, buf[:n]...)
	return ok
}

func (s *opsScript) poll(t *rapid.T) {
	if _, err := s.d.Poll(0); err != nil && err != dispatch.ErrIdle {
		t.Fatal(err)
	}
}

// endStream closes the peer's side.
func (s *opsScript) endStream(t *rapid.T) {
	c := s.conn()
	if c.peer == 0 || c.ended || c.broken || rapid.IntRange(0, 4).Draw(t, "rarely") > 0 {
		t.Skip("closed")
	}
	c.ended = true
	s.n.shutdownWrite(c.peer)
}

func (s *opsScript) resetPeer(t *rapid.T) {
	c := s.conn()
	if c.peer == 0 || rapid.IntRange(0, 9).Draw(t, "rarely") > 0 {
		t.Skip("closed")
	}
	c.broken = true
	s.n.reset(c.peer)
	c.peer = 0
}

func (s *opsScript) closeFD(t *rapid.T) {
	c := s.conn()
	if c.fd == 0 || rapid.IntRange(0, 9).Draw(t, "rarely") > 0 {
		t.Skip("closed")
	}
	fd := c.fd
	c.fd, c.broken = 0, true
	must(s.n.tb, s.d.CloseFD(fd))
	s.n.disown(fd)
}

// TestOpsModel draws starts, cancels, sends and receives of the peers, ends and closes over several
// connections: each start has one callback, in order; what was received is what was sent, all of it
// where nothing was reset.
func TestOpsModel(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		rapid.Check(t, func(r *rapid.T) {
			n := newNetwork(t)
			defer n.end()
			d, err := dispatch.New(cfg)
			must(t, err)
			defer d.Close()
			s := &opsScript{T: r, n: n, d: d}
			for range rapid.IntRange(1, 3).Draw(r, "connections") {
				a, b := n.pair()
				register(t, d, a)
				s.conns = append(s.conns, &conn{fd: a, peer: b})
			}
			r.Repeat(map[string]func(*rapid.T){
				"start": s.start, "start again": s.start, "cancel": s.cancel, "give": s.give, "take": s.take,
				"poll": s.poll, "end": s.endStream, "reset": s.resetPeer, "close": s.closeFD,
			})
			s.finish()
		})
	})
}

// finish lets all operations end and compares what has arrived.
func (s *opsScript) finish() {
	for _, c := range s.conns {
		if c.peer != 0 && !c.ended && !c.broken {
			c.ended = true
			s.n.shutdownWrite(c.peer) // ends the receives
		}
	}
	for s.runs < s.began {
		s.poll(s.T)
		for _, c := range s.conns {
			if c.peer != 0 {
				s.takeUpTo(c, 1<<16)
			}
		}
	}
	settle(s.n.tb, s.d)
	if s.runs != s.began || s.d.Pending() != 0 {
		s.Fatalf("%d callbacks of %d starts; %d pending", s.runs, s.began, s.d.Pending())
	}
	for _, c := range s.conns {
		if c.peer != 0 {
			if c.fd != 0 {
				s.n.shutdownWrite(c.fd)
			}
			for s.takeUpTo(c, 1<<16) {
			}
		}
		if !bytes.HasPrefix(c.sent, c.got) {
			s.Fatalf("%d bytes arrived, which are not the first of the %d that were sent", len(c.got), len(c.sent))
		}
		if c.broken {
			continue // what was under way may be lost
		}
		if len(c.got) != len(c.sent) {
			s.Fatalf("%d bytes arrived of %d that were sent", len(c.got), len(c.sent))
		}
		for buf := make([]byte, 1000); ; {
			k, ok := s.n.sysRecv(c.fd, buf)
			compare(s, buf[:k], c.received)
			if c.received += k; !ok {
				break
			}
		}
		if c.received != c.given {
			s.Fatalf("%d bytes received of %d", c.received, c.given)
		}
	}
}
