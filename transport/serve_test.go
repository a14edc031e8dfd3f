package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/transport"
)

// serving is a server under test.
type serving struct {
	w    *world
	l    *transport.Listener
	stop context.CancelFunc
	task *core.Task
}

// serving starts a server on a new listener.
func (w *world) serving(run func(ctx context.Context, l *transport.Listener) error) *serving {
	w.Helper()
	s := &serving{w: w, l: w.listen()}
	ctx, cancel := context.WithCancel(w.ctx)
	s.stop = cancel
	s.task = core.Start(core.Detach(w.ctx), func(context.Context) error { return run(ctx, s.l) })
	return s
}

func (w *world) serve(handle func(ctx context.Context, c *transport.Conn) error, cfg transport.ServeConfig) *serving {
	return w.serving(func(ctx context.Context, l *transport.Listener) error {
		return transport.Serve(ctx, l, handle, cfg)
	})
}

// dial connects to the server.
func (s *serving) dial() *transport.Conn {
	s.w.Helper()
	c, err := transport.Dial(s.w.on, "tcp", s.l.Addr().String())
	if err != nil {
		s.w.Fatal(err)
	}
	return c
}

// end waits for the end of the server, which returns want.
func (s *serving) end(want error) {
	s.w.Helper()
	if err := s.task.Wait(s.w.ctx); !errors.Is(err, want) || (err == nil) != (want == nil) {
		s.w.Errorf("the server has returned %v, want %v", err, want)
	}
	if err := s.l.Close(); !errors.Is(err, net.ErrClosed) {
		s.w.Errorf("Close of the listener behind the server: %v", err)
	}
}

// ask sends a message and reads it back.
func (w *world) ask(c *transport.Conn, msg string) {
	w.Helper()
	if _, err := io.WriteString(c, msg); err != nil {
		w.Error(err)
		return
	}
	buf := make([]byte, len(msg))
	if _, err := io.ReadFull(c, buf); err != nil || string(buf) != msg {
		w.Errorf("got %q, %v, want %q", buf, err, msg)
	}
}

// isEnd fails the test unless the peer of c has closed it.
func (w *world) isEnd(c *transport.Conn) {
	w.Helper()
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
		w.Errorf("Read = %d, %v on a connection that is closed", n, err)
	}
}

func echoing(_ context.Context, c *transport.Conn) error {
	_, err := io.Copy(c, c)
	return err
}

// noErrors returns an OnError for a test in which nothing goes wrong.
func noErrors(t *testing.T) func(*transport.Conn, error) {
	return func(_ *transport.Conn, err error) { t.Errorf("OnError: %v", err) }
}

func TestServe(t *testing.T) {
	everyWay(t, func(w *world) {
		type key struct{}
		var alive, all atomic.Int32
		s := w.serving(func(ctx context.Context, l *transport.Listener) error {
			ctx = context.WithValue(ctx, key{}, "value")
			return transport.Serve(ctx, l, func(ctx context.Context, c *transport.Conn) error {
				alive.Add(1)
				defer alive.Add(-1)
				all.Add(1)
				if ctx.Value(key{}) != "value" || core.DispatcherOf(ctx) != w.d {
					w.Error("the handler is in the wrong place")
				}
				return echoing(ctx, c)
			}, transport.ServeConfig{OnError: noErrors(w.T)})
		})
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
		idle := s.dial()
		defer idle.Close()
		w.ask(idle, "x")
		s.stop()
		s.end(nil)
		if alive.Load() != 0 || all.Load() != 11 {
			w.Errorf("%d handlers of %d are left", alive.Load(), all.Load())
		}
		w.isEnd(idle)
		if c, err := transport.Dial(w.on, "tcp", s.l.Addr().String()); err == nil {
			c.Close()
			w.Error("somebody listens behind the server")
		}
	})
}

// What a handler is doing when the server stops it may end.
func TestServeGrace(t *testing.T) {
	everyWay(t, func(w *world) {
		begun, goOn := make(chan struct{}), make(chan struct{})
		s := w.serve(func(ctx context.Context, c *transport.Conn) error {
			close(begun)
			if _, _, err := core.Receive(ctx, goOn); err != nil {
				return err
			}
			_, err := io.WriteString(c, "late")
			return err
		}, transport.ServeConfig{Grace: time.Hour, OnError: noErrors(w.T)})
		c := s.dial()
		defer c.Close()
		_, _, _ = core.Receive(w.ctx, begun)
		s.stop()
		w.until(func() bool { return errors.Is(s.l.SetDeadline(time.Time{}), net.ErrClosed) })
		if s.task.Finished() {
			w.Error("the server does not wait")
		}
		close(goOn)
		s.end(nil)
		if b, err := io.ReadAll(c); string(b) != "late" || err != nil {
			w.Errorf("got %q, %v", b, err)
		}
	})
}

