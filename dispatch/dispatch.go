// Package dispatch has the event loop: a [Dispatcher] runs callbacks, one at a
// time, as descriptors become ready, timers expire and other goroutines post.
//
// Most programs meet it through package core, whose tasks run on a dispatcher and
// wait in plain sequential code. Callbacks are for what needs no code of its own
// while it waits: they cost a few nanoseconds and no stack.
//
// # One turn
//
// A dispatcher works in turns. [Dispatcher.Poll] is one, [Dispatcher.Drain] and [Dispatcher.Run]
// are many. In a turn,
// in this order:
//
//  1. Callbacks that were posted join the ready FIFO, in order of posting,
//     whoever posted them.
//  2. Timers that have expired join it, by deadline, and by order of arming where
//     deadlines are equal. A timer never fires early.
//  3. The operating system is asked once which descriptors are ready: without
//     waiting if there is something in the FIFO or an idle callback, and otherwise
//     for as long as nothing comes: until the next timer, a post, or the end of the
//     time that Poll was given. While the FIFO stays filled, the clock and the
//     operating system are asked again only when 64 callbacks have run since the last
//     time, counted across turns, so that short turns stay cheap; a call of Poll asks at
//     least once. So descriptors and timers wait for a busy loop as long as 64 callbacks
//     take, which should be short.
//  4. The callbacks of descriptors that are ready join the FIFO, in the order the
//     operating system reports them.
//  5. Posts and timers that have come meanwhile join it.
//  6. If the operating system was asked and the FIFO is empty even so, one idle callback
//     joins it.
//  7. The callbacks that are in the FIFO now run. What they add runs in the next turn, so
//     that nobody can keep descriptors and timers from their turn.
//
// # Threads
//
// Posting, arming and registering are safe from any goroutine. Callbacks run only
// on the goroutine that is inside Poll, Drain or Run, with no lock held. A callback must not
// wait: it is the loop. One that panics, or ends that goroutine by [runtime.Goexit], leaves a
// dispatcher that can be turned again, by any goroutine. All calls of Poll, Drain, Run and
// Close of one dispatcher that runs tasks are made in the same state of
// [runtime.LockOSThread]: the runtime ends the program when a coroutine is resumed in
// another state than it was made in.
//
// # Synctest
//
// A dispatcher without registered descriptors works in a bubble of [testing/synctest]
// if it was made there: it sleeps durably blocked, on the clock of the bubble. One
// that watches descriptors waits for the outside world, which a bubble does not know.
package dispatch

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/park"
	"github.com/seed-1e54c410/turnstile/internal/poll"
	"github.com/seed-1e54c410/turnstile/internal/seam"
	"github.com/seed-1e54c410/turnstile/internal/timer"
)

var (
	// ErrClosed is what calls on a closed dispatcher return, and waits that its Close
	// has ended.
	ErrClosed = errors.New("dispatch: dispatcher closed")
	// ErrIdle is returned by Poll when nothing is pending, so that nothing could happen.
	ErrIdle = errors.New("dispatch: nothing pending")
	// ErrRunning is returned by calls that would turn a dispatcher inside a callback
	// or a task of any dispatcher, or while another goroutine turns it.
	ErrRunning = errors.New("dispatch: dispatcher running")
	// ErrRegistered is returned for a descriptor or event that is registered already.
	ErrRegistered = errors.New("dispatch: already registered")
	// ErrNotRegistered is returned for a descriptor that is not registered, and is the
	// FDEvent.Err of watches that Unregister has ended.
	ErrNotRegistered = errors.New("dispatch: descriptor not registered")
	// ErrFDClosed is the FDEvent.Err of watches that CloseFD has ended.
	ErrFDClosed = errors.New("dispatch: descriptor closed")
	// ErrEventClosed is returned by AddEvent for an Event that has been closed.
	ErrEventClosed = errors.New("dispatch: event closed")
	// ErrPending is returned by SetDefault while the default dispatcher has work pending.
	ErrPending = errors.New("dispatch: default dispatcher has work pending")
	// ErrMode is returned when callbacks are asked for on a descriptor that has operations in flight
	// or is used by package transport, and operations on one that has callbacks.
	ErrMode = errors.New("dispatch: descriptor in use in the other mode")
	// ErrStuck ends a simulated run in which nothing can happen any more.
	ErrStuck = errors.New("dispatch: simulation has nothing to run")
)

// CloseError is returned by Close, and by core.Run and RunOn, when tasks would not end.
type CloseError struct {
	// Tasks tells where each task was started that is left suspended for ever.
	Tasks []string
	// Busy is set if a callback or task held the loop for the whole time, so that Close
	// could do nothing.
	Busy bool
}

// Error names the number of tasks and the places they were started at.
func (e *CloseError) Error() string {
	if e.Busy {
		return "dispatch: close: the loop is held by a callback or task"
	}
	return fmt.Sprintf("dispatch: close: %d tasks did not end: %s", len(e.Tasks), strings.Join(e.Tasks, ", "))
}

