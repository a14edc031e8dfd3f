package dispatch

import (
	"context"
	"math"
	"runtime"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/park"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// askEvery is how many callbacks may run before the clock and the operating system
// are asked again.
const askEvery = 64

// yieldEvery is how many nanoseconds a busy loop keeps its P. The scheduler takes the
// P away from a goroutine that has kept it for 10 ms whenever it finds it in a system call, which
// costs a loop a third of its speed; one that yields it leaves alone. It also lets
// goroutines run that wait for this P. But where a P is idle each yield wakes its
// thread, for some microseconds.
const yieldEvery = 200_000

// yieldAsks is after how many looks at the clock it does so in any case: in a synctest bubble
// the clock stands still.
const yieldAsks = 1024

// Poll makes one turn, in which it sleeps for at most timeout until there is something
// to do, for ever if timeout is negative. It returns how many entries of the FIFO have run;
// one that was stopped after it had joined counts. It may return 0 before the timeout is over, for an
// event that turned out to be for nobody: who waits for a moment arms a timer.
//
// It returns ErrIdle if nothing is pending, ErrRunning if it is called in a callback or
// task or while another goroutine turns the dispatcher, and ErrClosed after Close; or the
// error of a native poller that fails, without which callbacks run that do not need it. The
// panic of a callback leaves Poll as it is; those behind it run in the next turn.
func (d *Dispatcher) Poll(timeout time.Duration) (int, error) {
	if err := d.enter(); err != nil {
		return 0, err
	}
	defer d.leave()
	if d.Pending() == 0 {
		return 0, ErrIdle
	}
	n, err := d.turn(int64(timeout), true, true)
	if d.ending() {
		d.shutdown()
		return n, ErrClosed
	}
	if d.Pending() == 0 {
		d.release()
	}
	return n, err
}

// Run makes turns until ctx is done, and returns ctx.Err(), or until the
// dispatcher is closed, and returns nil. With nothing to do it sleeps until another
// goroutine gives it something. It returns ErrRunning and ErrClosed as Poll does.
func (d *Dispatcher) Run(ctx context.Context) error {
	if err := d.enter(); err != nil {
		return err
	}
	defer d.leave()
	defer d.release()
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		d.interrupt()
		close(interrupted)
	})
	defer func() {
		if !stop() { // it must not end the sleep of the next call
			<-interrupted
		}
	}()
	for !d.ending() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := d.turn(-1, false, false); err != nil {
			return err
		}
	}
	d.shutdown()
	return nil
}

// runUntil is Run until done answers true.
func (d *Dispatcher) runUntil(done func() bool) error {
	if err := d.enter(); err != nil {
		return err
	}
	defer d.leave()
	if !d.sim.Closed() { // else the next run comes at once
		defer d.release()
	}
	// The first call begins a task, outside of a turn. It is one callback of a turn to others, who would see
	// nothing pending if the task has ended when it returns, whatever it has left in the FIFO.
	d.taken.Add(1)
	over := d.askWatched(done)
	d.taken.Store(d.queued())
	for !over && !d.ending() {
		if _, err := d.turn(-1, false, false); err != nil {
			return err
		}
		over = d.askWatched(done)
	}
	if !d.ending() {
		return nil
	}
	d.shutdown()
	if !d.askWatched(done) {
		return ErrClosed
	}
	return nil
}

// enter makes the calling goroutine that of the loop.
func (d *Dispatcher) enter() error {
	if park.Current() != nil {
		return ErrRunning
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.state != open:
		return ErrClosed
	case d.turning:
		return ErrRunning
	}
	d.take()
	return nil
}

// take is the second half of enter. The mutex is held.
func (d *Dispatcher) take() {
	d.turning = true
	d.self.Enter()
	if d.slow != nil {
		d.slow.enter()
	}
	d.ran(askEvery) // ask in the first turn
	d.nudged = false
}

func (d *Dispatcher) leave() {
	if d.slow != nil {
		d.slow.leave()
	}
	d.self.Leave()
	d.sleep = sleeper{}
	d.mu.Lock()
	d.turning = false
	d.tell()
	d.taken.Store(d.queued())
	d.changed.Broadcast()
	d.mu.Unlock()
}

// queued is how many callbacks the loop has that are no longer posted.
func (d *Dispatcher) queued() int64 { return int64(len(d.ready) - d.next + len(d.soon)) }

func (d *Dispatcher) ending() bool { return d.stopping.Load() }

// interrupt makes the loop look around.
func (d *Dispatcher) interrupt() {
	d.mu.Lock()
	d.nudge()
	d.mu.Unlock()
}

// turn is one turn, as the package comment numbers it. It sleeps for at most
// limit nanoseconds, for ever if limit is negative, and if polling only while something is
// pending. The operating system is asked in any case if ask is set. Where it gives an error, what needs no
// answer runs even so.
func (d *Dispatcher) turn(limit int64, ask, polling bool) (int, error) {
	d.done.turns++
	d.join() // 1, 2
	var err error
	if len(d.ready) == d.next || d.since >= askEvery || ask {
		err = d.ask(limit, polling) // 3, 4
		d.join()                    // 5
		d.expire()
		if len(d.ready) == d.next {
			d.joinIdle() // 6
		}
	}
	n := len(d.ready) - d.next
	d.count()
	if d.sim != nil {
		return d.simulate(n), err
	}
	if d.slow != nil {
		d.runWatched(n)
		return n, err
	}
	for range n { // 7
		r := d.ready[d.next]
		d.ready[d.next] = nil
		d.next++
		d.since++
		r.RunReady()
	}
	return n, err
}

