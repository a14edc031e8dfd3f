package transport_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// A connection that has to wait becomes that of a task, which reads first what was left.
func TestEventsAsync(t *testing.T) {
	everyWay(t, func(w *world) {
		oops := errors.New("oops")
		told := 0
		s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
			i := bytes.IndexByte(in, '\n')
			if i < 0 {
				return 0, nil
			}
			// This output does not fit into the system, and is sent before the task begins.
			if _, err := c.Write(make([]byte, 8<<20)); err != nil {
				return 0, err
			}
			err := c.Async(func(ctx context.Context, conn *transport.Conn) error {
				if _, err := c.Write([]byte("x")); err == nil {
					w.Error("the connection is still one of events")
				}
				if err := core.Yield(ctx); err != nil {
					return err
				}
				b := make([]byte, 2)
				for i := range 3 { // in pieces, and from the system behind them
					if _, err := io.ReadFull(conn, b); err != nil {
						return err
					}
					if i == 0 && !conn.Primed() || i == 2 && conn.Primed() {
						w.Errorf("something is ahead: %t, after %d bytes", conn.Primed(), 2*i+2)
					}
					if _, err := conn.Write(b); err != nil {
						return err
					}
				}
				if conn.RemoteAddr().String() != c.RemoteAddr().String() {
					w.Errorf("the peer is %v, was %v", conn.RemoteAddr(), c.RemoteAddr())
				}
				return oops
			})
			return i + 1, err
		}, transport.EventConfig{MaxUnsent: 8 << 20, OnError: func(_ *transport.EventConn, err error) {
			if told++; err != oops {
				w.Errorf("OnError: %v", err)
			}
		}})
		c := s.dial()
		defer c.Close()
		if _, err := io.WriteString(c, "go\nabcd"); err != nil {
			w.Fatal(err)
		}
		if n, err := io.CopyN(io.Discard, c, 8<<20); err != nil {
			w.Fatal(n, err)
		}
		b := make([]byte, 4)
		if _, err := io.ReadFull(c, b); err != nil || string(b) != "abcd" {
			w.Errorf("got %q, %v", b, err)
		}
		w.ask(c, "ef")
		w.isEnd(c)
		if errs := s.closings(1); errs[0] != oops || told != 1 {
			w.Errorf("closed with %v, OnError told %d times", errs, told)
		}
		s.stop()
		s.end(nil)
	})
}

// The server waits for the tasks of such connections, and cancels them when the grace is over.
func TestEventsAsyncStop(t *testing.T) {
	everyWay(t, func(w *world) {
		s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
			return len(in), c.Async(func(ctx context.Context, conn *transport.Conn) error {
				if _, err := conn.Write([]byte("x")); err != nil {
					return err
				}
				if _, err := conn.With(transport.Stopping(ctx)).Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
					w.Errorf("Read = %v", err)
				}
				if _, err := conn.Write([]byte("y")); err != nil {
					return err
				}
				_, err := conn.Read(make([]byte, 1))
				return err
			})
		}, transport.EventConfig{Grace: time.Millisecond})
		c := s.dial()
		defer c.Close()
		w.ask(c, "x")
		s.stop()
		if b, err := io.ReadAll(c); string(b) != "y" || err != nil {
			w.Errorf("got %q, %v", b, err)
		}
		err := s.task.Wait(w.ctx)
		if se, ok := errors.AsType[*transport.StopError](err); !ok || se.Canceled != 1 {
			w.Errorf("the server has returned %v", err)
		}
		if errs := s.closings(1); !errors.Is(errs[0], context.Canceled) {
			w.Errorf("closed with %v", errs)
		}
	})
}

// A connection that was taken away belongs to nobody but its new owner.
func TestEventsDetach(t *testing.T) {
	everyWay(t, func(w *world) {
		conns := make(chan *transport.Conn, 2)
		rests := make(chan string, 2)
		detach := func(c *transport.EventConn) {
			conn, rest, err := c.Detach()
			if err != nil {
				w.Error(err)
			}
			conns <- conn
			rests <- string(rest)
		}
		var later *transport.EventConn
		s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
			if string(in) == "now" {
				detach(c)
				return 1, errors.New("nobody asks for this")
			}
			later = c
			return 2, nil
		}, transport.EventConfig{})
		a, b := s.dial(), s.dial()
		for _, c := range []*transport.Conn{a, b} {
			defer c.Close()
		}
		if _, err := io.WriteString(a, "now"); err != nil {
			w.Fatal(err)
		}
		if _, err := io.WriteString(b, "later"); err != nil {
			w.Fatal(err)
		}
		w.onLoop(func() bool { return later != nil && len(conns) == 1 })
		w.onLoop(func() bool { detach(later); return true })
		s.stop()
		s.end(nil) // it does not wait for them
		for i, peer := range []*transport.Conn{a, b} {
			if rest, want := <-rests, []string{"now", "ter"}[i]; rest != want {
				w.Errorf("the rest is %q, want %q", rest, want)
			}
			c := <-conns
			if _, err := peer.Write([]byte("x")); err != nil {
				w.Error(err)
			}
			buf := make([]byte, 10)
			if n, err := c.Read(buf); n != 1 || err != nil {
				w.Errorf("Read = %d, %v", n, err)
			}
			c.Close()
			w.isEnd(peer)
		}
		s.closings(0)
	})
}

