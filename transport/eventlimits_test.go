package transport_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// A timeout is never early, though ticks are as long as it is, and connections come in between and after
// others were closed.
func TestEventsLongTicks(t *testing.T) {
	everyWay(t, func(w *world) {
		const idle = 10 * time.Millisecond
		early := 0
		s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
			c.SetData(w.d.Now())
			return len(in), nil
		}, transport.EventConfig{
			IdleTimeout: idle, Tick: idle,
			Opened: func(c *transport.EventConn) { c.SetData(w.d.Now()) },
			Closed: func(c *transport.EventConn, err error) {
				if oe, ok := err.(*net.OpError); !ok || !oe.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
					w.Errorf("closed with %v (%T)", err, err)
				}
				if w.d.Now().Sub(c.Data().(time.Time)) < idle {
					early++
				}
			},
		})
		const n = 10
		for round := range 3 {
			for range n {
				defer s.dial().Close()
				for range 20 { // not all at the same time
					if err := core.Yield(w.ctx); err != nil {
						w.Fatal(err)
					}
				}
			}
			s.closings((n+1)*round + n)
			// One that goes on for longer than the timeout.
			c := s.dial()
			defer c.Close()
			for end := w.d.Now().Add(3 * idle / 2); w.d.Now().Before(end); {
				if _, err := io.WriteString(c, "x"); err != nil {
					break
				}
				if err := core.Yield(w.ctx); err != nil {
					w.Fatal(err)
				}
			}
			s.closings((n + 1) * (round + 1))
		}
		s.stop()
		s.end(nil)
		if early > 0 {
			w.Errorf("%d were early", early)
		}
	})
}

// What is sent, after it had to wait, is a sign of life: the timeout counts from there.
func TestEventsSendingIsLife(t *testing.T) {
	everyWay(t, func(w *world) {
		const idle = 100 * time.Millisecond
		const size = 8 << 20
		var flushed time.Time
		early := false
		s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
			_, err := c.Write(make([]byte, size))
			return len(in), err
		}, transport.EventConfig{
			IdleTimeout: idle, Tick: idle / 10, MaxUnsent: size,
			Flushed: func(*transport.EventConn) { flushed = w.d.Now() },
			Closed: func(_ *transport.EventConn, err error) {
				// On a machine that stands still it may never have been flushed.
				early = !flushed.IsZero() && w.d.Now().Sub(flushed) < idle
			},
		})
		c := s.dial()
		defer c.Close()
		if _, err := io.WriteString(c, "x"); err != nil {
			w.Fatal(err)
		}
		for end := w.d.Now().Add(idle * 6 / 10); w.d.Now().Before(end); {
			if err := core.Yield(w.ctx); err != nil {
				w.Fatal(err)
			}
		}
		_, _ = io.Copy(io.Discard, c)
		s.closings(1)
		s.stop()
		s.end(nil)
		if early {
			w.Error("it was closed although it had just sent something")
		}
	})
}

// A connection that became a Conn has the deadlines of one, also for what was received before.
func TestEventsAsyncDeadline(t *testing.T) {
	everyWay(t, func(w *world) {
		s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
			return 0, c.Async(func(_ context.Context, conn *transport.Conn) error {
				if err := conn.SetReadDeadline(time.Unix(1, 0)); err != nil {
					return err
				}
				b := make([]byte, 10)
				if n, err := conn.Read(b); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
					w.Errorf("Read = %d, %v", n, err)
				}
				if err := conn.SetReadDeadline(time.Time{}); err != nil {
					return err
				}
				n, err := conn.Read(b)
				if string(b[:n]) != "hello" {
					w.Errorf("got %q, %v", b[:n], err)
				}
				return err
			})
		}, transport.EventConfig{})
		c := s.dial()
		defer c.Close()
		if _, err := io.WriteString(c, "hello"); err != nil {
			w.Fatal(err)
		}
		w.isEnd(c)
		s.closings(1)
		s.stop()
		s.end(nil)
	})
}