// join moves what was posted to the FIFO. Timers come with the reading of the clock: without
// it none can have expired that had not before.
func (d *Dispatcher) join() {
	if len(d.soon) > 0 {
		d.ready, d.soon = d.merge(d.ready, d.soon)
	}
	if d.mail.Load() {
		d.mu.Lock()
		d.ready, d.posted = d.merge(d.ready, d.posted)
		d.mail.Store(false)
		d.count()
		d.mu.Unlock()
	}
}

// count tells Pending what is in the FIFO. Whoever moves something there from what the mutex
// guards still holds it, so that nobody sees it in neither place.
func (d *Dispatcher) count() {
	if n := int64(len(d.ready) - d.next); n != d.taken.Load() {
		d.taken.Store(n)
	}
}

// merge appends more to the FIFO, and returns that and an empty slice in place of more.
func (d *Dispatcher) merge(ready, more []seam.Runnable) (_, _ []seam.Runnable) {
	if d.next < len(ready) {
		if d.next > len(ready)/2 { // in a simulation the FIFO may never be empty
			k := copy(ready, ready[d.next:])
			clear(ready[k:])
			ready, d.next = ready[:k], 0
		}
		ready = append(ready, more...)
		clear(more)
		return ready, emptied(more, len(more))
	}
	d.next = 0
	return more, emptied(ready, len(more))
}

// emptied returns list without its entries, and without its room where that is what a burst has left behind: n is
// how much there is now.
func emptied(list []seam.Runnable, n int) []seam.Runnable {
	if cap(list) > 4096 && n < 1024 {
		return nil
	}
	return list[:0]
}

// expire moves the timers that are due to the FIFO.
func (d *Dispatcher) expire() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for v, when := d.timers.Pop(d.now); v != nil; v, when = d.timers.Pop(d.now) {
		if f, ok := v.(*firing); ok && !f.expired(when, d.now) {
			continue
		}
		d.enqueue(v.(seam.Runnable))
	}
	d.count()
}

// enqueue appends r to the FIFO.
func (d *Dispatcher) enqueue(r seam.Runnable) {
	if d.next == len(d.ready) {
		d.ready, d.next = emptied(d.ready, len(d.ready)), 0
	}
	d.ready = append(d.ready, r)
}

// joinIdle moves one idle callback to the FIFO.
func (d *Dispatcher) joinIdle() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.idle) > 0 {
		d.enqueue(d.idle[0])
		d.idle[0] = nil
		if d.idle = d.idle[1:]; len(d.idle) == 0 {
			d.idle = nil // an empty slice keeps all the room in front of it
		}
		d.count()
	}
}

// ask reads the clock and asks the operating system, and sleeps if there is
// nothing to do. If polling it does not sleep when nothing is pending.
func (d *Dispatcher) ask(limit int64, polling bool) error {
	d.ran(0)
	d.now = d.clock()
	d.expire() // 2
	if d.io.forced.Load() > 0 {
		d.io.readyAlways(d)
	}
	busy := len(d.ready) > d.next
	d.mu.Lock()
	d.tell()
	next, armed := d.timers.Next()
	simulated := d.sim != nil && d.sim.Sleep != nil
	d.polling = polling
	if limit == 0 || busy || len(d.posted) > 0 || len(d.idle) > 0 || d.nudged || polling && d.nothing() {
		d.nudged = false
		d.mu.Unlock()
		if simulated {
			return nil
		}
		if d.asked++; d.now-d.yielded > yieldEvery || d.asked >= yieldAsks {
			d.yielded, d.asked = d.now, 0
			runtime.Gosched()
		}
		return d.askNow()
	}
	if simulated {
		d.mu.Unlock()
		if limit > 0 && (!armed || next-d.now > limit) {
			next, armed = later(d.now, limit), true
		}
		if !d.sim.Sleep(next, armed) {
			return ErrStuck
		}
		d.now = d.clock()
		return nil
	}
	err := d.doze(patience(limit, next, armed, d.now)) // unlocks
	d.now = d.clock()
	d.yielded, d.asked = d.now, 0
	return err
}

// patience is how long the loop may sleep from now on, in nanoseconds: until the deadline next, if
// there is one, and limit at most, if that is not negative. It is negative if that means for ever.
func patience(limit, next int64, armed bool, now int64) int64 {
	wait := int64(math.MaxInt64)
	if limit >= 0 {
		wait = limit
	}
	if armed {
		// A goroutine that had read the clock before the loop did may have armed a timer since
		// the loop looked, and that may be due already.
		wait = min(wait, max(next-now, 0))
	}
	if wait == math.MaxInt64 {
		return -1
	}
	return wait
}

// simulate is the last stage of a turn in a simulation.
func (d *Dispatcher) simulate(n int) int {
	// What comes in stands to choice at once, but a turn has an end.
	n = max(n, askEvery)
	for ran := range n {
		if d.sim.Choose != nil {
			d.now = d.clock()
			d.join()
			d.expire()
		}
		left := len(d.ready) - d.next
		if left == 0 {
			return ran
		}
		i := d.next
		if left > 1 && d.sim.Choose != nil {
			i += d.sim.Choose(d.ready[d.next:])
		}
		r := d.ready[i]
		copy(d.ready[d.next+1:i+1], d.ready[d.next:i])
		d.ready[d.next] = nil
		d.next++
		d.since++
		if d.sim.Begin != nil {
			d.sim.Begin(r)
		}
		r.RunReady()
		if d.sim.Step != nil && !d.sim.Step() {
			return ran + 1
		}
	}
	return n
}
