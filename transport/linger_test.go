package transport_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// Close does not wait for the time to linger, neither by itself nor when the descriptor is in use, and what
// was written still arrives.
func TestLingeringCloseDoesNotWait(t *testing.T) {
	everyWay(t, func(w *world) {
		for name, end := range map[string]func(c *transport.Conn) error{
			"close":     (*transport.Conn).Close,
			"no longer": func(c *transport.Conn) error { return errors.Join(c.SetLinger(-1), c.Close()) },
			"in use": func(c *transport.Conn) error {
				raw, err := c.SyscallConn()
				if err != nil {
					return err
				}
				var closed error
				return errors.Join(raw.Control(func(uintptr) { closed = c.Close() }), closed)
			},
		} {
			c, peer := w.mixed()
			n := w.fill(c, c.With)
			if err := c.SetLinger(3600); err != nil {
				w.Fatal(err)
			}
			w.closesAtOnce(name, peer, n, func() error { return end(c) })
			w.isOpError(c.Close(), "close", net.ErrClosed)
		}
	})
}

func TestLingeringSocketDoesNotWait(t *testing.T) {
	everyWay(t, func(w *world) {
		for _, convert := range []bool{false, true} {
			if convert && runtime.GOOS == "windows" { // has no Socket.Conn
				continue
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				w.Fatal(err)
			}
			s, err := transport.DialSocket(w.on, "tcp", l.Addr().String())
			if err != nil {
				w.Fatal(err)
			}
			peer, err := l.Accept()
			if err != nil {
				w.Fatal(err)
			}
			l.Close()
			if err := s.SetLinger(3600); err != nil {
				w.Fatal(err)
			}
			end := s.Close
			n := 0
			if convert {
				c, err := s.Conn()
				if err != nil {
					w.Fatal(err)
				}
				n, end = w.fill(c, c.With), c.Close
			} else {
				ctx, cancel := context.WithCancel(w.ctx)
				task := w.start(func(context.Context) error {
					n, err = s.Send(ctx, make([]byte, 64<<20))
					return nil
				})
				w.until(func() bool { _, out := s.Waiting(); return out == 1 })
				cancel()
				w.join(task)
			}
			w.closesAtOnce("socket", peer, n, end)
		}
	})
}

// fill writes until the system takes no more, and returns how much that was.
func (w *world) fill(c *transport.Conn, with func(context.Context) net.Conn) (n int) {
	w.Helper()
	ctx, cancel := context.WithCancel(w.ctx)
	task := w.start(func(context.Context) error {
		n, _ = with(ctx).Write(make([]byte, 64<<20))
		return nil
	})
	w.writeWaits(c, 1)
	cancel()
	w.join(task)
	return n
}

// closesAtOnce fails the test if end waits for the peer, to which n bytes are under way.
func (w *world) closesAtOnce(name string, peer net.Conn, n int, end func() error) {
	w.Helper()
	rescue := time.AfterFunc(20*time.Second, func() { peer.Close() })
	if err := end(); err != nil {
		w.Errorf("%s: %v", name, err)
	}
	if !rescue.Stop() {
		w.Fatalf("%s: Close waits for what lingers", name)
	}
	got, err := core.Blocking(w.ctx, func(context.Context) (int64, error) { return io.Copy(io.Discard, peer) })
	if got != int64(n) || err != nil {
		w.Errorf("%s: the peer got %d bytes of %d, %v", name, got, n, err)
	}
	peer.Close()
}
