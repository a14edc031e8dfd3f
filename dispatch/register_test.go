//go:build unix

package dispatch_test

import (
	"testing"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

func TestUnregister(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		s, d := sockets(t), open(t, cfg)
		if d.Contains(s.r) {
			t.Error("Contains a descriptor that is not registered")
		}
		if err := d.Unregister(s.r); err != dispatch.ErrNotRegistered {
			t.Errorf("Unregister = %v", err)
		}
		must(t, d.Register(s.r))
		if !d.Contains(s.r) || d.Contains(s.w) {
			t.Error("Contains tells of another descriptor")
		}
		var r record
		w := addRead(t, d, s.r, r.watches("read", false))
		addWrite(t, d, s.r, r.watches("write", false))
		must(t, d.Unregister(s.r))
		if d.Contains(s.r) {
			t.Error("Contains a descriptor that has been forgotten")
		}
		if w.Stop() {
			t.Error("Stop of a watch that has ended = true")
		}
		must(t, d.Drain(-1))
		gone := ": " + dispatch.ErrNotRegistered.Error()
		r.want(t, "read"+gone, "write"+gone)

		// It is open, and can be registered anew.
		must(t, d.Register(s.r))
		write(t, s.w)
		addRead(t, d, s.r, r.watches("again", true))
		must(t, d.Drain(-1))
		r.want(t, "again")
		must(t, d.Unregister(s.r)) // without a watch
		if n := d.Pending(); n != 0 {
			t.Errorf("%d pending", n)
		}
		if n := read(t, s.r, 1); n != 1 {
			t.Errorf("read %d", n)
		}
	})
}

// TestUnregisterInCallback: a callback may unregister its own descriptor. Watches behind it
// which were ready in the same turn hear of that, and not that they are ready.
func TestUnregisterInCallback(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		s, d := sockets(t), open(t, cfg)
		must(t, d.Register(s.r))
		var r record
		addRead(t, d, s.r, func(e dispatch.FDEvent) bool {
			if e.Err == nil {
				must(t, d.Unregister(e.FD))
				must(t, d.Register(e.FD)) // the successor has nothing of it
				addWrite(t, d, e.FD, r.watches("successor", true))
			}
			return r.watches("first", true)(e)
		})
		addRead(t, d, s.r, r.watches("second", false))
		addWrite(t, d, s.r, r.watches("third", false))
		write(t, s.w)
		must(t, d.Drain(-1))
		gone := ": " + dispatch.ErrNotRegistered.Error()
		r.want(t, "first", "second"+gone, "third"+gone, "successor")
	})
}

// TestUnregisterDropsEvents unregisters between the answer of the poller and its use.
func TestUnregisterDropsEvents(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		p, d := pipe(t), open(t, cfg)
		must(t, d.Register(p.r))
		write(t, p.w)
		b := new(between)
		d.WrapPoller(func(p poll.Poller) poll.Poller { b.Poller = p; return b })
		var r record
		addRead(t, d, p.r, r.watches("old", false))
		b.do = func() {
			must(t, d.Unregister(p.r))
			must(t, d.Register(p.r))
			w := addRead(t, d, p.r, r.watches("new", false))
			d.CallIdle(func() { w.Stop() })
		}
		turn(t, d)
		r.want(t, "old: "+dispatch.ErrNotRegistered.Error())
		must(t, d.Unregister(p.r))
		must(t, d.Drain(-1))
	})
}

func TestUnregisterMode(t *testing.T) {
	p, d := pipe(t), open(t, dispatch.Config{})
	f, err := seam.Of(d).Attach(uintptr(p.r), new(latch))
	must(t, err)
	if !d.Contains(p.r) {
		t.Error("does not contain the descriptor of a connection")
	}
	if err := d.Unregister(p.r); err != dispatch.ErrMode {
		t.Errorf("Unregister = %v", err)
	}
	f.Detach()
	if d.Contains(p.r) {
		t.Error("contains the descriptor of a connection that is gone")
	}
}

func TestUnregisterClosed(t *testing.T) {
	p, d := pipe(t), open(t, dispatch.Config{})
	must(t, d.Register(p.r))
	must(t, d.Close())
	if err := d.Unregister(p.r); err != dispatch.ErrNotRegistered || d.Contains(p.r) {
		t.Errorf("Unregister = %v, Contains = %v", err, d.Contains(p.r))
	}
}
