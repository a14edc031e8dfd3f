//go:build unix

package dispatch_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
)

// TestDrainEndsInTime: what becomes pending in the moment in which the time is over does not make
// Drain sleep for it.
func TestDrainEndsInTime(t *testing.T) {
	d := open(t, dispatch.Config{})
	var over atomic.Bool
	var drains atomic.Int64
	held := make(chan struct{})
	go func() {
		defer close(held)
		for !over.Load() {
			release := d.Hold()
			for n := drains.Load(); drains.Load() < n+3 && !over.Load(); {
				runtime.Gosched() // for ever, if Drain waits for the release
			}
			release()
		}
	}()
	for range check.Times(5000, 200000) {
		drains.Add(1)
		_ = d.Post(func() {})
		if err := d.Drain(1); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	}
	over.Store(true)
	<-held
}

// TestDoneIsDone: a callback that ends its descriptor itself and is done does not hear of that end.
func TestDoneIsDone(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		for _, end := range []string{"CloseFD", "Unregister"} {
			d, s := open(t, cfg), sockets(t)
			must(t, d.Register(s.r))
			runs := 0
			addRead(t, d, s.r, func(e dispatch.FDEvent) bool {
				runs++
				if end == "CloseFD" {
					s.closeFD(t, d, e.FD)
				} else {
					must(t, d.Unregister(e.FD))
				}
				return true
			})
			write(t, s.w)
			for {
				if _, err := d.Poll(-1); errors.Is(err, dispatch.ErrIdle) {
					break
				}
			}
			if runs != 1 {
				t.Errorf("%s: %d runs, want 1", end, runs)
			}
		}
	})
}

// TestOpOnBlockingDescriptor: a system call on it would hold the loop, and with it the process.
func TestOpOnBlockingDescriptor(t *testing.T) {
	d, s := open(t, dispatch.Config{}), sockets(t)
	must(t, unix.SetNonblock(int(s.r), false))
	must(t, d.Register(s.r))
	runs := 0
	o := d.NewOp(func(*dispatch.Op) { runs++ })
	if err := o.Recv(s.r, make([]byte, 1)); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("Recv: %v, want EINVAL", err)
	}
	must(t, unix.SetNonblock(int(s.r), true))
	must(t, o.Recv(s.r, make([]byte, 1)))
	write(t, s.w)
	turn(t, d)
	if runs != 1 {
		t.Errorf("%d runs, want that of the second start", runs)
	}
}

// TestHugeDescriptor: the system would cut the number, and take it for another file's.
func TestHugeDescriptor(t *testing.T) {
	if ^uintptr(0)>>32 == 0 {
		return // all numbers are whole here
	}
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		d, s := open(t, cfg), sockets(t)
		shift := 32
		if err := d.Register(s.r | dispatch.FD(1)<<shift); !errors.Is(err, syscall.EBADF) {
			t.Errorf("Register: %v, want EBADF", err)
		}
	})
}

// TestRegularFileForgotten: a file that is always ready costs nothing once nobody watches it.
func TestRegularFileForgotten(t *testing.T) {
	d := open(t, dispatch.Config{})
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	must(t, err)
	defer f.Close()
	fd := dispatch.FD(f.Fd())
	must(t, d.Register(fd))
	for range 2 {
		runs := 0
		w := addRead(t, d, fd, func(dispatch.FDEvent) bool { runs++; return runs == 2 })
		if got := d.Forced(); got != 1 {
			t.Errorf("%d descriptors are forced, want 1", got)
		}
		turn(t, d)
		turn(t, d)
		if runs != 2 || w.Stop() || d.Forced() != 0 {
			t.Errorf("%d runs, %d descriptors forced afterwards", runs, d.Forced())
		}
	}
	addRead(t, d, fd, func(dispatch.FDEvent) bool { return true })
	must(t, d.Unregister(fd))
	if d.Forced() != 0 {
		t.Error("forced after Unregister")
	}
}

// TestCloseTimeoutTooShort: Close lets a loop that sleeps do its work however short the timeout
// for tasks is.
func TestCloseTimeoutTooShort(t *testing.T) {
	for _, timeout := range []time.Duration{1, -1} {
		for range 50 {
			d, err := dispatch.New(dispatch.Config{CloseTimeout: timeout})
			must(t, err)
			ended := make(chan error)
			go func() { ended <- d.Run(t.Context()) }()
			asleep(d)
			if err := d.Close(); err != nil {
				t.Fatalf("Close with a timeout of %v: %v", timeout, err)
			}
			must(t, <-ended)
		}
	}
}

// TestWatchAfterClosedBehindOurBack: what the system has forgotten is registered anew, or refused.
func TestWatchAfterClosedBehindOurBack(t *testing.T) {
	d, s := open(t, dispatch.Config{}), sockets(t)
	must(t, d.Register(s.r))
	w := addRead(t, d, s.r, func(dispatch.FDEvent) bool { return false })
	s.close(t, s.r)
	w.Stop()
	if _, err := d.AddRead(s.r, func(dispatch.FDEvent) bool { return false }); !errors.Is(err, syscall.EBADF) {
		t.Errorf("AddRead: %v, want EBADF", err)
	}
}

// TestBurstIsForgotten: the room that a burst has taken in the FIFO is given back also by a loop that
// lives on timers alone.
func TestBurstIsForgotten(t *testing.T) {
	d := open(t, dispatch.Config{})
	for range 100_000 {
		must(t, d.Post(func() {}))
	}
	turn(t, d)
	for range 3 {
		d.AfterFunc(0, func() {})
		turn(t, d)
	}
	if got := d.FIFOCap(); got > 4096 {
		t.Errorf("room for %d callbacks is kept", got)
	}
}

// TestPendingWhileWatchEnds: a watch that was found ready and is then ended by another goroutine is
// pending until it has heard of that.
func TestPendingWhileWatchEnds(t *testing.T) {
	d, a, b := open(t, dispatch.Config{}), sockets(t), sockets(t)
	must(t, d.Register(a.r))
	must(t, d.Register(b.r))
	o := d.NewOp(func(*dispatch.Op) {})
	must(t, o.Recv(b.r, make([]byte, 1))) // its edge is where the other goroutine comes in
	ran := 0
	addRead(t, d, a.r, func(e dispatch.FDEvent) bool { ran++; return true })
	_, _ = d.Poll(0)
	write(t, a.w)
	write(t, b.w)
	pending := -1
	defer dispatch.HookOps(nil, nil)
	dispatch.HookOps(nil, func() {
		if pending >= 0 {
			return
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			a.closeFD(t, d, a.r)
			o.Cancel()
			pending = d.Pending()
		}()
		<-done
	})
	for ran == 0 {
		if _, err := d.Poll(-1); err != nil {
			t.Fatal(err)
		}
	}
	if pending < 1 {
		t.Errorf("%d pending with a callback to come", pending)
	}
}
