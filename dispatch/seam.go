package dispatch

import (
	"slices"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/seam"
	"github.com/seed-1e54c410/turnstile/internal/timer"
)

// seamLoop is a Dispatcher as package core and transport see it.
type seamLoop Dispatcher

func init() {
	seam.Of = func(d any) seam.Loop { return (*seamLoop)(d.(*Dispatcher)) }
}

func (l *seamLoop) d() *Dispatcher { return (*Dispatcher)(l) }

func (l *seamLoop) Ready(r seam.Runnable) {
	if !l.mail.Load() && l.d().here() {
		l.soon = append(l.soon, r) // as ReadyHere: a task or a callback that wakes another task
		return
	}
	l.mu.Lock()
	// Under the mutex: to tell takes its time, and r counts as queued already. The loop must not come to its end
	// meanwhile, and find nothing.
	l.d().fromOutside()
	if l.state != closed {
		l.d().push(r)
	}
	l.mu.Unlock()
}

func (l *seamLoop) ReadyHere(r seam.Runnable) {
	if l.mail.Load() {
		l.Ready(r)
		return
	}
	l.soon = append(l.soon, r)
}

func (l *seamLoop) Post(r seam.Runnable) bool { return l.d().post(r) }

func (l *seamLoop) Closed() bool { return l.stopping.Load() }

func (l *seamLoop) Hold(n int) { l.d().hold(n) }

func (l *seamLoop) Now() int64 { return l.d().clock() }

func (l *seamLoop) Time(now int64) time.Time { return l.d().at(now) }

func (l *seamLoop) After(t time.Duration) int64 { return l.d().after(t) }

func (l *seamLoop) Arm(v seam.TimedRunnable, when int64) bool {
	l.d().fromOutside()
	l.mu.Lock()
	ok := l.d().arm(v, when)
	l.mu.Unlock()
	return ok
}

func (l *seamLoop) Disarm(t *timer.Timer) bool {
	l.mu.Lock()
	was := l.timers.Remove(t)
	l.d().gone()
	l.mu.Unlock()
	return was
}

func (l *seamLoop) RunUntil(done func() bool) error { return l.d().runUntil(done) }

func (l *seamLoop) Settings() *seam.Settings { return &l.settings }

func (l *seamLoop) Next() (when int64, armed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.timers.Next()
}

func (l *seamLoop) Queued() []seam.Runnable {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Concat(l.ready[l.next:], l.soon, l.posted)
}

func (l *seamLoop) Dispatcher() any { return l.d() }

func (l *seamLoop) Sim() *seam.Sim { return l.sim }

func (l *seamLoop) Watch() (leave func()) {
	if l.slow == nil {
		return nil
	}
	return l.slow.join()
}

func (l *seamLoop) Simulate(s *seam.Sim) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sim = s
	l.self.Witness, l.self.Real = nil, nil
	if s != nil {
		l.self.Witness, l.self.Real = s.Held, s.Real
	}
	if s != nil && !s.Epoch.IsZero() {
		l.base = s.Epoch
	}
	if l.tasks != nil {
		l.tasks.Simulate(s)
	}
}

func (l *seamLoop) Tasks(mk func() seam.Tasks) seam.Tasks {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tasks == nil {
		l.tasks = mk() // asks for nothing that takes the mutex
		if l.state != open {
			l.tasks.CancelAll(ErrClosed) // Close has begun without it
		}
	}
	return l.tasks
}

// fromOutside tells a simulation of a call that comes from another goroutine than that of the loop
// or one of its coroutines.
func (d *Dispatcher) fromOutside() {
	if !d.sim.Closed() {
		return
	}
	if !d.here() {
		d.sim.Foreign()
	}
}
