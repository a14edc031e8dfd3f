//go:build !ports

package transport_test

import (
	"context"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// The loop never hears of a TCP socket what epoll says of one that is not connected, that it is hung up: it
// would make a call for nothing before each wait.
func TestSocketNotHungUp(t *testing.T) {
	everyWay(t, func(w *world) {
		l, at := w.listeningSocket(transport.IPv4, transport.Stream)
		s := w.newSock(transport.IPv4, transport.Stream)
		if err := s.SetNoDelay(true); err != nil {
			w.Fatal(err)
		}
		for range 5 { // what the loop would hear, it would hear now
			if err := core.Yield(w.ctx); err != nil {
				w.Fatal(err)
			}
		}
		r := w.start(func(context.Context) error { return s.Connect(w.ctx, at) })
		peer, err := l.Accept(w.ctx)
		if err != nil {
			w.Fatal(err)
		}
		defer peer.Close()
		w.join(r)
		for range 3 {
			r := w.start(func(context.Context) error { _, err := s.Recv(w.ctx, 10); return err })
			w.socketWaits(s, 1, 0)
			w.sends(peer, "x")
			w.join(r)
		}
		for _, s := range []*transport.Socket{l, s, peer} {
			if s.HungUp() {
				w.Error("hung up")
			}
		}
	})
}
