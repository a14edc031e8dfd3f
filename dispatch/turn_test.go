package dispatch_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

func TestTurnOrder(t *testing.T) {
	d, v := openVirtual(t)
	var r record
	d.CallIdle(r.does("idle1"))
	d.CallIdle(r.does("idle2"))
	d.AfterFunc(2, r.does("at 2"))
	d.AfterFunc(1, r.does("at 1"))
	d.AfterFunc(2, r.does("at 2 too"))
	d.AfterFunc(-1, r.does("at 0"))
	d.CallSoon(r.does("soon", func() { d.CallSoon(r.does("next")) }))
	must(t, d.Post(r.does("post")))

	turn(t, d)
	r.want(t, "soon", "post", "at 0") // and no idle callback
	turn(t, d)
	r.want(t, "next")
	v.now = 2
	turn(t, d)
	r.want(t, "at 1", "at 2", "at 2 too")
	turn(t, d)
	r.want(t, "idle1") // one in a turn
	d.CallSoon(r.does("soon"))
	turn(t, d)
	r.want(t, "soon") // none if something joined
	turn(t, d)
	r.want(t, "idle2")
	if _, err := d.Poll(0); err != dispatch.ErrIdle {
		t.Errorf("Poll = %v, want ErrIdle", err)
	}
}

// TestAddedRunsNextTurn: whatever a callback adds, it does not run in the same turn.
func TestAddedRunsNextTurn(t *testing.T) {
	for name, add := range map[string]func(d *dispatch.Dispatcher, fn func()){
		"Post":      func(d *dispatch.Dispatcher, fn func()) { _ = d.Post(fn) },
		"CallSoon":  func(d *dispatch.Dispatcher, fn func()) { d.CallSoon(fn) },
		"CallIdle":  func(d *dispatch.Dispatcher, fn func()) { d.CallIdle(fn) },
		"AfterFunc": func(d *dispatch.Dispatcher, fn func()) { d.AfterFunc(0, fn) },
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := openVirtual(t)
			n := 0
			var again func()
			again = func() { n++; add(d, again) }
			add(d, again)
			for want := 1; want < 5; want++ {
				if ran := turn(t, d); ran != 1 || n != want {
					t.Fatalf("turn %d ran %d callbacks, %d in all", want, ran, n)
				}
			}
		})
	}
}

// TestTimersInABusyRun: a callback that adds itself for ever does not keep timers from
// running, and the clock is looked at again after 64 callbacks, not earlier.
func TestTimersInABusyRun(t *testing.T) {
	d, v := openVirtual(t)
	n, at := 0, 0
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var again func()
	again = func() {
		if n++; n > 1000 {
			t.Error("the timer never came")
			cancel()
		}
		d.CallSoon(again)
	}
	d.CallSoon(again)
	d.CallSoon(func() {
		v.now++ // the clock has been read for this turn
		d.AfterFunc(0, func() { at = n; cancel() })
	})
	if err := d.Run(ctx); err != context.Canceled {
		t.Errorf("Run = %v", err)
	}
	// 63 of them and the one that armed the timer; the timer's turn is next, behind
	// the 64th.
	if at != 64 {
		t.Errorf("the timer ran after %d callbacks, want 64", at)
	}
}

func TestBusyRunAsksEvery64(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, dispatch.Config{})
		v := new(virtual)
		asked := 0
		seam.Of(d).Simulate(&seam.Sim{Now: func() int64 { asked++; return v.now }})
		ctx, cancel := context.WithCancel(context.Background())
		n := 0
		var again func()
		again = func() {
			if n++; n == 640 {
				cancel()
				return
			}
			d.CallSoon(again)
		}
		d.CallSoon(again)
		if err := d.Run(ctx); err != context.Canceled {
			t.Errorf("Run = %v", err)
		}
		if asked != 10 {
			t.Errorf("the clock was read %d times in 640 turns, want 10", asked)
		}
		asked = 0
		for range 10 {
			d.CallSoon(func() {})
			turn(t, d)
		}
		if asked < 10 {
			t.Errorf("the clock was read %d times in 10 calls of Poll", asked)
		}
		seam.Of(d).Simulate(nil)
	})
}

func TestPollWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, dispatch.Config{})
		start := time.Now()
		took := func(want time.Duration) {
			t.Helper()
			if got := time.Since(start); got != want {
				t.Errorf("it is %v, want %v", got, want)
			}
		}
		n := 0
		d.AfterFunc(time.Second, func() { n++ })
		for _, c := range []struct {
			limit time.Duration
			ran   int
			at    time.Duration
		}{{0, 0, 0}, {time.Millisecond, 0, time.Millisecond}, {-1, 1, time.Second}} {
			if ran, err := d.Poll(c.limit); ran != c.ran || err != nil {
				t.Errorf("Poll(%v) = %d, %v, want %d", c.limit, ran, err, c.ran)
			}
			took(c.at)
		}
		release := d.Hold()
		time.AfterFunc(time.Second, release)
		if ran, err := d.Poll(-1); ran != 0 || err != nil {
			t.Errorf("Poll = %d, %v after the release of a hold", ran, err)
		}
		took(2 * time.Second)
		release() // again, for nothing
		if _, err := d.Poll(-1); err != dispatch.ErrIdle {
			t.Errorf("Poll = %v, want ErrIdle", err)
		}
		d.Hold()
		time.AfterFunc(time.Second, func() { _ = d.Post(func() {}) })
		if ran, err := d.Poll(time.Hour); ran != 1 || err != nil {
			t.Errorf("Poll = %d, %v after a post", ran, err)
		}
		took(3 * time.Second)
	})
}

// TestPanic: the value leaves Poll and Run, and the callbacks behind it run in the
// next turn, before what was added meanwhile.
func TestPanic(t *testing.T) {
	d, v := openVirtual(t)
	var r record
	value := errors.New("value")
	queue := func() {
		d.AfterFunc(0, r.does("timer"))
		d.CallSoon(r.does("before", func() { d.CallSoon(r.does("added")) }))
		d.CallSoon(r.does("panics", func() { panic(value) }))
		d.CallSoon(r.does("behind"))
		v.now++
	}
	queue()
	if p := panicOf(func() { _, _ = d.Poll(0) }); p != value {
		t.Errorf("the panic left Poll as %v", p)
	}
	r.want(t, "before", "panics")
	if n := d.Pending(); n != 3 {
		t.Errorf("%d pending, want behind, timer and added", n)
	}
	if n := turn(t, d); n != 3 {
		t.Errorf("the next turn ran %d", n)
	}
	r.want(t, "behind", "timer", "added")

	queue()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if p := panicOf(func() { _ = d.Run(ctx) }); p != value {
		t.Errorf("the panic left Run as %v", p)
	}
	d.CallSoon(r.does("cancel", cancel))
	if err := d.Run(ctx); err != context.Canceled {
		t.Errorf("Run = %v", err)
	}
	r.want(t, "before", "panics", "behind", "timer", "added", "cancel")
}