func TestServeGraceOver(t *testing.T) {
	everyWay(t, func(w *world) {
		var begun, ended atomic.Int32
		s := w.serve(func(ctx context.Context, c *transport.Conn) error {
			begun.Add(1)
			defer ended.Add(1)
			_, err := io.Copy(io.Discard, c) // without a ctx
			return err
		}, transport.ServeConfig{Grace: time.Millisecond, OnError: noErrors(w.T)})
		a, b := s.dial(), s.dial()
		defer a.Close()
		defer b.Close()
		w.until(func() bool { return begun.Load() == 2 })
		s.stop()
		err := s.task.Wait(w.ctx)
		if se, ok := errors.AsType[*transport.StopError](err); !ok || se.Canceled != 2 || se.Grace != time.Millisecond {
			w.Errorf("the server has returned %v", err)
		}
		if ended.Load() != 2 {
			w.Errorf("%d handlers have ended", ended.Load())
		}
		w.isEnd(a)
		w.isEnd(b)
	})
}

// A handler that is idle ends at once when the server stops, one that is not goes on.
func TestServeStopping(t *testing.T) {
	everyWay(t, func(w *world) {
		gate := make(chan struct{})
		var busy atomic.Int32
		s := w.serve(func(ctx context.Context, c *transport.Conn) error {
			idle := c.With(transport.Stopping(ctx))
			buf := make([]byte, 1)
			for {
				if _, err := idle.Read(buf); err != nil {
					return err
				}
				busy.Add(1)
				if _, _, err := core.Receive(ctx, gate); err != nil {
					return err
				}
				if _, err := c.Write(buf); err != nil {
					return err
				}
			}
		}, transport.ServeConfig{Grace: -1, OnError: noErrors(w.T)})
		a, b := s.dial(), s.dial()
		defer a.Close()
		defer b.Close()
		for _, c := range []*transport.Conn{a, b} {
			if _, err := c.Write([]byte{1}); err != nil {
				w.Fatal(err)
			}
		}
		w.until(func() bool { return busy.Load() == 2 })
		if err := core.Send(w.ctx, gate, struct{}{}); err != nil { // one of them is idle then
			w.Fatal(err)
		}
		s.stop()
		w.until(func() bool { return errors.Is(s.l.SetDeadline(time.Time{}), net.ErrClosed) })
		close(gate)
		s.end(nil)
		for _, c := range []*transport.Conn{a, b} {
			if b, err := io.ReadAll(c); len(b) != 1 || err != nil {
				w.Errorf("got %q, %v", b, err)
			}
		}
		if ctx := transport.Stopping(w.ctx); ctx != w.ctx {
			w.Error("Stopping of another ctx")
		}
	})
}

func TestServeLimit(t *testing.T) {
	everyWay(t, func(w *world) {
		const limit = 3
		var alive, most atomic.Int32
		full := core.NewFuture[struct{}]()
		s := w.serve(func(ctx context.Context, c *transport.Conn) error {
			defer alive.Add(-1)
			n := alive.Add(1)
			if n > most.Load() {
				most.Store(n)
			}
			if n == limit {
				full.TryComplete(struct{}{})
			}
			// None goes on before as many are there as may be.
			if _, err := full.Await(ctx); err != nil {
				return err
			}
			buf := make([]byte, 1)
			for i := range 5 {
				if err := core.Yield(ctx); err != nil {
					return err
				}
				if i == 3 {
					if _, err := c.Read(buf); err != nil {
						return err
					}
				}
			}
			_, err := c.Write(buf)
			return err
		}, transport.ServeConfig{Limit: limit, OnError: noErrors(w.T)})
		var tasks []*core.Task
		for range 20 {
			tasks = append(tasks, w.start(func(context.Context) error {
				c := s.dial()
				defer c.Close()
				w.ask(c, "x")
				return nil
			}))
		}
		w.join(tasks...)
		if n := most.Load(); n != limit {
			w.Errorf("%d connections were alive at a time", n)
		}
		s.stop()
		s.end(nil)
	})
}

