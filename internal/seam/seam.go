// Package seam has the doors between package dispatch and the packages above it that
// users must not see: how tasks run on a loop, how descriptors of package transport are
// served, and how a simulation takes the place of chance.
package seam

import (
	"context"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/poll"
	"github.com/seed-1e54c410/turnstile/internal/timer"
)

// Runnable is something that can stand in the ready FIFO of a loop. It is an
// interface so that a task or a timer stands there without a closure.
type Runnable interface{ RunReady() }

// Loop is a dispatcher as core and transport see it. Calls marked "loop" are for
// callbacks and tasks of this dispatcher only.
type Loop interface {
	// Ready appends r to the ready FIFO and wakes the loop if it sleeps. Unlike Post it
	// serves until the very end of Close. The locks of a primitive may be held.
	Ready(r Runnable)
	// ReadyHere is Ready for the loop itself.
	ReadyHere(r Runnable) // loop
	// Post is Ready for the start of something new: false once Close has begun.
	Post(r Runnable) bool
	// Closed reports whether Close has begun.
	Closed() bool
	// Hold adds n to the count of things that are under way.
	Hold(n int)
	// Now is the time of the loop in nanoseconds; Time turns it into a time.Time.
	Now() int64
	Time(now int64) time.Time
	// After is the time of the loop when d has passed from now, or the last one there is.
	After(d time.Duration) int64
	// Arm arms the timer of v, which joins the ready FIFO when it expires; it must not
	// be armed. It reports false, and does nothing, if the dispatcher is closed.
	Arm(v TimedRunnable, when int64) bool
	// Disarm reports whether the timer was still armed.
	Disarm(t *timer.Timer) bool
	// RunUntil turns the loop on the calling goroutine until done answers true,
	// which is asked after each turn. It returns dispatch.ErrRunning where Poll would,
	// and dispatch.ErrClosed once Close has done its work.
	RunUntil(done func() bool) error
	// Tasks returns what core has attached to this loop, making it at the first call.
	Tasks(mk func() Tasks) Tasks
	// Settings returns the part of dispatch.Config that core looks after.
	Settings() *Settings
	// Next returns the earliest deadline of a timer, if there is one.
	Next() (when int64, armed bool)
	// Queued returns what is ready, in order of arrival.
	Queued() []Runnable // loop
	// Dispatcher returns the *dispatch.Dispatcher.
	Dispatcher() any
	// Watch tells the watchdog of slow callbacks that the calling goroutine is a coroutine of
	// this loop, until leave, which is nil if there is no watchdog.
	Watch() (leave func())

	// Attach makes h hear of the readiness of the descriptor fd, in both
	// directions and edge-triggered, until Detach.
	Attach(fd uintptr, h Latch) (FD, error)

	// AttachPort gives whoever has the socket fd a way to hand operations on it to the poller, until
	// Detach; h hears of Closed only. The error is dispatch.ErrBound for a socket that
	// belongs to another poller, and errors.ErrUnsupported where the poller takes no
	// operations.
	AttachPort(fd uintptr, h Latch) (Port, error)

	// Simulate sets or, with nil, removes a simulation. The loop must not run.
	Simulate(s *Sim)
	// Sim returns the simulation, nil in real life.
	Sim() *Sim
}

// TimedRunnable is what Arm takes.
type TimedRunnable interface {
	Runnable
	timer.Timed
}

// Dropped is what hears that its timer will never expire, since the dispatcher is closed. No
// lock is held.
type Dropped interface{ Dropped() }

// FD is a descriptor in operation mode.
type FD interface {
	// Arm asks for another event, after a call said that it would block. If it
	// would succeed by then, or does later, at least one call of Latch.Ready follows.
	Arm(read, write bool) error
	// Edges reports whether Arm does nothing, because the system tells every edge.
	Edges() bool
	// Detach ends the events, before the descriptor is closed.
	Detach()
}

// Port is a descriptor whose operations the poller takes. What is handed to it does not keep the
// dispatcher from ending.
type Port interface {
	// Submit starts o on the descriptor. Unless it returns an error, the Owner of o, a Completer,
	// hears of its end exactly once, and has it back with that; never from within the call. It must not
	// be called after Latch.Closed.
	Submit(o *poll.Op) error
	// Cancel requests the end of o, if it has not come yet.
	Cancel(o *poll.Op)
	// Detach is the last call, before the descriptor is closed. What is under way ought to be canceled;
	// it still completes.
	Detach()
}

