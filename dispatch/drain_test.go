package dispatch_test

import (
	"math"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

func TestDrainNothing(t *testing.T) {
	d, v := openVirtual(t)
	for _, timeout := range []time.Duration{-1, 0, 1, math.MinInt64, math.MaxInt64} {
		if err := d.Drain(timeout); err != nil || v.sleeps != 0 {
			t.Errorf("Drain(%d) of nothing = %v, slept %d times", timeout, err, v.sleeps)
		}
	}
}

// TestDrain runs each kind of thing that is pending, and what these add.
func TestDrain(t *testing.T) {
	for _, timeout := range []time.Duration{-1, time.Hour, math.MaxInt64} {
		d, v := openVirtual(t)
		var r record
		d.CallIdle(r.does("idle", func() { d.CallSoon(r.does("last")) }))
		d.CallSoon(r.does("soon", func() { d.CallSoon(r.does("next")) }))
		release := d.Hold()
		d.AfterFunc(time.Minute, r.does("timer", release))
		if err := d.Drain(timeout); err != nil || d.Pending() != 0 || v.now != int64(time.Minute) {
			t.Errorf("Drain(%d) = %v, %d pending at %v", timeout, err, d.Pending(), time.Duration(v.now))
		}
		r.want(t, "soon", "next", "idle", "last", "timer")
	}
}

// TestDrainCountsFromTheCall makes a hundred turns, which together take less time than there is,
// while the sum of the times since the call at each of them is far more.
func TestDrainCountsFromTheCall(t *testing.T) {
	d, v := openVirtual(t)
	ran := 0
	var again func()
	again = func() {
		if ran++; ran < 100 {
			d.AfterFunc(9*time.Millisecond, again)
		}
	}
	d.AfterFunc(9*time.Millisecond, again)
	if err := d.Drain(time.Second); err != nil || ran != 100 || v.now != int64(900*time.Millisecond) {
		t.Errorf("Drain = %v after %d timers, at %v", err, ran, time.Duration(v.now))
	}
}

// TestDrainTimeout: it returns when the time is over, to the nanosecond, and what is left
// goes on with the next call.
func TestDrainTimeout(t *testing.T) {
	d, v := openVirtual(t)
	var r record
	d.AfterFunc(time.Second, r.does("second"))
	d.AfterFunc(time.Second+1, r.does("late"))
	start := v.now
	if err := d.Drain(time.Second - 1); err != os.ErrDeadlineExceeded || v.now-start != int64(time.Second-1) {
		t.Errorf("Drain = %v at %v", err, time.Duration(v.now))
	}
	r.want(t)
	if err := d.Drain(1); err != os.ErrDeadlineExceeded || v.now-start != int64(time.Second) {
		t.Errorf("Drain = %v at %v", err, time.Duration(v.now))
	}
	r.want(t, "second") // in the turn in which the time ends
	if err := d.Drain(1); err != nil || v.now-start != int64(time.Second+1) {
		t.Errorf("Drain = %v at %v: nothing is pending when the time ends", err, time.Duration(v.now))
	}
	r.want(t, "late")

	// What a first sleep has taken is not there for the second.
	start = v.now
	d.AfterFunc(600*time.Millisecond, r.does("first"))
	d.AfterFunc(time.Hour, r.does("never"))
	if err := d.Drain(time.Second); err != os.ErrDeadlineExceeded || v.now-start != int64(time.Second) {
		t.Errorf("Drain = %v after %v", err, time.Duration(v.now-start))
	}
	r.want(t, "first")
}

// TestDrainBusy: the time ends also where there is always something ready.
func TestDrainBusy(t *testing.T) {
	d, v := openVirtual(t)
	ran := 0
	var again func()
	again = func() {
		ran++
		v.now++
		d.CallSoon(again)
	}
	d.CallSoon(again)
	if err := d.Drain(1000); err != os.ErrDeadlineExceeded || ran != 1000 {
		t.Errorf("Drain = %v after %d", err, ran)
	}
	if err := d.Drain(0); err != os.ErrDeadlineExceeded || ran != 1001 {
		t.Errorf("Drain(0) = %v, ran %d, want one turn", err, ran-1000)
	}
}

// TestDrainEndsWhenNothingIsLeft has another goroutine take back what it sleeps for.
func TestDrainEndsWhenNothingIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, dispatch.Config{})
		for name, add := range map[string]func() (undo func()){
			"hold":  d.Hold,
			"timer": func() func() { tm := d.AfterFunc(time.Hour, func() {}); return func() { tm.Stop() } },
		} {
			undo := add()
			done := make(chan error)
			go func() { done <- d.Drain(-1) }()
			synctest.Wait()
			undo()
			if err := <-done; err != nil {
				t.Errorf("%s: Drain = %v", name, err)
			}
		}
	})
}

func TestDrainErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, other := open(t, dispatch.Config{}), open(t, dispatch.Config{})
		other.CallSoon(func() {})
		d.CallSoon(func() {
			if err1, err2 := d.Drain(0), other.Drain(0); err1 != dispatch.ErrRunning || err2 != dispatch.ErrRunning {
				t.Errorf("in a callback: %v, %v", err1, err2)
			}
		})
		must(t, d.Drain(-1))
		release := d.Hold()
		done := make(chan error)
		go func() { done <- d.Drain(-1) }()
		synctest.Wait()
		if err := d.Drain(0); err != dispatch.ErrRunning {
			t.Errorf("while another goroutine drains: %v", err)
		}
		must(t, d.Close())
		if err := <-done; err != dispatch.ErrClosed {
			t.Errorf("Drain during Close = %v", err)
		}
		release()
		if err := d.Drain(0); err != dispatch.ErrClosed {
			t.Errorf("after Close = %v", err)
		}
	})
}

// TestDrainCloses does the work of a Close that came in a callback.
func TestDrainCloses(t *testing.T) {
	d, _ := openVirtual(t)
	s := new(stubborn)
	seam.Of(d).Tasks(func() seam.Tasks { return s })
	d.CallSoon(func() {
		if err := d.Close(); err != dispatch.ErrRunning {
			t.Errorf("Close in a callback = %v", err)
		}
	})
	release := d.Hold()
	if err := d.Drain(-1); err != dispatch.ErrClosed {
		t.Errorf("Drain = %v", err)
	}
	release()
	s.calls.want(t, "cancel: "+dispatch.ErrClosed.Error(), "abandon", "release", "release")
	refusesAll(t, d)
}

// TestDrainPanic: a panic leaves Drain, and the next goes on behind it.
func TestDrainPanic(t *testing.T) {
	d, _ := openVirtual(t)
	var r record
	d.CallSoon(r.does("first", func() { panic("soon") }))
	d.CallSoon(r.does("second"))
	d.CallIdle(r.does("idle", func() { panic("idle") }))
	d.AfterFunc(1, r.does("timer"))
	for _, want := range []any{"soon", "idle", nil} {
		if p := panicOf(func() { must(t, d.Drain(-1)) }); p != want {
			t.Errorf("Drain panics with %v, want %v", p, want)
		}
	}
	r.want(t, "first", "second", "idle", "timer")
}

// TestDrainReleases: no idle coroutine is left when Drain returns, however it does.
func TestDrainReleases(t *testing.T) {
	d, _ := openVirtual(t)
	s := new(stubborn)
	seam.Of(d).Tasks(func() seam.Tasks { return s })
	must(t, d.Drain(0))
	s.calls.want(t, "release")
	tm := d.AfterFunc(time.Hour, func() {})
	if err := d.Drain(0); err != os.ErrDeadlineExceeded {
		t.Errorf("Drain = %v", err)
	}
	s.calls.want(t, "release")
	tm.Stop()
	d.CallSoon(func() { panic("it") })
	if p := panicOf(func() { _ = d.Drain(0) }); p != "it" {
		t.Errorf("panic %v", p)
	}
	s.calls.want(t, "release")
}
