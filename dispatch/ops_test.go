//go:build unix || windows

package dispatch_test

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// operation is an Op that counts how often its callback has run.
type operation struct {
	*dispatch.Op
	runs int
	n    int
	err  error
	then func() // called at the end of the callback
}

func newOp(d *dispatch.Dispatcher) *operation {
	o := new(operation)
	o.Op = d.NewOp(func(op *dispatch.Op) {
		o.runs++
		o.n, o.err = op.N(), op.Err()
		if o.then != nil {
			o.then()
		}
	})
	return o
}

// done turns the loop until o has run as often as told.
func (o *operation) done(tb testing.TB, d *dispatch.Dispatcher, runs int) {
	tb.Helper()
	for o.runs < runs {
		_, err := d.Poll(-1)
		must(tb, err)
	}
	if o.runs != runs {
		tb.Errorf("the callback has run %d times, want %d", o.runs, runs)
	}
}

// want compares how o has ended.
func (o *operation) want(tb testing.TB, runs, n int, err error) {
	tb.Helper()
	if o.runs != runs || o.n != n || o.err != err {
		tb.Errorf("%d runs, the last with %d, %v; want %d, %d, %v", o.runs, o.n, o.err, runs, n, err)
	}
}

// settle turns the loop until nothing more comes at once.
func settle(tb testing.TB, d *dispatch.Dispatcher) {
	tb.Helper()
	for quiet := 0; quiet < 3; {
		n, err := d.Poll(0)
		if err == dispatch.ErrIdle {
			return
		}
		must(tb, err)
		quiet++
		if n > 0 {
			quiet = 0
		}
	}
}

func register(tb testing.TB, d *dispatch.Dispatcher, fds ...dispatch.FD) {
	tb.Helper()
	for _, fd := range fds {
		must(tb, d.Register(fd))
	}
}

// TestOpsConnection makes connections, sends to and fro, and sees their end.
func TestOpsConnection(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		for _, kind := range streams() {
			t.Run(kind.name, func(t *testing.T) {
				if kind.name == "tcp6" && !canIPv6() {
					t.Skip("the host has no IPv6")
				}
				n, d := newNetwork(t), open(t, cfg)
				l, c := kind.listen(n), kind.socket(n)
				register(t, d, l, c)
				for _, early := range []bool{true, false} { // who comes first
					accept, connect := newOp(d), newOp(d)
					if early {
						must(t, accept.Accept(l))
					}
					must(t, connect.Connect(c, n.address(l)))
					connect.done(t, d, 1)
					connect.want(t, 1, 0, nil)
					if !early {
						must(t, accept.Accept(l))
					}
					accept.done(t, d, 1)
					accept.want(t, 1, 0, nil)
					s := n.own(accept.Accepted())
					mustBePrepared(t, s)
					if got := accept.Peer(); got != n.address(c) {
						t.Errorf("accepted %v, want %v", got, n.address(c))
					}
					if d.Contains(s) {
						t.Error("what was accepted is registered")
					}
					register(t, d, s)
					converse(t, d, c, s)
					n.shutdownWrite(s)
					end := newOp(d)
					for i := range 2 {
						must(t, end.Recv(c, make([]byte, 10)))
						end.done(t, d, i+1)
						end.want(t, i+1, 0, nil)
					}
					if got := end.Peer(); got != (dispatch.Addr{}) {
						t.Errorf("received from %v", got)
					}
					must(t, d.CloseFD(s))
					n.disown(s)
					must(t, d.CloseFD(c))
					n.disown(c)
					c = kind.socket(n)
					register(t, d, c)
				}
			})
		}
	})
}

// converse sends from a to b and back.
func converse(tb testing.TB, d *dispatch.Dispatcher, a, b dispatch.FD) {
	tb.Helper()
	for i, way := range [][2]dispatch.FD{{a, b}, {b, a}, {a, b}} {
		send, recv := newOp(d), newOp(d)
		text, buf := []byte(fmt.Sprintf("message %d", i)), make([]byte, 100)
		if i%2 == 0 {
			must(tb, recv.Recv(way[1], buf))
		}
		must(tb, send.Send(way[0], text))
		send.done(tb, d, 1)
		if i%2 != 0 {
			must(tb, recv.RecvFrom(way[1], buf)) // is the same for a stream
		}
		recv.done(tb, d, 1)
		send.want(tb, 1, len(text), nil)
		recv.want(tb, 1, len(text), nil)
		if !bytes.Equal(buf[:recv.n], text) {
			tb.Errorf("received %q, want %q", buf[:recv.n], text)
		}
	}
}

