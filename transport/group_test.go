package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/transport"
)

// everySpread runs a test for each way to share connections out, with the caller of Serve on a goroutine and
// in a task.
func everySpread(t *testing.T, network string, body func(t *testing.T, ctx context.Context, g *transport.ServeGroup, spread transport.Spread)) {
	needsSockets(t)
	spreads := []transport.Spread{transport.SpreadAuto, transport.SpreadPort, transport.SpreadTurns, transport.SpreadLeast}
	for _, spread := range spreads {
		run := func(t *testing.T, ctx context.Context) {
			g, err := transport.NewServeGroup(ctx, network, "127.0.0.1:0", transport.GroupConfig{
				Dispatchers: 3, Spread: spread, LockOSThread: spread == transport.SpreadLeast,
			})
			if errors.Is(err, errors.ErrUnsupported) {
				t.Skipf("this system cannot: %v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(g.Dispatchers()) != 3 {
				t.Errorf("%d dispatchers", len(g.Dispatchers()))
			}
			body(t, ctx, g, spread)
		}
		t.Run(fmt.Sprint("spread ", spread, "/goroutine"), func(t *testing.T) { run(t, t.Context()) })
		t.Run(fmt.Sprint("spread ", spread, "/task"), func(t *testing.T) {
			err := core.Run(t.Context(), func(ctx context.Context) error {
				run(t, ctx)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// clients has n clients of package net each ask once, on goroutines, and waits for them.
func clients(t *testing.T, ctx context.Context, addr net.Addr, n int) {
	errs, err := core.Blocking(ctx, func(context.Context) ([]error, error) {
		errs := make([]error, n)
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				c, err := net.Dial(addr.Network(), addr.String())
				if err == nil {
					defer c.Close()
					msg := fmt.Sprint("message ", i)
					buf := make([]byte, len(msg))
					if _, err = io.WriteString(c, msg); err == nil {
						if _, err = io.ReadFull(c, buf); err == nil && string(buf) != msg {
							err = fmt.Errorf("got %q, want %q", buf, msg)
						}
					}
				}
				errs[i] = err
			})
		}
		all.Wait()
		return errs, nil
	})
	if err := errors.Join(append(errs, err)...); err != nil {
		t.Error(err)
	}
}

func TestServeGroup(t *testing.T) {
	everySpread(t, "tcp", func(t *testing.T, ctx context.Context, g *transport.ServeGroup, spread transport.Spread) {
		served := map[*dispatch.Dispatcher]int{}
		var mu sync.Mutex
		stop, cancel := context.WithCancel(ctx)
		server := core.Start(ctx, func(context.Context) error {
			return g.Serve(stop, func(ctx context.Context, c *transport.Conn) error {
				mu.Lock()
				served[core.DispatcherOf(ctx)]++
				mu.Unlock()
				return echoing(ctx, c)
			}, transport.ServeConfig{Limit: 90, OnError: noErrors(t)})
		})
		clients(t, ctx, g.Addr(), 60)
		cancel()
		if err := server.Wait(ctx); err != nil {
			t.Error(err)
		}
		n := 0
		for _, d := range g.Dispatchers() {
			n += served[d]
			if spread == transport.SpreadTurns && served[d] != 20 {
				t.Errorf("a dispatcher had %d connections, not a third", served[d])
			}
			if err := d.Post(func() {}); err != dispatch.ErrClosed {
				t.Errorf("Post = %v behind the group", err)
			}
		}
		if n != 60 || spread < transport.SpreadTurns && len(served) < 2 {
			t.Errorf("%d were served, by %d dispatchers", n, len(served))
		}
		if err := g.Serve(ctx, echoing, transport.ServeConfig{}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve again = %v", err)
		}
	})
}

func TestServeGroupEvents(t *testing.T) {
	everySpread(t, "tcp", func(t *testing.T, ctx context.Context, g *transport.ServeGroup, _ transport.Spread) {
		var opened, closed atomic.Int32
		stop, cancel := context.WithCancel(ctx)
		server := core.Start(ctx, func(context.Context) error {
			return g.ServeEvents(stop, shouting, transport.EventConfig{
				Grace:  time.Hour,
				Opened: func(*transport.EventConn) { opened.Add(1) },
				Closed: func(*transport.EventConn, error) { closed.Add(1) },
			})
		})
		clients(t, ctx, g.Addr(), 30)
		c, err := net.Dial("tcp", g.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, err = core.Blocking(ctx, func(context.Context) (struct{}, error) {
			if _, err := c.Write([]byte("x")); err != nil {
				return struct{}{}, err
			}
			_, err := c.Read(make([]byte, 1))
			return struct{}{}, err
		})
		if err != nil {
			t.Error(err)
		}
		cancel() // one is open still
		if err := server.Wait(ctx); err != nil {
			t.Error(err)
		}
		if opened.Load() != 31 || closed.Load() != 31 {
			t.Errorf("%d opened, %d closed", opened.Load(), closed.Load())
		}
	})
}

// The one with the fewest connections gets the next one.
func TestServeGroupLeast(t *testing.T) {
	needsSockets(t)
	g, err := transport.NewServeGroup(t.Context(), "tcp", "localhost:0", transport.GroupConfig{Dispatchers: 3, Spread: transport.SpreadLeast})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	where := make(chan *dispatch.Dispatcher)
	go func() {
		ended <- g.Serve(ctx, func(ctx context.Context, c *transport.Conn) error {
			defer func() { where <- nil }()
			where <- core.DispatcherOf(ctx)
			_, err := io.Copy(io.Discard, c)
			return err
		}, transport.ServeConfig{OnError: noErrors(t)})
	}()
	dial := func() (net.Conn, *dispatch.Dispatcher) {
		c, err := net.Dial("tcp", g.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return c, <-where
	}
	conns := map[*dispatch.Dispatcher]net.Conn{}
	for range 3 {
		c, d := dial()
		conns[d] = c
	}
	if len(conns) != 3 {
		t.Fatalf("3 connections on %d dispatchers", len(conns))
	}
	for _, d := range slices.Backward(g.Dispatchers()) { // not the one whose turn it would be
		conns[d].Close()
		<-where
		// The connection is counted until the task of its handler has ended.
		if err := d.Post(func() { where <- nil }); err != nil {
			t.Fatal(err)
		}
		<-where
		c, to := dial()
		if to != d {
			t.Error("the next connection has not gone where there was none")
		}
		conns[d] = c
	}
	cancel()
	for range 3 {
		<-where
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for _, c := range conns {
		c.Close()
	}
}

// A panic on one of the dispatchers stops all, and goes on in the caller.
func TestServeGroupPanic(t *testing.T) {
	everySpread(t, "tcp", func(t *testing.T, ctx context.Context, g *transport.ServeGroup, _ transport.Spread) {
		stop, cancel := context.WithCancel(ctx)
		defer cancel()
		server := core.Start(ctx, func(context.Context) (err error) {
			defer func() {
				p, ok := recover().(*core.PanicError)
				if !ok || p.Value != "mine" {
					t.Errorf("panic: %v", p)
				}
			}()
			return g.Serve(stop, func(ctx context.Context, c *transport.Conn) error {
				core.DispatcherOf(ctx).CallSoon(func() { panic("mine") })
				return echoing(ctx, c)
			}, transport.ServeConfig{Grace: time.Hour, OnError: noErrors(t)})
		})
		_, err := core.Blocking(ctx, func(context.Context) (struct{}, error) {
			c, err := net.Dial("tcp", g.Addr().String())
			if err != nil {
				return struct{}{}, err
			}
			defer c.Close()
			_, _ = io.Copy(io.Discard, c)
			return struct{}{}, nil
		})
		if err != nil {
			t.Error(err)
		}
		if err := server.Wait(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestServeGroupClose(t *testing.T) {
	everySpread(t, "tcp", func(t *testing.T, ctx context.Context, g *transport.ServeGroup, _ transport.Spread) {
		if err := g.ServePackets(ctx, nil, transport.PacketsConfig{}); err == nil {
			t.Error("messages over tcp")
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		if err := g.Serve(ctx, echoing, transport.ServeConfig{}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve = %v", err)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	everySpread(t, "tcp", func(t *testing.T, ctx context.Context, g *transport.ServeGroup, _ transport.Spread) {
		begun := core.NewFuture[struct{}]()
		server := core.Start(ctx, func(context.Context) error {
			return g.Serve(ctx, func(ctx context.Context, c *transport.Conn) error {
				begun.TryComplete(struct{}{})
				return echoing(ctx, c)
			}, transport.ServeConfig{OnError: noErrors(t)})
		})
		clients(t, ctx, g.Addr(), 1)
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		if err := server.Wait(ctx); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve = %v", err)
		}
	})
	if _, err := transport.NewServeGroup(t.Context(), "tcp", "no port", transport.GroupConfig{}); err == nil {
		t.Error("listening nowhere")
	}
}

// With sockets of their own each dispatcher has its share of the limit, rounded up.
func TestServeGroupLimit(t *testing.T) {
	needsSockets(t)
	g, err := transport.NewServeGroup(t.Context(), "tcp", "127.0.0.1:0", transport.GroupConfig{Dispatchers: 2, Spread: transport.SpreadPort})
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("this system cannot: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	const n, limit = 60, 4 // of 3
	var running, most, served atomic.Int32
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- g.Serve(ctx, func(ctx context.Context, c *transport.Conn) error {
			defer served.Add(1)
			defer running.Add(-1)
			for now := running.Add(1); ; {
				was := most.Load()
				if now <= was || most.CompareAndSwap(was, now) {
					break
				}
			}
			_, err := io.Copy(io.Discard, c)
			return err
		}, transport.ServeConfig{Limit: 3, OnError: noErrors(t)})
	}()
	var conns []net.Conn
	for range n {
		c, err := net.Dial("tcp", g.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	for running.Load() < limit {
		runtime.Gosched()
	}
	for _, c := range conns {
		c.Close()
	}
	for served.Load() < n {
		runtime.Gosched()
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if most.Load() != limit {
		t.Errorf("%d at a time, want %d", most.Load(), limit)
	}
}
