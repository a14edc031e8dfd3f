//go:build !race && !386 && !s390x && !ports

package transport_test

import (
	"context"
	"io"
	"net"
	"testing"
	"time"
)

// Messages and bytes go there and back without an allocation, where every call that receives waits.
func TestAllocs(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		a, b := w.packets("udp4"), w.packets("udp4")
		to := here(b).(*net.UDPAddr).AddrPort()
		echoes := w.start(func(context.Context) error {
			buf := make([]byte, 100)
			for {
				n, from, err := b.ReadFromAddrPort(buf)
				if err != nil {
					return nil
				}
				if _, err := b.WriteToAddrPort(buf[:n], from); err != nil {
					return err
				}
			}
		})
		buf := make([]byte, 100)
		if err := a.SetDeadline(time.Now().Add(time.Hour)); err != nil {
			w.Fatal(err)
		}
		w.allocatesNothing("messages", func() error {
			if _, err := a.WriteToAddrPort(buf[:10], to); err != nil {
				return err
			}
			_, _, err := a.ReadFromAddrPort(buf)
			return err
		})
		a.Close()
		b.Close()
		w.join(echoes)

		c, d := w.pair()
		defer c.Close()
		other := w.start(func(context.Context) error { return echo(d, 100) })
		w.allocatesNothing("bytes", func() error {
			if _, err := c.Write(buf); err != nil {
				return err
			}
			_, err := io.ReadFull(c, buf)
			return err
		})
		c.Close()
		w.join(other)
	})
}

// allocatesNothing runs fn again and again; the first runs make what is made once. What goes on in
// the background, once in a while, rounds down to nothing.
func (w *world) allocatesNothing(what string, fn func() error) {
	w.Helper()
	for range 100 {
		if err := fn(); err != nil {
			w.Fatal(err)
		}
	}
	n := testing.AllocsPerRun(1000, func() {
		if err := fn(); err != nil {
			w.Error(err)
		}
	})
	if n != 0 {
		w.Errorf("%s: %v allocations", what, n)
	}
}
