package transport_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// events starts a server in event mode. Its Closed is noted besides what cfg does.
func (w *world) events(handle func(c *transport.EventConn, in []byte) (int, error), cfg transport.EventConfig) *eventServing {
	w.Helper()
	e := &eventServing{}
	closed := cfg.Closed
	cfg.Closed = func(c *transport.EventConn, err error) {
		if closed != nil {
			closed(c, err)
		}
		e.note(err)
	}
	if cfg.OnError == nil {
		cfg.OnError = func(_ *transport.EventConn, err error) { w.Errorf("OnError: %v", err) }
	}
	e.serving = w.serving(func(ctx context.Context, l *transport.Listener) error {
		return transport.ServeEvents(ctx, l, handle, cfg)
	})
	return e
}

type eventServing struct {
	*serving
	mu     sync.Mutex
	closed []error
}

func (e *eventServing) note(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = append(e.closed, err)
}

// closings waits until n connections have been closed, and returns why.
func (e *eventServing) closings(n int) (errs []error) {
	e.w.until(func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		errs = e.closed
		return len(errs) >= n
	})
	if len(errs) > n {
		e.w.Errorf("%d connections were closed, not %d", len(errs), n)
	}
	return errs
}

// shouting is a handler that sends back whatever it gets.
func shouting(c *transport.EventConn, in []byte) (int, error) {
	_, err := c.Write(in)
	return len(in), err
}

// lines is a handler that sends back each line in capitals.
func lines(c *transport.EventConn, in []byte) (n int, err error) {
	for {
		i := bytes.IndexByte(in[n:], '\n')
		if i < 0 {
			return n, nil
		}
		if _, err := c.Write(bytes.ToUpper(in[n : n+i+1])); err != nil {
			return n, err
		}
		n += i + 1
	}
}

func TestEvents(t *testing.T) {
	everyWay(t, func(w *world) {
		opened := 0
		s := w.events(shouting, transport.EventConfig{Opened: func(c *transport.EventConn) {
			opened++
			if c.Dispatcher() != w.d || c.RemoteAddr() == nil || c.LocalAddr() == nil {
				w.Error("a connection without a place")
			}
		}})
		var tasks []*core.Task
		for i := range 10 {
			tasks = append(tasks, w.start(func(context.Context) error {
				c := s.dial()
				defer c.Close()
				for j := range 5 {
					w.ask(c, fmt.Sprint("message ", i, j))
				}
				return nil
			}))
		}
		w.join(tasks...)
		for _, err := range s.closings(10) {
			if err != nil {
				w.Errorf("closed with %v", err)
			}
		}
		s.stop()
		s.end(nil)
		if opened != 10 {
			w.Errorf("%d opened", opened)
		}
	})
}

// A message is split at each of its bytes, and comes out whole.
func TestEventsSplit(t *testing.T) {
	everyWay(t, func(w *world) {
		var got []string
		s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
			got = append(got, string(in))
			return lines(c, in)
		}, transport.EventConfig{})
		c := s.dial()
		defer c.Close()
		const msg = "one\ntwo\n"
		for i := 1; i < len(msg); i++ {
			got = nil
			for _, part := range []string{msg[:i], msg[i:]} {
				n := len(got)
				if _, err := io.WriteString(c, part); err != nil {
					w.Fatal(err)
				}
				if part == msg[:i] {
					w.onLoop(func() bool { return len(got) > n })
				}
			}
			buf := make([]byte, len(msg))
			if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "ONE\nTWO\n" {
				w.Fatalf("split at %d: %q, %v", i, buf, err)
			}
			left := msg[:i]
			left = left[strings.LastIndexByte(left, '\n')+1:]
			w.onLoop(func() bool { return len(got) == 2 })
			if got[0] != msg[:i] || got[1] != left+msg[i:] {
				w.Errorf("split at %d: the handler got %q", i, got)
			}
		}
		s.stop()
		s.end(nil)
	})
}

// onLoop waits until cond is true, which is asked on the loop of the connections.
func (w *world) onLoop(cond func() bool) {
	w.until(func() bool {
		ok, err := core.Async(core.On(w.ctx, w.d), func(context.Context) (bool, error) { return cond(), nil }).Await(w.ctx)
		if err != nil {
			w.Fatal(err)
		}
		return ok
	})
}

