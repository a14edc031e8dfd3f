//go:build !race && !386 && !s390x

package transport_test

import (
	"errors"
	"testing"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/transport"
)

// Calls that need not wait allocate nothing.
func TestSocketAllocs(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.sockets(transport.IPv4, transport.Stream)
		u, ut := w.boundSocket(transport.IPv4, transport.Datagram)
		v, _ := w.boundSocket(transport.IPv4, transport.Datagram)
		buf := make([]byte, 100)
		for name, fn := range map[string]func() error{
			"Send, RecvInto": func() error {
				_, err := a.Send(w.ctx, buf)
				_, e := b.RecvInto(w.ctx, buf, transport.SafeDisconn)
				return errors.Join(err, e)
			},
			"SendTo, RecvFromInto": func() error {
				_, err := v.SendTo(w.ctx, buf, ut)
				var from dispatch.Addr
				_, from, e := u.RecvFromInto(w.ctx, buf)
				if from.Unix != "" {
					w.Error(from)
				}
				return errors.Join(err, e)
			},
		} {
			if n := testing.AllocsPerRun(200, func() {
				if err := fn(); err != nil {
					w.Error(err)
				}
			}); n != 0 {
				w.Errorf("%s: %v allocations", name, n)
			}
		}
	})
}
