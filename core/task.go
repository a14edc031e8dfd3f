package core

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"sync/atomic"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/gid"
	"github.com/seed-1e54c410/turnstile/internal/park"
)

// task is one function that runs on a dispatcher, or, where there is none, on a goroutine.
// It is never used again: its scope may be in anybody's hands.
type task struct {
	scope // its ctx
	body  body
	co    *coroutine     // loop only
	gid   atomic.Uintptr // of the coroutine; 0: not on one
	goid  atomic.Uintptr // of the goroutine, for a task without a dispatcher; 0: not on one
	state atomic.Uint32  // one of the states below
	// tracked is set before the task begins, if tracking is on then.
	tracked bool

	// Loop only.
	yielded            bool   // in the FIFO by Yield
	refused            int32  // waits that failed since the dispatcher has closed
	failed             uint32 // waits that have failed since the task was last suspended
	nextLive, prevLive *task  // sched.first
}

// The states of a task.
const (
	// running: on the coroutine, or ended. A wake makes it woken, a wait parked.
	running uint32 = iota
	// woken: running, and a wake came that may be for a wait that is about to begin, so that
	// wait returns at once: running follows.
	woken
	// parked: suspended. A wake makes it queued.
	parked
	// queued: in the ready FIFO, or about to be; further wakes do nothing. When its turn
	// comes, running follows.
	queued
)

// body is the function of a task and its future.
type body interface {
	exec(ctx context.Context) // runs the function
	done()                    // finishes the future with what it has returned
	fail(err error)           // or with an error
	place() string            // where the function is
}

// start makes t run, on the loop of ctx's dispatcher or else on a goroutine.
func (t *task) start(ctx context.Context, b body) {
	s := schedOf(ctx)
	if s == nil {
		s = simulated()
	}
	t.body = b
	t.owner = t
	t.init(ctx, s)
	t.task = t
	if s != nil {
		s.startedBy(ctx, t)
	}
	if tr := tracker.Load(); tr != nil {
		tr.started(t)
	}
	if s == nil {
		go t.run()
		return
	}
	t.state.Store(queued)
	s.count(t.tree, 1)
	s.loop.Hold(1)
	switch {
	case s.here(ctx) && s.nested < maxNested:
		if s.closing == nil {
			t.RunReady()
			return
		}
	case s.loop.Post(t):
		return
	}
	t.refuse(dispatch.ErrClosed)
}

// simulated returns the loop that the caller runs on if that is a simulation which lets nothing
// happen beside it, so that no task starts on a goroutine.
func simulated() *sched {
	if t, ok := park.Running().(*task); ok && t.sched.sim.Closed() {
		return t.sched
	}
	return nil
}

// startMain is start for the main function of a Run, on the goroutine of the loop.
func (t *task) startMain(ctx context.Context, s *sched, b body) {
	t.body = b
	t.owner = t
	t.initRoot(ctx, s)
	t.task = t
	s.startedBy(ctx, t)
	if tr := tracker.Load(); tr != nil {
		tr.started(t)
	}
	t.state.Store(queued)
	s.count(t.tree, 1)
	s.loop.Hold(1)
	t.RunReady()
}

// refuse ends t before it has begun.
func (t *task) refuse(err error) {
	t.end(&ending{context.Canceled, err})
	t.leave()
	t.untrack()
	t.body.fail(err)
	t.sched.count(t.tree, -1)
	t.sched.loop.Hold(-1)
}

// RunReady begins the task, or resumes it. Each call between the loop and the switch
// costs a return that the processor cannot predict, so there is none.
func (t *task) RunReady() {
	c := t.co
	switch {
	case t.yielded:
		t.yielded = false // it stayed running all the time, so that no wake could queue it twice
	case c != nil:
		t.state.Store(running)
	default:
		t.beginReady()
		return
	}
	c.next()
	if c.dead {
		c.sched.bury(c)
	}
}

// beginReady begins the task when its turn has come.
func (t *task) beginReady() {
	s := t.sched
	switch {
	case s.abandoned:
		t.refuse(dispatch.ErrClosed)
		return
	case s.closing != nil:
		t.end(s.closing)
	case t.tree.sched == s && t.tree.over != nil:
		t.end(t.tree.over)
	}
	t.state.Store(running)
	s.begin(t)
}

// run is the life of a task, on its coroutine or goroutine.
func (t *task) run() {
	if t.co != nil {
		t.co.g.Host = t
		t.gid.Store(gid.Current())
	} else {
		t.goid.Store(gid.Current())
	}
	if t.tracked {
		t.enroll()
	}
	defer t.finally()
	t.body.exec(&t.scope)
	_ = t.scope.Err() // a ctx that is not ours may have ended, and tell us late
	t.close()
	t.body.done()
	t.body = nil
}

// finally ends a task whose function did not return.
func (t *task) finally() {
	if t.body == nil {
		return
	}
	p := recover()
	err := ErrGoexit
	if p != nil {
		err = newPanicError(p)
	}
	if t.co != nil {
		if sim := t.sched.sim; sim != nil && sim.Panic != nil {
			sim.Panic(&t.scope, p)
		}
	}
	b := t.body
	t.body = nil
	t.close()
	b.fail(err)
}