// Config holds what can be chosen for a dispatcher. The zero value is the default
// throughout.
type Config struct {
	// Backend names the native poller: "epoll" (Linux), "kqueue" (macOS and the BSDs), "poll" (all
	// Unix systems), "iocp" (Windows) or "none" (systems without descriptors to watch, such as
	// js: calls with descriptors fail with errors.ErrUnsupported); "" is the best one there is. It
	// is opened when the first descriptor is registered.
	Backend string
	// Wait says how the loop waits for descriptors.
	Wait WaitStyle
	// CloseTimeout is how long Close waits for tasks that have been canceled, 5 s
	// if 0, not at all if negative.
	CloseTimeout time.Duration
	// MaxIdleCoroutines is how many coroutines without a task are kept for the next
	// tasks while the loop runs, 1024 if 0, none if negative.
	MaxIdleCoroutines int
	// MaxBlocking is how many functions core.Blocking runs at the same time, 512 if not positive.
	MaxBlocking int
	// Unhandled is called on the loop with the error of a task that nobody waits for. Where it
	// is nil such an error is logged, and a panic of such a task leaves Poll or Run. With
	// core.Track it gets more.
	Unhandled func(error)
	// SlowCallback is how long a callback, or a task between two waits, may hold the loop before
	// that is reported, once, while it still does: so a loop that hangs is seen. It comes between
	// that time and half as much more, and a millisecond at least. 0: never.
	//
	// A look at the loop comes four times in this time while callbacks run, and none while it
	// sleeps; a callback costs some nanoseconds more. A report stops all goroutines for a moment,
	// to take a stack trace. In a bubble of testing/synctest a callback is slow that blocks for
	// so long on the clock of the bubble. There is no report in a simulation, and none of a
	// callback that computes where nothing can interrupt it, as on js and wasip1.
	SlowCallback time.Duration
	// OnSlow is called with the report, on a goroutine of its own. It must not wait for the
	// loop, which waits for its end before Poll, Drain, Run or Close return. Where it is nil the
	// report is logged.
	OnSlow func(SlowCallback)
}

// WaitStyle says how a loop waits for descriptors.
type WaitStyle uint8

const (
	// WaitPark parks the goroutine of the loop on Go's own network poller, which holds
	// neither a thread nor a P while nothing happens. Only epoll can do that; others block.
	WaitPark WaitStyle = iota
	// WaitBlock blocks in the system call.
	WaitBlock
)

// Dispatcher is an event loop. It is made by [New]. Its methods are safe for
// concurrent use, but only one goroutine at a time can turn it.
type Dispatcher struct {
	cfg      Config
	settings seam.Settings
	base     time.Time // loop time 0
	sim      *seam.Sim
	holds    atomic.Int64
	// mail is set while posted is not empty. As long as it is not, the loop itself appends to
	// soon without the mutex; otherwise behind what was posted before. So the FIFO is in order
	// of arrival, whoever posts.
	mail     atomic.Bool
	stopping atomic.Bool  // state is no longer open
	taken    atomic.Int64 // the callbacks that were in the FIFO when this turn ran them

	// mu is a leaf: nothing is locked and no callback runs while it is held. It guards
	// the fields down to left.
	mu      sync.Mutex
	posted  []seam.Runnable // what has not joined the FIFO yet
	idle    []seam.Runnable
	timers  timer.Queue
	asleep  sleepKind
	state   state
	nudged  bool      // the loop is not to sleep before it has looked around
	polling bool      // it sleeps, if it does, in Poll or Drain, which end when nothing is pending
	turning bool      // a goroutine is inside Poll, Drain, Run or Close
	changed sync.Cond // turning or state has changed
	tasks   seam.Tasks
	heard   map[listener]struct{} // the watches of events and signals
	wakes   uint64                // sleeps that have been ended
	seen    progress              // done, and what core had, when the loop last told
	left    []string              // the tasks that Close has left behind

	// The goroutine of the loop alone uses the fields down to hits.
	self    park.G
	ready   []seam.Runnable // the FIFO, from next on
	next    int
	soon    []seam.Runnable // what joins it in the next turn
	now     int64           // the clock, as last read
	since   int             // callbacks run since the operating system was asked
	done    progress        // callbacks without those of since
	yielded int64           // when the goroutine last gave its P away
	asked   int             // how often the clock was read since
	sleep   sleeper
	events  [128]poll.Event

	io io

	slow *watchdog // nil: not wanted
}

// state is where a dispatcher is in its life.
type state uint8

const (
	open    state = iota // from New on
	closing              // from the first call of Close on: nothing new is accepted
	closed               // all is over
)

