package transport_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
	"github.com/seed-1e54c410/turnstile/transport"
)

// world is where a test runs: core.Start(ctx) starts participants, and connections are made
// with the ctx on.
type world struct {
	*testing.T
	ctx, on context.Context
	d       *dispatch.Dispatcher // of the connections
}

// everyWay runs a test with participants of all kinds, and with the connections on every native poller.
func everyWay(t *testing.T, body func(w *world)) {
	needsSockets(t)
	for _, backend := range poll.Backends() {
		everyWayOn(t, backend, body)
	}
}

func everyWayOn(t *testing.T, backend string, body func(w *world)) {
	needsSockets(t)
	dispatcher := func(t *testing.T) *dispatch.Dispatcher {
		d, err := dispatch.New(dispatch.Config{Backend: backend})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	// running turns a dispatcher on another goroutine until the test ends.
	running := func(t *testing.T) *dispatch.Dispatcher {
		d := dispatcher(t)
		ended := make(chan error, 1)
		go func() { ended <- d.Run(context.Background()) }()
		t.Cleanup(func() {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
			// Close may have come before Run.
			if err := <-ended; err != nil && err != dispatch.ErrClosed {
				t.Error(err)
			}
		})
		return d
	}
	t.Run(backend+"/goroutines", func(t *testing.T) {
		d := running(t)
		body(&world{t, t.Context(), core.On(t.Context(), d), d})
	})
	t.Run(backend+"/tasks", func(t *testing.T) {
		d := dispatcher(t)
		defer d.Close()
		err := core.RunOn(t.Context(), d, func(ctx context.Context) error {
			body(&world{t, ctx, ctx, d})
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	t.Run(backend+"/tasks of another dispatcher", func(t *testing.T) {
		d := running(t)
		err := core.Run(t.Context(), func(ctx context.Context) error {
			body(&world{t, ctx, core.On(ctx, d), d})
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// start starts a participant.
func (w *world) start(fn func(ctx context.Context) error) *core.Task { return core.Start(w.ctx, fn) }

// join waits for participants, and fails the test with their errors.
func (w *world) join(tasks ...*core.Task) {
	w.Helper()
	for _, t := range tasks {
		if err := t.Wait(w.ctx); err != nil {
			w.Error(err)
		}
	}
}

// until lets others run until cond is true.
func (w *world) until(cond func() bool) {
	for !cond() {
		if err := core.Yield(w.ctx); err != nil {
			w.Fatal(err)
		}
	}
}

func (w *world) listen() *transport.Listener {
	w.Helper()
	l, err := transport.Listen(w.on, "tcp", "127.0.0.1:0")
	if err != nil {
		w.Fatal(err)
	}
	return l
}

// pair returns two connected ends.
func (w *world) pair() (a, b *transport.Conn) {
	w.Helper()
	l := w.listen()
	defer l.Close()
	a, err := transport.Dial(w.on, "tcp", l.Addr().String())
	if err != nil {
		w.Fatal(err)
	}
	b, err = l.AcceptConn(w.ctx)
	if err != nil {
		w.Fatal(err)
	}
	return a, b
}

// mixed returns a connection whose other end is one of package net.
func (w *world) mixed() (*transport.Conn, *net.TCPConn) {
	w.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.Fatal(err)
	}
	defer l.Close()
	c, err := transport.Dial(w.on, "tcp", l.Addr().String())
	if err != nil {
		w.Fatal(err)
	}
	peer, err := l.Accept() // it is there
	if err != nil {
		w.Fatal(err)
	}
	return c, peer.(*net.TCPConn)
}

// readWaits waits until n calls of Read wait on c.
func (w *world) readWaits(c *transport.Conn, n int) {
	w.until(func() bool { r, _ := c.Waiting(); return r == n })
}

// writeWaits waits until n calls of Write wait on c.
func (w *world) writeWaits(c *transport.Conn, n int) {
	w.until(func() bool { _, n0 := c.Waiting(); return n0 == n })
}

// isOpError fails the test unless err is an *net.OpError of op with target inside.
func (w *world) isOpError(err error, op string, target error) *net.OpError {
	w.Helper()
	oe, ok := err.(*net.OpError)
	if !ok || oe.Op != op || !errors.Is(err, target) {
		w.Fatalf("got %v (%T), want an error of %q that is %v", err, err, op, target)
	}
	return oe
}
