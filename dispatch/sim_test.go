package dispatch_test

import (
	"slices"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/seam"
	"github.com/seed-1e54c410/turnstile/internal/timer"
)

// simulate sets a simulation until the test is over.
func simulate(d *dispatch.Dispatcher, s *seam.Sim) { seam.Of(d).Simulate(s) }

// TestChoose: which callback runs next is asked of the simulation, with those counted that
// were added meanwhile, in order of arrival, and Step is called after each.
func TestChoose(t *testing.T) {
	d := open(t, dispatch.Config{})
	var r record
	var asked, script []int
	steps := 0
	v := new(virtual)
	s := v.sim()
	s.Choose = func(ready []seam.Runnable) int {
		n := len(ready)
		asked = append(asked, n)
		i := script[0]
		script = script[1:]
		return i
	}
	s.Step = func() bool {
		if steps++; steps != len(r) {
			t.Errorf("step %d after %d callbacks", steps, len(r))
		}
		return true
	}
	simulate(d, s)
	for _, name := range []string{"a", "b", "c"} {
		d.CallSoon(r.does(name, func() {
			if name == "b" {
				d.CallSoon(r.does("d"))
			}
		}))
	}
	script = []int{1, 2, 0}
	n, err := d.Poll(0)
	must(t, err)
	if n != 4 || steps != 4 {
		t.Errorf("%d callbacks, %d steps, want 4", n, steps)
	}
	if !slices.Equal(asked, []int{3, 3, 2}) {
		t.Errorf("asked for one of %v, want of 3, 3, 2 and not of 1", asked)
	}
	r.want(t, "b", "d", "a", "c")
}

// TestChooseSeesTimers: a timer that expires while callbacks go on may be chosen, so that
// time does not stand still for it.
func TestChooseSeesTimers(t *testing.T) {
	d := open(t, dispatch.Config{})
	v := new(virtual)
	s := v.sim()
	s.Choose = func(ready []seam.Runnable) int { return len(ready) - 1 }
	s.Step = func() bool { v.now++; return true }
	simulate(d, s)
	done, n := false, 0
	var again func()
	again = func() {
		if n++; n > 1000 {
			t.Error("the timer never came")
			done = true
		}
		if !done {
			d.CallSoon(again)
		}
	}
	d.CallSoon(again)
	d.AfterFunc(10, func() { done = true })
	turn(t, d)
	if n > 20 {
		t.Errorf("the timer of 10 steps came after %d", n)
	}
}

// TestSimulatedFIFO: where something is always ready, turns end even so, and the FIFO keeps no
// room for what has run.
func TestSimulatedFIFO(t *testing.T) {
	const all = 20_000
	d := open(t, dispatch.Config{})
	simulate(d, &seam.Sim{Choose: func([]seam.Runnable) int { return 0 }})
	ran, room, most := 0, 0, 0
	var again func()
	again = func() {
		if ran++; ran < all {
			d.CallSoon(again)
		}
	}
	d.CallSoon(again)
	d.CallSoon(again)
	for ran < all {
		most = max(most, turn(t, d))
		room = max(room, d.FIFOCap())
	}
	if most > 1000 || room > 1000 {
		t.Errorf("a turn has run %d callbacks, in a FIFO with room for %d; never more than 2 were ready", most, room)
	}
}

func TestVirtualSleep(t *testing.T) {
	d, v := openVirtual(t)
	start := d.Now()
	d.AfterFunc(time.Hour, func() {})
	d.AfterFunc(2*time.Hour, func() {})
	for i := range 2 {
		n, err := d.Poll(-1)
		must(t, err)
		if want := time.Duration(i+1) * time.Hour; n != 1 || v.sleeps != i+1 || d.Now().Sub(start) != want {
			t.Errorf("ran %d after %v and %d sleeps, want %v", n, d.Now().Sub(start), v.sleeps, want)
		}
	}
	d.AfterFunc(time.Hour, func() {})
	n, err := d.Poll(time.Minute) // not to the timer
	must(t, err)
	if want := 2*time.Hour + time.Minute; n != 0 || d.Now().Sub(start) != want {
		t.Errorf("ran %d after %v, want none at %v", n, d.Now().Sub(start), want)
	}
	release := d.Hold()
	d.CallIdle(func() {})
	if n := v.sleeps; turn(t, d) != 1 || v.sleeps != n {
		t.Error("it slept though there was an idle callback")
	}
	release()
}

// TestErrStuck: a simulation in which nothing can happen any more ends, and goes on when
// there is something again.
func TestErrStuck(t *testing.T) {
	d, _ := openVirtual(t)
	release := d.Hold()
	if n, err := d.Poll(-1); n != 0 || err != dispatch.ErrStuck {
		t.Errorf("Poll = %d, %v, want ErrStuck", n, err)
	}
	if err := d.Run(t.Context()); err != dispatch.ErrStuck {
		t.Errorf("Run = %v, want ErrStuck", err)
	}
	if err := seam.Of(d).RunUntil(func() bool { return false }); err != dispatch.ErrStuck {
		t.Errorf("RunUntil = %v, want ErrStuck", err)
	}
	d.CallSoon(func() {})
	if n := turn(t, d); n != 1 {
		t.Errorf("ran %d", n)
	}
	release()
}

