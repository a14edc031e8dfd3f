package dispatch

import (
	"syscall"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// ProcessState is what the watch of a process is told.
type ProcessState struct {
	PID int // the process
	// Known says that the system has told how the process ended. It does for children that
	// nobody has collected before the loop came to ask, and on Windows for others too.
	Known bool
	// ExitCode is -1 if the process was killed by a signal, and if Known is not set.
	ExitCode int
	// Signal is what killed the process, or 0.
	Signal syscall.Signal
	// Err is nil if the process has ended, and ErrClosed if the dispatcher has been closed
	// before that.
	Err error
}

// procWatch is a callback on the end of a process.
type procWatch struct {
	Watch
	d      *Dispatcher
	cb     func(ProcessState)
	slot   uint32       // guarded by io.mu, as what follows
	native poll.Process // nil if it could not be watched
	queued bool         // in the FIFO, and out of its slot
	ended  bool         // the callback has been called, or will not be, but for state.Err
	state  ProcessState // once queued
}

// AddProcess makes cb run on the loop once, when the process pid has ended, also if that was
// before the call. The process need not be a child. A child is not collected: os.Process.Wait and
// exec.Cmd.Wait work as ever, and have to be called; where that happens before cb runs, Known may
// not be set. The watch counts as pending. When the dispatcher closes before the process has ended
// cb runs with ProcessState.Err set.
//
// AddProcess returns ErrClosed; an error that is syscall.ESRCH if there is no such process, as
// when a child has ended and been collected; one that is errors.ErrUnsupported where the system
// cannot tell, as Linux before 5.3; or that of the native poller. A pid that has been collected
// may belong to another process soon: call it before Wait.
func (d *Dispatcher) AddProcess(pid int, cb func(ProcessState)) (*Watch, error) {
	if cb == nil {
		panic("dispatch: nil callback")
	}
	x := &d.io
	x.mu.Lock()
	defer x.mu.Unlock()
	w := &procWatch{d: d, cb: cb, state: ProcessState{PID: pid, ExitCode: -1}}
	w.of = w
	i, err := d.claim(slot{proc: w})
	if err != nil {
		return nil, err
	}
	x.procs++
	x.count.Add(1)
	w.slot = i
	if w.native, err = x.poller.AddProcess(pid, x.slots[i].tag(i)); err != nil {
		d.drop(i, nil)
		d.mu.Lock()
		x.count.Add(-1)
		d.gone()
		d.mu.Unlock()
		return nil, err
	}
	return &w.Watch, nil
}

// release lets go of the native watch. The io mutex is held, as for what follows.
func (w *procWatch) release() {
	if w.native != nil {
		_ = w.native.Close() // nothing can be done about an error
	}
	w.d.io.procs--
}

// exited puts the watch into the FIFO: its process has ended.
func (w *procWatch) exited() {
	s := w.native.State()
	w.state.Known, w.state.ExitCode, w.state.Signal = s.Known, s.Code, syscall.Signal(s.Signal)
	w.queued = true
	w.d.enqueue(w)
}

// lose ends the watch and puts its last call into the FIFO: the dispatcher is being closed.
func (w *procWatch) lose() {
	w.state.Err = ErrClosed
	w.queued, w.ended = true, true
	w.d.io.count.Add(-1)
	w.d.mu.Lock()
	w.d.push(w)
	w.d.mu.Unlock()
}

// RunReady calls the callback, in the FIFO.
func (w *procWatch) RunReady() {
	w.d.io.mu.Lock()
	lost := w.state.Err != nil
	w.d.io.mu.Unlock()
	if lost || w.end() {
		w.cb(w.state)
	}
}

func (w *procWatch) stop() bool { return w.end() }

// end ends the watch and reports whether it was still going on. It is pending up to here.
func (w *procWatch) end() bool {
	d := w.d
	d.io.mu.Lock()
	defer d.io.mu.Unlock()
	if w.ended {
		return false
	}
	w.ended = true
	if !w.queued {
		d.drop(w.slot, nil)
	}
	d.io.count.Add(-1)
	d.mu.Lock()
	d.gone()
	d.mu.Unlock()
	return true
}
