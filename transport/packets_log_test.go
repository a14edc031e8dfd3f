//go:build unix

package transport_test

import (
	"bytes"
	"context"
	"errors"
	"log"
	"os"
	"strings"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// Without OnError the log says whose message it was.
func TestServePacketsLog(t *testing.T) {
	var logged bytes.Buffer
	log.SetOutput(&logged)
	defer log.SetOutput(os.Stderr)
	everyPacket(t, func(w *world, network string) {
		logged.Reset()
		c, from := w.packets(network), w.packets(network)
		defer from.Close()
		handled := core.NewFuture[struct{}]()
		ctx, stop := core.WithCancel(w.ctx)
		server := core.Start(core.Detach(w.ctx), func(context.Context) error {
			return transport.ServePackets(ctx, c, func(context.Context, *transport.Packet) error {
				handled.Complete(struct{}{})
				return errors.New("oops")
			}, transport.PacketsConfig{})
		})
		if _, err := from.WriteTo([]byte("x"), here(c)); err != nil {
			w.Fatal(err)
		}
		if _, err := handled.Await(w.ctx); err != nil {
			w.Fatal(err)
		}
		stop()
		w.join(server)
		want := "transport: message from " + here(from).String() + ": oops"
		if !strings.Contains(logged.String(), want) {
			w.Errorf("logged %q, want %q", logged.String(), want)
		}
	})
}
