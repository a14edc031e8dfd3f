package dispatch_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/gid"
)

// callbackKind arranges for fn to run in the next turn of d, as a callback of one kind.
type callbackKind struct {
	name string
	arm  func(t *testing.T, d *dispatch.Dispatcher, fn func())
}

// callbackKinds are all the kinds that this system has.
func callbackKinds() []callbackKind {
	return append([]callbackKind{
		{"post", func(t *testing.T, d *dispatch.Dispatcher, fn func()) { must(t, d.Post(fn)) }},
		{"soon", func(_ *testing.T, d *dispatch.Dispatcher, fn func()) { d.CallSoon(fn) }},
		{"idle", func(_ *testing.T, d *dispatch.Dispatcher, fn func()) { d.CallIdle(fn) }},
		{"timer", func(_ *testing.T, d *dispatch.Dispatcher, fn func()) { d.AfterFunc(0, fn) }},
		{"oneshot", func(t *testing.T, d *dispatch.Dispatcher, fn func()) {
			addTimer(t, d, 1, true, func() bool { fn(); return true })
			passes(d)
		}},
		{"periodic", func(t *testing.T, d *dispatch.Dispatcher, fn func()) {
			addTimer(t, d, 1, false, func() bool { fn(); return true })
			passes(d)
		}},
		{"event", func(t *testing.T, d *dispatch.Dispatcher, fn func()) {
			e := dispatch.NewEvent()
			e.Trigger()
			addEvent(t, d, e, func() bool { fn(); return true })
		}},
	}, callbacksOfSystem()...)
}

// passes returns when the clock has gone on.
func passes(d *dispatch.Dispatcher) {
	for now := d.Now(); !d.Now().After(now); {
		runtime.Gosched()
	}
}

// eachCallback runs f for each kind of callback, on each poller.
func eachCallback(t *testing.T, f func(t *testing.T, d *dispatch.Dispatcher, arm func(fn func()))) {
	for _, k := range callbackKinds() {
		t.Run(k.name, func(t *testing.T) {
			eachSleep(t, func(t *testing.T, d *dispatch.Dispatcher) {
				f(t, d, func(fn func()) { k.arm(t, d, fn) })
			})
		})
	}
}

// TestCallbackEnds: a callback of whatever kind that panics, or ends the goroutine of the loop, leaves a
// dispatcher that works, on this goroutine and others, and what is behind it runs in the next turn, once.
func TestCallbackEnds(t *testing.T) {
	turns := map[string]func(d *dispatch.Dispatcher){
		"Poll":  func(d *dispatch.Dispatcher) { _, _ = d.Poll(0) },
		"Drain": func(d *dispatch.Dispatcher) { _ = d.Drain(-1) },
		"Run":   func(d *dispatch.Dispatcher) { _ = d.Run(neverDone{}) },
	}
	ends := map[string]func(){"panic": func() { panic("oops") }, "Goexit": runtime.Goexit}
	eachCallback(t, func(t *testing.T, d *dispatch.Dispatcher, arm func(fn func())) {
		for how, turns := range turns {
			for what, end := range ends {
				ran, behind := 0, 0
				arm(func() {
					if ran++; ran == 1 {
						end()
					}
				})
				arm(func() { behind++ })
				left := make(chan any, 1)
				go func() {
					ended := any("Goexit")
					defer func() { left <- ended }()
					if p := panicOf(func() { turns(d); ended = nil }); p != nil {
						ended = p
					}
				}()
				if got := <-left; (got == "oops") != (what == "panic") || (got == "Goexit") != (what == "Goexit") || ran != 1 || behind != 0 {
					t.Errorf("%s is left by %v after %s, %d and %d callbacks", how, got, what, ran, behind)
				}
				for limit := 0; (behind == 0 || d.Stats().Ready > 0) && limit < 10; limit++ {
					turn(t, d)
				}
				if behind != 1 || ran > 2 {
					t.Errorf("%s, %s: ran %d times, and what is behind it %d times", how, what, ran, behind)
				}
			}
		}
	})
}

// neverDone is context.Background, of which Run makes no goroutine.
type neverDone struct{}

func (neverDone) Deadline() (time.Time, bool) { return time.Time{}, false }
func (neverDone) Done() <-chan struct{}       { return nil }
func (neverDone) Err() error                  { return nil }
func (neverDone) Value(any) any               { return nil }

// TestCallbackThread: callbacks run on the goroutine that turns the loop, one at a time, and with no lock
// held: each may call whatever there is.
func TestCallbackThread(t *testing.T) {
	eachCallback(t, func(t *testing.T, d *dispatch.Dispatcher, arm func(fn func())) {
		here, on, inside, ran := gid.Current(), uintptr(0), 0, 0
		for range 2 {
			arm(func() {
				inside++
				on = gid.Current()
				callsAll(t, d)
				done := make(chan struct{})
				go func() { defer close(done); callsAll(t, d) }()
				<-done
				ran += inside
				inside--
			})
		}
		for limit := 0; ran < 2 && limit < 10; limit++ {
			turn(t, d)
		}
		if ran != 2 || on != here {
			t.Errorf("%d have run one at a time; on this goroutine: %v", ran, on == here)
		}
		must(t, drained(d))
	})
}

// drained turns d until nothing but watches is left.
func drained(d *dispatch.Dispatcher) error {
	for {
		if s := d.Stats(); s.Ready+s.Idle+s.Timers == 0 {
			return nil
		}
		if _, err := d.Poll(0); err != nil {
			return err
		}
	}
}

// callsAll makes calls that take each lock of d.
func callsAll(t *testing.T, d *dispatch.Dispatcher) {
	fn, done := func() {}, func() bool { return true }
	must(t, d.Post(fn))
	d.CallSoon(fn)
	d.CallIdle(fn)
	d.AfterFunc(time.Hour, fn).Stop()
	addTimer(t, d, time.Hour, false, done).Stop()
	e := dispatch.NewEvent()
	w := addEvent(t, d, e, done)
	e.Trigger()
	w.Stop()
	e.Close()
	d.Hold()()
	if d.Pending() == 0 || d.Stats().Ready == 0 || fmt.Sprint(d.Now(), d.Backend()) == "" {
		t.Error("nothing pending")
	}
	if _, err := d.Poll(0); err != dispatch.ErrRunning {
		t.Errorf("Poll = %v", err)
	}
	if err := d.Unregister(^dispatch.FD(0)); err != dispatch.ErrNotRegistered || d.Contains(^dispatch.FD(0)) {
		t.Errorf("Unregister = %v", err)
	}
}
