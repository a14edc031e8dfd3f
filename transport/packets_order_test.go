package transport_test

import (
	"context"
	"runtime"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// Handlers begin in the order of the messages, however many may run at a time, and whether they wait or not.
func TestServePacketsOrder(t *testing.T) {
	const messages, rounds = 24, 3
	everyWay(t, func(w *world) {
		for _, waits := range []int{1, 2, 5, messages} { // each message of so many waits
			got := make(chan byte, messages)
			s, _ := w.servePackets(func(ctx context.Context, p *transport.Packet) error {
				got <- p.Data[0]
				if int(p.Data[0])%waits == 0 {
					return core.Yield(ctx)
				}
				return nil
			}, transport.PacketsConfig{Parallel: 4, OnError: noPacketErrors(w.T)})
			c := s.dial()
			for range rounds { // in the first one there are few workers
				for i := range messages {
					if _, err := c.Write([]byte{byte(i)}); err != nil {
						w.Fatal(err)
					}
				}
				for i := range messages {
					if n, _, err := core.Receive(w.ctx, got); err != nil || int(n) != i {
						w.Fatalf("message %d as the one with number %d, %v", n, i, err)
					}
				}
			}
			c.Close()
			s.stop()
			s.end(nil)
		}
	})
}

// A worker that a Goexit of its handler ends is replaced, though another one waits in its handler.
func TestServePacketsGoexitBesideAnother(t *testing.T) {
	everyWay(t, func(w *world) {
		goOn := make(chan struct{})
		begun := make(chan string, 10)
		s, _ := w.servePackets(func(ctx context.Context, p *transport.Packet) error {
			begun <- string(p.Data)
			switch string(p.Data) {
			case "waits":
				_, _, err := core.Receive(ctx, goOn)
				return err
			case "exits":
				if err := core.Yield(ctx); err != nil {
					return err
				}
				runtime.Goexit()
			}
			return nil
		}, transport.PacketsConfig{Parallel: 2, Grace: -1, OnError: func(_ *transport.Packet, err error) {
			if err != core.ErrGoexit {
				w.Errorf("OnError: %v", err)
			}
		}})
		c := s.dial()
		defer c.Close()
		for _, msg := range []string{"exits", "waits", "exits", "exits", "last"} {
			if _, err := c.Write([]byte(msg)); err != nil {
				w.Fatal(err)
			}
			if got, _, err := core.Receive(w.ctx, begun); err != nil || got != msg {
				w.Fatalf("got %q, %v", got, err)
			}
		}
		close(goOn)
		s.stop()
		s.end(nil)
	})
}
