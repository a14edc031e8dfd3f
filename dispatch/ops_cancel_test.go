//go:build unix || windows

package dispatch_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
)

// waiting is operations of all kinds that wait, of several descriptors.
type waiting struct {
	ops   map[string]*operation
	names []string
	fds   []dispatch.FD
}

// startAll starts operations of all kinds that have to wait.
func startAll(tb testing.TB, d *dispatch.Dispatcher, n *network) *waiting {
	tb.Helper()
	a, _ := n.pair()
	l, u := n.listenTCP(), n.udp()
	w := &waiting{ops: make(map[string]*operation), fds: []dispatch.FD{a, l, u}}
	register(tb, d, a, l, u)
	begin := func(name string, f func(o *operation) error) {
		tb.Helper()
		for i := range 2 {
			o, name := newOp(d), fmt.Sprintf("%s %d", name, i)
			must(tb, f(o))
			w.ops[name] = o
			w.names = append(w.names, name)
		}
	}
	begin("recv", func(o *operation) error { return o.Recv(a, make([]byte, 10)) })
	begin("send", func(o *operation) error { return o.Send(a, make([]byte, 8<<20)) })
	begin("accept", func(o *operation) error { return o.Accept(l) })
	begin("recvfrom", func(o *operation) error { return o.RecvFrom(u, make([]byte, 10)) })
	if to, ok := n.crowded(); ok {
		c := n.tcp()
		register(tb, d, c)
		w.fds = append(w.fds, c)
		begin("connect", func(o *operation) error { return o.Connect(c, to) })
	}
	settle(tb, d)
	for name, o := range w.ops {
		if o.runs != 0 {
			tb.Fatalf("%s has ended: %d, %v", name, o.n, o.err)
		}
	}
	return w
}

// want compares how all of them have ended.
func (w *waiting) want(tb testing.TB, err error) {
	tb.Helper()
	for _, name := range w.names {
		o := w.ops[name]
		if o.runs != 1 || o.err != err {
			tb.Errorf("%s: %d runs, with %v; want 1, %v", name, o.runs, o.err, err)
		}
		if sent := name == "send 0"; sent != (o.n > 0) {
			tb.Errorf("%s: %d bytes", name, o.n)
		}
	}
}

// TestOpsCancel cancels each kind, again while the callback has not run, and once more when it has.
func TestOpsCancel(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		for _, backwards := range []bool{false, true} {
			n, d := newNetwork(t), open(t, cfg)
			if newOp(d).Cancel() {
				t.Error("Cancel before the first start = true")
			}
			w := startAll(t, d, n)
			if got := d.Pending(); got != len(w.ops) {
				t.Errorf("%d pending, want %d", got, len(w.ops))
			}
			for i := range w.names {
				if backwards {
					i = len(w.names) - 1 - i
				}
				o := w.ops[w.names[i]]
				if !o.Cancel() {
					t.Errorf("%s: Cancel = false", w.names[i])
				}
				if o.Cancel() {
					t.Errorf("%s: Cancel again = true", w.names[i])
				}
				if o.runs != 0 {
					t.Errorf("%s: the callback ran within Cancel", w.names[i])
				}
			}
			for _, o := range w.ops {
				o.done(t, d, 1)
			}
			settle(t, d)
			w.want(t, context.Canceled)
			for name, o := range w.ops {
				if o.Cancel() {
					t.Errorf("%s: Cancel of what has ended = true", name)
				}
			}
			if got := d.Pending(); got != 0 {
				t.Errorf("%d pending after", got)
			}
		}
	})
}

