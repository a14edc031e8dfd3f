//go:build unix

package dispatch_test

import (
	"errors"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// latch records what a descriptor in operation mode hears.
type latch struct{ heard record }

func (l *latch) Ready(read, write, hup bool) {
	s := "ready"
	for i, is := range []bool{read, write, hup} {
		if is {
			s += []string{" read", " write", " hup"}[i]
		}
	}
	l.heard = append(l.heard, s)
}

func (l *latch) Closed() { l.heard = append(l.heard, "closed") }

func TestRegister(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		p, d := pipe(t), open(t, cfg)
		keep := func(dispatch.FDEvent) bool { return false }
		_, err := d.AddRead(p.r, keep)
		if err != dispatch.ErrNotRegistered {
			t.Errorf("AddRead = %v, want ErrNotRegistered", err)
		}
		if _, err = d.AddWrite(p.r, keep); err != dispatch.ErrNotRegistered {
			t.Errorf("AddWrite = %v, want ErrNotRegistered", err)
		}
		if err := d.CloseFD(p.r); err != dispatch.ErrNotRegistered {
			t.Errorf("CloseFD = %v, want ErrNotRegistered", err)
		}
		must(t, d.Register(p.r))
		if err := d.Register(p.r); err != dispatch.ErrRegistered {
			t.Errorf("Register again = %v, want ErrRegistered", err)
		}
		if n := d.Pending(); n != 0 {
			t.Errorf("%d pending without a watch", n)
		}
		p.closeFD(t, d, p.r)
		// A number that is no descriptor is refused where it is watched first.
		must(t, d.Register(p.r))
		if _, err := d.AddRead(p.r, keep); !errors.Is(err, unix.EBADF) {
			t.Errorf("AddRead of a closed descriptor = %v", err)
		}
		if n := d.Pending(); n != 0 {
			t.Errorf("%d pending after a failure", n)
		}
		q := pipe(t) // has the number
		if q.r != p.r {
			t.Fatalf("%d was not used again, but %d", p.r, q.r)
		}
		write(t, q.w)
		addRead(t, d, q.r, func(dispatch.FDEvent) bool { return true })
		if n := turn(t, d); n != 1 {
			t.Errorf("%d callbacks ran, want the one that did not fail", n)
		}
		q.close(t, q.r)
		if err := d.CloseFD(p.r); !errors.Is(err, unix.EBADF) {
			t.Errorf("CloseFD of a closed descriptor = %v", err)
		}
		if err := d.CloseFD(p.r); err != dispatch.ErrNotRegistered {
			t.Errorf("it is not forgotten: %v", err)
		}
	})
}

func TestMode(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		p, d := pipe(t), open(t, cfg)
		h := new(latch)
		must(t, d.Register(p.r))
		if _, err := seam.Of(d).Attach(uintptr(p.r), h); err != dispatch.ErrRegistered {
			t.Errorf("Attach of a registered descriptor = %v", err)
		}
		bad := ^uint32(0) >> 1 // no descriptor
		if _, err := seam.Of(d).Attach(uintptr(bad), h); !errors.Is(err, unix.EBADF) {
			t.Errorf("Attach of no descriptor = %v", err)
		}
		must(t, d.Register(dispatch.FD(bad))) // nothing is left of it
		f, err := seam.Of(d).Attach(uintptr(p.w), h)
		must(t, err)
		keep := func(dispatch.FDEvent) bool { return false }
		_, err1 := d.AddRead(p.w, keep)
		_, err2 := d.AddWrite(p.w, keep)
		_, err3 := seam.Of(d).Attach(uintptr(p.w), h)
		for _, err := range []error{err1, err2, err3, d.Register(p.w), d.CloseFD(p.w)} {
			if err != dispatch.ErrMode {
				t.Errorf("%v, want ErrMode", err)
			}
		}
		f.Detach()
		f.Detach()
		must(t, d.Register(p.w)) // the mode is open again
		f.Detach()               // does not touch the successor
		addWrite(t, d, p.w, func(dispatch.FDEvent) bool { return true })
		if n := turn(t, d); n != 1 {
			t.Errorf("ran %d", n)
		}
	})
}

// TestLatch: after an Arm the latch hears of what has become possible, and of the close
// of the dispatcher, but nothing after Detach.
func TestLatch(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		d, err := dispatch.New(cfg)
		must(t, err)
		s := sockets(t)
		h := new(latch)
		f, err := seam.Of(d).Attach(uintptr(s.r), h)
		must(t, err)
		release := d.Hold()
		must(t, f.Arm(true, false))
		turn(t, d) // epoll may report that it is writable
		h.heard = nil
		write(t, s.w)
		turn(t, d)
		if !slices.ContainsFunc(h.heard, func(s string) bool { return s == "ready read" || s == "ready read write" }) {
			t.Errorf("heard %q after a write of the peer", h.heard)
		}
		must(t, f.Arm(true, true))
		h.heard = nil
		s.close(t, s.w)
		turn(t, d)
		h.heard.want(t, "ready read write hup")
		detached := new(latch)
		q := sockets(t)
		g, err := seam.Of(d).Attach(uintptr(q.r), detached)
		must(t, err)
		must(t, g.Arm(true, true))
		g.Detach()
		turn(t, d)
		release()
		must(t, d.Close())
		h.heard.want(t, "closed")
		detached.heard.want(t)
		f.Detach()
	})
}