// TestOpsNeverInline: what could be done at once has its callback in the FIFO even so, behind what
// was posted before.
func TestOpsNeverInline(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.pair()
		register(t, d, b)
		n.sysSend(a, []byte("abcdef"))
		var r record
		recv, send := newOp(d), newOp(d)
		recv.then = r.does("recv")
		send.then = r.does("send")
		starts := func() {
			d.CallSoon(r.does("first"))
			posted := make(chan error)
			go func() { posted <- d.Post(r.does("post")) }()
			must(t, <-posted)
			must(t, recv.Recv(b, make([]byte, 3)))
			must(t, send.Send(b, []byte("x")))
			d.CallSoon(r.does("last"))
			if len(r) > 0 {
				t.Errorf("%q ran within a start", r)
			}
		}
		check := func() {
			t.Helper()
			if cfg.Backend == "iocp" { // the system tells later
				slices.Sort(r)
				r.want(t, "first", "last", "post", "recv", "send")
				return
			}
			r.want(t, "first", "post", "recv", "send", "last")
		}
		wait := func(runs int) {
			recv.done(t, d, runs)
			send.done(t, d, runs)
		}
		starts()
		wait(1)
		check()
		d.CallSoon(starts)
		wait(2)
		check()
	})
}

// TestOpsOrder: many operations of one direction, started by several goroutines while data comes
// in, take it in the order of their start, and so do their callbacks run.
func TestOpsOrder(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		const starters, each = 4, 64
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.pair()
		register(t, d, b)
		stop := start(t, d)
		var mu sync.Mutex
		started := 0
		var order []int
		var bytes []byte
		all := make(chan struct{})
		var wg sync.WaitGroup
		for range starters {
			wg.Go(func() {
				for range each {
					buf := make([]byte, 1)
					mu.Lock()
					me := started
					started++
					err := d.NewOp(func(o *dispatch.Op) {
						if o.N() != 1 || o.Err() != nil {
							t.Errorf("received %d, %v", o.N(), o.Err())
						}
						order = append(order, me)
						bytes = append(bytes, buf[0])
						if len(order) == starters*each {
							close(all)
						}
					}).Recv(b, buf)
					mu.Unlock()
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		for i := range starters * each {
			n.sysSend(a, []byte{byte(i)})
		}
		wg.Wait()
		<-all
		stop()
		for i := range order {
			if order[i] != i || bytes[i] != byte(i) {
				t.Fatalf("callback %d is that of start %d, with %d", i, order[i], bytes[i])
			}
		}
	})
}

// TestOpsOrderInTurn: an operation that another goroutine has seen done while the loop asked the system
// has its callback before a later one that the loop has served.
func TestOpsOrderInTurn(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		if cfg.Backend == "iocp" {
			return // all is served by the loop
		}
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.pair()
		register(t, d, b)
		buf := make([]byte, 3)
		ops := []*operation{newOp(d), newOp(d), newOp(d)}
		var r record
		for i, o := range ops {
			o.then = func() { r.does(fmt.Sprintf("%d:%c", i, buf[i]))() }
		}
		must(t, ops[0].Recv(b, buf[:1])) // waits, so that the poller knows b
		settle(t, d)
		n.sysSend(a, []byte("ab"))
		afterWait(d, func() {
			// The event has been collected, but the loop does not know of it yet.
			done := make(chan struct{})
			go func() {
				defer close(done)
				ops[0].Cancel()
				for i, o := range ops {
					if i == 0 {
						continue
					}
					if err := o.Recv(b, buf[i:][:1]); err != nil {
						t.Error(err)
					}
				}
			}()
			<-done
		})
		ops[2].done(t, d, 1)
		r.want(t, "0:\x00", "1:a", "2:b")
	})
}

// afterWait calls do when the poller has answered the next time, before the loop looks at the answer.
func afterWait(d *dispatch.Dispatcher, do func()) {
	d.WrapPoller(func(p poll.Poller) poll.Poller { return &waited{p, do} })
}

