package dispatch

import "time"

// sleepKind says what the loop sleeps on, and so how it is woken.
type sleepKind uint8

const (
	awake   sleepKind = iota
	onChan            // nothing is registered: on its own channel
	onWorld           // in the poller
)

// sleeper is what a loop without descriptors sleeps on. It belongs to the call of Poll or Run
// it was made in: a channel and a timer must not pass from one synctest bubble to
// another.
type sleeper struct {
	ch    chan struct{}
	timer *time.Timer
}

// doze sleeps for wait nanoseconds, for ever if wait is negative, or until the loop is
// woken. The mutex is held at the call and free at the return.
func (d *Dispatcher) doze(wait int64) error {
	if d.io.open.Load() > 0 {
		d.asleep = onWorld
		d.mu.Unlock()
		err := d.askWorld(wait)
		d.mu.Lock()
		d.asleep = awake
		d.mu.Unlock()
		return err
	}
	s := &d.sleep
	if s.ch == nil {
		s.ch = make(chan struct{}, 1)
	}
	d.asleep = onChan
	d.mu.Unlock()
	if wait < 0 {
		<-s.ch
		return nil
	}
	if s.timer == nil {
		s.timer = time.NewTimer(time.Duration(wait))
	} else {
		s.timer.Reset(time.Duration(wait))
	}
	select {
	case <-s.ch:
	case <-s.timer.C:
	}
	s.timer.Stop()
	d.mu.Lock()
	d.asleep = awake
	select {
	case <-s.ch: // woken in the same moment
	default:
	}
	d.mu.Unlock()
	return nil
}

// nudge makes the loop look around: it ends its sleep, or keeps it from the next one, since
// a loop that is awake may have looked already. The mutex is held.
func (d *Dispatcher) nudge() {
	if d.asleep == awake {
		d.nudged = true
	}
	d.wake()
}

// nothing reports whether only a post can end a sleep. The mutex is held.
func (d *Dispatcher) nothing() bool {
	return d.timers.Len() == 0 && d.holds.Load() == 0 && d.io.count.Load()+d.io.ops.Load() == 0
}

// gone ends the sleep of a Poll that has nothing left to wait for. The mutex is held.
func (d *Dispatcher) gone() {
	if d.asleep != awake && d.polling && d.nothing() {
		d.wake()
	}
}

// wake ends a sleep. The mutex is held: so the poller cannot be closed meanwhile.
func (d *Dispatcher) wake() {
	switch d.asleep {
	case awake:
		return
	case onChan:
		d.sleep.ch <- struct{}{} // buffered, and sent once for each sleep
	case onWorld:
		// It fails only if the poller is broken, which its next call reports.
		_ = d.io.poller.Wake()
	}
	d.asleep = awake
	d.wakes++
}