// TestOpsCancelLate: what has been received when Cancel comes is delivered.
func TestOpsCancelLate(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.pair()
		l := n.listenTCP()
		register(t, d, b, l)
		n.sysSend(a, []byte("ab"))
		var got []byte
		buf := make([]byte, 1)
		recv := newOp(d)
		for len(got) < 2 {
			must(t, recv.Recv(b, buf))
			canceled := recv.Cancel()
			recv.done(t, d, recv.runs+1)
			switch {
			case recv.err == nil:
				got = append(got, buf[:recv.n]...)
			case recv.err != context.Canceled || !canceled || recv.n != 0:
				t.Fatalf("Cancel = %v; %d, %v", canceled, recv.n, recv.err)
			}
			if cfg.Backend != "iocp" && canceled {
				t.Error("Cancel of what was done within the start = true")
			}
		}
		if string(got) != "ab" {
			t.Errorf("received %q", got)
		}
		c := n.tcp()
		register(t, d, c)
		accept, connect := newOp(d), newOp(d)
		must(t, connect.Connect(c, n.address(l)))
		connect.done(t, d, 1)
		for accept.runs == 0 || accept.err == context.Canceled {
			must(t, accept.Accept(l))
			accept.Cancel()
			accept.done(t, d, accept.runs+1)
		}
		must(t, accept.err)
		n.own(accept.Accepted())
	})
}

// pattern is byte i of what the tests send, which has a long period.
func pattern(i int) byte { return byte(i*7 + i>>8*13 + i>>16) }

// fill fills p with the pattern from offset at on.
func fill(p []byte, at int) []byte {
	for i := range p {
		p[i] = pattern(at + i)
	}
	return p
}

// compare fails if p is not the pattern from offset at on.
func compare(tb interface{ Fatalf(string, ...any) }, p []byte, at int) {
	for i, c := range p {
		if c != pattern(at+i) {
			tb.Fatalf("byte %d is not what was sent", at+i)
		}
	}
}

// drain receives from fd, turning the loop, until the end.
func drain(tb testing.TB, d *dispatch.Dispatcher, n *network, fd dispatch.FD) []byte {
	tb.Helper()
	var all []byte
	for buf := make([]byte, 1<<16); ; {
		got, ok := n.sysRecv(fd, buf)
		all = append(all, buf[:got]...)
		if !ok {
			return all
		}
		if _, err := d.Poll(0); err != nil && err != dispatch.ErrIdle {
			tb.Fatal(err)
		}
	}
}

// TestOpsCancelSend: a canceled Send tells how much of it went, and the next one goes on from there.
func TestOpsCancelSend(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		for _, reading := range []bool{false, true} {
			n, d := newNetwork(t), open(t, cfg)
			a, b := n.pair()
			register(t, d, a)
			first, next, last := newOp(d), newOp(d), newOp(d)
			must(t, first.Send(a, fill(make([]byte, 8<<20), 0)))
			rest := make([]byte, 4<<20)
			must(t, next.Send(a, rest))
			must(t, last.Send(a, []byte("end")))
			var got []byte
			for range 20 {
				buf := make([]byte, 1<<14)
				if reading {
					k, _ := n.sysRecv(b, buf)
					got = append(got, buf[:k]...)
				}
				turn(t, d)
			}
			if !first.Cancel() {
				t.Fatal("all of it was sent")
			}
			first.done(t, d, 1)
			if first.err != context.Canceled || first.n == 0 || next.runs != 0 {
				t.Fatalf("%d, %v; the next has run %d times", first.n, first.err, next.runs)
			}
			last.then = func() { n.shutdownWrite(a) }
			got = append(got, drain(t, d, n, b)...)
			settle(t, d)
			next.want(t, 1, len(rest), nil)
			last.want(t, 1, 3, nil)
			if len(got) != first.n+len(rest)+3 {
				t.Fatalf("%d bytes arrived, want %d and %d and 3", len(got), first.n, len(rest))
			}
			compare(t, got[:first.n], 0)
			if !bytes.Equal(got[first.n:], append(rest, "end"...)) {
				t.Error("what followed has not arrived whole")
			}
		}
	})
}