// What goes wrong with one connection does not disturb the others.
func TestServeErrors(t *testing.T) {
	everyWay(t, func(w *world) {
		told := map[string]int{}
		var mu sync.Mutex
		oops := errors.New("oops")
		s := w.serve(func(ctx context.Context, c *transport.Conn) error {
			buf := make([]byte, 1)
			if _, err := c.Read(buf); err != nil {
				return err
			}
			switch buf[0] {
			case 'e':
				return oops
			case 'p':
				panic("oops")
			case 'g':
				runtime.Goexit()
			case 'c':
				return context.Canceled
			}
			_, err := c.Write(buf)
			return err
		}, transport.ServeConfig{OnError: func(c *transport.Conn, err error) {
			if c == nil || c.RemoteAddr() == nil {
				w.Error("an error of no connection")
			}
			mu.Lock()
			defer mu.Unlock()
			var p *core.PanicError
			switch {
			case err == oops:
				told["e"]++
			case errors.As(err, &p) && p.Value == "oops" && len(p.Stack) > 0:
				told["p"]++
			case err == core.ErrGoexit:
				told["g"]++
			case err == context.Canceled:
				told["c"]++
			default:
				w.Errorf("OnError: %v", err)
			}
		}})
		for _, what := range []string{"e", "p", "g", "c"} {
			c := s.dial()
			if _, err := io.WriteString(c, what); err != nil {
				w.Fatal(err)
			}
			w.isEnd(c)
			c.Close()
		}
		c := s.dial()
		w.ask(c, "x")
		c.Close()
		s.stop()
		s.end(nil)
		if fmt.Sprint(told) != "map[c:1 e:1 g:1 p:1]" {
			w.Errorf("OnError was told %v", told)
		}
	})
}

// Somebody else closes the listener.
func TestServeListenerCloses(t *testing.T) {
	everyWay(t, func(w *world) {
		s := w.serve(echoing, transport.ServeConfig{OnError: noErrors(w.T)})
		c := s.dial()
		defer c.Close()
		w.ask(c, "x")
		if err := s.l.Close(); err != nil {
			w.Fatal(err)
		}
		s.end(net.ErrClosed)
		w.isEnd(c)
	})
}

func TestServeCtxDone(t *testing.T) {
	everyWay(t, func(w *world) {
		l := w.listen()
		ctx, cancel := context.WithCancel(w.ctx)
		cancel()
		if err := transport.Serve(ctx, l, echoing, transport.ServeConfig{}); err != nil {
			w.Error(err)
		}
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			w.Errorf("Close = %v", err)
		}
	})
}

func TestServeDispatcherCloses(t *testing.T) {
	needsSockets(t)
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- d.Run(context.Background()) }()
	w := &world{t, t.Context(), core.On(t.Context(), d), d}
	s := w.serve(echoing, transport.ServeConfig{OnError: noErrors(t)})
	c, err := net.Dial("tcp", s.l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	s.end(dispatch.ErrClosed)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n, err := c.Read(make([]byte, 1)); err == nil {
		t.Errorf("Read = %d, %v", n, err)
	}
	// On a dispatcher that is closed nothing runs.
	if err := transport.Serve(t.Context(), s.l, echoing, transport.ServeConfig{}); !errors.Is(err, dispatch.ErrClosed) {
		t.Errorf("Serve = %v", err)
	}
}

// A panic of OnError is one of the program's, and is seen.
func TestServeOnErrorPanics(t *testing.T) {
	needsSockets(t)
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var got any
	var ends []*core.Future[bool]
	for range 2 { // the loop can be turned again
		func() {
			defer func() {
				if v := recover(); v != nil {
					got = v
				}
			}()
			err = core.RunOn(t.Context(), d, func(ctx context.Context) error {
				end := core.NewFuture[bool]()
				ends = append(ends, end)
				w := &world{t, ctx, ctx, d}
				s := w.serve(func(context.Context, *transport.Conn) error { return io.ErrNoProgress },
					transport.ServeConfig{OnError: func(*transport.Conn, error) { panic("mine") }})
				c := s.dial()
				w.isEnd(c)
				c.Close()
				s.stop()
				s.end(nil)
				end.Complete(true)
				return nil
			})
		}()
	}
	if got != "mine" {
		t.Errorf("the panic is %v", got)
	}
	// All ends in good order, though nobody turned the loop when the panics had left it.
	if err := core.RunOn(t.Context(), d, func(ctx context.Context) error {
		for _, end := range ends {
			if _, err := end.Await(ctx); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func TestServeMisuse(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		l := w.listen()
		defer l.Close()
		defer func() {
			if v := recover(); v != "transport: nil handler" {
				w.Errorf("panic: %v", v)
			}
		}()
		_ = transport.Serve(w.ctx, l, nil, transport.ServeConfig{})
	})
}
