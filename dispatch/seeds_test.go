package dispatch_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// seed is a call of Nim's asyncdispatch or chronos, and what became of it here. Some have a defect there,
// which their test shows to be absent.
type seed struct {
	name string
	test func(t *testing.T)
}

func runSeeds(t *testing.T, seeds []seed) {
	for _, s := range seeds {
		t.Run(s.name, s.test)
	}
}

func TestSeeds(t *testing.T) {
	runSeeds(t, []seed{
		{"newDispatcher", func(t *testing.T) {
			if d := open(t, dispatch.Config{}); d == dispatch.Default() || d.Pending() != 0 {
				t.Errorf("the default one, or %d pending", d.Pending())
			}
		}},
		{"getGlobalDispatcher", TestDefault},
		{"setGlobalDispatcher drops nothing", TestSetDefault},
		{"each goroutine turns its own", seedTwoLoops},
		{"poll", seedPoll},
		{"poll order", TestTurnOrder},
		{"poll with nothing to do is ErrIdle", TestErrIdle},
		{"a callSoon that adds itself starves no timer", TestTimersInABusyRun},
		{"drain counts from the call", TestDrainCountsFromTheCall},
		{"drain of nothing", TestDrainNothing},
		{"drain in time", TestDrainTimeout},
		{"runForever does not run dry", seedRunForever},
		{"waitFor", seedWaitFor},
		{"nested waitFor and poll are ErrRunning", TestErrRunning},
		{"hasPendingOperations", TestErrIdle},
		{"callSoon", seedCallSoon},
		{"callSoon of nil", TestNilCallbacks},
		{"callIdle", seedCallIdle},
		{"callTick", TestAddedRunsNextTurn},
		{"callTick ends the sleep", seedTickWakes},
		{"setTimer of equal deadlines is stable", TestTimersStable},
		{"setTimer in the past", seedTimerInThePast},
		{"clearTimer leaves nothing behind", seedClearTimer},
		{"addTimer", TestAddTimer},
		{"addTimer oneshot", TestAddTimerOneshot},
		{"addTimer of 0 ms is refused", TestAddTimerRefused},
		{"newAsyncEvent", seedNewEvent},
		{"trigger coalesces", TestEvent},
		{"trigger before addEvent", seedTriggerBefore},
		{"trigger from any thread", TestEventNoTriggerLost},
		{"addEvent twice", seedAddEventTwice},
		{"addEvent may close the event in its callback", seedCloseEventInside},
		{"unregister of an event", seedUnregisterEvent},
		{"close of an event", seedCloseEvent},
		{"metrics", TestStats},
	})
}

// seedTwoLoops: loops know nothing of each other.
func seedTwoLoops(t *testing.T) {
	a, b := open(t, dispatch.Config{}), open(t, dispatch.Config{})
	stop, end := start(t, a), start(t, b)
	done := make(chan bool)
	const rounds = 100
	var ping, pong func(int)
	ping = func(n int) {
		must(t, a.Post(func() { pong(n) }))
	}
	pong = func(n int) {
		must(t, b.Post(func() {
			if n == rounds {
				close(done)
			} else {
				ping(n + 1)
			}
		}))
	}
	ping(0)
	<-done
	stop()
	end()
}

// seedPoll: it takes no longer than it was given, to the nanosecond, and no shorter.
func seedPoll(t *testing.T) {
	d, v := openVirtual(t)
	d.AfterFunc(500*time.Millisecond, func() {})
	for _, c := range []struct {
		limit time.Duration
		ran   int
		at    time.Duration
	}{{0, 0, 0}, {1, 0, 1}, {499 * time.Millisecond, 0, 499*time.Millisecond + 1}, {math.MaxInt64, 1, 500 * time.Millisecond}} {
		if n, err := d.Poll(c.limit); n != c.ran || err != nil || v.now != int64(c.at) {
			t.Errorf("Poll(%v) = %d, %v at %v, want %d at %v", c.limit, n, err, time.Duration(v.now), c.ran, c.at)
		}
	}
}

func seedRunForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, dispatch.Config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		ran := false
		time.AfterFunc(time.Minute, func() { must(t, d.Post(func() { ran = true })) })
		if err := d.Run(ctx); err != context.DeadlineExceeded || !ran {
			t.Errorf("Run = %v, had something from elsewhere: %v", err, ran)
		}
	})
}

// seedWaitFor: what is done already costs no turn.
func seedWaitFor(t *testing.T) {
	d, _ := openVirtual(t)
	var r record
	n := 0
	d.CallSoon(r.does("first", func() { n++ }))
	for want, calls := range [][]string{nil, {"first"}} {
		must(t, seam.Of(d).RunUntil(func() bool { return n >= want }))
		r.want(t, calls...)
	}
}

// seedCallSoon: in order, never at once, and before the first turn too.
func seedCallSoon(t *testing.T) {
	d, _ := openVirtual(t)
	var r record
	d.CallSoon(r.does("a", func() {
		d.CallSoon(r.does("c"))
		r.want(t, "a")
	}))
	d.CallSoon(r.does("b"))
	r.want(t)
	turn(t, d)
	r.want(t, "b")
	turn(t, d)
	r.want(t, "c")
}

// seedCallIdle: one in a turn, in order, and none in a turn that has something else.
func seedCallIdle(t *testing.T) {
	d, _ := openVirtual(t)
	var r record
	d.CallIdle(r.does("idle 1", func() { d.CallIdle(r.does("idle 3")) }))
	d.CallIdle(r.does("idle 2"))
	d.CallSoon(r.does("soon"))
	for _, want := range []string{"soon", "idle 1", "idle 2", "idle 3"} {
		turn(t, d)
		r.want(t, want)
	}
}

