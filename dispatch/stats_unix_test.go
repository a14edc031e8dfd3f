//go:build unix

package dispatch_test

import (
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// TestStatsWorld has the figures of what the system is asked for.
func TestStatsWorld(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		p, q, d := pipe(t), pipe(t), open(t, cfg)
		must(t, d.Register(p.r))
		must(t, d.Register(p.w))
		f, err := seam.Of(d).Attach(uintptr(q.r), new(latch))
		must(t, err)
		addRead(t, d, p.r, func(dispatch.FDEvent) bool { return read(t, p.r, 1) == 1 })
		keep := addRead(t, d, p.r, func(dispatch.FDEvent) bool { return false })
		sig := addSignal(t, d, syscall.SIGUSR1, func(os.Signal) bool { return false })
		wantStats(t, "registered", d.Stats(), dispatch.Stats{Descriptors: 3, Watches: 2, Signals: 1})
		write(t, p.w)
		turn(t, d)
		wantStats(t, "after a turn", d.Stats(), dispatch.Stats{
			Turns: 1, Callbacks: 2, Polls: 1, Descriptors: 3, Watches: 1, Signals: 1,
		})
		turn(t, d)
		keep.Stop()
		sig.Stop()
		f.Detach()
		must(t, d.Unregister(p.r))
		wantStats(t, "at the end", d.Stats(), dispatch.Stats{Turns: 2, Callbacks: 2, Polls: 2, Descriptors: 1})
	})
}

// readable reports whether another loop would find h readable.
func readable(tb testing.TB, h uintptr) bool {
	tb.Helper()
	set := []unix.PollFd{{Fd: int32(h), Events: unix.POLLIN}}
	n, err := unix.Poll(set, 0)
	must(tb, err)
	return n == 1 && set[0].Revents&unix.POLLIN != 0
}

// TestHandle: where there is one, it is readable when a turn would find something from a
// descriptor, and only then.
func TestHandle(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		p := pipe(t)
		before := descriptors()
		d := open(t, cfg)
		h := d.Handle()
		if cfg.Backend == "poll" {
			if h != ^uintptr(0) {
				t.Errorf("Handle = %d of backend poll", h)
			}
			return
		}
		if descriptors() == before {
			t.Error("Handle has not opened the poller")
		}
		must(t, d.Register(p.r))
		if h2 := d.Handle(); h2 != h {
			t.Errorf("Handle = %d, then %d", h, h2)
		}
		var e dispatch.Event
		addEvent(t, d, &e, func() bool { return false })
		addRead(t, d, p.r, func(dispatch.FDEvent) bool { read(t, p.r, 1); return false })
		e.Trigger()
		d.CallSoon(func() {})
		d.AfterFunc(0, func() {})
		if readable(t, h) {
			t.Error("readable by a post, a timer or an event")
		}
		turn(t, d)
		write(t, p.w)
		for range 2 {
			if !readable(t, h) {
				t.Error("not readable while a descriptor is")
			}
		}
		if n := turn(t, d); n != 1 || readable(t, h) {
			t.Errorf("ran %d; or readable when all is read", n)
		}
		must(t, d.Close())
		if n := descriptors(); n != before {
			t.Errorf("%d descriptors are left after Close", n-before)
		}
	})
}
