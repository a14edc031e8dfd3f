//go:build unix || windows

package dispatch_test

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// TestOpsWindow: data that comes in when an operation has been told to wait, but has not entered the
// queue, is not missed, though the loop hears of it in just that moment.
func TestOpsWindow(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		if cfg.Backend == "iocp" {
			return // there is no such moment: the system has the operation, or not
		}
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.pair()
		register(t, d, b)
		first := newOp(d)
		must(t, first.Recv(b, make([]byte, 1))) // full, so that the next one asks the system
		settle(t, d)
		n.sysSend(a, []byte{1})
		first.done(t, d, 1)
		settle(t, d)

		var edges atomic.Int32
		tells := cfg.Backend == "epoll" // of edges that nobody has asked for
		dispatch.HookOps(func() {
			before := edges.Load()
			n.sysSend(a, []byte{2})
			for tells && edges.Load() == before {
				runtime.Gosched() // the loop has the edge now
			}
		}, func() { edges.Add(1) })
		defer dispatch.HookOps(nil, nil)
		stop := start(t, d)
		asleep(d)
		ran := make(chan int)
		buf := make([]byte, 1)
		o := d.NewOp(func(o *dispatch.Op) { ran <- o.N() })
		must(t, o.Recv(b, buf))
		if got := <-ran; got != 1 || buf[0] != 2 {
			t.Errorf("received %d bytes, %d", got, buf[0])
		}
		stop()
	})
}

// TestOpsArmed: an operation that is started while an event for its predecessor is on its way
// is not forgotten.
func TestOpsArmed(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.pair()
		register(t, d, b)
		stop := start(t, d)
		o := make(chan struct{})
		buf := make([]byte, 2)
		recv := d.NewOp(func(*dispatch.Op) { o <- struct{}{} })
		other := d.NewOp(func(*dispatch.Op) { o <- struct{}{} })
		for range 200 {
			must(t, recv.Recv(b, buf[:1]))
			must(t, other.Recv(b, buf[1:]))
			recv.Cancel()
			n.sysSend(a, []byte{1, 1}) // one or two of them are taken
			<-o
			<-o
			for left := make([]byte, 1); ; {
				if got, _ := n.sysRecv(b, left); got == 0 {
					break
				}
			}
		}
		stop()
	})
}
