package dispatch

import (
	"math"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/timer"
)

// Timer is a callback that runs later. It is made by [Dispatcher.AfterFunc].
type Timer struct {
	d   *Dispatcher
	fn  func()
	t   timer.Timer // guarded by d.mu, as due
	due bool        // expired, and in the FIFO
}

// firing is a Timer as the heap and the FIFO see it.
type firing Timer

func (f *firing) Timer() *timer.Timer { return &f.t }

func (f *firing) RunReady() {
	f.d.mu.Lock()
	due := f.due
	f.due = false
	f.d.mu.Unlock()
	if due { // not stopped since it expired
		f.fn()
	}
}

// AfterFunc makes fn run on the loop when t has passed, never before; if t ≤ 0, in the next
// turn that reads the clock. On a closed dispatcher it never runs.
func (d *Dispatcher) AfterFunc(t time.Duration, fn func()) *Timer {
	if fn == nil {
		panic("dispatch: nil callback")
	}
	tm := &Timer{d: d, fn: fn}
	tm.Reset(t)
	return tm
}

// Stop takes the timer back. It reports whether it did: if so the callback does not run,
// even if the timer has expired in this turn already; if not it has run,
// or was stopped before.
func (t *Timer) Stop() bool {
	t.d.mu.Lock()
	defer t.d.mu.Unlock()
	was := t.stop()
	t.d.gone()
	return was
}

func (t *Timer) stop() bool {
	if t.due {
		t.due = false
		return true
	}
	return t.d.timers.Remove(&t.t)
}

// Reset makes the callback run when d has passed from now, instead of any other time. It
// reports what Stop would have.
func (t *Timer) Reset(d time.Duration) bool {
	when := t.d.after(d)
	t.d.mu.Lock()
	defer t.d.mu.Unlock()
	was := t.stop()
	t.d.arm((*firing)(t), when)
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
	next, ok := d.timers.Next()
	d.timers.Add(v, when)
	if d.asleep != awake && (!ok || when < next) {
		d.wake()
	}
	return true
}
