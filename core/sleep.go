package core

import (
	"context"

	"github.com/seed-1e54c410/turnstile/internal/timer"
)

// alarm wakes the task of a coroutine from Sleep. It belongs to the coroutine, so that sleeping
// allocates nothing. Only the loop touches it.
type alarm struct {
	c     *coroutine
	timer timer.Timer
	taken bool  // a Sleep uses it
	rung  bool  // it has gone off
	stale int32 // entries in the FIFO that belong to no present Sleep
}

// Timer implements timer.Timed.
func (a *alarm) Timer() *timer.Timer { return &a.timer }

// RunReady comes when the alarm goes off.
func (a *alarm) RunReady() {
	if a.stale > 0 {
		a.stale--
		return
	}
	a.rung = true
	if t := a.c.task; t.state.CompareAndSwap(parked, queued) {
		t.RunReady() // it is its turn
	}
	// Otherwise a cancel has queued it already; it will see that it has slept.
}

// sleep waits until the alarm goes off.
func (t *task) sleep(ctx context.Context, when int64) error {
	err := t.doze(ctx, when)
	if err != nil {
		t.Failed() // with nothing armed: it may not return
	}
	return err
}

// doze does the waiting of sleep.
func (t *task) doze(ctx context.Context, when int64) error {
	loop, a := t.sched.loop, &t.co.alarm
	if a.taken { // the Err of a ctx sleeps inside a sleep
		a = &alarm{c: t.co}
	}
	a.taken, a.rung = true, false
	loop.Arm(a, when)
	defer func() { // also if a ctx of somebody else's panics
		a.taken = false
		if !a.rung && !loop.Disarm(&a.timer) {
			a.stale++ // it has expired, and stands in the FIFO
		}
	}()
	t.Arm(ctx)
	defer t.Disarm()
	for !a.rung {
		err := ctx.Err()
		if err == nil {
			err = t.Err()
		}
		if err != nil {
			return err
		}
		if a.rung {
			break // while Err waited
		}
		t.Suspend(sleeping)
	}
	return nil
}
