//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris || windows

package poll_test

import (
	"errors"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

func TestMillisRoundsUp(t *testing.T) {
	for _, d := range []time.Duration{-time.Hour, 0, 1, time.Millisecond, time.Second + 1, time.Hour - 1, 1 << 62} {
		end := time.Now().Add(d)
		ms := poll.Millis(end)
		if ms < 0 || ms != 1<<31-1 && time.Until(end) > time.Duration(ms)*time.Millisecond {
			t.Errorf("%v becomes %d ms", d, ms)
		}
	}
	if ms := poll.Millis(time.Time{}); ms != -1 {
		t.Errorf("no deadline becomes %d ms", ms)
	}
}

func TestTimeout(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p, c := open(), newPipe(t)
		must(t, p.Add(c.r, 1, poll.Read, poll.Level))
		for range 10 {
			for _, d := range []time.Duration{1, 700 * time.Microsecond, 1300 * time.Microsecond, 3 * time.Millisecond} {
				start := time.Now()
				got := wait(t, p, d)
				if took := time.Since(start); took < d || len(got) != 0 {
					t.Errorf("Wait(%v) ended after %v with %v", d, took, got)
				}
			}
			quiet(t, p)
		}
		put(t, c.w)
		visible(t, p)
		for _, d := range []time.Duration{-1, 0, 1, time.Hour, 1<<63 - 1} {
			waitForWithin(t, p, d)
		}
		// The deadline of an earlier Wait is forgotten.
		drain(t, c.r)
		for _, d := range []time.Duration{-1, time.Hour, 1<<63 - 1} {
			wait(t, p, time.Microsecond)
			done := make(chan struct{})
			go func() {
				defer close(done)
				waitForWithin(t, p, d)
			}()
			asleep(p)
			put(t, c.w)
			<-done
			drain(t, c.r)
		}
	})
}

func waitForWithin(t *testing.T, p poll.Poller, timeout time.Duration) {
	t.Helper()
	if got := wait(t, p, timeout); len(got) != 1 {
		t.Errorf("Wait(%v) with a ready descriptor: %v", timeout, got)
	}
}

func TestCloseAndDescriptors(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		c := newPipe(t)
		before := openFDs()
		for range 20 {
			p := open()
			must(t, p.Add(c.r, 1, poll.Read, poll.Level))
			wait(t, p, time.Microsecond)
			must(t, p.Wake())
			if fd := p.FD(); fd != ^uintptr(0) {
				if inherited(fd) {
					t.Errorf("FD %d goes to child processes", fd)
				}
			}
			must(t, p.Close())
			must(t, p.Close())
			_, err := p.Wait(make([]poll.Event, 1), -1)
			for _, err := range []error{err, p.Wake(), p.Add(c.w, 2, poll.Write, poll.Level), p.Modify(c.r, 2, poll.Read, poll.Level), p.Remove(c.r)} {
				if !errors.Is(err, poll.ErrClosed) {
					t.Errorf("after Close: %v", err)
				}
			}
		}
		if after := openFDs(); after != before {
			t.Errorf("%d descriptors before, %d after", before, after)
		}
	})
}

// TestForgottenRemove closes a registered descriptor: the poller must neither
// fail nor spin, and the number can be registered again.
func TestForgottenRemove(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p, c := open(), newPipe(t)
		must(t, p.Add(c.r, 1, poll.Read, poll.Level))
		c.closeR()
		for _, ev := range wait(t, p, 0) {
			if !ev.Err {
				t.Errorf("got %+v", ev)
			}
		}
		quiet(t, p)
		d := newPipe(t)
		must(t, p.Add(d.r, 2, poll.Read, poll.Level))
		put(t, d.w)
		waitFor(t, p, 2, poll.Read)
	})
}

func TestAllocations(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p, c := open(), newPipe(t)
		must(t, p.Add(c.r, 1, poll.Read, poll.Edge))
		events := make([]poll.Event, 8)
		if n := testing.AllocsPerRun(100, func() {
			p.Arm(c.r, poll.Read)
			p.Wake()
			p.Wait(events, -1)               // ends by the Wake
			p.Wait(events, time.Microsecond) // ends by the timeout
			p.Wait(events, 0)
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}