// close takes a task that has ended out of everything. A second call does nothing: an error
// that panics when it is looked at ends the task twice.
func (t *task) close() {
	if t.gid.Load() != 0 && t.sched.sim != nil && t.sched.sim.Ended != nil {
		t.sched.sim.Ended(&t.scope)
	}
	t.leave()
	t.untrack()
	if t.tracked {
		t.handIn()
	}
	t.goid.Store(0) // which another goroutine may have next
	if t.gid.Swap(0) == 0 {
		return // on a goroutine, or closed already
	}
	t.state.Store(running)
	t.sched.unlink(t)
	t.sched.count(t.tree, -1)
	t.sched.loop.Hold(-1)
}

// current returns the task that the caller runs in, nil on an ordinary goroutine. It panics
// in a callback of a dispatcher.
func current() *task {
	t, _ := park.Self().(*task)
	return t
}

// currentOf is current, but fast where ctx is of the task.
func currentOf(ctx context.Context) *task {
	if s, ok := ctx.(*scope); ok && s.task != nil && s.task.gid.Load() == gid.Current() {
		return s.task
	}
	return current()
}

// Suspend implements park.Host.
func (t *task) Suspend(reason any) {
	if !t.state.CompareAndSwap(running, parked) {
		t.state.Store(running)
		return
	}
	if t.tracked || t.sched.sim != nil {
		t.suspendSeen(reason)
		return
	}
	t.co.yield(struct{}{}) // not by switchAway: every suspended task has this on its stack
	t.failed = 0
}

// suspendSeen is the rest of Suspend for a task that may have to tell where it waits.
func (t *task) suspendSeen(reason any) {
	tr := tracker.Load()
	if tr != nil && t.tracked {
		tr.parked(t)
	}
	t.switchAway(reason)
	t.failed = 0
	if tr != nil && t.tracked {
		tr.resumed(t)
	}
}

// untrack says that t has ended.
func (t *task) untrack() {
	if t.tracked {
		if tr := tracker.Load(); tr != nil {
			tr.left(t)
		}
	}
}

// switchAway goes back to the loop until it resumes the task.
func (t *task) switchAway(reason any) {
	if t.sched.sim != nil {
		t.switchInSim(reason)
		return
	}
	t.co.yield(struct{}{})
}

// switchInSim is switchAway under the eyes of a simulation.
func (t *task) switchInSim(reason any) {
	sim := t.sched.sim
	if sim.Parked != nil {
		sim.Parked(&t.scope, reason)
	}
	t.co.yield(struct{}{})
	if sim.Resumed != nil {
		sim.Resumed(&t.scope)
	}
}

// Wake implements park.Host.
func (t *task) Wake() {
	for {
		switch t.state.Load() {
		case running:
			if t.state.CompareAndSwap(running, woken) {
				return
			}
		case parked:
			if t.state.CompareAndSwap(parked, queued) {
				t.sched.loop.Ready(t)
				return
			}
		default:
			return
		}
	}
}

// maxRefused is how many waits may fail after the dispatcher has closed before the task is
// taken for one that tries for ever.
const maxRefused = 1000

// Err implements park.Host.
func (t *task) Err() error {
	if t.sched.abandoned {
		return dispatch.ErrClosed
	}
	if sim := t.sched.sim; sim != nil && sim.Err != nil {
		return sim.Err(&t.scope)
	}
	return nil
}

// patience is after how many failed waits in a row a task gives way to others: one that tries
// again for ever must not hold the loop, least of all that of Close.
const patience = 64

// Failed implements park.Host.
func (t *task) Failed() {
	if sim := t.sched.sim; sim != nil && sim.Failed != nil {
		sim.Failed(&t.scope)
	}
	if !t.sched.abandoned {
		if t.failed++; t.failed%patience == 0 {
			t.giveWay()
		}
		return
	}
	t.refused++
	for t.refused > maxRefused {
		t.state.Store(queued) // no wake brings it back
		t.switchAway(refused)
	}
}

// giveWay lets everything else run that is ready.
func (t *task) giveWay() {
	t.yielded = true
	t.sched.loop.ReadyHere(t)
	t.switchAway(yielding)
}

// Simulated implements park.Host.
func (t *task) Simulated() bool { return t.sched.sim != nil }

// Quiet implements park.Host.
func (t *task) Quiet() bool {
	return !t.special.Load() && !t.sched.abandoned && t.sched.sim == nil
}

// Context implements park.Host.
func (t *task) Context() context.Context { return &t.scope }

// Here reports whether the caller runs in t, on its loop, which costs far less than park.Self.
func (t *task) Here() bool { return t.gid.Load() == gid.Current() }

// Carrier implements park.Carrier.
func (s *scope) Carrier() (host park.Host, quiet bool) {
	t := s.task
	if t == nil || !t.Here() {
		return nil, false
	}
	return t, s == &t.scope && t.Quiet()
}

// inside reports whether the caller runs in t, on its loop or on its goroutine.
func (t *task) inside() bool {
	g := gid.Current()
	return t.gid.Load() == g || t.goid.Load() == g
}

// reason is what a task waits for, if that is no queue.
type reason string

// The waits that are no queues.
const (
	yielding reason = "yield"
	sleeping reason = "sleep"
	refused  reason = "nothing: its dispatcher is closed"
)

// placeOf tells where a function is.
func placeOf(fn any) string {
	f := runtime.FuncForPC(reflect.ValueOf(fn).Pointer())
	if f == nil {
		return "unknown"
	}
	file, line := f.FileLine(f.Entry())
	return fmt.Sprintf("%s (%s:%d)", f.Name(), file, line)
}
