//go:build unix

package dispatch_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// TestCloseEndsWatches: each hears ErrClosed, once, and descriptors stay open.
func TestCloseEndsWatches(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		for _, running := range []bool{false, true} {
			s, d := sockets(t), open(t, cfg)
			must(t, d.Register(s.r))
			write(t, s.w)
			// Written on the loop; Close happens behind it.
			var r record
			addRead(t, d, s.r, func(e dispatch.FDEvent) bool {
				if e.Err == nil {
					return false
				}
				return r.watches("read", false)(e)
			})
			w := addWrite(t, d, s.r, func(e dispatch.FDEvent) bool {
				if e.Err == nil {
					return false
				}
				if _, err := d.AddRead(s.r, r.watches("refused", false)); err != dispatch.ErrClosed {
					t.Errorf("AddRead during Close = %v", err)
				}
				return r.watches("write", false)(e)
			})
			// What a post starts comes before the ends of watches.
			d.CallSoon(r.does("post", func() { seam.Of(d).Ready(runs(r.does("started"))) }))
			done := make(chan error, 1)
			if running {
				go func() { done <- d.Run(t.Context()) }()
			} else {
				done <- nil
			}
			must(t, d.Close())
			if err := <-done; err != nil && err != dispatch.ErrClosed {
				t.Errorf("Run = %v", err)
			}
			closed := ": " + dispatch.ErrClosed.Error()
			r.want(t, "post", "started", "read"+closed, "write"+closed)
			refusesAll(t, d)
			if w.Stop() {
				t.Error("Stop of a watch that has ended = true")
			}
			if n := read(t, s.r, 1); n != 1 {
				t.Errorf("read %d from the descriptor after Close", n)
			}
		}
	})
}

// descriptors counts those that are open.
func descriptors() (n int) {
	for fd := range uintptr(4096) {
		if _, err := unix.FcntlInt(fd, unix.F_GETFD, 0); err == nil {
			n++
		}
	}
	return n
}

func TestCloseReleasesPoller(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		p := pipe(t)
		before := descriptors()
		for range 10 {
			d, err := dispatch.New(cfg)
			must(t, err)
			if n := descriptors(); n != before {
				t.Errorf("New has opened %d descriptors", n-before)
			}
			must(t, d.Register(p.r))
			if descriptors() == before {
				t.Error("Register has not opened the poller")
			}
			addRead(t, d, p.r, func(dispatch.FDEvent) bool { return true })
			turn(t, d)
			must(t, d.Close())
			if n := descriptors(); n != before {
				t.Errorf("%d descriptors are left after Close", n-before)
			}
		}
	})
}

// TestCloseRegularFile ends the watch of a file that is always ready.
func TestCloseRegularFile(t *testing.T) {
	d := open(t, dispatch.Config{})
	f, err := os.Open(t.TempDir())
	must(t, err)
	defer f.Close()
	must(t, d.Register(dispatch.FD(f.Fd())))
	var last error
	addRead(t, d, dispatch.FD(f.Fd()), func(e dispatch.FDEvent) bool { last = e.Err; return false })
	turn(t, d)
	must(t, d.Close())
	if last != dispatch.ErrClosed {
		t.Errorf("the watch ended with %v", last)
	}
}
