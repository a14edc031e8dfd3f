package dispatch_test

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// TestTimersStable: equal deadlines run in order of arming, and a Reset arms anew.
func TestTimersStable(t *testing.T) {
	d, v := openVirtual(t)
	var r record
	var want []string
	var first *dispatch.Timer
	for i := range 200 {
		name := fmt.Sprint(i)
		tm := d.AfterFunc(7, r.does(name))
		if i == 0 {
			first = tm
		} else {
			want = append(want, name)
		}
	}
	v.now = 3
	if !first.Reset(4) {
		t.Error("Reset = false for an armed timer")
	}
	if n, err := d.Poll(-1); n != 200 || err != nil || v.now != 7 {
		t.Errorf("Poll = %d, %v at %d", n, err, v.now)
	}
	r.want(t, append(want, "0")...)
}

// TestNeverEarly arms timers on the clock of the machine, with the loop asleep on its
// own channel and in each poller.
func TestNeverEarly(t *testing.T) {
	never := func(t *testing.T, d *dispatch.Dispatcher) {
		for i := range 50 {
			wait := time.Duration(i%7) * 100 * time.Microsecond
			before := d.Now()
			d.AfterFunc(wait, func() {
				if got := d.Now().Sub(before); got < wait {
					t.Errorf("a timer of %v ran after %v", wait, got)
				}
			})
			if i%3 == 0 {
				_, err := d.Poll(-1)
				must(t, err)
			}
		}
	}
	t.Run("channel", func(t *testing.T) {
		d := open(t, dispatch.Config{})
		never(t, d)
		for d.Pending() > 0 {
			_, err := d.Poll(-1)
			must(t, err)
		}
	})
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		d := open(t, cfg)
		watchNothing(t, d)
		never(t, d)
		for d.Pending() > 1 {
			_, err := d.Poll(-1)
			must(t, err)
		}
	})
}

func TestStop(t *testing.T) {
	d, _ := openVirtual(t)
	tm := d.AfterFunc(time.Hour, func() { t.Error("ran") })
	if !tm.Stop() || tm.Stop() {
		t.Error("Stop of an armed timer: want true, then false")
	}
	if n := d.Pending(); n != 0 {
		t.Errorf("%d pending", n)
	}
	ran := d.AfterFunc(0, func() {})
	turn(t, d)
	if ran.Stop() {
		t.Error("Stop = true for a timer that has run")
	}
	var self *dispatch.Timer
	self = d.AfterFunc(0, func() {
		if self.Stop() {
			t.Error("Stop = true in the timer's own callback")
		}
	})
	turn(t, d)
}

// TestStopInSameTurn: a timer that has expired in this turn can still be stopped.
func TestStopInSameTurn(t *testing.T) {
	d, _ := openVirtual(t)
	var r record
	var tm *dispatch.Timer
	d.CallSoon(r.does("stops", func() {
		if !tm.Stop() || tm.Stop() {
			t.Error("want true, then false")
		}
	}))
	tm = d.AfterFunc(0, r.does("timer"))
	if n := turn(t, d); n != 2 {
		t.Errorf("%d joined the FIFO, want the timer's stale entry among them", n)
	}
	r.want(t, "stops")
}

// TestStaleEntry: a timer that was stopped, or reset, while in the FIFO runs at its new
// time and once.
func TestStaleEntry(t *testing.T) {
	for _, stop := range []bool{false, true} {
		for _, after := range []time.Duration{0, 5} {
			t.Run(fmt.Sprint(stop, after), func(t *testing.T) {
				d, v := openVirtual(t)
				var r record
				var tm *dispatch.Timer
				d.CallSoon(func() {
					if stop && !tm.Stop() {
						t.Error("Stop = false")
					}
					if was := tm.Reset(after); was == stop {
						t.Errorf("Reset = %v", was)
					}
				})
				tm = d.AfterFunc(0, r.does("timer"))
				turn(t, d)
				r.want(t)
				_, err := d.Poll(-1)
				must(t, err)
				r.want(t, "timer")
				if v.now != int64(after) {
					t.Errorf("it ran at %d, want %d", v.now, int64(after))
				}
				if n := d.Pending(); n != 0 {
					t.Errorf("%d pending", n)
				}
			})
		}
	}
}

func TestReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, dispatch.Config{})
		start := time.Now()
		var at []time.Duration
		tm := d.AfterFunc(time.Hour, func() { at = append(at, time.Since(start)) })
		poll := func() {
			t.Helper()
			n, err := d.Poll(-1)
			if n != 1 || err != nil {
				t.Errorf("Poll = %d, %v", n, err)
			}
		}
		if !tm.Reset(time.Second) {
			t.Error("Reset = false for an armed timer")
		}
		poll()
		if tm.Reset(time.Minute) {
			t.Error("Reset = true for a timer that has run")
		}
		poll()
		tm.Reset(time.Hour)
		tm.Stop()
		if tm.Reset(-time.Hour) {
			t.Error("Reset = true for a stopped timer")
		}
		poll()
		want := []time.Duration{time.Second, 61 * time.Second, 61 * time.Second}
		if fmt.Sprint(at) != fmt.Sprint(want) {
			t.Errorf("ran at %v, want %v", at, want)
		}
	})
}

// TestEarlierTimerEndsSleep arms, from another goroutine, a timer that is due before
// the one that the loop sleeps for.
func TestEarlierTimerEndsSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, dispatch.Config{})
		start := time.Now()
		late := d.AfterFunc(time.Hour, func() { t.Error("the later one ran") })
		time.AfterFunc(time.Second, func() { d.AfterFunc(time.Second, func() {}) })
		for ran := 0; ran == 0; {
			n, err := d.Poll(-1)
			must(t, err)
			ran += n
		}
		if got := time.Since(start); got != 2*time.Second {
			t.Errorf("it ran after %v, want 2s", got)
		}
		late.Stop()
	})
}

func TestDurations(t *testing.T) {
	d, v := openVirtual(t)
	var r record
	v.now = 1000
	huge := d.AfterFunc(math.MaxInt64, r.does("never"))
	d.AfterFunc(math.MinInt64, r.does("negative"))
	d.AfterFunc(0, r.does("zero"))
	d.AfterFunc(-1, r.does("negative too")) // which is no earlier
	turn(t, d)
	r.want(t, "negative", "zero", "negative too")
	v.now = math.MaxInt64 - 1
	turn(t, d)
	r.want(t)
	if !huge.Stop() {
		t.Error("a timer of a huge duration is gone")
	}

	// Nor does the sleep overflow, on the clock of the machine.
	seam.Of(d).Simulate(nil)
	huge.Reset(math.MaxInt64)
	done := make(chan int)
	go func() {
		n, _ := d.Poll(math.MaxInt64)
		done <- n
	}()
	asleep(d)
	d.CallSoon(r.does("soon"))
	if n := <-done; n != 1 {
		t.Errorf("ran %d", n)
	}
	huge.Stop()
}

// TestTimersFromElsewhere arms and stops timers on other goroutines while the loop runs:
// each timer either runs or is stopped.
func TestTimersFromElsewhere(t *testing.T) {
	d := open(t, dispatch.Config{})
	loop := start(t, d)
	const workers, each = 4, 500
	counts := make(chan [2]int, workers)
	for w := range workers {
		go func() {
			ran := make(chan struct{}, each)
			stopped := 0
			for i := range each {
				tm := d.AfterFunc(time.Duration(i%5)*20*time.Microsecond, func() { ran <- struct{}{} })
				if (i+w)%3 == 0 && tm.Stop() {
					stopped++
				}
			}
			for range each - stopped {
				<-ran
			}
			counts <- [2]int{stopped, len(ran)}
		}()
	}
	for range workers {
		if c := <-counts; c[1] != 0 {
			t.Errorf("%d timers ran though %d were stopped", c[1], c[0])
		}
	}
	loop()
	if n := d.Pending(); n != 0 {
		t.Errorf("%d pending", n)
	}
}