func TestEventsDetachUnsent(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
			if _, err := c.Write(make([]byte, 8<<20)); err != nil {
				return 0, err
			}
			if _, _, err := c.Detach(); !errors.Is(err, transport.ErrUnsent) {
				w.Errorf("Detach = %v", err)
			}
			return len(in), c.Close()
		}, transport.EventConfig{MaxUnsent: 8 << 20})
		c := s.dial()
		defer c.Close()
		if _, err := io.WriteString(c, "x"); err != nil {
			w.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, c); n != 8<<20 || err != nil {
			w.Errorf("%d bytes, %v", n, err)
		}
		s.stop()
		s.end(nil)
	})
}

// Timeouts pass on the clock of the loop, and never early.
func TestEventsTimeouts(t *testing.T) {
	everyWay(t, func(w *world) {
		const idle = 20 * time.Millisecond
		type times struct{ opened, seen time.Time }
		var early, late int
		s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
			tm := c.Data().(*times)
			tm.seen = w.d.Now()
			switch string(in) {
			case "deadline":
				if err := c.SetIdleTimeout(0); err != nil {
					w.Error(err)
				}
				tm.seen = w.d.Now().Add(10 * time.Millisecond)
				if err := c.SetDeadline(tm.seen); err != nil {
					w.Error(err)
				}
				tm.seen = tm.seen.Add(-idle)
			case "none":
				if err := errors.Join(c.SetIdleTimeout(0), c.SetDeadline(tm.seen.Add(time.Millisecond)), c.SetDeadline(time.Time{})); err != nil {
					w.Error(err)
				}
			}
			return len(in), nil
		}, transport.EventConfig{
			IdleTimeout: idle,
			Opened:      func(c *transport.EventConn) { now := w.d.Now(); c.SetData(&times{now, now}) },
			Closed: func(c *transport.EventConn, err error) {
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					return
				}
				late++
				if w.d.Now().Sub(c.Data().(*times).seen) < idle {
					early++
				}
			},
		})
		silent, active, dead, never := s.dial(), s.dial(), s.dial(), s.dial()
		for c, msg := range map[*transport.Conn]string{silent: "", active: "x", dead: "deadline", never: "none"} {
			defer c.Close()
			if _, err := io.WriteString(c, msg); err != nil {
				w.Fatal(err)
			}
		}
		// One that goes on for longer than the timeout is closed only after a pause that lasted so long.
		for end := w.d.Now().Add(3 * idle); w.d.Now().Before(end); {
			if _, err := io.WriteString(active, "x"); err != nil {
				break
			}
			if err := core.Yield(w.ctx); err != nil {
				w.Fatal(err)
			}
		}
		w.isEnd(silent)
		w.isEnd(active)
		w.isEnd(dead)
		if n, err := never.Write([]byte("x")); n != 1 || err != nil {
			w.Error(err)
		}
		if errs := s.closings(3); early > 0 || late != 3 {
			w.Errorf("%d of %d were early: %v", early, late, errs)
		}
		s.stop()
		s.end(nil)
	})
}

// Pause stops the handler, and Resume shows it again what it has left.
func TestEventsPause(t *testing.T) {
	everyWay(t, func(w *world) {
		var paused *transport.EventConn
		var got []string
		s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
			if got = append(got, string(in)); len(got) == 1 {
				paused = c
				c.Pause()
				return 1, nil
			}
			_, err := c.Write(in)
			return len(in), err
		}, transport.EventConfig{})
		c := s.dial()
		defer c.Close()
		if _, err := io.WriteString(c, "one"); err != nil {
			w.Fatal(err)
		}
		w.onLoop(func() bool { return paused != nil })
		if _, err := io.WriteString(c, "two"); err != nil {
			w.Fatal(err)
		}
		for range 20 { // the loop has had the time to call it
			w.onLoop(func() bool { return true })
		}
		w.onLoop(func() bool {
			if len(got) != 1 || paused.Unread() != 2 {
				w.Errorf("the handler got %q, and %d are left", got, paused.Unread())
			}
			paused.Resume()
			return true
		})
		buf := make([]byte, 5)
		if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "netwo" {
			w.Errorf("got %q, %v", buf, err)
		}
		w.onLoop(func() bool { return len(got) == 3 && got[1] == "ne" && got[2] == "two" })
		s.stop()
		s.end(nil)
	})
}
