//go:build unix || windows

package dispatch_test

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// Operations that wait for others of their descriptor.

// TestOpsBehindConnect: what is started right after a Connect is served when there is a connection.
func TestOpsBehindConnect(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		l, a := n.listenTCP(), n.tcp()
		register(t, d, l, a)
		connect, send, recv, none := newOp(d), newOp(d), newOp(d), newOp(d)
		buf := make([]byte, 10)
		var r record
		connect.then, send.then = r.does("connect"), r.does("send")
		must(t, connect.Connect(a, n.address(l)))
		must(t, send.Send(a, []byte("first")))
		must(t, none.Recv(a, make([]byte, 10)))
		must(t, recv.Recv(a, buf))
		none.Cancel()
		b := n.accept(l)
		n.sysSend(b, []byte("answer"))
		recv.done(t, d, 1)
		send.done(t, d, 1)
		none.done(t, d, 1)
		connect.want(t, 1, 0, nil)
		send.want(t, 1, 5, nil)
		recv.want(t, 1, 6, nil)
		none.want(t, 1, 0, context.Canceled)
		r.want(t, "connect", "send")
		if string(buf[:6]) != "answer" {
			t.Errorf("received %q", buf)
		}
	})
}

// TestOpsBehindConnectPort: a poller that takes whole operations gets what follows a Connect when that is
// done, whatever the system would make of it before.
func TestOpsBehindConnectPort(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		l, a := n.listenTCP(), n.tcp()
		register(t, d, l, a)
		s := &submissions{}
		d.WrapPoller(func(p poll.Poller) poll.Poller { s.Poller = p; return s })
		if !s.Operations() {
			return // it gets none
		}
		connect, send, recv := newOp(d), newOp(d), newOp(d)
		must(t, connect.Connect(a, n.address(l)))
		must(t, recv.Recv(a, make([]byte, 10)))
		must(t, send.Send(a, []byte("x")))
		if !slices.Equal(s.kinds, []poll.OpKind{poll.OpConnect}) {
			t.Errorf("submitted %v", s.kinds)
		}
		send.done(t, d, 1)
		if !slices.Equal(s.kinds, []poll.OpKind{poll.OpConnect, poll.OpSend, poll.OpRecv}) {
			t.Errorf("submitted %v", s.kinds)
		}
	})
}

// submissions is a poller that records them.
type submissions struct {
	poll.Poller
	kinds []poll.OpKind
}

func (s *submissions) Submit(op *poll.Op) error {
	s.kinds = append(s.kinds, op.Kind)
	return s.Poller.Submit(op)
}

// TestOpsBehindFailedConnect: where there is no connection each operation says so, or ends as if the
// peer had closed it.
func TestOpsBehindFailedConnect(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		l, a := n.listenTCP(), n.tcp()
		to := n.address(l)
		n.close(l)
		register(t, d, a)
		connect, send, recv := newOp(d), newOp(d), newOp(d)
		must(t, connect.Connect(a, to))
		must(t, send.Send(a, []byte("lost")))
		must(t, recv.Recv(a, make([]byte, 10)))
		connect.done(t, d, 1)
		send.done(t, d, 1)
		recv.done(t, d, 1)
		if connect.err == nil || send.err == nil || send.n != 0 || recv.n != 0 {
			t.Errorf("connect: %v; send: %d, %v; recv: %d, %v", connect.err, send.n, send.err, recv.n, recv.err)
		}
	})
}

// TestOpsCancelQueued: an operation that waits for its turn ends at once when it is canceled, with nothing
// moved, and those before and behind it do not notice.
func TestOpsCancelQueued(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.pair()
		register(t, d, a)
		const size = 2 << 20
		var sends, recvs [3]*operation
		bufs := make([][]byte, 3)
		for i := range sends {
			sends[i], recvs[i] = newOp(d), newOp(d)
			bufs[i] = make([]byte, 10)
			must(t, sends[i].Send(a, bytes.Repeat([]byte{byte('a' + i)}, size)))
			must(t, recvs[i].Recv(a, bufs[i]))
		}
		settle(t, d)
		for _, o := range []*operation{sends[1], recvs[1]} {
			if !o.Cancel() || o.Cancel() {
				t.Error("Cancel = false, or again true")
			}
			turn(t, d)
			o.want(t, 1, 0, context.Canceled)
		}
		n.sysSend(b, []byte("one"))
		recvs[0].done(t, d, 1)
		n.sysSend(b, []byte("two"))
		recvs[2].done(t, d, 1)
		if got := string(bufs[0][:3]) + string(bufs[1][:3]) + string(bufs[2][:3]); got != "one\x00\x00\x00two" {
			t.Errorf("received %q", got)
		}
		sends[2].then = func() { n.shutdownWrite(a) }
		got := drain(t, d, n, b)
		settle(t, d)
		sends[0].want(t, 1, size, nil)
		sends[1].want(t, 1, 0, context.Canceled)
		sends[2].want(t, 1, size, nil)
		if !bytes.Equal(got, append(bytes.Repeat([]byte{'a'}, size), bytes.Repeat([]byte{'c'}, size)...)) {
			t.Errorf("%d bytes arrived, or others than were sent", len(got))
		}
	})
}

// TestOpsCancelThenClose: what was canceled has been, though the descriptor is closed before its callback
// runs.
func TestOpsCancelThenClose(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		a, _ := n.pair()
		register(t, d, a)
		recv, send, rest := newOp(d), newOp(d), newOp(d)
		must(t, recv.Recv(a, make([]byte, 10)))
		must(t, send.Send(a, make([]byte, 8<<20)))
		must(t, rest.Send(a, make([]byte, 10)))
		settle(t, d)
		recv.Cancel()
		send.Cancel()
		must(t, d.CloseFD(a))
		n.disown(a)
		for _, o := range []*operation{recv, send, rest} {
			if o.Cancel() {
				t.Error("Cancel of what has been canceled or closed = true")
			}
		}
		for _, o := range []*operation{recv, send, rest} {
			o.done(t, d, 1)
		}
		settle(t, d)
		recv.want(t, 1, 0, context.Canceled)
		send.want(t, 1, send.n, context.Canceled)
		rest.want(t, 1, 0, dispatch.ErrFDClosed)
	})
}
