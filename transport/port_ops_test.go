//go:build ports && !windows

package transport

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// keptPort keeps an operation of each direction until a test lands it.
type keptPort struct{ ops [2]*poll.Op }

func (p *keptPort) Submit(o *poll.Op) error {
	p.ops[direction(o)] = o
	return nil
}

func (p *keptPort) Cancel(*poll.Op) {}

func (p *keptPort) Detach() {}

// land ends the operation of a direction, if there is one, with err.
func (p *keptPort) land(i int, err error) {
	o := p.ops[i]
	if o == nil {
		return // the test has failed
	}
	p.ops[i], o.Err = nil, err
	o.Owner.(seam.Completer).Completed(o)
}

// withKept runs a test with a sock of fd, which it closes, over a port that keeps operations.
func withKept(t *testing.T, fd int, body func(t *testing.T, s *sock, p *keptPort)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d, err := dispatch.New(dispatch.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		port := new(keptPort)
		before := attachPort
		attachPort = func(*sock) (seam.Port, error) { return port, nil }
		defer func() { attachPort = before }()
		s := new(sock)
		if err := s.attach(d, fd, false); err != nil {
			t.Fatal(err)
		}
		body(t, s, port)
		for i, o := range port.ops {
			if o != nil {
				t.Errorf("operation %d is left", i)
			}
		}
		if s.rd.flight != nil || s.wr.flight != nil {
			t.Error("an operation is kept after the end")
		}
	})
}

// started is a call that was made on a goroutine of its own, and waits now if it has to.
type started struct {
	o    op
	err  error
	over bool
}

func begin(s *side, o op) *started {
	c := &started{o: o}
	go func() {
		c.err = s.call(context.Background(), &c.o)
		c.over = true
	}()
	synctest.Wait()
	return c
}

func streamPair(t *testing.T) (fd, peer int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fds[1]) })
	return fds[0], fds[1]
}

// aListener returns a listener of TCP to which nobody connects.
func aListener(t *testing.T) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0))
	}
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// acceptOp is a call that accepts.
func acceptOp() op {
	x := newExtra()
	x.sys.Kind = poll.OpAccept
	return op{verb: accepting, x: x}
}

