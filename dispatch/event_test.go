package dispatch_test

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
)

func addEvent(tb testing.TB, d *dispatch.Dispatcher, e *dispatch.Event, cb func() bool) *dispatch.Watch {
	tb.Helper()
	w, err := d.AddEvent(e, cb)
	must(tb, err)
	return w
}

func TestEvent(t *testing.T) {
	d := open(t, dispatch.Config{})
	var e dispatch.Event
	ran := 0
	addEvent(t, d, &e, func() bool { ran++; return ran == 3 })
	turns := func(want int) {
		t.Helper()
		_, err := d.Poll(0)
		if err != nil && err != dispatch.ErrIdle || ran != want {
			t.Errorf("ran %d times, want %d; %v", ran, want, err)
		}
	}
	if n := d.Pending(); n != 0 {
		t.Errorf("%d pending without a trigger", n)
	}
	turns(0)
	for range 5 {
		e.Trigger()
	}
	if n := d.Pending(); n != 1 {
		t.Errorf("%d pending after a trigger", n)
	}
	turns(1)
	turns(1)
	e.Trigger()
	turns(2)
	e.Trigger()
	turns(3) // it is done
	e.Trigger()
	turns(3)
	addEvent(t, d, &e, func() bool { ran++; return true })
	turns(4) // by the trigger from before
	if n := d.Pending(); n != 0 {
		t.Errorf("%d pending", n)
	}
}

func TestEventErrors(t *testing.T) {
	d, other := open(t, dispatch.Config{}), open(t, dispatch.Config{})
	e := dispatch.NewEvent()
	never := func() bool { t.Error("ran"); return true }
	w := addEvent(t, d, e, never)
	for _, d := range []*dispatch.Dispatcher{d, other} {
		if _, err := d.AddEvent(e, never); err != dispatch.ErrRegistered {
			t.Errorf("AddEvent of a registered event = %v", err)
		}
	}
	if !w.Stop() || w.Stop() {
		t.Error("Stop does not tell whether it was going on")
	}
	w = addEvent(t, other, e, never)
	e.Trigger()
	e.Close()
	e.Close()
	e.Trigger()
	if w.Stop() {
		t.Error("Stop of the watch of a closed event = true")
	}
	if _, err := d.AddEvent(e, never); err != dispatch.ErrEventClosed {
		t.Errorf("AddEvent of a closed event = %v", err)
	}
	must(t, d.Close())
	if _, err := d.AddEvent(e, never); err != dispatch.ErrEventClosed {
		t.Errorf("AddEvent of a closed event on a closed dispatcher = %v", err)
	}
	fresh := dispatch.NewEvent()
	if _, err := d.AddEvent(fresh, never); err != dispatch.ErrClosed {
		t.Errorf("AddEvent on a closed dispatcher = %v", err)
	}
	addEvent(t, other, fresh, never) // it has not been taken
	must(t, other.Drain(-1))
}

// TestEventStop: a trigger that is queued when the watch is stopped does not call it, and is
// for the next watch, on whatever dispatcher.
func TestEventStop(t *testing.T) {
	d, other := open(t, dispatch.Config{}), open(t, dispatch.Config{})
	var e dispatch.Event
	var r record
	first := addEvent(t, d, &e, func() bool { r.does("first")(); return false })
	e.Trigger()
	d.CallSoon(r.does("soon"))
	if !first.Stop() {
		t.Error("Stop = false")
	}
	second := addEvent(t, d, &e, func() bool { r.does("second")(); return false })
	d.CallSoon(func() { second.Stop() }) // behind it
	must(t, d.Drain(-1))
	r.want(t, "soon", "second")

	third := addEvent(t, d, &e, func() bool { r.does("third")(); return false })
	d.CallSoon(func() { r.does("stops")(); third.Stop() }) // in the same turn, before it
	e.Trigger()
	must(t, d.Drain(-1))
	r.want(t, "stops")
	addEvent(t, other, &e, func() bool { r.does("other")(); return true })
	must(t, other.Drain(-1))
	r.want(t, "other")
}

