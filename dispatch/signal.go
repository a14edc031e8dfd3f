package dispatch

import (
	"os"
	"os/signal"
)

// signalBuffer is how many signals may come in while the goroutine that passes them on is not
// scheduled. Package os/signal drops what does not fit.
const signalBuffer = 128

// signalWatch is a callback on a signal.
type signalWatch struct {
	Watch
	d   *Dispatcher
	sig os.Signal
	cb  func(os.Signal) bool
	// ch is a buffer between os/signal and the goroutine of this watch, which waits for no lock
	// that is held while others wait for it.
	ch    chan os.Signal
	ended chan struct{} // that goroutine has returned
	over  bool          // guarded by d.mu
}

// AddSignal makes cb run on the loop for each signal sig that is delivered to the process, in
// order of delivery, until it answers that it is done. The system may merge equal signals that
// come faster than a process takes them. All watches of a signal hear it, on whatever
// dispatcher, and so does everybody who uses [signal.Notify].
//
// The signal loses its default action, in the whole process, until the watch has ended: when cb is
// done, Stop has returned or the dispatcher is closed. Then signals that were delivered and not
// yet passed to cb are dropped, and the default action is back unless others listen. A
// watch does not count as pending, but a signal that is on its way to cb does.
//
// AddSignal returns ErrClosed. Signals that cannot be caught, or that the system does not
// have, are never heard of: see package os/signal. Not for a bubble of testing/synctest,
// which signals do not know.
func (d *Dispatcher) AddSignal(sig os.Signal, cb func(os.Signal) (done bool)) (*Watch, error) {
	if cb == nil {
		panic("dispatch: nil callback")
	}
	if sig == nil {
		panic("dispatch: nil signal")
	}
	if d.ending() {
		return nil, ErrClosed // before the signal loses its default action
	}
	w := &signalWatch{d: d, sig: sig, cb: cb, ch: make(chan os.Signal, signalBuffer), ended: make(chan struct{})}
	w.of = w
	// Before listen, since what ends the watch takes it back.
	signal.Notify(w.ch, sig)
	if !d.listen(w) {
		signal.Stop(w.ch)
		return nil, ErrClosed
	}
	go w.forward()
	return &w.Watch, nil
}

// forward puts the watch into the FIFO for each signal.
func (w *signalWatch) forward() {
	defer close(w.ended)
	for range w.ch {
		w.d.mu.Lock()
		if !w.over {
			w.d.push(w)
		}
		w.d.mu.Unlock()
	}
}

// RunReady calls the callback, in the FIFO.
func (w *signalWatch) RunReady() {
	w.d.mu.Lock()
	over := w.over
	w.d.mu.Unlock()
	if !over && w.cb(w.sig) {
		w.stop()
	}
}

func (w *signalWatch) stop() bool {
	w.d.mu.Lock()
	was := !w.over
	w.over = true
	delete(w.d.heard, w)
	w.d.mu.Unlock()
	if was {
		signal.Stop(w.ch) // sends nothing once it has returned
		close(w.ch)
	}
	<-w.ended
	return was
}

func (w *signalWatch) closed() { w.stop() }
