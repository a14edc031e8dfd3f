package dispatch

import (
	"errors"
	"math"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/timer"
)

// ErrDuration is returned by AddTimer for a time that is not positive.
var ErrDuration = errors.New("dispatch: timer duration not positive")

// Timer is a callback that runs later, once or again and again. It is made by
// [Dispatcher.AfterFunc] and [Dispatcher.AddTimer]. Its methods are safe for concurrent use.
type Timer struct {
	t      timer.Timer // guarded by d.mu; its Note is due or zero
	d      *Dispatcher
	fn     func()
	period *period // nil: it runs once
}

// due is the Note of a timer that has expired and is in the FIFO.
const due = 1

// period makes a timer run again and again.
type period struct {
	length int64 // nanoseconds; guarded by d.mu
	fn     func() (done bool)
}

// firing is a Timer as the queue of timers and the FIFO see it.
type firing Timer

func (f *firing) Timer() *timer.Timer { return &f.t }

func (f *firing) RunReady() {
	f.d.mu.Lock()
	runs := f.t.Note == due
	f.t.Note = 0
	f.d.mu.Unlock()
	switch {
	case !runs: // stopped since it expired
	case f.period == nil:
		f.fn()
	case f.period.fn():
		(*Timer)(f).Stop()
	}
}

// AfterFunc makes fn run on the loop when t has passed, never before; if t ≤ 0, in the next
// turn that reads the clock. On a closed dispatcher it never runs. A t beyond the end of time, 292
// years after the dispatcher was made, means that end.
//
// A timer takes 64 bytes where pointers have 64 bits: 32 for the Timer, and 32 for its place in
// the order of deadlines while it is armed. Those are free again once it has expired or was
// stopped.
func (d *Dispatcher) AfterFunc(t time.Duration, fn func()) *Timer {
	if fn == nil {
		panic("dispatch: nil callback")
	}
	tm := &Timer{d: d, fn: fn}
	when := d.after(t)
	d.mu.Lock()
	d.arm((*firing)(tm), when)
	d.mu.Unlock()
	return tm
}

// AddTimer makes cb run on the loop every t until it answers true; or, if oneshot, once when t
// has passed, whatever it answers. To answer true is to call Stop at the end of cb: it undoes a
// Reset that came while cb was running.
//
// The times are start + t, start + 2t and so on, without drift, and never early. As with
// [time.Ticker] a loop that is late by several periods runs cb once for all of them, and then at
// the next of those times. While a run is waiting for its turn, no other is added. A
// panic of cb leaves Poll or Run as any other, and the timer stays armed.
//
// It returns [ErrDuration] if t ≤ 0, and [ErrClosed] once Close has been called; cb will
// not run then. Timers that were added before run while Close waits for tasks, and never again
// after it.
func (d *Dispatcher) AddTimer(t time.Duration, oneshot bool, cb func() (done bool)) (*Timer, error) {
	if cb == nil {
		panic("dispatch: nil callback")
	}
	if t <= 0 {
		return nil, ErrDuration
	}
	tm := newTimer(d, t, oneshot, cb)
	when := d.after(t)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state != open {
		return nil, ErrClosed
	}
	d.arm((*firing)(tm), when)
	return tm, nil
}

func newTimer(d *Dispatcher, t time.Duration, oneshot bool, cb func() bool) *Timer {
	if oneshot {
		return &Timer{d: d, fn: func() { cb() }}
	}
	both := &struct { // in one piece of memory
		Timer
		period
	}{Timer{d: d}, period{int64(t), cb}}
	both.Timer.period = &both.period
	return &both.Timer
}

// Stop takes the timer back. It reports whether it did: if so the callback does not run, or not
// again, even if the timer has expired in this turn already; if not it has run,
// or was stopped before, or its dispatcher is closed. A callback that runs at the same time on
// the loop is not waited for.
func (t *Timer) Stop() bool {
	d := t.d
	d.mu.Lock()
	was := t.stop()
	d.gone()
	d.mu.Unlock()
	return was
}

// stop is Stop with the mutex held.
func (t *Timer) stop() bool {
	was := t.t.Note == due && t.d.state != closed
	t.t.Note = 0
	return t.d.timers.Remove(&t.t) || was
}

// Reset makes the callback run when d has passed from now, instead of any other time, and
// if it runs again and again, every d from then on. It reports what Stop would have. For a
// timer that runs again and again it panics if d ≤ 0, as [time.Ticker.Reset] does,
// and leaves the timer as it was. It does nothing if the dispatcher is closed.
func (t *Timer) Reset(d time.Duration) bool {
	if t.period != nil && d <= 0 {
		panic("dispatch: period not positive")
	}
	when := t.d.after(d)
	t.d.mu.Lock()
	was := t.stop()
	if t.period != nil {
		t.period.length = int64(d)
	}
	t.d.arm((*firing)(t), when)
	t.d.mu.Unlock()
	return was
}

// after returns the loop time d from now.
func (d *Dispatcher) after(t time.Duration) int64 {
	return later(d.clock(), int64(t))
}

// later returns now + max(t, 0), or the end of time.
func later(now, t int64) int64 {
	if t > math.MaxInt64-now {
		return math.MaxInt64
	}
	return now + max(t, 0)
}

// arm arms v, and wakes the loop if it sleeps for longer. The mutex is held.
func (d *Dispatcher) arm(v timer.Timed, when int64) bool {
	if d.state == closed {
		return false
	}
	if d.timers.Add(v, when) && d.asleep != awake {
		d.wake()
	}
	return true
}

// expired is called when f has expired, and reports whether it is to join the FIFO. One that
// repeats is armed again at once, so that a panic cannot end it, at the first of its times that
// is still to come. The mutex is held.
func (f *firing) expired(when, now int64) bool {
	if p := f.period; p != nil {
		// The end of time is a deadline as well; behind it there is none.
		if when = later(when+(now-when)/p.length*p.length, p.length); when > now {
			f.d.timers.Add(f, when)
		}
	}
	if f.t.Note == due {
		return false // the run before is still to come
	}
	f.t.Note = due
	return true
}