// TestEventInCallback does with the event all that can be done in its own callback.
func TestEventInCallback(t *testing.T) {
	d := open(t, dispatch.Config{})
	var r record
	for name, do := range map[string]func(e *dispatch.Event, w *dispatch.Watch){
		"nothing":     func(*dispatch.Event, *dispatch.Watch) {},
		"stop":        func(_ *dispatch.Event, w *dispatch.Watch) { w.Stop() },
		"close":       func(e *dispatch.Event, _ *dispatch.Watch) { e.Close() },
		"stop, close": func(e *dispatch.Event, w *dispatch.Watch) { w.Stop(); e.Close() },
		"trigger":     func(e *dispatch.Event, _ *dispatch.Watch) { e.Trigger(); e.Trigger() },
		"again": func(e *dispatch.Event, w *dispatch.Watch) {
			w.Stop()
			e.Trigger()
			addEvent(t, d, e, func() bool { r.does("again")(); return true })
		},
	} {
		for _, done := range []bool{false, true} {
			e, ran := new(dispatch.Event), 0
			var w *dispatch.Watch
			w = addEvent(t, d, e, func() bool {
				if ran++; ran == 1 {
					do(e, w)
				}
				return done
			})
			e.Trigger()
			must(t, d.Drain(-1))
			want := 1
			if name == "trigger" && !done {
				want = 2
			}
			if ran != want {
				t.Errorf("%s, done %v: ran %d times", name, done, ran)
			}
			if name == "again" {
				r.want(t, "again") // done has not ended the successor
			}
			if was := w.Stop(); was != (!done && (name == "nothing" || name == "trigger")) {
				t.Errorf("%s, done %v: Stop = %v", name, done, was)
			}
		}
	}
	r.want(t)
}

// TestEventDispatcherClosed: Close runs what was triggered before it, ends the registration, keeps
// what is triggered later, and is not held up by an event that triggers itself.
func TestEventDispatcherClosed(t *testing.T) {
	d, v := openVirtual(t)
	other := open(t, dispatch.Config{})
	var e dispatch.Event
	ran := 0
	w := addEvent(t, d, &e, func() bool { ran++; e.Trigger(); return false })
	e.Trigger()
	must(t, d.Close())
	if ran != 1 || w.Stop() || v.now != 0 {
		t.Errorf("ran %d times during Close; at %d", ran, v.now)
	}
	addEvent(t, other, &e, func() bool { ran++; return true })
	must(t, other.Drain(-1))
	if ran != 2 {
		t.Errorf("the trigger was lost, or came %d times", ran-1)
	}
}

func TestEventPanic(t *testing.T) {
	d := open(t, dispatch.Config{})
	var e dispatch.Event
	ran := 0
	w := addEvent(t, d, &e, func() bool { ran++; panic(ran) })
	for want := range 2 {
		e.Trigger()
		if p := panicOf(func() { _ = d.Drain(-1) }); p != want+1 {
			t.Errorf("panic %v", p)
		}
	}
	if !w.Stop() {
		t.Error("a panic has ended the watch")
	}
}

// TestEventBubble: a loop that sleeps in a bubble is woken by a trigger.
func TestEventBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, dispatch.Config{})
		var e dispatch.Event
		ran := 0
		addEvent(t, d, &e, func() bool { ran++; return false })
		stop := start(t, d)
		for range 3 {
			synctest.Wait()
			e.Trigger()
		}
		synctest.Wait()
		stop()
		if ran != 3 {
			t.Errorf("ran %d times", ran)
		}
	})
}

// TestEventNoTriggerLost triggers from many goroutines, while the registration moves between
// two loops: whatever was counted before a trigger is seen by a callback after it.
func TestEventNoTriggerLost(t *testing.T) {
	loops := [2]*dispatch.Dispatcher{open(t, dispatch.Config{}), open(t, dispatch.Config{})}
	for _, d := range loops {
		defer start(t, d)()
	}
	var e dispatch.Event
	var counted, seen atomic.Int64
	var register func(on int)
	register = func(on int) {
		calls := 0
		var w *dispatch.Watch
		var err error
		w, err = loops[on].AddEvent(&e, func() bool {
			now := counted.Load()
			runtime.Gosched() // so that triggers come meanwhile
			seen.Store(now)
			if calls++; calls == 3 {
				w.Stop()
				// Added by the other loop itself, so that w is set when the callback runs.
				if err := loops[1-on].Post(func() { register(1 - on) }); err != nil {
					t.Errorf("Post = %v", err)
				}
			}
			return false
		})
		if err != nil && err != dispatch.ErrClosed { // closed at the end of the test
			t.Errorf("AddEvent = %v", err)
		}
	}
	loops[0].CallSoon(func() { register(0) })
	for range check.Times(300, 3000) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 10 {
					counted.Add(1)
					e.Trigger()
				}
			})
		}
		wg.Wait()
		for seen.Load() != counted.Load() { // for ever, if the last trigger is lost
			runtime.Gosched()
		}
	}
}

// Several goroutines tell the loop that there is something to do, which it does once.
func ExampleEvent() {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	var dirty dispatch.Event // the zero value can be used
	saves := 0
	w, err := d.AddEvent(&dirty, func() (done bool) {
		saves++
		return false
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(dirty.Trigger)
	}
	wg.Wait()
	fmt.Println(d.Drain(-1), saves)
	fmt.Println(w.Stop())
	dirty.Trigger() // is remembered
	if _, err := d.AddEvent(&dirty, func() bool { fmt.Println("saved again"); return true }); err != nil {
		fmt.Println(err)
	}
	fmt.Println(d.Drain(-1))
	// Output:
	// <nil> 1
	// true
	// saved again
	// <nil>
}
