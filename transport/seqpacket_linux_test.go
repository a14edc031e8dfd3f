package transport_test

import (
	"context"
	"io"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/transport"
)

// A connection of messages keeps them apart and has an end.
func TestUnixPacket(t *testing.T) {
	everyWay(t, func(w *world) {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			w.Fatal(err)
		}
		var conns [2]*transport.Conn
		for i, fd := range fds {
			if conns[i], err = transport.NewConn(w.d, fd, "unixpacket"); err != nil {
				w.Fatal(err)
			}
			defer conns[i].Close()
		}
		a, b := conns[0], conns[1]
		buf := make([]byte, 3)
		for _, text := range []string{"one", "two", "three"} {
			if _, err := a.Write([]byte(text)); err != nil {
				w.Fatal(err)
			}
		}
		for _, want := range []string{"one", "two"} {
			if n, err := b.Read(buf); string(buf[:n]) != want || err != nil {
				w.Errorf("Read = %q, %v, want %q", buf[:n], err, want)
			}
		}
		if m, err := b.ReadMessage(w.ctx, buf); m.N != 3 || !m.Truncated || err != nil {
			w.Errorf("ReadMessage = %+v, %v", m, err)
		}
		reader := w.start(func(context.Context) error { _, err := b.Read(buf); return err })
		w.readWaits(b, 1)
		if err := a.CloseWrite(); err != nil {
			w.Fatal(err)
		}
		if err := reader.Wait(w.ctx); err != io.EOF {
			w.Errorf("Read = %v, want the end", err)
		}
		if _, err := b.ReadMessage(w.ctx, buf); err != io.EOF {
			w.Errorf("ReadMessage = %v, want the end", err)
		}
		if _, err := b.Write([]byte("back")); err != nil {
			w.Fatal(err)
		}
		if n, err := a.Read(buf); n != 3 || err != nil {
			w.Errorf("Read = %d, %v", n, err)
		}
	})
}