// seedTickWakes: a turn that has nothing but a post does not wait, and one that waits is ended by it.
func seedTickWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, dispatch.Config{})
		began := time.Now()
		d.AfterFunc(time.Hour, func() { t.Error("waited") })
		must(t, d.Post(func() { must(t, d.Post(func() {})) }))
		for range 2 {
			if n, err := d.Poll(-1); n != 1 || err != nil {
				t.Errorf("Poll = %d, %v", n, err)
			}
		}
		go func() {
			synctest.Wait()
			must(t, d.Post(func() {}))
		}()
		if n, err := d.Poll(-1); n != 1 || err != nil || time.Since(began) != 0 {
			t.Errorf("Poll = %d, %v after %v", n, err, time.Since(began))
		}
	})
}

func seedTimerInThePast(t *testing.T) {
	d, v := openVirtual(t)
	v.now = 100
	var r record
	d.AfterFunc(0, r.does("now"))
	d.AfterFunc(-100, r.does("past"))
	d.AfterFunc(math.MinInt64, r.does("long past"))
	turn(t, d)
	r.want(t, "now", "past", "long past")
	if v.now != 100 {
		t.Errorf("it is %d", v.now)
	}
}

// seedClearTimer: a timer that is stopped is gone at once, and does not keep the loop.
func seedClearTimer(t *testing.T) {
	d, v := openVirtual(t)
	all := make([]*dispatch.Timer, 1000)
	for i := range all {
		all[i] = d.AfterFunc(time.Hour, func() { t.Error("ran") })
	}
	for _, tm := range all {
		tm.Stop()
	}
	if n := d.Stats().Timers; n != 0 {
		t.Errorf("%d timers are left", n)
	}
	if _, err := d.Poll(-1); err != dispatch.ErrIdle || v.sleeps != 0 {
		t.Errorf("Poll = %v, slept %d times", err, v.sleeps)
	}
	if all[0].Stop() {
		t.Error("Stop = true again")
	}
}

// seedNewEvent: it belongs to no dispatcher, and does not count as pending.
func seedNewEvent(t *testing.T) {
	d, e := open(t, dispatch.Config{}), dispatch.NewEvent()
	ran := 0
	w := addEvent(t, d, e, func() bool { ran++; return false })
	if _, err := d.Poll(-1); err != dispatch.ErrIdle || ran != 0 {
		t.Errorf("Poll = %v, ran %d", err, ran)
	}
	w.Stop()
	other := open(t, dispatch.Config{})
	addEvent(t, other, e, func() bool { ran++; return true })
	e.Trigger()
	if n := turn(t, other); n != 1 || ran != 1 {
		t.Errorf("ran %d, %d", n, ran)
	}
}

func seedTriggerBefore(t *testing.T) {
	d, e := open(t, dispatch.Config{}), dispatch.NewEvent()
	e.Trigger()
	e.Trigger()
	ran := 0
	addEvent(t, d, e, func() bool { ran++; return false })
	must(t, d.Drain(-1))
	if ran != 1 {
		t.Errorf("ran %d times for what was triggered before", ran)
	}
}

// seedAddEventTwice: an error, after which the first one goes on.
func seedAddEventTwice(t *testing.T) {
	d, e := open(t, dispatch.Config{}), dispatch.NewEvent()
	var r record
	addEvent(t, d, e, func() bool { r.does("first")(); return false })
	w, err := d.AddEvent(e, func() bool { r.does("second")(); return false })
	if w != nil || err != dispatch.ErrRegistered {
		t.Errorf("AddEvent = %v, %v", w, err)
	}
	e.Trigger()
	turn(t, d)
	r.want(t, "first")
}

func seedCloseEventInside(t *testing.T) {
	d, e := open(t, dispatch.Config{}), dispatch.NewEvent()
	ran := 0
	var w *dispatch.Watch
	w = addEvent(t, d, e, func() bool {
		ran++
		if !w.Stop() {
			t.Error("Stop in the callback = false")
		}
		e.Close()
		return false
	})
	e.Trigger()
	turn(t, d)
	e.Trigger()
	if n := d.Pending(); n != 0 || ran != 1 {
		t.Errorf("%d pending, ran %d", n, ran)
	}
}

// seedUnregisterEvent: a second time is no error but false, and what was triggered does not run.
func seedUnregisterEvent(t *testing.T) {
	d, e := open(t, dispatch.Config{}), dispatch.NewEvent()
	w := addEvent(t, d, e, func() bool { t.Error("ran"); return true })
	e.Trigger()
	if !w.Stop() || w.Stop() {
		t.Error("Stop, want true once")
	}
	must(t, d.Drain(-1))
}

// seedCloseEvent: also while it is registered and triggered.
func seedCloseEvent(t *testing.T) {
	d, e := open(t, dispatch.Config{}), dispatch.NewEvent()
	w := addEvent(t, d, e, func() bool { t.Error("ran"); return true })
	e.Trigger()
	e.Close()
	e.Close()
	must(t, d.Drain(-1))
	if _, err := d.AddEvent(e, func() bool { return true }); err != dispatch.ErrEventClosed || w.Stop() {
		t.Errorf("AddEvent = %v, or Stop = true", err)
	}
}
