package dispatch_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// TestErrIdle counts each kind of thing that is pending, on the loop and elsewhere.
func TestErrIdle(t *testing.T) {
	d, _ := openVirtual(t)
	fn := func() {}
	for name, add := range map[string]func() (undo func()){
		"post": func() func() { _ = d.Post(fn); return func() { turn(t, d) } },
		"soon": func() func() { d.CallSoon(fn); return func() { turn(t, d) } },
		"idle": func() func() { d.CallIdle(fn); return func() { turn(t, d) } },
		"timer": func() func() {
			tm := d.AfterFunc(time.Hour, fn)
			return func() { tm.Stop() }
		},
		"hold": func() func() { return d.Hold() },
	} {
		pending := func(want int) {
			t.Helper()
			if n := d.Pending(); n != want {
				t.Errorf("%s: %d pending, want %d", name, n, want)
			}
		}
		idle := func() {
			t.Helper()
			if n, err := d.Poll(-1); n != 0 || err != dispatch.ErrIdle {
				t.Errorf("%s: Poll = %d, %v, want ErrIdle", name, n, err)
			}
		}
		idle()
		undo := add()
		pending(1)
		done := make(chan struct{})
		go func() { defer close(done); pending(1) }()
		<-done
		inside := -1
		d.CallSoon(func() { inside = d.Pending() })
		pending(2)
		if _, err := d.Poll(0); err != nil {
			t.Errorf("%s: Poll = %v", name, err)
		}
		// What was ready runs in the same turn, before the callback that asks.
		if want := map[string]int{"post": 0, "soon": 0}; inside != 1 && inside != want[name] {
			t.Errorf("%s: %d pending in a callback", name, inside)
		}
		if d.Pending() == 1 {
			undo()
		}
		pending(0)
		idle()
	}
}

// TestPendingDuringTurn: the loop itself does not count what has run, others count the
// whole turn until it is over.
func TestPendingDuringTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, dispatch.Config{})
		ask, answer := make(chan bool), make(chan int)
		go func() {
			for range ask {
				answer <- d.Pending()
			}
		}()
		defer close(ask)
		other := func() int { ask <- true; return <-answer }
		var here, there []int
		for range 3 {
			d.CallSoon(func() {
				here = append(here, d.Pending())
				there = append(there, other())
			})
		}
		if n := other(); n != 3 {
			t.Errorf("%d pending before, want 3", n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- d.Run(ctx) }()
		synctest.Wait()
		if !slices.Equal(here, []int{2, 1, 0}) || !slices.Equal(there, []int{3, 3, 3}) {
			t.Errorf("pending on the loop %v, elsewhere %v", here, there)
		}
		if n := other(); n != 0 {
			t.Errorf("%d pending while the loop sleeps behind the turn, want 0", n)
		}
		cancel()
		<-done
	})
}

// TestPendingAfterMain: what the main function of a RunOn has left in the FIFO is pending, for others too, when it
// has ended.
func TestPendingAfterMain(t *testing.T) {
	d := open(t, dispatch.Config{})
	elsewhere := func() (pending, ready int) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			pending, ready = d.Pending(), d.Stats().Ready
		}()
		<-done
		return
	}
	ran := false
	must(t, seam.Of(d).RunUntil(func() bool {
		release := d.Hold()
		d.CallSoon(func() { ran = true })
		release()
		if pending, ready := elsewhere(); pending != 1 || ready != 1 {
			t.Errorf("%d pending, %d ready, want 1", pending, ready)
		}
		return true
	}))
	if pending, ready := elsewhere(); pending != 1 || ready != 1 || ran {
		t.Errorf("%d pending, %d ready behind the run, want 1", pending, ready)
	}
	turn(t, d)
	if pending, ready := elsewhere(); pending != 0 || ready != 0 || !ran {
		t.Errorf("%d pending, %d ready behind the turn, want none", pending, ready)
	}
}

// TestPendingMoves hands what is pending from one kind to the next, so that there is
// always something: Poll must never see nothing.
func TestPendingMoves(t *testing.T) {
	d := open(t, dispatch.Config{})
	release := d.Hold()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 2000 {
			_ = d.Post(func() {})
			tm := d.AfterFunc(time.Hour, func() {})
			release()
			d.CallIdle(func() {})
			release = d.Hold()
			tm.Stop()
		}
	}()
	for ended := false; !ended; {
		if _, err := d.Poll(0); err != nil {
			t.Errorf("Poll = %v while something is pending", err)
		}
		if d.Pending() == 0 {
			t.Error("Pending = 0 while something is pending")
		}
		select {
		case <-done:
			ended = true
		default:
		}
	}
	release()
	for {
		if _, err := d.Poll(0); err != nil {
			break
		}
	}
}

// TestPollWakesWhenLastIsStopped: a Poll that waits for a timer that somebody stops has
// nothing left to wait for.
func TestPollWakesWhenLastIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, dispatch.Config{})
		start := time.Now()
		tm := d.AfterFunc(time.Hour, func() { t.Error("a stopped timer ran") })
		time.AfterFunc(time.Second, func() { tm.Stop() })
		if n, err := d.Poll(-1); n != 0 || err != nil || time.Since(start) != time.Second {
			t.Errorf("Poll = %d, %v after %v", n, err, time.Since(start))
		}
	})
}
