//go:build unix || windows

package dispatch_test

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// TestOpsErrors: what cannot be started says why, and nothing comes of it.
func TestOpsErrors(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		if p := panicOf(func() { d.NewOp(nil) }); p != "dispatch: nil callback" {
			t.Errorf("NewOp(nil): %v", p)
		}
		a, b := n.pair()
		u := n.udp()
		o := newOp(d)
		buf := make([]byte, 10)
		if err := o.Recv(b, buf); err != dispatch.ErrNotRegistered {
			t.Errorf("before any Register: %v", err)
		}
		register(t, d, b, u)
		if err := o.Recv(a, buf); err != dispatch.ErrNotRegistered {
			t.Errorf("without Register: %v", err)
		}
		for _, to := range []dispatch.Addr{
			{},
			{IP: netip.AddrPortFrom(netip.Addr{}, 80)},
			{Unix: string(make([]byte, 200))},
			{Unix: "a\x00b"},
		} {
			if err := o.SendTo(u, buf, to); !errors.Is(err, syscall.EINVAL) || !strings.HasPrefix(err.Error(), "dispatch: ") {
				t.Errorf("SendTo %v: %v", to, err)
			}
			if err := o.Connect(b, to); !errors.Is(err, syscall.EINVAL) || !strings.HasPrefix(err.Error(), "dispatch: ") {
				t.Errorf("Connect to %v: %v", to, err)
			}
		}
		nowhere := netip.AddrPortFrom(netip.IPv6LinkLocalAllNodes().WithZone("no such interface"), 80)
		if err := o.SendTo(u, buf, dispatch.Addr{IP: nowhere}); err == nil {
			t.Error("SendTo took an unknown zone")
		}
		must(t, o.Recv(b, buf)) // none of this has left it in flight
		for _, err := range []error{o.Recv(b, buf), o.Send(b, buf), o.Accept(b), o.Connect(b, dispatch.Addr{})} {
			if err != dispatch.ErrInFlight {
				t.Errorf("%v, want ErrInFlight", err)
			}
		}
		n.sysSend(a, []byte{1})
		o.done(t, d, 1)
		settle(t, d)
		o.want(t, 1, 1, nil)

		// In flight until the callback runs.
		must(t, o.Recv(b, buf))
		o.Cancel()
		if err := o.Recv(b, buf); err != dispatch.ErrInFlight {
			t.Errorf("%v before the callback, want ErrInFlight", err)
		}
		o.done(t, d, 2)
		settle(t, d)
		for i, fd := range []dispatch.FD{noSocket(t), file(t)} {
			must(t, d.Register(fd))
			if err := o.Recv(fd, buf); !errors.Is(err, errNoSocket) {
				t.Errorf("what is no socket (%d): %v", i, err)
			}
			must(t, d.Unregister(fd))
		}
		must(t, d.Register(1<<20+1))
		if err := o.Recv(1<<20+1, buf); err == nil {
			t.Error("started on what is no descriptor")
		}
		if got := d.Pending(); got != 0 {
			t.Errorf("%d pending", got)
		}
		must(t, d.Close())
		if err := o.Recv(b, buf); err != dispatch.ErrClosed {
			t.Errorf("after Close: %v", err)
		}
	})
}

// file returns an open regular file.
func file(tb testing.TB) dispatch.FD {
	tb.Helper()
	f, err := os.CreateTemp("", "ops")
	must(tb, err)
	tb.Cleanup(func() {
		must(tb, f.Close())
		must(tb, os.Remove(f.Name()))
	})
	return dispatch.FD(f.Fd())
}

// TestOpsMode takes a descriptor through the modes, and back: each refuses the other while it is
// in use, and loses nothing of what has come in.
func TestOpsMode(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.pair()
		register(t, d, b)
		keep := func(dispatch.FDEvent) bool { return false }
		recv := newOp(d)
		buf := make([]byte, 1)
		for i := range 3 {
			// Operations.
			must(t, recv.Recv(b, buf))
			settle(t, d)
			_, err1 := d.AddRead(b, keep)
			_, err2 := d.AddWrite(b, keep)
			if err1 != dispatch.ErrMode || err2 != dispatch.ErrMode {
				t.Errorf("watched with an operation in flight: %v, %v", err1, err2)
			}
			if err := d.Register(b); err != dispatch.ErrRegistered {
				t.Errorf("Register again: %v", err)
			}
			if _, err := seam.Of(d).Attach(uintptr(b), deaf{}); err != dispatch.ErrRegistered {
				t.Errorf("Attach: %v", err)
			}
			n.sysSend(a, []byte{1, 2})
			recv.done(t, d, 2*i+1)
			recv.want(t, 2*i+1, 1, nil)

			// Watches. One byte is there.
			told := 0
			r, err := d.AddRead(b, func(dispatch.FDEvent) bool { told++; return false })
			must(t, err)
			if err := recv.Recv(b, buf); err != dispatch.ErrMode {
				t.Errorf("operation with a watch: %v", err)
			}
			for told == 0 {
				_, err := d.Poll(-1)
				must(t, err)
			}
			w, err := d.AddWrite(b, keep)
			must(t, err)
			r.Stop()
			if err := recv.Recv(b, buf); err != dispatch.ErrMode {
				t.Errorf("operation with a watch for writing: %v", err)
			}
			w.Stop()
			must(t, recv.Recv(b, buf))
			recv.done(t, d, 2*i+2)
			if recv.err != nil || buf[0] != 2 {
				t.Errorf("received %d, %v", buf[0], recv.err)
			}
		}
		// A watch does not hear of what an operation has taken.
		_, err := d.AddRead(b, func(e dispatch.FDEvent) bool {
			if e.Err == nil {
				t.Error("readable")
			}
			return false
		})
		must(t, err)
		settle(t, d)
	})
}

// deaf is a latch that does not listen.
type deaf struct{}

func (deaf) Ready(_, _, _ bool) {}
func (deaf) Closed()            {}

// TestOpsModeTransport: a descriptor that package transport uses has no operations.
func TestOpsModeTransport(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		if cfg.Backend == "iocp" {
			return // what Attach does there is another matter
		}
		n, d := newNetwork(t), open(t, cfg)
		_, b := n.pair()
		f, err := seam.Of(d).Attach(uintptr(b), deaf{})
		must(t, err)
		o := newOp(d)
		if err := o.Recv(b, make([]byte, 1)); err != dispatch.ErrMode {
			t.Errorf("%v, want ErrMode", err)
		}
		f.Detach()
		if err := o.Recv(b, make([]byte, 1)); err != dispatch.ErrNotRegistered {
			t.Errorf("%v, want ErrNotRegistered", err)
		}
	})
}