// A connection that was accepted for a call which is gone stays while calls of other kinds are made, and
// is for the next one that accepts.
func TestPortOtherVerbLeavesAccepted(t *testing.T) {
	fd := aListener(t)
	conn, _ := streamPair(t)
	withKept(t, fd, func(t *testing.T, s *sock, p *keptPort) {
		ctx, cancel := context.WithCancel(t.Context())
		var canceled error
		go func() {
			o := acceptOp()
			canceled = s.rd.call(ctx, &o)
		}()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if canceled != context.Canceled || p.ops[0] == nil {
			t.Fatalf("%v, under way: %+v", canceled, p.ops)
		}
		p.ops[0].Accepted = conn
		p.land(0, nil)
		asked := 0
		for _, answer := range []bool{true, false} {
			x := newExtra()
			x.ask = func(int) (bool, error) { asked++; return answer, nil }
			err := s.rd.call(context.Background(), &op{verb: asking, x: x})
			if answer != (err == nil) || err != nil && !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("a call that answers %v: %v", answer, err)
			}
		}
		if asked != 2 {
			t.Errorf("asked %d times", asked)
		}
		next := begin(&s.rd, acceptOp())
		if !next.over || next.err != nil || next.o.n != conn {
			t.Errorf("accepted %d, %v, want %d", next.o.n, next.err, conn)
		}
		_ = unix.Close(conn)
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
}

// What waits to read while a connect is under way has no operation, which would fail, and goes on
// behind the connect, whatever comes of that.
func TestPortReadBehindConnect(t *testing.T) {
	for _, outcome := range []error{nil, syscall.ECONNREFUSED} {
		fd, _ := streamPair(t)
		withKept(t, fd, func(t *testing.T, s *sock, p *keptPort) {
			connect := &poll.Op{Kind: poll.OpConnect, Owner: &s.wr}
			s.wr.flight = connect
			if err := p.Submit(connect); err != nil {
				t.Fatal(err)
			}
			if err := s.rd.setDeadline(s.loop().Time(s.loop().Now()).Add(time.Hour)); err != nil {
				t.Error(err)
			}
			read := begin(&s.rd, op{buf: make([]byte, 1)})
			if read.over || p.ops[0] != nil || s.rd.alarmAt == 0 {
				t.Errorf("read: %v, under way: %+v, alarm at %d", read.err, p.ops[0], s.rd.alarmAt)
			}
			p.land(1, outcome)
			synctest.Wait()
			if read.over || p.ops[0] == nil || p.ops[0].Kind != poll.OpReadable {
				t.Errorf("read: %v, under way: %+v", read.err, p.ops[0])
			}
			if err := s.close(); err != nil {
				t.Error(err)
			}
			p.land(0, context.Canceled)
		})
	}
}

// A call that waits for an operation has an alarm for its deadline, the first and those behind it.
func TestPortAlarm(t *testing.T) {
	fd, _ := streamPair(t)
	withKept(t, fd, func(t *testing.T, s *sock, p *keptPort) {
		first := begin(&s.rd, op{buf: make([]byte, 1)})
		if s.rd.alarmAt != 0 {
			t.Error("an alarm without a deadline")
		}
		now := s.loop().Now()
		if err := s.rd.setDeadline(s.loop().Time(now).Add(time.Hour)); err != nil {
			t.Error(err)
		}
		if s.rd.alarmAt == 0 || s.rd.alarmAt != s.rd.deadline {
			t.Errorf("the alarm goes off at %d, the deadline is %d", s.rd.alarmAt, s.rd.deadline)
		}
		second := begin(&s.rd, op{buf: make([]byte, 1)})
		if err := s.rd.setDeadline(time.Unix(1, 0)); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		for _, c := range []*started{first, second} {
			if !c.over || c.err != os.ErrDeadlineExceeded {
				t.Errorf("%v, %v", c.over, c.err)
			}
		}
		// The operation is still under way, and so the next call does not start one.
		if err := s.rd.setDeadline(s.loop().Time(now).Add(2 * time.Hour)); err != nil {
			t.Error(err)
		}
		under := p.ops[0]
		third := begin(&s.rd, op{buf: make([]byte, 1)})
		if third.over || p.ops[0] != under || s.rd.alarmAt != s.rd.deadline {
			t.Errorf("%v; the alarm goes off at %d, the deadline is %d", third.err, s.rd.alarmAt, s.rd.deadline)
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
		p.land(0, context.Canceled)
	})
}

// The end of an operation wakes the first call that waits.
func TestPortNudge(t *testing.T) {
	fd, peer := streamPair(t)
	withKept(t, fd, func(t *testing.T, s *sock, p *keptPort) {
		read := begin(&s.rd, op{buf: make([]byte, 9)})
		if _, err := unix.Write(peer, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		p.land(0, nil)
		synctest.Wait()
		if !read.over || read.err != nil || string(read.o.buf[:read.o.n]) != "hello" {
			t.Errorf("%v, %q, %v", read.over, read.o.buf[:read.o.n], read.err)
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
}

// The peer of a connection that nobody gets hears of that, whether the listener or the operation ends first.
func TestPortAcceptedIsClosed(t *testing.T) {
	for _, closedFirst := range []bool{true, false} {
		fd := aListener(t)
		conn, peer := streamPair(t)
		withKept(t, fd, func(t *testing.T, s *sock, p *keptPort) {
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				o := acceptOp()
				_ = s.rd.call(ctx, &o)
			}()
			synctest.Wait()
			cancel()
			synctest.Wait()
			p.ops[0].Accepted = conn
			if closedFirst {
				if err := s.close(); err != nil {
					t.Error(err)
				}
			}
			p.land(0, nil)
			if !closedFirst {
				if _, err := unix.Read(peer, make([]byte, 1)); err != unix.EAGAIN {
					t.Errorf("closed too early: %v", err)
				}
				if err := s.close(); err != nil {
					t.Error(err)
				}
			}
			if n, err := unix.Read(peer, make([]byte, 1)); n > 0 || err == unix.EAGAIN {
				t.Errorf("the connection is open: %d, %v", n, err)
			}
		})
	}
}
