package transport_test

import (
	"context"
	"syscall"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// A panic of a hook, or of a wait where none is allowed, leaves no descriptor open.
func TestPanicsLeaveNothingOpen(t *testing.T) {
	everyWay(t, func(w *world) {
		l := w.listen()
		defer l.Close()
		hook := func(context.Context, string, string, syscall.RawConn) error { panic("hook") }
		panics := func(what string, fn func() error) {
			defer func() {
				if recover() == nil {
					w.Errorf("%s has not panicked", what)
				}
			}()
			_ = fn()
		}
		all := func() {
			panics("Dial", func() error {
				_, err := (&transport.Dialer{Control: hook}).Dial(w.on, "tcp", l.Addr().String())
				return err
			})
			panics("Listen", func() error {
				_, err := (&transport.ListenConfig{Control: hook}).Listen(w.on, "tcp", "127.0.0.1:0")
				return err
			})
			panics("ListenPacket", func() error {
				_, err := (&transport.ListenConfig{Control: hook}).ListenPacket(w.on, "udp", "127.0.0.1:0")
				return err
			})
			called := core.NewFuture[struct{}]()
			w.d.CallSoon(func() {
				defer called.Complete(struct{}{})
				// It panics only where it has to wait.
				defer func() { _ = recover() }()
				if c, err := transport.Dial(w.on, "tcp", l.Addr().String()); err == nil {
					_ = c.Close()
				}
			})
			if _, err := called.Await(w.ctx); err != nil {
				w.Fatal(err)
			}
		}
		all() // what is opened once
		before := openFDs()
		for range 5 {
			all()
		}
		if n := openFDs(); n != before {
			w.Errorf("%d descriptors are left", n-before)
		}
	})
}
