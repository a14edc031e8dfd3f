package dispatch

import (
	"time"

	"github.com/seed-1e54c410/turnstile/internal/park"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// Close ends the dispatcher, in this order: it refuses everything new with ErrClosed; it
// cancels all tasks, with ErrClosed as the cause; it goes on turning, so that they can clean
// up with the help of timers, grants and descriptors, until no task is left and what was
// posted has run, or Config.CloseTimeout is over; then it fails every further wait of a task
// that is still there with ErrClosed, ends all watches and operations, of which the callbacks
// run, but for those of events and signals, and lets go of the native poller.
// Descriptors that were registered stay open.
//
// A task that does not end even so is left suspended for ever, and named in the
// *CloseError that Close returns. Its future fails with ErrClosed, so that nobody elsewhere waits
// for it.
//
// Where a loop is running on another goroutine Close lets that do the work and waits for
// it. In a callback or task Close returns ErrRunning, and the loop of that dispatcher does the
// work after this turn, or the next Close does where no loop is running; a *CloseError is
// returned by that next Close. Any further Close returns nil.
func (d *Dispatcher) Close() error {
	g := park.Current()
	d.mu.Lock()
	if d.state == open {
		d.state = closing
		d.stopping.Store(true)
	}
	d.nudge()
	if g != nil {
		d.mu.Unlock()
		return ErrRunning
	}
	if !d.awaitTurn(2*d.cfg.CloseTimeout + time.Second) {
		d.mu.Unlock()
		return &CloseError{Busy: true}
	}
	if d.state != closed {
		d.take()
		d.mu.Unlock()
		func() {
			defer d.leave() // also if a callback panics
			d.shutdown()
		}()
		d.mu.Lock()
	}
	left := d.left
	d.left = nil // reported once
	d.mu.Unlock()
	if len(left) > 0 {
		return &CloseError{Tasks: left}
	}
	return nil
}

// awaitTurn waits until nobody turns the dispatcher, for limit at most. The mutex is
// held at the call and at the return.
func (d *Dispatcher) awaitTurn(limit time.Duration) bool {
	if !d.turning {
		return true
	}
	late := false
	timer := time.AfterFunc(limit, func() {
		d.mu.Lock()
		late = true
		d.changed.Broadcast()
		d.mu.Unlock()
	})
	defer timer.Stop()
	for d.turning && !late {
		d.changed.Wait()
	}
	return !d.turning
}

// shutdown is the work of Close, on the goroutine of the loop. The first panic of a
// callback leaves it when the work is done.
func (d *Dispatcher) shutdown() {
	var panicked any
	turn := func(limit int64) error {
		defer func() {
			if p := recover(); p != nil && panicked == nil {
				panicked = p
			}
		}()
		_, err := d.turn(limit, false, false)
		return err
	}
	d.mu.Lock()
	tasks := d.tasks
	d.mu.Unlock()
	if tasks == nil {
		tasks = none{}
	}
	tasks.CancelAll(ErrClosed)
	for end := d.after(d.cfg.CloseTimeout); tasks.Live() > 0 || d.anyReady(); {
		now := d.clock()
		if now >= end || turn(end-now) != nil {
			break // out of time, or the poller is broken
		}
		if tasks.Live() == 0 {
			d.endListeners() // an event that triggers itself must not keep it
		}
	}
	tasks.Abandon()
	for i := 0; i < lastTurns && d.anyReady() && turn(0) == nil; i++ {
	}
	d.endListeners()
	d.endWatches()
	for end := d.after(d.cfg.CloseTimeout); d.io.open.Load() > 0; {
		// The system still has the buffers of operations.
		now := d.clock()
		if now >= end || turn(end-now) != nil {
			break
		}
	}
	for i := 0; i < lastTurns && d.anyReady() && turn(0) == nil; i++ {
	}
	left := tasks.Left()
	tasks.Release()

	d.io.mu.Lock()
	d.mu.Lock()
	d.state = closed
	d.left = left
	d.ready, d.soon, d.posted, d.idle, d.next = nil, nil, nil, nil, 0
	dropped := d.timers.Clear()
	if d.io.poller != nil && d.io.open.Load() == 0 { // else the port goes with the process
		// Nothing can be done about an error here.
		_ = d.io.poller.Close()
	}
	d.mu.Unlock()
	d.io.mu.Unlock()
	for _, v := range dropped {
		if c, ok := v.(seam.Dropped); ok {
			c.Dropped()
		}
	}
	if panicked != nil {
		panic(panicked)
	}
}

// lastTurns bounds what Close runs once no task waits any more: callbacks that add others
// must not keep it for ever.
const lastTurns = 1000

// anyReady reports whether the next turn has something to run.
func (d *Dispatcher) anyReady() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.posted) > 0 || len(d.soon) > 0 || len(d.ready) > d.next
}

// endWatches ends what is left of the watches, and tells the connections.
func (d *Dispatcher) endWatches() {
	x := &d.io
	x.mu.Lock()
	var latches []seam.Latch
	for i := range x.slots {
		s := &x.slots[i]
		if !s.used {
			continue
		}
		if s.latch != nil {
			latches = append(latches, s.latch)
		}
		if s.proc != nil {
			s.proc.lose()
		}
		d.drop(uint32(i), ErrClosed)
	}
	x.mu.Unlock()
	for _, l := range latches {
		l.Closed()
	}
}

// release ends the coroutines that have no task.
func (d *Dispatcher) release() {
	d.mu.Lock()
	tasks := d.tasks
	d.mu.Unlock()
	if tasks != nil {
		tasks.Release()
	}
}

// none stands for the tasks of a dispatcher that never had one.
type none struct{}

func (none) Live() int           { return 0 }
func (none) CancelAll(error)     {}
func (none) Abandon()            {}
func (none) Left() []string      { return nil }
func (none) Release()            {}
func (none) Simulate(*seam.Sim)  {}
func (none) Counts() seam.Counts { return seam.Counts{} }
func (none) Blocking() int       { return 0 }