// waited is a poller as afterWait makes it.
type waited struct {
	poll.Poller
	do func()
}

func (w *waited) Wait(events []poll.Event, timeout time.Duration) (int, error) {
	n, err := w.Poller.Wait(events, timeout)
	if do := w.do; do != nil && n > 0 {
		w.do = nil
		do()
	}
	return n, err
}

// TestOpsSendWhole: buffers are sent whole and one after the other, however slow the reader and
// whoever starts.
func TestOpsSendWhole(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		const senders, each, size = 3, 4, 100_000
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.pair()
		register(t, d, a, b)
		stop := start(t, d)
		var mu sync.Mutex
		var order, ended []byte // the letters that the buffers are full of
		var wg sync.WaitGroup
		var got []byte
		all := make(chan struct{})
		buf := make([]byte, 7001)
		var recv *dispatch.Op
		recv = d.NewOp(func(o *dispatch.Op) {
			got = append(got, buf[:o.N()]...)
			if len(got) == senders*each*size {
				close(all)
				return
			}
			if err := recv.Recv(b, buf); err != nil {
				t.Error(err)
			}
		})
		for range senders {
			wg.Go(func() {
				for range each {
					mu.Lock()
					letter := byte('a' + len(order))
					order = append(order, letter)
					err := d.NewOp(func(o *dispatch.Op) {
						if o.N() != size || o.Err() != nil {
							t.Errorf("sent %d, %v", o.N(), o.Err())
						}
						ended = append(ended, letter)
					}).Send(a, bytes.Repeat([]byte{letter}, size))
					mu.Unlock()
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		must(t, recv.Recv(b, buf))
		<-all
		stop()
		for i, letter := range order {
			if !bytes.Equal(got[i*size:][:size], bytes.Repeat([]byte{letter}, size)) {
				t.Errorf("what was sent as number %d did not arrive in one piece", i)
			}
		}
		settle(t, d)
		if !bytes.Equal(order, ended) {
			t.Errorf("ended %q, want %q", ended, order)
		}
	})
}

// TestOpsTurns: however many operations one event serves, other callbacks have their turn in between, and
// an operation that they start does not pass those that are left.
func TestOpsTurns(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		if cfg.Backend == "iocp" {
			return // the system serves them, and tells of those that are done
		}
		const all = 10 * dispatch.MaxCalls
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.pair()
		register(t, d, b)
		started, served, ran := 0, 0, 0
		begin := func() {
			me := started
			started++
			must(t, d.NewOp(func(*dispatch.Op) {
				if me != served {
					t.Errorf("operation %d was served as number %d", me, served)
				}
				served++
			}).Recv(b, make([]byte, 1)))
		}
		for range all {
			begin()
		}
		settle(t, d)
		n.sysSend(a, make([]byte, all+5))
		var other func()
		other = func() {
			if served-ran > dispatch.MaxCalls {
				t.Errorf("%d operations in one turn", served-ran)
			}
			if served > 0 && started < all+5 {
				begin()
			}
			if ran = served; ran < all {
				d.CallSoon(other)
			}
		}
		d.CallSoon(other)
		for served < all+5 {
			turn(t, d)
		}
		settle(t, d)
	})
}

// TestOpsSendLarge: while a large buffer is sent others have their turns.
func TestOpsSendLarge(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		size := check.Times(8<<20, 64<<20)
		a, b := n.pair()
		register(t, d, a)
		sum, ended := make(chan int), make(chan struct{})
		go func() {
			total := 0
			for buf := make([]byte, 1<<20); ; {
				got, ok := n.sysRecv(b, buf)
				if total += got; !ok {
					break
				}
			}
			sum <- total
		}()
		send := newOp(d)
		others := 0
		var other func()
		other = func() {
			others++
			if send.runs == 0 {
				d.CallSoon(other)
			}
		}
		send.then = func() { close(ended) }
		d.CallSoon(other)
		must(t, send.Send(a, make([]byte, size)))
		send.done(t, d, 1)
		<-ended
		send.want(t, 1, size, nil)
		if others < size/(8<<20) {
			t.Errorf("others had %d turns", others)
		}
		n.shutdownWrite(a)
		if got := <-sum; got != size {
			t.Errorf("%d bytes arrived, want %d", got, size)
		}
	})
}
