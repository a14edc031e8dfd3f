//go:build !(windows || ports)

package transport_test

import (
	"context"
	"net"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/transport"
)

// An event comes between the steps of a Read that is about to wait, and no other follows. The
// loop stands still, and this test tells the event in its place.
func TestEventWhileAboutToWait(t *testing.T) {
	needsSockets(t)
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	w := &world{t, t.Context(), core.On(t.Context(), d), d}
	var conns [2]*transport.Conn
	var peers [2]*net.TCPConn
	for i := range conns {
		conns[i], peers[i] = w.mixed()
		defer conns[i].Close()
		defer peers[i].Close()
	}
	cancel()
	<-ended

	// The first point is behind the system call that says that there is nothing, the second before
	// the wait. A Read that knows of the last one that there is nothing passes the second alone.
	for i, c := range conns {
		for round := range 3 {
			at := 1
			if round == 0 {
				at = 1 + i
			}
			passed := 0
			end := transport.AtBrink(func() {
				if passed++; passed != at {
					return
				}
				if _, err := peers[i].Write([]byte{1}); err != nil {
					t.Error(err)
				}
				c.Readable()
			})
			n, err := c.Read(make([]byte, 10))
			end()
			if n != 1 || err != nil || passed < at {
				t.Errorf("Read = %d, %v, after %d points of %d", n, err, passed, at)
			}
		}
	}
}
