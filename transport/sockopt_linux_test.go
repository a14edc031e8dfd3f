package transport_test

import (
	"context"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/transport"
)

// Connections have the options that those of package net have.
func TestOptions(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		a, b := w.pair()
		defer a.Close()
		defer b.Close()
		for _, c := range []*transport.Conn{a, b} {
			for _, o := range []struct{ level, name, want int }{
				{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
				{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
				{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15},
				{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15},
				{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 9},
			} {
				if got, err := unix.GetsockoptInt(c.FD(), o.level, o.name); got != o.want || err != nil {
					w.Errorf("option %d/%d is %d, %v", o.level, o.name, got, err)
				}
			}
			flags, err := unix.FcntlInt(uintptr(c.FD()), unix.F_GETFD, 0)
			if err != nil || flags&unix.FD_CLOEXEC == 0 {
				w.Errorf("descriptor flags %#x, %v", flags, err)
			}
		}
	})
}

// Urgent data cuts a read short though more is there, so this is not the end of what can be read.
func TestUrgentData(t *testing.T) {
	everyWay(t, func(w *world) {
		c, peer := w.mixed()
		defer c.Close()
		defer peer.Close()
		send := func(s string, flags int) {
			raw, err := peer.SyscallConn()
			if err != nil {
				w.Fatal(err)
			}
			err = raw.Control(func(fd uintptr) {
				if err := unix.Sendto(int(fd), []byte(s), flags, nil); err != nil {
					w.Error(err)
				}
			})
			if err != nil {
				w.Fatal(err)
			}
		}
		for range 20 {
			send("abc", 0)
			send("!", unix.MSG_OOB)
			send("def", 0)
			var got []byte
			for len(got) < 6 {
				reader := w.start(func(context.Context) error {
					p := make([]byte, 100)
					n, err := c.Read(p)
					got = append(got, p[:n]...)
					return err
				})
				w.join(reader)
			}
			if string(got) != "abcdef" {
				w.Errorf("got %q", got)
			}
		}
	})
}