// TestOpsCancelHead: when the operation that is being served is canceled the next one is served, also
// when it is canceled between the event and its being served.
func TestOpsCancelHead(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		for _, late := range []bool{false, true} {
			n, d := newNetwork(t), open(t, cfg)
			a, b := n.pair()
			register(t, d, b)
			head, next := newOp(d), newOp(d)
			buf := make([]byte, 10)
			must(t, head.Recv(b, make([]byte, 10)))
			must(t, next.Recv(b, buf))
			settle(t, d)
			cancel := func() {
				if !head.Cancel() {
					t.Error("Cancel = false")
				}
			}
			if late && cfg.Backend != "iocp" {
				afterWait(d, cancel)
			} else {
				cancel()
			}
			n.sysSend(a, []byte("abc"))
			next.done(t, d, 1)
			next.want(t, 1, 3, nil)
			head.want(t, 1, 0, context.Canceled)
			if string(buf[:3]) != "abc" {
				t.Errorf("received %q", buf[:3])
			}
		}
	})
}

// TestOpsCancelUntouched: the buffer of a canceled operation is the caller's again when its callback
// runs.
func TestOpsCancelUntouched(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.pair()
		register(t, d, b)
		mine, other := make([]byte, 10), make([]byte, 10)
		o, next := newOp(d), newOp(d)
		must(t, o.Recv(b, mine))
		must(t, next.Recv(b, other))
		o.then = func() { n.sysSend(a, []byte("abc")) }
		o.Cancel()
		next.done(t, d, 1)
		if !bytes.Equal(mine, make([]byte, 10)) || string(other[:3]) != "abc" {
			t.Errorf("%q and %q", mine, other)
		}
	})
}

// TestOpsCancelRaces lets several goroutines start and cancel operations of both directions of
// a connection at any time: all that is sent arrives in order, nothing that arrives is dropped, and each
// start has one callback.
func TestOpsCancelRaces(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.pair()
		register(t, d, a, b)
		stop := start(t, d)
		total := check.Times(1<<20, 16<<20)
		var sent, received, ended, started atomic.Int64
		finished := make(chan struct{})

		// The loop alone uses what is sent next and what was received last.
		const size = 9000
		var ops []*dispatch.Op
		var send *dispatch.Op
		out := make([]byte, size)
		next := func() {
			if at := int(sent.Load()); at < total {
				started.Add(1)
				if err := send.Send(a, fill(out[:min(size, total-at)], at)); err != nil {
					t.Error(err)
				}
			}
		}
		send = d.NewOp(func(o *dispatch.Op) {
			ended.Add(1)
			if err := o.Err(); err != nil && err != context.Canceled {
				t.Error(err)
			}
			sent.Add(int64(o.N()))
			next()
		})
		ops = append(ops, send)
		for range 3 {
			buf := make([]byte, 5000)
			var recv *dispatch.Op
			again := func() {
				started.Add(1)
				if err := recv.Recv(b, buf); err != nil {
					t.Error(err)
				}
			}
			recv = d.NewOp(func(o *dispatch.Op) {
				ended.Add(1)
				if err := o.Err(); err != nil && err != context.Canceled {
					t.Error(err)
				}
				for i, c := range buf[:o.N()] {
					if at := int(received.Load()) + i; c != pattern(at) {
						t.Errorf("byte %d is not what was sent", at)
						break
					}
				}
				if received.Add(int64(o.N())) == int64(total) && o.N() > 0 {
					close(finished)
				}
				if received.Load() < int64(total) {
					again()
				}
			})
			ops = append(ops, recv)
			d.CallSoon(again)
		}
		d.CallSoon(next)
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				for k := i; ; k++ {
					select {
					case <-finished:
						return
					default:
					}
					ops[k%len(ops)].Cancel()
					if k%3 == 0 {
						runtime.Gosched()
					}
				}
			})
		}
		wg.Wait()
		for _, o := range ops {
			o.Cancel()
		}
		for started.Load() != ended.Load() {
			runtime.Gosched()
		}
		stop()
		if sent.Load() != int64(total) || received.Load() != int64(total) {
			t.Errorf("sent %d, received %d, want %d", sent.Load(), received.Load(), total)
		}
		settle(t, d)
		if started.Load() != ended.Load() {
			t.Errorf("%d starts, %d callbacks", started.Load(), ended.Load())
		}
	})
}
