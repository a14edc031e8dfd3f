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

// The dispatcher closes while a server that is to stop waits for its handlers: they did not end by themselves.
func TestServeGraceCutShort(t *testing.T) {
	needsSockets(t)
	for _, grace := range []time.Duration{-1, time.Hour} {
		d, err := dispatch.New(dispatch.Config{})
		if err != nil {
			t.Fatal(err)
		}
		turned := make(chan error, 1)
		go func() { turned <- d.Run(context.Background()) }()
		l, err := transport.Listen(core.On(t.Context(), d), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		begun, served := make(chan struct{}), make(chan error, 1)
		ctx, stop := context.WithCancel(t.Context())
		go func() {
			served <- transport.Serve(ctx, l, func(ctx context.Context, c *transport.Conn) error {
				close(begun)
				_, err := io.Copy(io.Discard, c)
				return err
			}, transport.ServeConfig{Grace: grace, OnError: noErrors(t)})
		}()
		peer, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		<-begun
		stop()
		for !errors.Is(l.SetDeadline(time.Time{}), net.ErrClosed) {
			runtime.Gosched()
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, dispatch.ErrClosed) {
			t.Errorf("Grace %v: Serve = %v", grace, err)
		}
		if err := <-turned; err != nil && err != dispatch.ErrClosed {
			t.Error(err)
		}
		peer.Close()
	}
}
