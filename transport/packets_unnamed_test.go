//go:build unix

package transport_test

import (
	"context"
	"io"
	"syscall"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// Who has no name cannot be answered, and the error says so.
func TestReplyUnnamed(t *testing.T) {
	everyWay(t, func(w *world) {
		c := w.packets("unixgram")
		from, err := transport.Dial(w.on, "unixgram", c.LocalAddr().String())
		if err != nil {
			w.Fatal(err)
		}
		defer from.Close()
		replied := core.NewFuture[error]()
		ctx, stop := core.WithCancel(w.ctx)
		server := core.Start(core.Detach(w.ctx), func(context.Context) error {
			return transport.ServePackets(ctx, c, func(_ context.Context, p *transport.Packet) error {
				n, err := p.Reply([]byte("x"))
				if n != 0 {
					w.Errorf("%d bytes", n)
				}
				replied.Complete(err)
				return nil
			}, transport.PacketsConfig{})
		})
		if _, err := io.WriteString(from, "hello"); err != nil {
			w.Fatal(err)
		}
		got, err := replied.Await(w.ctx)
		if err != nil {
			w.Fatal(err)
		}
		w.isOpError(got, "write", syscall.EDESTADDRREQ)
		stop()
		w.join(server)
	})
}