// MaxUnsent bounds what several calls of Write have left together.
func TestEventsUnsentTogether(t *testing.T) {
	everyWay(t, func(w *world) {
		const size, limit = 30_000_000, 1000
		taken := 0
		s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
			for i, p := range [][]byte{make([]byte, size), make([]byte, limit), {1}} {
				n, err := c.Write(p)
				if taken += n; !errors.Is(err, transport.ErrUnsent) || c.Unsent() != limit || i > 0 && n != 0 {
					w.Errorf("Write %d = %d, %v, and %d wait", i, n, err, c.Unsent())
				}
			}
			return len(in), c.Close()
		}, transport.EventConfig{MaxUnsent: limit})
		c := s.dial()
		defer c.Close()
		if _, err := io.WriteString(c, "x"); err != nil {
			w.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, c); n != int64(taken) || err != nil {
			w.Errorf("%d bytes of %d, %v", n, taken, err)
		}
		s.closings(1)
		s.stop()
		s.end(nil)
	})
}

// What was written before an error of the handler is sent, and the handler hears of its own rest when all is.
func TestEventsLeftWhileUnsent(t *testing.T) {
	everyWay(t, func(w *world) {
		const size = 8 << 20
		oops := errors.New("oops")
		var got []string
		s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
			got = append(got, string(in))
			if _, err := c.Write(make([]byte, size)); err != nil {
				return 0, err
			}
			if c.Unsent() == 0 {
				w.Error("the system has taken all")
			}
			if len(in) == 1 {
				return 0, oops
			}
			return 1, nil
		}, transport.EventConfig{MaxUnsent: size, OnError: func(_ *transport.EventConn, err error) {
			if err != oops {
				w.Errorf("OnError: %v", err)
			}
		}})
		c := s.dial()
		defer c.Close()
		if _, err := io.WriteString(c, "abc"); err != nil {
			w.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, c); n != 3*size || err != nil {
			w.Errorf("%d bytes, %v", n, err)
		}
		if errs := s.closings(1); errs[0] != oops || strings.Join(got, " ") != "abc bc c" {
			w.Errorf("closed with %v, the handler got %q", errs, got)
		}
		s.stop()
		s.end(nil)
	})
}

// A connection ends once: the first one to end it says why.
func TestEventsAbortAgain(t *testing.T) {
	everyWay(t, func(w *world) {
		first, second := errors.New("first"), errors.New("second")
		var gone *transport.EventConn
		s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
			gone = c
			c.Abort(first)
			c.Abort(second)
			return len(in), nil
		}, transport.EventConfig{})
		c := s.dial()
		defer c.Close()
		if _, err := io.WriteString(c, "x"); err != nil {
			w.Fatal(err)
		}
		w.isEnd(c)
		s.closings(1)
		w.onLoop(func() bool { gone.Abort(second); return true })
		if errs := s.closings(1); errs[0] != first {
			w.Errorf("closed with %v", errs)
		}
		s.stop()
		s.end(nil)
	})
}

// A peer that never pauses does not keep the loop from others.
func TestEventsTurns(t *testing.T) {
	everyWay(t, func(w *world) {
		// The most that one read takes, and how many of those may come in a row.
		const full, most = 64 << 10, 4
		row, longest := 0, 0
		s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
			if row++; row == 1 {
				w.d.CallSoon(func() { row = 0 })
			}
			longest = max(longest, row)
			return len(in), nil
		}, transport.EventConfig{})
		c := s.dial()
		defer c.Close()
		if _, err := c.Write(make([]byte, 500*full)); err != nil {
			w.Error(err)
		}
		if err := c.CloseWrite(); err != nil {
			w.Error(err)
		}
		s.closings(1)
		s.stop()
		s.end(nil)
		if longest > most {
			w.Errorf("%d in a row", longest)
		}
	})
}
