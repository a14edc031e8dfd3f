package dispatch

import "sync"

// Event makes a callback run on the loop of a dispatcher when it is triggered, from any goroutine
// or thread. Triggers coalesce: several of them before the callback runs are one call. One that
// comes while no callback is registered is remembered. It takes no resource of the operating
// system, and works in a bubble of testing/synctest.
//
// Where each call has something of its own to say [Dispatcher.Post] is the better choice;
// tasks and goroutines wait for each other with package event.
//
// The zero value is an event that has not been triggered. An Event must not be copied. What
// happens before a call of Trigger happens before the next call of the callback.
type Event struct {
	// mu guards the fields below, and comes before Dispatcher.mu. No callback runs while
	// it is held.
	mu        sync.Mutex
	triggered bool // no callback has begun since
	closed    bool
	watch     *eventWatch
}

// NewEvent returns an event that has not been triggered.
func NewEvent() *Event { return new(Event) }

// Trigger makes the registered callback run once, in the next turn, or as soon as one is
// registered. It does nothing if that is going to happen already, or after Close. During the callback
// it makes the callback run once more.
func (e *Event) Trigger() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.triggered {
		return
	}
	e.triggered = true // of no consequence if closed: no watch comes any more
	if e.watch != nil {
		e.watch.queue()
	}
}

// Close ends the registration, forgets a trigger that was not delivered, and makes further
// calls of Trigger do nothing and of AddEvent return ErrEventClosed. Closing again does
// nothing. The callback may close its own event. An event that is not used any more
// need not be closed, if its registration has ended.
func (e *Event) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed, e.triggered = true, false
	if e.watch != nil {
		e.watch.end()
	}
}

// eventWatch is the registration of an Event.
type eventWatch struct {
	Watch
	d  *Dispatcher
	ev *Event
	cb func() bool
}

// AddEvent makes cb run on the loop when e is triggered, or has been since the last call of
// a callback, until it answers that it is done. An event has one registration at a time,
// on whatever dispatcher. It counts as pending only while it is triggered.
//
// When the watch is stopped, and when the dispatcher closes, the registration ends without a
// further call; e can be registered anew, and a trigger that was not delivered is kept
// for that. AddEvent returns ErrRegistered, ErrEventClosed or ErrClosed.
func (d *Dispatcher) AddEvent(e *Event, cb func() (done bool)) (*Watch, error) {
	if cb == nil {
		panic("dispatch: nil callback")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, ErrEventClosed
	}
	if e.watch != nil {
		return nil, ErrRegistered
	}
	w := &eventWatch{d: d, ev: e, cb: cb}
	w.of = w
	if !d.listen(w) {
		return nil, ErrClosed
	}
	e.watch = w
	if e.triggered {
		w.queue()
	}
	return &w.Watch, nil
}

// queue puts the watch into the FIFO, where it is not yet: Event.triggered was not set. The mutex of the
// event is held, and so the dispatcher is not closed.
func (w *eventWatch) queue() {
	w.d.mu.Lock()
	w.d.push(w)
	w.d.mu.Unlock()
}

// RunReady calls the callback, in the FIFO.
func (w *eventWatch) RunReady() {
	e := w.ev
	e.mu.Lock()
	if e.watch != w { // ended meanwhile; the trigger, if there is one, is for its successor
		e.mu.Unlock()
		return
	}
	e.triggered = false
	e.mu.Unlock()
	if w.cb() {
		w.stop()
	}
}

func (w *eventWatch) stop() bool {
	w.ev.mu.Lock()
	defer w.ev.mu.Unlock()
	if w.ev.watch != w {
		return false
	}
	w.end()
	return true
}

func (w *eventWatch) closed() { w.stop() }

// end ends the registration. The mutex of the event is held.
func (w *eventWatch) end() {
	w.ev.watch = nil
	w.d.unlisten(w)
}
