//go:build !race && !386 && !s390x

package dispatch_test

import (
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// TestOpsAllocs: operations that are started again allocate nothing, nor do the turns that
// end them.
func TestOpsAllocs(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.pair()
		u, v := n.udp(), n.udp()
		to := n.address(v)
		register(t, d, a, b, u, v)
		buf, out := make([]byte, 100), []byte("hello")
		send, recv := newOp(d), newOp(d)
		var from dispatch.Addr
		for name, f := range map[string]func() error{
			"Recv, Send": func() error {
				if err := recv.Recv(b, buf); err != nil {
					return err
				}
				return send.Send(a, out)
			},
			"Send, Recv": func() error {
				if err := send.Send(a, out); err != nil {
					return err
				}
				return recv.Recv(b, buf)
			},
			"RecvFrom, SendTo": func() error {
				if err := recv.RecvFrom(v, buf); err != nil {
					return err
				}
				return send.SendTo(u, out, to)
			},
			"Recv canceled": func() error {
				if err := recv.Recv(b, buf); err != nil {
					return err
				}
				recv.Cancel()
				return send.SendTo(u, nil, to)
			},
		} {
			if got := testing.AllocsPerRun(100, func() {
				both := recv.runs + send.runs + 2
				if err := f(); err != nil {
					t.Error(err)
				}
				for recv.runs+send.runs < both {
					if _, err := d.Poll(time.Minute); err != nil {
						t.Error(err)
						return
					}
				}
				from = recv.Peer()
			}); got != 0 {
				t.Errorf("%s: %v allocations", name, got)
			}
		}
		_ = from
	})
}