// Completer owns operations that are with the poller.
type Completer interface {
	// Completed comes on the loop, between callbacks.
	Completed(o *poll.Op)
}

// Latch hears of a descriptor in operation mode. Both calls come on the loop, between
// callbacks.
type Latch interface {
	// Ready says that reading or writing may succeed now; hup, that the peer has
	// closed its side at least, that an error is pending or that urgent data has come: a short
	// read does not mean from now on that all is read.
	Ready(read, write, hup bool)
	// Closed says that the dispatcher is closed: no call of Ready follows.
	Closed()
}

// Tasks is what core tells the loop about its tasks. All calls but Blocking are made on the
// loop.
type Tasks interface {
	Live() int           // tasks that have not ended
	CancelAll(err error) // cancels them all, with err as the cause
	Abandon()            // every further wait of a task fails at once
	Left() []string      // where the tasks that are left were made
	Release()            // ends the idle coroutines
	Simulate(s *Sim)     // is told of each Loop.Simulate
	Counts() Counts      // asks for no lock: the loop holds one
	Blocking() int       // functions of core.Blocking that run; from any goroutine
}

// Counts says how many tasks and coroutines a loop has.
type Counts struct {
	Tasks  int // that have begun and not ended
	Idle   int // coroutines without a task
	Parked int // coroutines that could not be ended
}

// Settings is the part of dispatch.Config that core looks after.
type Settings struct {
	MaxIdleCoroutines int
	MaxBlocking       int
	CloseTimeout      time.Duration
	Unhandled         func(error)
}

// Of returns the inner side of a *dispatch.Dispatcher. Package dispatch sets it.
var Of func(dispatcher any) Loop

// Sim is a simulation of a loop: where a real one leaves something to chance or to the
// world, a simulated one asks. A nil function leaves that part as it is. All are called on the
// loop, but for Foreign.
type Sim struct {
	// Choose picks which of the ready callbacks runs next, those added since the turn
	// began included, in order of arrival. It is asked only where there are two at least.
	Choose func(ready []Runnable) int
	// Begin is called before each callback.
	Begin func(r Runnable)
	// Step is called after each callback, and ends the turn if it answers false.
	Step func() bool
	// Epoch and Now are the clock, that in nanoseconds since.
	Epoch time.Time
	Now   func() int64
	// Sleep is called instead of the poller when nothing is ready: with the
	// earliest deadline, if a timer is armed. It moves the clock, or makes something
	// ready by Loop.Ready. False ends the run with ErrStuck.
	Sleep func(next int64, armed bool) bool
	// Started hears of a new task, which is started with the ctx parent and begins soon; Ended, that
	// it has ended. The piece of memory is the one in which the task is with its future; it may be
	// an [Outcome].
	Started func(task, parent context.Context, piece any)
	Ended   func(task context.Context)
	// Parked hears what a task is about to wait for; Resumed, that it goes on.
	Parked  func(task context.Context, reason any)
	Resumed func(task context.Context)
	// Err is asked in each wait that has not got what it waits for, and ends it with its error. Failed
	// comes when a wait has failed, with nothing held or taken: what it panics with the wait does.
	Err    func(task context.Context) error
	Failed func(task context.Context)
	// Panic hears of a panic in a task, or of a Goexit (value nil), before core turns it
	// into an error.
	Panic func(task context.Context, value any)
	// Context looks after a ctx that is not of core, in place of a goroutine that context.AfterFunc
	// would start: wake is called when it has ended. With timer set, package context ends it by a
	// deadline, in real time.
	Context func(ctx context.Context, timer bool, wake func()) (stop func() bool)
	// Until does so for any other condition.
	Until func(cond func() bool, wake func()) (stop func() bool)
	// Foreign hears that a goroutine that is not on the loop gives it something. It is called on
	// that goroutine.
	Foreign func()
	// Real hears that the running task is about to wait for the clock of package time.
	Real func()
	// Held hears that the running task, nil for a callback, has taken n of obj, which is a lock or the
	// like, or has given back -n of it. Only once park.Observe has been called.
	Held func(task context.Context, obj any, n int64)
}

// Outcome is a task that tells how it has ended.
type Outcome interface {
	// Outcome returns what its function has returned, once it has.
	Outcome() error
}

// Closed reports whether nothing from outside may come into the simulation s, which may be nil: then
// nothing is left to other goroutines.
func (s *Sim) Closed() bool { return s != nil && s.Foreign != nil }