// One byte at a time is consumed of what has come in at once, however much that is.
func TestEventsLeaveMuch(t *testing.T) {
	everyWay(t, func(w *world) {
		const size = 300_000
		calls := 0
		s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
			calls++
			if len(in) < size {
				return min(len(in), calls%2), nil // consumes a byte now and then
			}
			return 0, errors.New("more than was sent")
		}, transport.EventConfig{Ended: func(c *transport.EventConn, rest []byte) {
			_, _ = fmt.Fprint(c, len(rest)+calls/2+calls%2)
			c.Close()
		}})
		c := s.dial()
		defer c.Close()
		buf := bytes.Repeat([]byte("x"), size)
		if _, err := c.Write(buf); err != nil {
			w.Fatal(err)
		}
		if err := c.CloseWrite(); err != nil {
			w.Fatal(err)
		}
		if b, err := io.ReadAll(c); string(b) != fmt.Sprint(size) || err != nil {
			w.Errorf("%q of %d bytes, %v", b, size, err)
		}
		s.closings(1)
		s.stop()
		s.end(nil)
	})
}

func TestEventsTooMuchLeft(t *testing.T) {
	everyWay(t, func(w *world) {
		told := 0
		s := w.events(func(*transport.EventConn, []byte) (int, error) { return 0, nil }, transport.EventConfig{
			MaxUnread: 10,
			OnError: func(_ *transport.EventConn, err error) {
				if told++; !errors.Is(err, transport.ErrUnread) {
					w.Errorf("OnError: %v", err)
				}
			},
		})
		a, b := s.dial(), s.dial()
		defer a.Close()
		if _, err := a.Write(make([]byte, 10)); err != nil {
			w.Fatal(err)
		}
		w.isEnd(a)
		if _, err := b.Write(make([]byte, 9)); err != nil {
			w.Fatal(err)
		}
		b.Close()
		errs := s.closings(2)
		if !errors.Is(errs[0], transport.ErrUnread) || !errors.Is(errs[1], io.ErrUnexpectedEOF) {
			w.Errorf("closed with %v", errs)
		}
		s.stop()
		s.end(nil)
		if told != 1 {
			w.Errorf("OnError was told %d times", told)
		}
	})
}

// The peer does not read: so it is not read from, and what waits for it has a bound. Then it
// reads, and nothing was lost.
func TestEventsBackPressure(t *testing.T) {
	everyWay(t, func(w *world) {
		const limit = 256 << 10
		most, calls, flushed := 0, 0, 0
		s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
			calls++
			if c.Unsent() > 0 {
				w.Error("the handler is called while output waits")
			}
			n, err := c.Write(in)
			most = max(most, c.Unsent())
			return n, err
		}, transport.EventConfig{MaxUnsent: limit, Flushed: func(c *transport.EventConn) {
			flushed++
			if c.Unsent() > 0 {
				w.Error("Flushed while output waits")
			}
		}})
		c := s.dial()
		defer c.Close()
		sent := 0
		writer := w.start(func(context.Context) error {
			// So much that the buffers of the system do not hold it.
			buf := make([]byte, 1000)
			for ; sent < 20_000_000; sent += len(buf) {
				for i := range buf {
					buf[i] = byte((sent + i) % 251)
				}
				if _, err := c.Write(buf); err != nil {
					return err
				}
			}
			return c.CloseWrite()
		})
		w.writeWaits(c, 1)
		w.onLoop(func() bool { return most > 0 })
		buf := make([]byte, 100_000)
		for i := 0; ; {
			n, err := c.Read(buf)
			for _, b := range buf[:n] {
				if b != byte(i%251) {
					w.Fatalf("byte %d is %d", i, b)
				}
				i++
			}
			if err != nil {
				if err != io.EOF || i != sent {
					w.Errorf("%d bytes of %d, %v", i, sent, err)
				}
				break
			}
		}
		w.join(writer)
		if errs := s.closings(1); errs[0] != nil {
			w.Errorf("closed with %v", errs[0])
		}
		if most == 0 || most > limit || flushed == 0 {
			w.Errorf("%d bytes waited, and %d times they were flushed", most, flushed)
		}
		s.stop()
		s.end(nil)
	})
}

// A handler that writes more than may wait is told how much was taken, and goes on when that is sent.
func TestEventsTooMuchUnsent(t *testing.T) {
	everyWay(t, func(w *world) {
		const size, limit = 30_000_000, 1000
		var left []byte
		more := func(c *transport.EventConn) {
			n, err := c.Write(left)
			if left = left[n:]; len(left) > 0 != errors.Is(err, transport.ErrUnsent) || c.Unsent() > limit {
				w.Errorf("Write = %d, %v, and %d wait", n, err, c.Unsent())
			}
			if len(left) == 0 {
				c.Close()
			}
		}
		s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
			left = make([]byte, size)
			more(c)
			if len(left) == 0 {
				w.Error("the system has taken all")
			}
			return len(in), nil
		}, transport.EventConfig{MaxUnsent: limit, Flushed: more})
		c := s.dial()
		defer c.Close()
		if _, err := c.Write([]byte("x")); err != nil {
			w.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, c); n != size || err != nil {
			w.Errorf("%d bytes, %v", n, err)
		}
		s.closings(1)
		s.stop()
		s.end(nil)
	})
}
