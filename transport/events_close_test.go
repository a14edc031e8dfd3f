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
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/transport"
)

// Each of the functions closes its connection, which is closed once and for good.
func TestEventsCloseAnywhere(t *testing.T) {
	for _, how := range []string{"Close", "Abort", "Detach", "CloseWrite, Close", "panic"} {
		for _, where := range []string{"Opened", "handle", "Ended", "Flushed", "Stopping", "Closed"} {
			t.Run(how+" in "+where, func(t *testing.T) {
				everyWayOn(t, "", func(w *world) { closeIn(w, where, how) })
			})
		}
	}
}

func closeIn(w *world, where, how string) {
	var told []error
	at := func(here string, c *transport.EventConn) {
		if here != where {
			return
		}
		var err error
		switch how {
		case "Abort":
			c.Abort(io.ErrClosedPipe)
		case "Detach":
			var conn *transport.Conn
			if conn, _, err = c.Detach(); err == nil {
				err = conn.Close()
			}
		case "CloseWrite, Close":
			if err := c.CloseWrite(); (err == nil) == (where == "Closed") {
				w.Errorf("CloseWrite = %v", err)
			}
			err = c.Close()
		case "Close":
			err = c.Close()
		case "panic":
			panic("oops")
		}
		if (err == nil) == (where == "Closed" && how != "Abort") {
			w.Errorf("%s = %v", how, err)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			w.Errorf("Write = %v behind %s", err, how)
		}
	}
	closed := 0
	s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
		at("handle", c)
		if c.Unsent() == 0 {
			_, _ = c.Write(make([]byte, 1<<24)) // more than the system takes
		}
		return len(in), nil
	}, transport.EventConfig{
		MaxUnsent: 1 << 24,
		Opened:    func(c *transport.EventConn) { at("Opened", c) },
		Ended:     func(c *transport.EventConn, _ []byte) { at("Ended", c); c.Close() },
		Flushed:   func(c *transport.EventConn) { at("Flushed", c) },
		Stopping:  func(c *transport.EventConn) { at("Stopping", c); c.Close() },
		Closed:    func(c *transport.EventConn, _ error) { closed++; at("Closed", c) },
		OnError:   func(_ *transport.EventConn, err error) { told = append(told, err) },
	})
	c := s.dial()
	defer c.Close()
	if _, err := c.Write([]byte("x")); err == nil && where != "Opened" && where != "handle" {
		if _, err := io.ReadFull(c, make([]byte, 1<<24)); err != nil && where != "Flushed" {
			w.Error(err)
		}
	}
	if where != "Stopping" {
		_ = c.CloseWrite()
		_, _ = io.Copy(io.Discard, c)
	} else {
		s.stop()
		w.isEnd(c)
	}
	s.stop()
	s.end(nil)
	if want := how != "Detach" || where == "Closed"; closed > 1 || want != (closed == 1) {
		w.Errorf("closed %d times", closed)
	}
	switch how {
	case "panic":
		var p *core.PanicError
		if len(told) != 1 || !errors.As(told[0], &p) || p.Value != "oops" {
			w.Errorf("OnError was told %v", told)
		}
	default:
		if len(told) > 0 {
			w.Errorf("OnError was told %v", told)
		}
	}
}

// A handler ends the goroutine of the loop: another one can go on, with the other connections.
func TestEventsGoexit(t *testing.T) {
	needsSockets(t)
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{}, 2)
	turn := func() {
		defer func() { ended <- struct{}{} }()
		_ = d.Run(context.Background())
	}
	go turn()
	w := &world{t, t.Context(), core.On(t.Context(), d), d}
	var told error
	s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
		if in[0] == 'g' {
			runtime.Goexit()
		}
		return shouting(c, in)
	}, transport.EventConfig{OnError: func(_ *transport.EventConn, err error) { told = err }})
	a, b := s.dial(), s.dial()
	defer a.Close()
	defer b.Close()
	w.ask(a, "x")
	if _, err := a.Write([]byte("g")); err != nil {
		t.Fatal(err)
	}
	<-ended
	go turn()
	w.isEnd(a)
	w.ask(b, "x")
	s.stop()
	s.end(nil)
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	<-ended
	if told != core.ErrGoexit {
		t.Errorf("OnError was told %v", told)
	}
}

// A panic of OnError leaves the call that turns the loop, and all goes on.
func TestEventsOnErrorPanics(t *testing.T) {
	needsSockets(t)
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	panics := make(chan any, 3)
	go func() {
		defer close(panics)
		for ran := true; ran; {
			func() {
				defer func() {
					if v := recover(); v != nil {
						panics <- v
					} else {
						ran = false
					}
				}()
				_ = d.Run(context.Background())
			}()
		}
	}()
	w := &world{t, t.Context(), core.On(t.Context(), d), d}
	s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
		if in[0] == 'p' {
			panic("handler")
		}
		return 0, io.ErrNoProgress
	}, transport.EventConfig{OnError: func(*transport.EventConn, error) { panic("mine") }})
	for _, msg := range []string{"e", "p"} {
		c := s.dial()
		if _, err := io.WriteString(c, msg); err != nil {
			t.Fatal(err)
		}
		w.isEnd(c)
		c.Close()
	}
	s.closings(2)
	s.stop()
	s.end(nil)
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	for v := range panics {
		if v != "mine" {
			t.Errorf("panic: %v", v)
		}
	}
}

