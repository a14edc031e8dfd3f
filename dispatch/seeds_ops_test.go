//go:build unix || windows

package dispatch_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// TestSeedsSockets is TestSeeds for the calls on sockets. What names of hosts, dialing and the making of
// sockets are about is in package transport.
func TestSeedsSockets(t *testing.T) {
	runSeeds(t, []seed{
		{"connect", seedConnect},
		{"accept and acceptAddr", seedAccept},
		{"accept of a connection that was given up", seedAcceptGivenUp},
		{"accept fails when the socket is closed", seedAcceptClosed},
		{"recv", seedRecv},
		{"recvInto of a reset is an error", seedRecvReset},
		{"send sends all", seedSendAll},
		{"send of nothing", seedSendNothing},
		{"send to a peer that is gone is an error", seedSendGone},
		{"send keeps the order of several", TestOpsOrder},
		{"sendTo and recvFromInto", seedDatagrams},
		{"no operation is left behind by close", TestOpsEnd},
	})
}

// seedConnect: an address that refuses is an error of that address.
func seedConnect(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		l, a, b := n.listenTCP(), n.tcp(), n.tcp()
		at := n.address(l)
		register(t, d, a, b)
		o := newOp(d)
		must(t, o.Connect(a, at))
		o.done(t, d, 1)
		o.want(t, 1, 0, nil)
		n.accept(l)
		n.close(l)
		must(t, o.Connect(b, at))
		o.done(t, d, 2)
		if !errors.Is(o.err, errRefused) {
			t.Errorf("Connect to nobody = %v", o.err)
		}
	})
}

// seedAccept: what was accepted can be registered, and is not.
func seedAccept(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		l, c := n.listenTCP(), n.tcp()
		register(t, d, l, c)
		accept, connect := newOp(d), newOp(d)
		must(t, accept.Accept(l))
		must(t, connect.Connect(c, n.address(l)))
		accept.done(t, d, 1)
		accept.want(t, 1, 0, nil)
		fd := n.own(accept.Accepted())
		if accept.Peer() != n.address(c) || d.Contains(fd) {
			t.Errorf("peer %v, registered %v", accept.Peer(), d.Contains(fd))
		}
		mustBePrepared(t, fd)
		register(t, d, fd)
		connect.done(t, d, 1)
	})
}

// seedAcceptGivenUp: a connection that was reset before it was accepted does not end the Accept of others.
func seedAcceptGivenUp(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		l := n.listenTCP()
		register(t, d, l)
		var peers []dispatch.Addr
		accept, connect := newOp(d), newOp(d)
		for i := range 2 {
			c := n.tcp()
			register(t, d, c)
			must(t, connect.Connect(c, n.address(l)))
			connect.done(t, d, i+1)
			peers = append(peers, n.address(c))
			if i == 0 {
				must(t, d.Unregister(c))
				n.reset(c)
			}
		}
		for i := 0; !slices.Contains(peers[1:], accept.Peer()); i++ { // some systems pass the first one on
			must(t, accept.Accept(l))
			accept.done(t, d, i+1)
			accept.want(t, i+1, 0, nil)
			n.own(accept.Accepted())
		}
	})
}

func seedAcceptClosed(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		l := n.listenTCP()
		register(t, d, l)
		accept := newOp(d)
		must(t, accept.Accept(l))
		settle(t, d)
		must(t, d.CloseFD(l))
		n.disown(l)
		accept.done(t, d, 1)
		accept.want(t, 1, 0, dispatch.ErrFDClosed)
	})
}

// seedRecv: once, what there is; nothing, and no error, at the end.
func seedRecv(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.pair()
		register(t, d, b)
		o, buf := newOp(d), make([]byte, 100)
		n.sysSend(a, []byte("part"))
		must(t, o.Recv(b, buf))
		o.done(t, d, 1)
		if string(buf[:o.n]) != "part" || o.err != nil {
			t.Errorf("Recv: %q, %v", buf[:o.n], o.err)
		}
		n.shutdownWrite(a)
		for i := range 2 {
			must(t, o.Recv(b, buf))
			o.done(t, d, i+2)
			o.want(t, i+2, 0, nil)
		}
	})
}

func seedRecvReset(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.pair()
		register(t, d, b)
		o := newOp(d)
		must(t, o.Recv(b, make([]byte, 1)))
		n.reset(a)
		o.done(t, d, 1)
		if o.n != 0 || !isReset(o.err) {
			t.Errorf("Recv: %d, %v", o.n, o.err)
		}
	})
}

// seedSendAll: more than the system has room for, in one operation.
func seedSendAll(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.pair()
		register(t, d, a)
		o, data := newOp(d), fill(make([]byte, 1<<20), 0)
		must(t, o.Send(a, data))
		var got []byte
		for buf := make([]byte, 1<<16); len(got) < len(data); {
			_, err := d.Poll(0)
			if err != nil && err != dispatch.ErrIdle {
				t.Fatal(err)
			}
			k, _ := n.sysRecv(b, buf)
			got = append(got, buf[:k]...)
		}
		settle(t, d)
		o.want(t, 1, len(data), nil)
		if !bytes.Equal(got, data) {
			t.Error("something else arrived")
		}
	})
}

// seedSendNothing: it is done, and nothing arrives.
func seedSendNothing(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.pair()
		register(t, d, a)
		o := newOp(d)
		must(t, o.Send(a, nil))
		o.done(t, d, 1)
		o.want(t, 1, 0, nil)
		if k, _ := n.sysRecv(b, make([]byte, 1)); k != 0 {
			t.Errorf("%d bytes arrived", k)
		}
	})
}

// seedSendGone: data are never lost in silence.
func seedSendGone(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.pair()
		register(t, d, a)
		o := newOp(d)
		must(t, o.Send(a, make([]byte, 8<<20)))
		settle(t, d)
		n.reset(b)
		o.done(t, d, 1)
		if o.n >= 8<<20 || !isReset(o.err) {
			t.Errorf("Send: %d, %v", o.n, o.err)
		}
	})
}

// seedDatagrams: one message each, also one of nothing, to an address that is copied at the call.
func seedDatagrams(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.udp(), n.udp()
		register(t, d, a, b)
		send, recv, buf := newOp(d), newOp(d), make([]byte, 10)
		for i, text := range []string{"one", "", "three"} {
			to := n.address(b)
			must(t, send.SendTo(a, []byte(text), to))
			send.done(t, d, i+1)
			must(t, recv.RecvFrom(b, buf))
			recv.done(t, d, i+1)
			if string(buf[:recv.n]) != text || recv.err != nil || recv.Peer() != n.address(a) {
				t.Errorf("received %q from %v, %v", buf[:recv.n], recv.Peer(), recv.err)
			}
		}
	})
}
