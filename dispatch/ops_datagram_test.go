//go:build unix || windows

package dispatch_test

import (
	"errors"
	"testing"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// TestOpsDatagram sends messages of several sizes, none at all included, by SendTo, and answers them.
func TestOpsDatagram(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.udp(), n.udp()
		register(t, d, a, b)
		send, recv := newOp(d), newOp(d)
		buf := make([]byte, 100)
		for i, text := range []string{"hello", "", "x", ""} {
			if i%2 == 0 {
				must(t, recv.RecvFrom(b, buf))
			}
			must(t, send.SendTo(a, []byte(text), n.address(b)))
			send.done(t, d, i+1)
			send.want(t, i+1, len(text), nil)
			if i%2 != 0 {
				must(t, recv.RecvFrom(b, buf))
			}
			recv.done(t, d, 2*i+1)
			recv.want(t, 2*i+1, len(text), nil)
			if string(buf[:recv.n]) != text || recv.Peer() != n.address(a) {
				t.Errorf("%q from %v, want %q", buf[:recv.n], recv.Peer(), text)
			}
			must(t, recv.SendTo(b, []byte("echo "+text), recv.Peer()))
			recv.done(t, d, 2*i+2)
			must(t, recv.err)
			back := newOp(d)
			must(t, back.Recv(a, buf)) // without the address
			back.done(t, d, 1)
			back.want(t, 1, len("echo "+text), nil)
			if got := back.Peer(); got != (dispatch.Addr{}) {
				t.Errorf("Peer of Recv is %v", got)
			}
		}
		for range 2 {
			must(t, recv.RecvFrom(b, buf))
			recv.Cancel()
			recv.done(t, d, recv.runs+1)
			if got := recv.Peer(); got != (dispatch.Addr{}) {
				t.Errorf("Peer of what was canceled is %v", got)
			}
			must(t, recv.SendTo(b, nil, n.address(a)))
			recv.done(t, d, recv.runs+1)
		}
	})
}

// TestOpsTruncated: a message that is larger than the buffer is cut off and said to be, and the next one
// is whole. A buffer may have no bytes.
func TestOpsTruncated(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.udp(), n.udp()
		register(t, d, a, b)
		send, recv := newOp(d), newOp(d)
		runs := 0
		for _, test := range []struct {
			size int
			err  error
		}{{4, dispatch.ErrTruncated}, {5, nil}, {0, dispatch.ErrTruncated}, {100, nil}, {1, dispatch.ErrTruncated}} {
			for _, start := range []func(*dispatch.Op, dispatch.FD, []byte) error{(*dispatch.Op).Recv, (*dispatch.Op).RecvFrom} {
				for _, early := range []bool{false, true} {
					runs++
					buf := make([]byte, test.size)
					if early {
						must(t, start(recv.Op, b, buf))
						settle(t, d)
					}
					must(t, send.SendTo(a, []byte("hello"), n.address(b)))
					send.done(t, d, runs)
					if !early {
						must(t, start(recv.Op, b, buf))
					}
					recv.done(t, d, runs)
					recv.want(t, runs, min(5, test.size), test.err)
					if string(buf[:recv.n]) != "hello"[:recv.n] {
						t.Errorf("received %q", buf[:recv.n])
					}
				}
			}
		}
	})
}

// TestOpsConnected: a datagram socket that is connected sends and receives without addresses.
func TestOpsConnected(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.udp(), n.udp()
		register(t, d, a, b)
		o, recv := newOp(d), newOp(d)
		buf := make([]byte, 10)
		must(t, o.Connect(a, n.address(b)))
		o.done(t, d, 1)
		o.want(t, 1, 0, nil)
		must(t, o.Send(a, []byte("to b")))
		o.done(t, d, 2)
		o.want(t, 2, 4, nil)
		must(t, recv.RecvFrom(b, buf))
		recv.done(t, d, 1)
		recv.want(t, 1, 4, nil)
		must(t, o.SendTo(b, []byte("to a"), recv.Peer()))
		must(t, recv.Recv(a, buf))
		recv.done(t, d, 2)
		recv.want(t, 2, 4, nil)
		if string(buf[:4]) != "to a" {
			t.Errorf("received %q", buf[:4])
		}
		settle(t, d)
	})
}

// TestOpsConnectedRefused: a datagram socket that is connected hears that its peer is gone, once for
// each message, and goes on.
func TestOpsConnectedRefused(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.udp(), n.udp()
		to := n.address(b)
		register(t, d, a)
		o, recv := newOp(d), newOp(d)
		must(t, o.Connect(a, to))
		o.done(t, d, 1)
		o.want(t, 1, 0, nil)
		must(t, o.Send(a, []byte("to b")))
		o.done(t, d, 2)
		o.want(t, 2, 4, nil)
		n.close(b)
		buf := make([]byte, 10)
		must(t, recv.Recv(a, buf))
		settle(t, d)
		if recv.runs == 0 { // else the port told of the first message
			must(t, o.Send(a, []byte("nobody")))
			o.done(t, d, 3)
			recv.done(t, d, 1)
		}
		if recv.n != 0 || !errors.Is(recv.err, errRefused) {
			t.Errorf("received %d, %v from nobody", recv.n, recv.err)
		}
		if wine() {
			// Its server calls such a socket aborted, and does not look at it any more.
			t.Skip("under Wine no overlapped receive hears of anything after an error of a datagram socket")
		}
		must(t, recv.Recv(a, buf))
		settle(t, d)
		if recv.runs != 1 {
			t.Errorf("received %d, %v after that", recv.n, recv.err)
		}
		c := n.udpAt(to)
		register(t, d, c)
		runs := o.runs
		must(t, o.SendTo(c, []byte("back"), n.address(a)))
		o.done(t, d, runs+1)
		o.want(t, runs+1, 4, nil)
		recv.done(t, d, 2)
		recv.want(t, 2, 4, nil)
		if string(buf[:4]) != "back" {
			t.Errorf("received %q", buf[:4])
		}
		settle(t, d)
	})
}
