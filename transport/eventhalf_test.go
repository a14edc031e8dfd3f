package transport_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// A connection whose peer has ended its direction, and which is held to write, is closed when it breaks: when a write of
// what was kept is told, and where the system tells.
func TestEventsEndedAndBroken(t *testing.T) {
	for _, keeps := range []bool{true, false} {
		t.Run(fmt.Sprintf("keeps=%v", keeps), func(t *testing.T) {
			everyWay(t, func(w *world) {
				if !keeps && !strings.Contains(w.Name(), "/epoll/") {
					return // see TestEventsPausedAndBroken
				}
				const much = 32 << 20 // more than the system takes
				ended := core.NewFuture[struct{}]()
				s := w.events(func(_ *transport.EventConn, in []byte) (int, error) {
					return len(in), nil
				}, transport.EventConfig{MaxUnsent: much, Ended: func(c *transport.EventConn, _ []byte) {
					if keeps {
						if _, err := c.Write(make([]byte, much)); err != nil || c.Unsent() == 0 {
							w.Errorf("Write: %v, %d are kept", err, c.Unsent())
						}
					}
					ended.Complete(struct{}{})
				}})
				peer := s.peer()
				if err := peer.CloseWrite(); err != nil {
					w.Fatal(err)
				}
				if _, err := ended.Await(w.ctx); err != nil {
					w.Fatal(err)
				}
				w.snap(peer)
				if errs := s.closings(1); errs[0] == nil {
					w.Error("closed in good order")
				}
				s.stop()
				s.end(nil)
			})
		})
	}
}

// A connection that has ended in both directions is the user's to close.
func TestEventsEndedBothWays(t *testing.T) {
	everyWay(t, func(w *world) {
		ended := core.NewFuture[*transport.EventConn]()
		s := w.events(func(_ *transport.EventConn, in []byte) (int, error) {
			return len(in), nil
		}, transport.EventConfig{Ended: func(c *transport.EventConn, _ []byte) {
			if err := c.CloseWrite(); err != nil {
				w.Error(err)
			}
			ended.Complete(c)
		}})
		peer := s.peer()
		if err := peer.CloseWrite(); err != nil {
			w.Fatal(err)
		}
		c, err := ended.Await(w.ctx)
		if err != nil {
			w.Fatal(err)
		}
		peer.Close()
		for range 20 { // turns
			turned := core.NewFuture[struct{}]()
			w.d.CallSoon(func() { turned.Complete(struct{}{}) })
			if _, err := turned.Await(w.ctx); err != nil {
				w.Fatal(err)
			}
		}
		s.mu.Lock()
		if len(s.closed) > 0 {
			w.Errorf("closed with %v", s.closed)
		}
		s.mu.Unlock()
		w.d.CallSoon(func() { _ = c.Close() })
		if errs := s.closings(1); errs[0] != nil {
			w.Errorf("closed with %v", errs)
		}
		s.stop()
		s.end(nil)
	})
}

// A connection that writes more whenever all is sent does not keep the loop from others, however fast the peer reads.
func TestEventsFlushedTurns(t *testing.T) {
	everyWay(t, func(w *world) {
		// The most that one Write sends, and how often what it has kept is sent in a row, behind the handler.
		const atOnce, most, pieces = 1 << 20, 5, 100
		piece := make([]byte, atOnce+1)
		row, longest, left := 0, 0, pieces
		next := func(c *transport.EventConn) {
			if row++; row == 1 {
				w.d.CallSoon(func() { row = 0 })
			}
			longest = max(longest, row)
			if left--; left < 0 {
				_ = c.Close()
			} else if _, err := c.Write(piece); err != nil {
				w.Error(err)
			}
		}
		s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
			next(c)
			return len(in), nil
		}, transport.EventConfig{Flushed: next})
		peer := s.peer()
		n, err := core.Blocking(w.ctx, func(context.Context) (int64, error) { return io.Copy(io.Discard, peer) })
		if n != pieces*int64(len(piece)) || err != nil {
			w.Errorf("the peer has got %d bytes, %v", n, err)
		}
		peer.Close()
		s.closings(1)
		s.stop()
		s.end(nil)
		if longest > most {
			w.Errorf("%d in a row", longest)
		}
	})
}
