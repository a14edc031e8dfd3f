package dispatch

import (
	"slices"

	"github.com/seed-1e54c410/turnstile/internal/park"
	"github.com/seed-1e54c410/turnstile/internal/poll"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// Stats is what [Dispatcher.Stats] tells: sums since the dispatcher was made, and what there is
// at the moment.
type Stats struct {
	// Sums.
	Turns     uint64 // turns made
	Callbacks uint64 // entries of the ready FIFO that have run, resumed tasks among them
	Polls     uint64 // times the operating system was asked which descriptors are ready
	Wakes     uint64 // sleeps of the loop that were ended by posts and other calls

	// What Pending counts.
	Ready      int // callbacks that are posted or in the FIFO
	Idle       int // idle callbacks
	Timers     int // timers that are armed
	Watches    int // watches of descriptors and processes
	Processes  int // those of them that are of processes which have not ended
	Operations int // operations under way
	Holds      int // holds, also those that package core takes for its tasks

	// What it does not count.
	Descriptors int // registered descriptors, those of connections among them
	Events      int // registered events
	Signals     int // watches of signals

	// What package core has.
	Tasks    int // tasks that have begun and not ended
	Blocking int // functions of core.Blocking that run
	// IdleCoroutines are kept for the next tasks while the loop runs.
	IdleCoroutines int
	// ParkedCoroutines are left for ever by tasks that have called runtime.Goexit on a loop that
	// was locked to its thread.
	ParkedCoroutines int
}

// progress is what only the loop knows, and others see as it was when the loop last told.
type progress struct {
	turns     uint64
	callbacks uint64
	polls     uint64
	core      seam.Counts
}

// ran sets since, so that it counts on from n, without loss to the sum of callbacks: so a callback
// costs one increment.
func (d *Dispatcher) ran(n int) {
	d.done.callbacks += uint64(d.since - n)
	d.since = n
}

// tell publishes the progress, when the loop asks the operating system and when it ends: so a
// turn costs nothing. The mutex is held, and the caller is the loop.
func (d *Dispatcher) tell() {
	d.seen = d.progress()
}

// progress is what the loop has done up to now. The mutex is held, and the caller is the loop.
func (d *Dispatcher) progress() progress {
	p := d.done
	p.callbacks += uint64(d.since)
	if d.tasks != nil {
		p.core = d.tasks.Counts()
	}
	return p
}

// Stats returns figures for monitoring and tests. It may be called from anywhere at any time. On
// the loop all are exact. Elsewhere the sums, and the figures of tasks and coroutines, are as
// they were when the loop last asked the operating system, before its last sleep at the latest, or
// returned; and the callbacks of a turn count as ready until it is over, and those that they add with
// CallSoon only from then on.
func (d *Dispatcher) Stats() Stats {
	here := d.here()
	d.io.mu.Lock()
	d.mu.Lock()
	p := d.seen
	ready := len(d.posted)
	if here {
		p = d.progress()
		ready += int(d.queued())
	} else {
		ready += int(d.taken.Load())
	}
	s := Stats{
		Turns:            p.turns,
		Callbacks:        p.callbacks,
		Polls:            p.polls,
		Wakes:            d.wakes,
		Ready:            ready,
		Idle:             len(d.idle),
		Timers:           d.timers.Len(),
		Watches:          int(d.io.count.Load()),
		Operations:       int(d.io.ops.Load()),
		Processes:        d.io.procs,
		Holds:            int(d.holds.Load()),
		Descriptors:      len(d.io.byFD),
		Tasks:            p.core.Tasks,
		IdleCoroutines:   p.core.Idle,
		ParkedCoroutines: p.core.Parked,
	}
	for l := range d.heard {
		if _, ok := l.(*eventWatch); ok {
			s.Events++
		} else {
			s.Signals++
		}
	}
	tasks := d.tasks
	d.mu.Unlock()
	d.io.mu.Unlock()
	if tasks != nil {
		s.Blocking = tasks.Blocking() // has a lock that comes before ours
	}
	return s
}

// here reports whether the caller is a callback or a task of d: nothing else of the loop runs beside it.
func (d *Dispatcher) here() bool {
	g := park.Current()
	return g != nil && g.Loop == d
}

// Backend returns the name of the native poller: of the one that has been opened, or else that
// of Config, or of the best one. It is "" where there is none.
func (d *Dispatcher) Backend() string {
	d.io.mu.Lock()
	defer d.io.mu.Unlock()
	if d.io.poller != nil {
		return d.io.poller.Name()
	}
	if d.cfg.Backend != "" {
		return d.cfg.Backend
	}
	return slices.Concat(poll.Backends(), []string{""})[0]
}

// Handle returns the native poller's own descriptor, and opens the poller if need be. By it
// another event loop can embed this one: it watches the handle for reading, and calls Poll(0)
// when it is readable, as it is while the system has something to report of a registered
// descriptor or process. Posts, timers, idle callbacks, events and signals do not make it readable,
// nor do regular files and operations that are done at their start: for those it calls Poll(0) at times of its own. It cannot be a Dispatcher
// itself, since Poll returns ErrRunning in a callback. The handle is for watching only, and Close
// closes it.
//
// It is ^uintptr(0) where there is none: with backend "poll", where no poller can be opened, and
// after Close.
func (d *Dispatcher) Handle() uintptr {
	d.io.mu.Lock()
	defer d.io.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state == closed || d.openPoller() != nil {
		return ^uintptr(0)
	}
	return d.io.poller.FD()
}