// New returns a dispatcher that does nothing yet. It fails if cfg names a backend
// that this system does not have, with an error that is errors.ErrUnsupported.
//
// A dispatcher that has run tasks or watched descriptors must be closed: a task that
// is still suspended keeps its memory for ever otherwise.
func New(cfg Config) (*Dispatcher, error) {
	if cfg.Backend != "" && !slices.Contains(poll.Backends(), cfg.Backend) {
		return nil, fmt.Errorf("dispatch: backend %q: %w; this system has %q", cfg.Backend, errors.ErrUnsupported, poll.Backends())
	}
	if cfg.CloseTimeout == 0 {
		cfg.CloseTimeout = 5 * time.Second
	}
	cfg.CloseTimeout = min(max(cfg.CloseTimeout, 0), math.MaxInt64/4) // so that sums with it do not overflow
	d := &Dispatcher{cfg: cfg, base: time.Now()}
	d.settings = seam.Settings{
		MaxIdleCoroutines: orDefault(cfg.MaxIdleCoroutines, 1024),
		MaxBlocking:       orDefault(max(cfg.MaxBlocking, 0), 512),
		CloseTimeout:      cfg.CloseTimeout,
		Unhandled:         cfg.Unhandled,
	}
	d.changed.L = &d.mu
	d.self.Loop = d
	if cfg.SlowCallback > 0 {
		d.slow = newWatchdog(d, cfg)
	}
	return d, nil
}

func orDefault(n, def int) int {
	if n == 0 {
		return def
	}
	return n
}

// callback is a function in the FIFO.
type callback func()

func (c callback) RunReady() { c() }

// Post appends fn to the ready FIFO and wakes the loop if it sleeps. It is how other
// goroutines hand work to the loop. It returns ErrClosed, and fn will not run, once
// Close has been called.
func (d *Dispatcher) Post(fn func()) error {
	if fn == nil {
		panic("dispatch: nil callback")
	}
	if !d.post(callback(fn)) {
		return ErrClosed
	}
	return nil
}

// CallSoon is Post for code that knows the dispatcher to be open: it panics once
// the dispatcher is closed. While it is closing, fn is dropped.
func (d *Dispatcher) CallSoon(fn func()) {
	if fn == nil {
		panic("dispatch: nil callback")
	}
	if !d.mail.Load() && !d.stopping.Load() && d.here() {
		d.soon = append(d.soon, callback(fn))
		return
	}
	d.fromOutside()
	d.mu.Lock()
	defer d.mu.Unlock()
	switch d.state {
	case open:
		d.push(callback(fn))
	case closed:
		panic("dispatch: CallSoon on a closed dispatcher")
	}
}

// CallIdle makes fn run in a turn in which nothing else is there to do, after those that
// were given to CallIdle before. A watch that is always ready and always kept leaves no
// such turn. Nothing happens after Close has been called.
func (d *Dispatcher) CallIdle(fn func()) {
	if fn == nil {
		panic("dispatch: nil callback")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state == open {
		d.idle = append(d.idle, callback(fn))
		d.wake()
	}
}

// post appends r if the dispatcher is open.
func (d *Dispatcher) post(r seam.Runnable) bool {
	d.fromOutside()
	d.mu.Lock()
	ok := d.state == open
	if ok {
		d.push(r)
	}
	d.mu.Unlock()
	return ok
}

// push appends r. The mutex is held.
func (d *Dispatcher) push(r seam.Runnable) {
	if len(d.posted) == 0 {
		d.mail.Store(true)
	}
	d.posted = append(d.posted, r)
	if d.asleep != awake {
		d.wake()
	}
}

// Hold tells the dispatcher that something is under way that it cannot see, until release
// is called, so that it counts as pending. Calling release again does nothing.
func (d *Dispatcher) Hold() (release func()) {
	d.holds.Add(1)
	var once sync.Once
	return func() { once.Do(func() { d.hold(-1) }) }
}

func (d *Dispatcher) hold(n int) {
	if d.holds.Add(int64(n)) == 0 && n < 0 {
		d.mu.Lock()
		d.gone()
		d.mu.Unlock()
	}
}

// Pending returns the number of things that can still happen: callbacks that are posted,
// ready or idle, timers, watches of descriptors and processes, operations, and holds. Asked by
// another goroutine during a turn, it counts the callbacks of this turn as pending until the
// turn is over.
func (d *Dispatcher) Pending() int {
	here := d.here()
	d.io.mu.Lock() // both: what one kind hands over to another is never in neither
	defer d.io.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(d.posted) + len(d.idle) + d.timers.Len() + int(d.holds.Load()) + int(d.io.count.Load()+d.io.ops.Load())
	if here {
		return n + int(d.queued())
	}
	return n + int(d.taken.Load())
}

// Now returns the time of the loop, which package core's timeouts use: that of the
// machine, counted on its monotonic clock, or virtual time in a simulation.
func (d *Dispatcher) Now() time.Time { return d.at(d.clock()) }

// clock reads the clock, in nanoseconds since the dispatcher was made.
func (d *Dispatcher) clock() int64 {
	if d.sim != nil && d.sim.Now != nil {
		return d.sim.Now()
	}
	return int64(time.Since(d.base))
}

func (d *Dispatcher) at(now int64) time.Time { return d.base.Add(time.Duration(now)) }
