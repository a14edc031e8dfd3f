package dispatch

// Watch is a callback on something from outside: a descriptor, an event, a signal or a
// process. It is made by [Dispatcher.AddRead], [Dispatcher.AddWrite], [Dispatcher.AddEvent],
// [Dispatcher.AddSignal] and [Dispatcher.AddProcess]. Its method is safe for concurrent use.
type Watch struct {
	of interface{ stop() bool }
}

// Stop ends the watch and reports whether it was still going on; if so the callback does not run
// any more, even if it is in the ready FIFO already. Where Stop is called on another
// goroutine than that of the loop, a call of the callback that has begun goes on. A callback may
// stop its own watch.
//
// Otherwise the watch had ended: its callback was done or, of a process, has been called, or its
// descriptor was closed or unregistered, its event closed, or its dispatcher closed. Then Stop
// changes nothing: a last call with FDEvent.Err or ProcessState.Err set still comes.
func (w *Watch) Stop() bool { return w.of.stop() }

// listener is a watch of something that the native poller does not know.
type listener interface {
	// closed ends the watch, as the dispatcher is closed. No lock is held.
	closed()
}

// listen makes Close end l. It reports false if Close has been called.
func (d *Dispatcher) listen(l listener) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state != open {
		return false
	}
	if d.heard == nil {
		d.heard = make(map[listener]struct{})
	}
	d.heard[l] = struct{}{}
	return true
}

// unlisten is the opposite of listen.
func (d *Dispatcher) unlisten(l listener) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.heard, l)
}

// endListeners ends all watches of events and signals. None comes after it, as Close has been
// called.
func (d *Dispatcher) endListeners() {
	d.mu.Lock()
	heard := d.heard
	d.heard = nil
	d.mu.Unlock()
	for l := range heard {
		l.closed()
	}
}