// TestSleepMakesReady: Sleep may make something ready instead of moving the clock.
func TestSleepMakesReady(t *testing.T) {
	d := open(t, dispatch.Config{})
	var r record
	loop := seam.Of(d)
	loop.Simulate(&seam.Sim{
		Now: func() int64 { return 7 },
		Sleep: func(next int64, armed bool) bool {
			if next != 0 || armed {
				t.Errorf("Sleep(%d, %v) without a timer", next, armed)
			}
			loop.Ready(runs(r.does("made")))
			return true
		},
	})
	release := d.Hold()
	if n, err := d.Poll(-1); n != 1 || err != nil {
		t.Errorf("Poll = %d, %v", n, err)
	}
	r.want(t, "made")
	release()
	if got := loop.Now(); got != 7 || !loop.Time(got).Equal(d.Now()) {
		t.Errorf("Now = %d", got)
	}
	if loop.Sim() == nil || loop.Dispatcher() != any(d) {
		t.Error("Sim or Dispatcher lost what it was given")
	}
	loop.Simulate(nil)
	if loop.Sim() != nil {
		t.Error("Sim is left")
	}
}

// runs is a function that can stand in the FIFO.
type runs func()

func (r runs) RunReady() { r() }

// TestReadyHere: what the loop itself makes ready stands among the posts in order of
// arrival.
func TestReadyHere(t *testing.T) {
	d := open(t, dispatch.Config{})
	loop := seam.Of(d)
	var r record
	d.CallSoon(func() {
		loop.ReadyHere(runs(r.does("1")))
		d.CallSoon(r.does("2"))
		must(t, d.Post(r.does("3")))
		loop.ReadyHere(runs(r.does("4")))
		d.CallSoon(r.does("5"))
		loop.Ready(runs(r.does("6")))
		if !loop.Post(runs(r.does("7"))) {
			t.Error("Post = false")
		}
	})
	turn(t, d)
	r.want(t)
	turn(t, d)
	r.want(t, "1", "2", "3", "4", "5", "6", "7")
}

func TestSettings(t *testing.T) {
	d := open(t, dispatch.Config{})
	s := seam.Of(d).Settings()
	if s.MaxIdleCoroutines != 1024 || s.MaxBlocking != 512 || s.CloseTimeout != 5*time.Second || s.Unhandled != nil {
		t.Errorf("the default is %+v", s)
	}
	d = open(t, dispatch.Config{MaxBlocking: -3})
	if n := seam.Of(d).Settings().MaxBlocking; n != 512 {
		t.Errorf("MaxBlocking is %d, want the default", n)
	}
	d = open(t, dispatch.Config{MaxIdleCoroutines: -1, MaxBlocking: 3, CloseTimeout: 7, Unhandled: func(error) {}})
	s = seam.Of(d).Settings()
	if s.MaxIdleCoroutines != -1 || s.MaxBlocking != 3 || s.CloseTimeout != 7 || s.Unhandled == nil {
		t.Errorf("got %+v", s)
	}
}

// alarm is a timer of the seam.
type alarm struct {
	runs
	t timer.Timer
}

func (a *alarm) Timer() *timer.Timer { return &a.t }

func TestSeamTimers(t *testing.T) {
	d, v := openVirtual(t)
	loop := seam.Of(d)
	var r record
	a := &alarm{runs: r.does("alarm")}
	loop.Arm(a, 5)
	if !loop.Disarm(&a.t) || loop.Disarm(&a.t) {
		t.Error("Disarm: want true, then false")
	}
	d.AfterFunc(5, r.does("timer"))
	loop.Arm(a, 5)
	loop.Hold(2)
	if n := d.Pending(); n != 4 {
		t.Errorf("%d pending", n)
	}
	_, err := d.Poll(-1)
	must(t, err)
	r.want(t, "timer", "alarm")
	if v.now != 5 {
		t.Errorf("ran at %d", v.now)
	}
	loop.Hold(-2)
	if _, err := d.Poll(-1); err != dispatch.ErrIdle {
		t.Errorf("Poll = %v", err)
	}
}

func TestRunUntil(t *testing.T) {
	d, v := openVirtual(t)
	n := 0
	var again func()
	again = func() { n++; d.AfterFunc(time.Second, again) }
	again()
	must(t, seam.Of(d).RunUntil(func() bool { return n == 5 }))
	if v.now != int64(4*time.Second) {
		t.Errorf("it took %v", time.Duration(v.now))
	}
	must(t, seam.Of(d).RunUntil(func() bool { return true })) // without a turn
	if n != 5 {
		t.Errorf("%d turns", n)
	}
	d.CallSoon(func() {
		if err := d.Close(); err != dispatch.ErrRunning {
			t.Errorf("Close in a callback = %v", err)
		}
	})
	if err := seam.Of(d).RunUntil(func() bool { return false }); err != dispatch.ErrClosed {
		t.Errorf("RunUntil = %v, want ErrClosed", err)
	}
	if err := seam.Of(d).RunUntil(func() bool { return false }); err != dispatch.ErrClosed {
		t.Errorf("RunUntil of a closed dispatcher = %v", err)
	}
}