// Connections that are idle are closed when the server stops, and others when they become so.
func TestEventsStop(t *testing.T) {
	everyWay(t, func(w *world) {
		var paused *transport.EventConn
		s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
			if in[0] == 'p' {
				c.Pause()
				paused = c
				return 0, nil
			}
			return lines(c, in)
		}, transport.EventConfig{Grace: -1})
		idle, half, pausing := s.dial(), s.dial(), s.dial()
		for _, c := range []*transport.Conn{idle, half, pausing} {
			defer c.Close()
			if _, err := io.WriteString(c, "A\n"); err != nil {
				w.Fatal(err)
			}
			if _, err := io.ReadFull(c, make([]byte, 2)); err != nil {
				w.Fatal(err)
			}
		}
		if _, err := io.WriteString(half, "hal"); err != nil {
			w.Fatal(err)
		}
		if _, err := io.WriteString(pausing, "p\n"); err != nil {
			w.Fatal(err)
		}
		w.onLoop(func() bool { return paused != nil })
		s.stop()
		w.isEnd(idle)
		if s.task.Finished() {
			w.Error("the server has not waited")
		}
		if _, err := io.WriteString(half, "f\n"); err != nil {
			w.Fatal(err)
		}
		if b, err := io.ReadAll(half); string(b) != "HALF\n" || err != nil {
			w.Errorf("got %q, %v", b, err)
		}
		w.onLoop(func() bool {
			n, err := paused.Write([]byte("done"))
			if n != 4 || err != nil {
				w.Errorf("Write = %d, %v", n, err)
			}
			return paused.Close() == nil
		})
		if b, err := io.ReadAll(pausing); string(b) != "done" && !errors.Is(err, econnreset) {
			w.Errorf("got %q, %v", b, err)
		}
		s.end(nil)
		for _, err := range s.closings(3) {
			if err != nil {
				w.Errorf("closed with %v", err)
			}
		}
	})
}

func TestEventsGraceOver(t *testing.T) {
	everyWay(t, func(w *world) {
		got := 0
		s := w.events(func(c *transport.EventConn, in []byte) (int, error) { got++; return 0, nil },
			transport.EventConfig{Grace: time.Millisecond})
		c := s.dial()
		defer c.Close()
		if _, err := io.WriteString(c, "hal"); err != nil {
			w.Fatal(err)
		}
		w.onLoop(func() bool { return got > 0 })
		s.stop()
		err := s.task.Wait(w.ctx)
		if se, ok := errors.AsType[*transport.StopError](err); !ok || se.Canceled != 1 {
			w.Errorf("the server has returned %v", err)
		}
		w.isEnd(c)
		if errs := s.closings(1); !errors.Is(errs[0], context.Canceled) {
			w.Errorf("closed with %v", errs)
		}
	})
}

func TestEventsDispatcherCloses(t *testing.T) {
	needsSockets(t)
	d, err := dispatch.New(dispatch.Config{CloseTimeout: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- d.Run(context.Background()) }()
	w := &world{t, t.Context(), core.On(t.Context(), d), d}
	got := 0
	s := w.events(func(*transport.EventConn, []byte) (int, error) { got++; return 0, nil }, transport.EventConfig{Grace: -1})
	c, err := net.Dial("tcp", s.l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	w.onLoop(func() bool { return got > 0 })
	var ce *dispatch.CloseError
	if err := d.Close(); err != nil && !errors.As(err, &ce) {
		t.Error(err)
	}
	<-ended
	s.end(dispatch.ErrClosed)
	if n, err := c.Read(make([]byte, 1)); err == nil {
		t.Errorf("Read = %d, %v", n, err)
	}
	errs := s.closings(1)
	if _, ok := errs[0].(*net.OpError); !ok || !errors.Is(errs[0], dispatch.ErrClosed) {
		t.Errorf("closed with %v (%T)", errs, errs[0])
	}
}

// The peer resets a connection: that is no end in good order, also if a write is told first.
func TestEventsReset(t *testing.T) {
	everyWay(t, func(w *world) {
		var conn *transport.EventConn
		s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
			conn = c
			c.Pause()
			return len(in), nil
		}, transport.EventConfig{})
		c, err := net.Dial("tcp", s.l.Addr().String())
		if err != nil {
			w.Fatal(err)
		}
		if _, err := c.Write([]byte("x")); err != nil {
			w.Fatal(err)
		}
		w.onLoop(func() bool { return conn != nil })
		if err := c.(*net.TCPConn).SetLinger(0); err != nil {
			w.Fatal(err)
		}
		c.Close()
		var told error
		w.onLoop(func() bool {
			_, told = conn.Write([]byte("x"))
			return told != nil
		})
		// It is paused, and so it may have been closed before.
		if !errors.Is(told, econnreset) && !errors.Is(told, epipe) && !errors.Is(told, net.ErrClosed) {
			w.Errorf("Write = %v", told)
		}
		w.onLoop(func() bool {
			if _, err := conn.Write([]byte("x")); err == nil {
				w.Error("Write to a peer that is gone")
			}
			conn.Resume()
			return true
		})
		if errs := s.closings(1); !errors.Is(errs[0], econnreset) && !errors.Is(errs[0], epipe) {
			w.Errorf("closed with %v", errs)
		}
		s.stop()
		s.end(nil)
	})
}
